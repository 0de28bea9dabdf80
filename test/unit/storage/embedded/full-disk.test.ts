/** A real file system without room: mounted in memory where that is permitted. */
import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ABSENT } from '../../../../src/storage/metadata-store.ts';
import { objectKey } from '../../../../src/storage/object-store.ts';
import { allItems, item, open, options, scratchDirectory } from './scratch.ts';

/** Null, with the reason on stderr, where mounting is not permitted. */
async function smallDisk(): Promise<string | null> {
  const directory = await scratchDirectory();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=12m', 'tmpfs', directory], { stdio: 'pipe' });
  } catch (error) {
    console.warn(`no small tmpfs, so the simulated full disk alone must do: ${String(error)}`);
    return null;
  }
  onTestFinished(() => void execFileSync('umount', [directory])); // Before the directory goes.
  return join(directory, 'data');
}

test('a full disk refuses writes, keeps serving reads, and takes writes again when there is room', async (context) => {
  const directory = await smallDisk();
  if (directory === null) return context.skip('mounting a tmpfs is not permitted');
  const stores = await open(directory, 1024 * 1024);
  const filler = join(directory, '../filler');
  await stores.objects.create(objectKey('first'), [Buffer.alloc(100_000, 'f')], options);

  const created: string[] = [];
  let refused: unknown = null;
  for (let n = 0; n < 40 && refused === null; n += 1) {
    await stores.objects.create(objectKey(`big/${n}`), [Buffer.alloc(512 * 1024, String(n))], options).then(
      () => created.push(`big/${n}`),
      (error: unknown) => {
        refused = error;
      },
    );
  }
  expect(refused).toMatchObject({ name: 'StorageFullError' });
  await writeFile(filler, Buffer.alloc(4 * 1024 * 1024)).catch(() => {}); // What is left, to the last byte.

  // The log goes on in the blocks that it has; then it refuses as well.
  const written: string[] = [];
  let last: unknown = null;
  for (let n = 0; n < 200; n += 1) {
    const key = `k${String(n).padStart(3, '0')}`;
    const body = Buffer.alloc(30_000, key);
    await stores.metadata.put({ ...item(key), body }, ABSENT, options).then(
      () => written.push(key),
      (error: unknown) => {
        last = error;
      },
    );
  }
  expect(last).toMatchObject({ name: 'StorageFullError' });
  expect(written.length).toBeGreaterThan(30);
  expect((await allItems(stores.metadata)).map((each) => each.sortKey)).toEqual(written);
  expect(await stores.objects.read(objectKey('first'), { start: 0, end: 3 }, options)).toEqual(Buffer.from('fff'));
  expect(await stores.objects.readLast(objectKey(created.at(-1)!), 1, options)).toMatchObject({ size: 512 * 1024 });

  // Room again: deleting objects needs none.
  await stores.objects.delete(created.map(objectKey), options);
  expect(await stores.metadata.put(item('later', Buffer.alloc(30_000)), ABSENT, options)).toEqual({ ok: true });
  expect(await stores.objects.create(objectKey('later'), [Buffer.alloc(512 * 1024)], options)).toBe('created');
  await stores.close();

  const reopened = await open(directory, 1024 * 1024);
  expect((await allItems(reopened.metadata)).map((each) => each.sortKey)).toEqual([...written, 'later']);
  const listed = (await reopened.objects.list('', '', 100, options)).objects.map((each) => each.key);
  expect(listed).toEqual(['first', 'later']);
  await reopened.close();
});
