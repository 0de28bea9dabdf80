/**
 * What a start finds in the metadata log: torn tails at every block, damage at every byte that matters. A torn tail was
 * acknowledged to nobody and goes; damage to what was acknowledged is always told.
 */
import { cp, open as openFile, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { EmbeddedStores } from '../../../../src/storage/embedded/open.ts';
import { ABSENT, ALWAYS } from '../../../../src/storage/metadata-store.ts';
import { allItems, item, open, options, scratchDirectory } from './scratch.ts';

const BLOCK = 4_096;
const FIRST_FRAME = 2 * BLOCK;

async function newestLog(directory: string): Promise<string> {
  const names = (await readdir(join(directory, 'metadata'))).filter((name) => name.endsWith('.log')).sort();
  return join(directory, 'metadata', names.at(-1)!);
}

/** A copy of the directory as a power cut or a kill would leave it: without the frame that closing appends. */
async function crashed(directory: string): Promise<string> {
  const copy = await scratchDirectory();
  await cp(directory, copy, { recursive: true });
  return copy;
}

async function change(path: string, position: number, bytes: Uint8Array): Promise<void> {
  const file = await openFile(path, 'r+');
  await file.write(bytes, 0, bytes.length, position);
  await file.close();
}

async function flip(path: string, position: number): Promise<void> {
  const bytes = await readFile(path);
  await change(path, position, Uint8Array.of(bytes[position]! ^ 0x40));
}

/** Five frames of one item each, the third one of several blocks. */
const BODIES = ['one', 'two', Buffer.alloc(3 * BLOCK, 'three'), 'four', 'five'];
const keyOf = (n: number) => `item-${n}`;

async function filled(): Promise<{ directory: string; frames: number[]; stores: EmbeddedStores }> {
  const directory = await scratchDirectory();
  const stores = await open(directory);
  for (const [n, body] of BODIES.entries()) await stores.metadata.put(item(keyOf(n), body, { n }), ABSENT, options);
  const frames = [0, 1, 2, 6, 7].map((blocks) => FIRST_FRAME + blocks * BLOCK);
  return { directory, frames, stores };
}

test('a frame of which any block is missing at the end of the log is dropped whole, and the store goes on', async () => {
  const { directory, stores } = await filled();
  const log = await newestLog(directory);
  const before = await readFile(log);
  const large = item('large', Buffer.alloc(5 * BLOCK, 'x'));
  await stores.metadata.transact(
    [
      { type: 'put', item: large, condition: ABSENT },
      { type: 'put', item: item('small', 'y'), condition: ABSENT },
    ],
    options,
  );
  const after = await readFile(log);
  const copy = await crashed(directory);
  await stores.close();
  const changed: number[] = [];
  for (let block = 0; block * BLOCK < after.length; block += 1) {
    const range: [number, number] = [block * BLOCK, (block + 1) * BLOCK];
    if (!before.subarray(...range).equals(after.subarray(...range))) changed.push(block);
  }
  expect(changed.length).toBe(6);
  for (const missing of changed) {
    const torn = await crashed(copy);
    await change(await newestLog(torn), missing * BLOCK, before.subarray(missing * BLOCK, (missing + 1) * BLOCK));
    const reopened = await open(torn);
    expect((await allItems(reopened.metadata)).map((each) => each.sortKey)).toEqual([0, 1, 2, 3, 4].map(keyOf));
    expect(await reopened.metadata.put(item('next', 'z'), ABSENT, options)).toEqual({ ok: true });
    await reopened.close();
    const again = await open(torn);
    expect((await allItems(again.metadata)).map((each) => each.sortKey)).toEqual([
      ...[0, 1, 2, 3, 4].map(keyOf),
      'next',
    ]);
    await again.close();
  }
});

test('a torn tail stays dropped: nothing of it comes back after shorter frames were written over it', async () => {
  const { directory, stores } = await filled();
  await stores.metadata.put(item('torn', Buffer.alloc(20 * BLOCK, 't')), ABSENT, options);
  const copy = await crashed(directory);
  await stores.close();
  const log = await newestLog(copy);
  await flip(log, FIRST_FRAME + 8 * BLOCK + 600); // In the body of the newest frame.
  for (let start = 0; start < 4; start += 1) {
    const reopened = await open(copy);
    expect((await allItems(reopened.metadata)).map((each) => each.sortKey)).not.toContain('torn');
    await reopened.metadata.put(item(`short-${start}`), ABSENT, options);
    const next = await crashed(copy);
    await reopened.close();
    await cp(next, copy, { recursive: true, force: true });
  }
});

test('a log cut off at any block opens with a prefix of what was written, or is refused', async () => {
  const { directory, stores } = await filled();
  const copy = await crashed(directory);
  await stores.close();
  for (let blocks = 0; blocks <= 10; blocks += 1) {
    const cut = await crashed(copy);
    await truncate(await newestLog(cut), blocks * BLOCK);
    if (blocks === 0) {
      await expect(open(cut)).rejects.toThrow('expected the header of a log file');
      continue;
    }
    const reopened = await open(cut);
    const found = (await allItems(reopened.metadata)).map((each) => each.sortKey);
    expect(found).toEqual([0, 1, 2, 3, 4].map(keyOf).slice(0, found.length));
    await reopened.close();
  }
});

test('a damaged body in the middle hits its item only, and is told with key, file and position', async () => {
  const { directory, frames, stores } = await filled();
  await stores.close();
  const bytes = await readFile(await newestLog(directory));
  const position = bytes.indexOf('two', frames[1]);
  await flip(await newestLog(directory), position);
  const reopened = await open(directory);
  const damaged = reopened.metadata.get({ partitionKey: 'p', sortKey: keyOf(1) }, options);
  await expect(damaged).rejects.toThrow(`"p" / "item-1" is damaged: metadata/00000001.log at byte ${position}`);
  await expect(damaged).rejects.toMatchObject({ name: 'StorageCorruptError' });
  await expect(allItems(reopened.metadata)).rejects.toThrow('"item-1" is damaged');
  for (const n of [0, 2, 3, 4]) {
    expect(await reopened.metadata.get({ partitionKey: 'p', sortKey: keyOf(n) }, options)).toEqual(
      item(keyOf(n), BODIES[n]!, { n }),
    );
  }
  // The item itself can be replaced, and everything around it goes on.
  expect(await reopened.metadata.put(item(keyOf(1), 'new'), ALWAYS, options)).toEqual({ ok: true });
  expect((await reopened.metadata.get({ partitionKey: 'p', sortKey: keyOf(1) }, options))?.body.toString()).toBe('new');
  await reopened.close();
});

test('any single damaged byte of an acknowledged frame loses no other item and goes unnoticed by none', async () => {
  const { directory, frames, stores } = await filled();
  await stores.close();
  const whole = await readFile(await newestLog(directory));
  const start = frames[1]!;
  const headEnd = whole.indexOf('two', start) + 3;
  const positions = [
    ...Array.from({ length: headEnd - start }, (_, n) => start + n),
    ...[100, 50, 20, 9, 8, 7, 4, 1].map((fromEnd) => start + BLOCK - fromEnd),
  ];
  for (const position of positions) {
    const damaged = Buffer.from(whole);
    damaged[position] = damaged[position]! ^ 0x01;
    await writeFile(await newestLog(directory), damaged);
    const reopened = await open(directory);
    for (const n of [0, 2, 3, 4]) {
      const found = await reopened.metadata.get({ partitionKey: 'p', sortKey: keyOf(n) }, options);
      expect(found, `byte ${position - start}`).toEqual(item(keyOf(n), BODIES[n]!, { n }));
    }
    const hit = await reopened.metadata.get({ partitionKey: 'p', sortKey: keyOf(1) }, options).catch((error) => error);
    if (hit instanceof Error) expect(hit.message).toContain('"item-1" is damaged');
    else expect(hit).toEqual(item(keyOf(1), 'two', { n: 1 }));
    await reopened.close();
  }
});

test('a block that is lost in the middle of a large frame names the items in it', async () => {
  const { directory, frames, stores } = await filled();
  await stores.close();
  for (const block of [0, 1, 2, 3]) {
    const copy = await crashed(directory);
    await change(await newestLog(copy), frames[2]! + block * BLOCK, Buffer.alloc(BLOCK));
    const reopened = await open(copy);
    const hit = reopened.metadata.get({ partitionKey: 'p', sortKey: keyOf(2) }, options);
    await expect(hit, `block ${block}`).rejects.toThrow('"item-2" is damaged');
    expect((await reopened.metadata.get({ partitionKey: 'p', sortKey: keyOf(3) }, options))?.body.toString()).toBe(
      'four',
    );
    await reopened.close();
  }
});

test('where no copy tells which items stood there, the start is refused with file and position', async () => {
  const { directory, frames, stores } = await filled();
  await stores.close();
  await change(await newestLog(directory), frames[1]!, Buffer.alloc(BLOCK));
  const opening = open(directory);
  await expect(opening).rejects.toMatchObject({ name: 'StorageCorruptError' });
  await expect(opening).rejects.toThrow(
    `metadata/00000001.log is damaged between byte ${frames[1]} and ${frames[1]! + BLOCK}`,
  );
  // The directory is free again.
  await expect(open(directory)).rejects.toThrow('is damaged between');
});

test('after a clean stop damage to the last write is told, not taken for a torn tail', async () => {
  const { directory, frames, stores } = await filled();
  await stores.close();
  const log = await newestLog(directory);
  await flip(log, (await readFile(log)).indexOf('five', frames[4]));
  const reopened = await open(directory);
  await expect(reopened.metadata.get({ partitionKey: 'p', sortKey: keyOf(4) }, options)).rejects.toThrow('is damaged');
  await reopened.close();
});

test('either copy of the header of a log file is enough', async () => {
  const { directory, stores } = await filled();
  await stores.close();
  for (const block of [0, 1]) {
    const copy = await crashed(directory);
    await change(await newestLog(copy), block * BLOCK, Buffer.alloc(BLOCK, 0xff));
    const reopened = await open(copy);
    expect(await allItems(reopened.metadata)).toHaveLength(5);
    await reopened.close();
  }
});

test('a missing file in the middle of the log is told', async () => {
  const directory = await scratchDirectory();
  const stores = await open(directory, 128 * 1024);
  for (let n = 0; n < 40; n += 1) await stores.metadata.put(item(`k${n}`, Buffer.alloc(10_000)), ABSENT, options);
  await stores.close();
  const names = (await readdir(join(directory, 'metadata'))).filter((name) => name.endsWith('.log')).sort();
  expect(names.length).toBeGreaterThan(3);
  await cp(join(directory, 'metadata', names[2]!), join(directory, 'metadata', names[1]!));
  await expect(open(directory, 128 * 1024)).rejects.toThrow(`metadata/${names[1]} holds file 3 of the log; expected 2`);
});

test('stored bytes that look like frames of the log are never taken for some', async () => {
  const directory = await scratchDirectory();
  const first = await open(directory);
  await first.metadata.put(item('real', 'x'), ABSENT, options);
  const log = await readFile(await newestLog(directory));
  // A whole log as the body of an item, shifted so that every frame in it lies on a block.
  const inside = log.subarray(0, 40 * 1024);
  for (let shift = 0; shift < BLOCK; shift += 512) {
    await first.metadata.put(item(`copy-${shift}`, Buffer.concat([Buffer.alloc(shift), inside])), ABSENT, options);
  }
  const copy = await crashed(directory);
  await first.close();
  const reopened = await open(copy);
  expect((await allItems(reopened.metadata)).map((each) => each.sortKey)).toHaveLength(9);
  await reopened.close();
});
