import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../../src/runtime/clock.ts';
import { systemDisk } from '../../../../src/storage/embedded/disk.ts';
import { limitedDisk } from '../../../../src/storage/embedded/limited-disk.ts';
import { decodeName, namesOf } from '../../../../src/storage/embedded/object-paths.ts';
import { EmbeddedObjectStore } from '../../../../src/storage/embedded/object-store.ts';
import { MemoryObjectStore } from '../../../../src/storage/memory/object-store.ts';
import { type ObjectKey, objectKey } from '../../../../src/storage/object-store.ts';
import { open, options, scratchDirectory } from './scratch.ts';
import { type Fault, SimulatedDisk, seeded } from './simulated-disk.ts';

const openOn = (disk: SimulatedDisk) => EmbeddedObjectStore.open({ disk, directory: '/data', clock: systemClock });
const simulated = (random: () => number) =>
  new SimulatedDisk(random, ['/data', '/data/objects', '/data/uploads', '/data/metadata']);

const keyChars = fc.constantFrom(...'abzAZ09/-_.+=%@~ !^'.split(''));
const anyKey = fc
  .array(keyChars, { minLength: 1, maxLength: 12 })
  .map((chars) => chars.join(''))
  .filter((key) => !key.startsWith('/') && !key.endsWith('/'))
  .map(objectKey);

describe('paths', () => {
  test('different keys have different paths, even where the file system ignores case, and none leaves its directory', () => {
    fc.assert(
      fc.property(anyKey, anyKey, (left, right) => {
        const paths = [left, right].map((key) => namesOf(key).join('/'));
        if (left !== right) expect(paths[0]!.toLowerCase()).not.toBe(paths[1]!.toLowerCase());
        for (const name of namesOf(left)) expect(['', '.', '..']).not.toContain(name);
        // No path is a directory of another.
        expect(paths[1]!.startsWith(`${paths[0]}/`)).toBe(false);
      }),
      { numRuns: 2_000 },
    );
  });

  test('names give back what they stand for, and what is none of ours gives nothing', () => {
    fc.assert(
      fc.property(anyKey, (key) => {
        const names = namesOf(key);
        const leaf = key.slice(key.lastIndexOf('/') + 1);
        expect(decodeName(names.slice(-1))).toBe(leaf);
      }),
    );
    for (const foreign of ['.DS_Store', 'Thumbs.db', 'a b', '%zz', '=A', '']) expect(decodeName([foreign])).toBeNull();
  });

  test('an object lies where a person would look for it', () => {
    expect(namesOf(objectKey('millrace/segments/Xk3-a'))).toEqual(['millrace+segments+', '=x', '=xk3-a']);
    expect(namesOf(objectKey('top'))).toEqual(['@', 't', 'top']);
  });
});

test('lists agree with the memory store for any keys, prefixes, limits and places to go on from', {
  timeout: 60_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(anyKey, { maxLength: 30 }),
      fc.constantFrom('', 'a', 'a/', 'A', 'b/a', '/', 'z!', 'a/b/'),
      fc.oneof(fc.constant(''), anyKey),
      fc.integer({ min: 1, max: 12 }),
      async (keys, prefix, after, limit) => {
        const store = await openOn(simulated(seeded(1)));
        const model = new MemoryObjectStore();
        for (const key of keys) {
          for (const each of [store, model]) await each.create(key, [Buffer.from(key)], options);
        }
        const [found, expected] = await Promise.all(
          [store, model].map((each) => each.list(prefix, after, limit, options)),
        );
        expect(found!.objects.map((each) => each.key)).toEqual(expected!.objects.map((each) => each.key));
        expect(found!.more).toBe(expected!.more);
      },
    ),
    { numRuns: 200 },
  );
});

test('an object is a file with exactly its bytes', async () => {
  const directory = await scratchDirectory();
  const { objects, close } = await open(directory);
  await objects.create(objectKey('c/segments/Ab'), [Buffer.from('one'), Buffer.from('two')], options);
  expect(await readFile(join(directory, 'objects/c+segments+/=a/=ab'), 'utf8')).toBe('onetwo');
  expect(await readdir(join(directory, 'uploads'))).toEqual([]);
  await close();
});

test('what a killed broker left half-written is removed at the next start, and was never an object', async () => {
  const directory = await scratchDirectory();
  await (await open(directory)).close();
  await writeFile(join(directory, 'uploads/0'), 'half');
  await writeFile(join(directory, 'uploads/77'), 'half');
  const { objects, close } = await open(directory);
  expect(await readdir(join(directory, 'uploads'))).toEqual([]);
  expect((await objects.list('', '', 10, options)).objects).toEqual([]);
  expect(await objects.create(objectKey('a'), [Buffer.from('x')], options)).toBe('created');
  await close();
});

test('files that are none of ours are not listed', async () => {
  const directory = await scratchDirectory();
  const { objects, close } = await open(directory);
  await objects.create(objectKey('a/b'), [Buffer.from('x')], options);
  await writeFile(join(directory, 'objects/.DS_Store'), '');
  await writeFile(join(directory, 'objects/a+/.DS_Store'), '');
  await writeFile(join(directory, 'objects/a+/b/.DS_Store'), '');
  await mkdir(join(directory, 'objects/Icon'));
  expect((await objects.list('', '', 10, options)).objects.map((each) => each.key)).toEqual(['a/b']);
  await close();
});

test('more objects are read than descriptors are kept, and all of those are given back', async () => {
  const disk = simulated(seeded(3));
  const store = await openOn(disk);
  const keys = Array.from({ length: 600 }, (_, n) => objectKey(`k/${n}`));
  for (const key of keys) await store.create(key, [Buffer.from(key)], options);
  const read = (key: ObjectKey) => store.read(key, { start: 0, end: 100 }, options);
  for (let round = 0; round < 2; round += 1) {
    const bodies = await Promise.all(keys.map(read));
    expect(bodies.map(String)).toEqual(keys);
    expect(disk.openCount).toBeLessThanOrEqual(256);
  }
  await store.delete(keys, options);
  expect(await read(keys[599]!)).toBeNull();
  await store.close();
  await new Promise((resolve) => setImmediate(resolve));
  expect(disk.openCount).toBe(0);
});

test('an object that is deleted while it is read is read whole, and is gone for everyone after', async () => {
  const { objects, close } = await open(await scratchDirectory());
  const body = Buffer.alloc(300_000, 'x');
  for (let round = 0; round < 50; round += 1) {
    await objects.create(objectKey('a'), [body], options);
    const reading = Array.from({ length: 4 }, () => objects.read(objectKey('a'), { start: 0, end: 300_000 }, options));
    await objects.delete([objectKey('a')], options);
    expect(await objects.read(objectKey('a'), { start: 0, end: 1 }, options)).toBeNull();
    for (const bytes of await Promise.all(reading)) if (bytes !== null) expect(bytes.equals(body)).toBe(true);
  }
  await close();
});

test('a create that is aborted leaves nothing behind', async () => {
  const disk = simulated(seeded(4));
  const store = await openOn(disk);
  const abort = new AbortController();
  disk.fault = (operation) => {
    if (operation === 'sync') abort.abort(new Error('enough'));
    return null;
  };
  await expect(store.create(objectKey('a'), [Buffer.from('x')], { ...options, signal: abort.signal })).rejects.toThrow(
    'enough',
  );
  expect(disk.paths()).toEqual([]);
  expect(await store.create(objectKey('a'), [Buffer.from('y')], options)).toBe('created');
});

test('a create on a full disk is refused with nothing done, and works when there is room again', async () => {
  const disk = simulated(seeded(5));
  const store = await openOn(disk);
  await store.create(objectKey('before'), [Buffer.from('x')], options);
  for (const operation of ['open', 'write', 'sync', 'makeDirectory', 'rename']) {
    disk.fault = (each) => (each === operation ? { when: 'before', code: 'ENOSPC' } : null);
    const key = objectKey(`${operation}/${operation}`);
    await expect(store.create(key, [Buffer.from('x')], options), operation).rejects.toMatchObject({
      name: 'StorageFullError',
    });
    disk.fault = () => null;
    expect(disk.paths()).toEqual(['/data/objects/@/b/before']);
    expect(await store.read(objectKey('before'), { start: 0, end: 1 }, options)).toEqual(Buffer.from('x'));
    expect(await store.create(key, [Buffer.from('x')], options)).toBe('created');
    await store.delete([key], options);
  }
});

const bodyOf = (key: string) => Buffer.alloc(1 + ((key.length * 7_919) % 20_000), key);

test('after a power cut or a kill at any operation every object that was created is whole', {
  timeout: 60_000,
}, async () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const random = seeded(seed);
    let disk = simulated(random);
    const created = new Set<string>();
    const deleted = new Set<string>();
    for (let round = 0; round < 3; round += 1) {
      disk.cutAt = disk.operations + 1 + Math.floor(random() * 120);
      const writing = (async () => {
        const store = await openOn(disk);
        const writer = async (name: string) => {
          for (let n = 0; ; n += 1) {
            const key = `${name}/${round}-${n}-${'x'.repeat(Math.floor(random() * 9))}`;
            await store.create(objectKey(key), [bodyOf(key).subarray(0, 1), bodyOf(key).subarray(1)], options);
            created.add(key);
            if (random() > 0.3) continue;
            created.delete(key); // From here on either is right.
            await store.delete([objectKey(key)], options);
            deleted.add(key);
          }
        };
        await Promise.all(['a', 'b', 'c'].map(writer));
      })();
      await Promise.race([writing, disk.cut()]);
      disk = random() < 0.5 ? disk.afterPowerCut() : disk.afterKill();
      const store = await openOn(disk);
      for (const key of [...created, ...deleted]) {
        const tail = await store.readLast(objectKey(key), 1_000_000, options);
        expect(tail?.bytes.equals(bodyOf(key)) ?? false, `seed ${seed}: ${key}`).toBe(created.has(key));
      }
      for (const { key, bytes } of (await store.list('', '', 1_000, options)).objects) {
        expect(bytes, `seed ${seed}: ${key}`).toBe(bodyOf(key).length);
      }
    }
  }
});

test('single failures never leave half an object, and a repeat after any failure gets there', {
  timeout: 60_000,
}, async () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const random = seeded(seed);
    let disk = simulated(random);
    const store = await openOn(disk);
    disk.fault = (): Fault | null =>
      random() < 0.1 ? { when: random() < 0.5 ? 'before' : 'after', code: 'EIO' } : null;
    const keys = Array.from({ length: 20 }, (_, n) => `k/${n}`);
    for (const key of keys) {
      for (let isDone = false; !isDone; ) {
        isDone = await store.create(objectKey(key), [bodyOf(key)], options).then(
          () => true,
          (error: Error) => {
            expect(error.name).toBe('StorageUnavailableError');
            return false;
          },
        );
      }
    }
    disk = disk.afterPowerCut();
    const reopened = await openOn(disk);
    for (const key of keys) {
      const tail = await reopened.readLast(objectKey(key), 1_000_000, options);
      expect(tail?.bytes.equals(bodyOf(key)), `seed ${seed}: ${key}`).toBe(true);
    }
  }
});

test('a limited disk lets so many operations run and keeps the others in line', async () => {
  let running = 0;
  let most = 0;
  const slow = {
    ...systemDisk,
    stat: async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      if (most === 3) throw Object.assign(new Error('EIO'), { code: 'EIO' });
      return null;
    },
  };
  const disk = limitedDisk(slow, 3);
  const results = await Promise.allSettled(Array.from({ length: 40 }, () => disk.stat('x')));
  expect(results).toHaveLength(40);
  expect(most).toBe(3);
  expect(running).toBe(0);
});
