/**
 * The metadata log on a disk that forgets: the power goes, or the process dies, at any operation; single operations fail
 * before or after they took effect. Whatever was acknowledged must be there afterwards, and nothing that never was asked.
 */
import { describe, expect, test } from 'vitest';
import { silentLogger } from '../../../../src/runtime/logger.ts';
import { EmbeddedMetadataStore } from '../../../../src/storage/embedded/metadata-store.ts';
import { ABSENT, ALWAYS, type Item, whenEquals } from '../../../../src/storage/metadata-store.ts';
import { allItems, item, options } from './scratch.ts';
import { type Fault, SimulatedDisk, seeded } from './simulated-disk.ts';

const DIRECTORY = '/data/metadata';
const LOG_FILE_BYTES = 128 * 1024;
/** More of them: SEEDS=1000 */
const SEEDS = Number(process.env['SEEDS'] ?? 12);

const openOn = (disk: SimulatedDisk, random: () => number) =>
  EmbeddedMetadataStore.open({
    disk,
    directory: DIRECTORY,
    logFileBytes: LOG_FILE_BYTES,
    runtime: {
      logger: silentLogger,
      random: {
        float: random,
        bytes: (length) => Buffer.from(Array.from({ length }, () => Math.floor(random() * 256))),
      },
    },
  });

/** Per key: the version that is certainly there, and every newer one that may be. */
class Expected {
  readonly #acknowledged = new Map<string, number>();
  readonly #possible = new Map<string, Set<number>>();

  /** 0 stands for absent. */
  begin(key: string, version: number): void {
    const possible = this.#possible.get(key) ?? new Set();
    this.#possible.set(key, possible.add(version));
  }

  acknowledge(key: string, version: number): void {
    this.#acknowledged.set(key, version);
    this.#possible.get(key)?.clear();
  }

  refuse(key: string, version: number): void {
    this.#possible.get(key)?.delete(version);
  }

  /** What was found is what is expected from now on. */
  settle(found: readonly Item[]): void {
    const versions = new Map(found.map((each) => [each.sortKey, each.attributes['version'] as number]));
    for (const key of new Set([...this.#acknowledged.keys(), ...this.#possible.keys(), ...versions.keys()])) {
      const version = versions.get(key) ?? 0;
      const allowed = new Set([this.#acknowledged.get(key) ?? 0, ...(this.#possible.get(key) ?? [])]);
      expect(allowed, `${key} at version ${version}`).toContain(version);
      this.#acknowledged.set(key, version);
      this.#possible.get(key)?.clear();
    }
    for (const { sortKey, body, attributes } of found) {
      const version = attributes['version'] as number;
      expect(Buffer.compare(body, bodyOf(sortKey, version)), `${sortKey} at version ${version}`).toBe(0);
    }
  }
}

const bodyOf = (key: string, version: number): Buffer =>
  Buffer.alloc((version * 977) % 11_000, `${key} at ${version}; `);

let versions = 0;

/** Writers that put and delete a few keys until the store no longer answers or `writes` are done. */
async function write(
  store: EmbeddedMetadataStore,
  expected: Expected,
  random: () => number,
  writes: number,
): Promise<void> {
  let left = writes;
  const writer = async (name: string): Promise<void> => {
    while (left > 0) {
      left -= 1;
      versions += 1;
      const version = versions;
      const key = `${name}-${Math.floor(random() * 6)}`;
      const isDelete = random() < 0.25;
      expected.begin(key, isDelete ? 0 : version);
      try {
        if (isDelete) await store.delete({ partitionKey: 'p', sortKey: key }, ALWAYS, options);
        else await store.put(item(key, bodyOf(key, version), { version }), ALWAYS, options);
        expected.acknowledge(key, isDelete ? 0 : version);
      } catch (error) {
        expect(['StorageUnavailableError', 'StorageFullError']).toContain((error as Error).name);
        if ((error as Error).name === 'StorageFullError') expected.refuse(key, isDelete ? 0 : version);
      }
    }
  };
  await Promise.all(['w', 'x', 'y', 'z'].map(writer));
}

describe.each(['power cuts', 'kills', 'both'] as const)('after %s', (what) => {
  test('everything acknowledged is there, whenever it happens, again and again', { timeout: 600_000 }, async () => {
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const random = seeded(seed);
      let disk = new SimulatedDisk(random, ['/data', DIRECTORY]);
      const expected = new Expected();
      for (let round = 0; round < 4; round += 1) {
        disk.cutAt = disk.operations + 1 + Math.floor(random() * 260);
        const running = (async () => {
          const store = await openOn(disk, random);
          await write(store, expected, random, 10_000);
        })();
        await Promise.race([running, disk.cut()]);
        const isKill = what === 'kills' || (what === 'both' && random() < 0.5);
        disk = isKill ? disk.afterKill() : disk.afterPowerCut();
        const reopened = await openOn(disk, random);
        try {
          expected.settle(await allItems(reopened));
        } catch (error) {
          throw new Error(`seed ${seed}, round ${round}`, { cause: error });
        }
        // Half of the time the next round begins on what a clean stop leaves.
        if (random() < 0.5) await reopened.close();
        else disk = what === 'kills' ? disk.afterKill() : disk.afterPowerCut();
      }
    }
  });
});

test('single failures before or after the effect lose nothing and stop nothing for good', {
  timeout: 60_000,
}, async () => {
  const operations = ['writeDurably', 'write', 'sync', 'syncDirectory', 'rename', 'open', 'remove', 'close'];
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const random = seeded(seed);
    const disk = new SimulatedDisk(random, ['/data', DIRECTORY]);
    const expected = new Expected();
    const store = await openOn(disk, random);
    const code = random() < 0.5 ? 'EIO' : 'ENOSPC';
    disk.fault = (operation): Fault | null => {
      if (!operations.includes(operation) || random() > 0.04) return null;
      return { when: random() < 0.5 ? 'before' : 'after', code };
    };
    await write(store, expected, random, 300);
    disk.fault = () => null;
    expect(await store.put(item('w-0', bodyOf('w-0', 1), { version: 1 }), ALWAYS, options)).toEqual({ ok: true });
    expected.acknowledge('w-0', 1);
    expected.settle(await allItems(store));
    const crashed = random() < 0.5 ? disk.afterPowerCut() : disk.afterKill();
    const reopened = await openOn(crashed, random);
    try {
      expected.settle(await allItems(reopened));
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
    await reopened.close();
  }
});

test('a write that failed after it reached the disk does not come back at the next start', async () => {
  const random = seeded(7);
  const disk = new SimulatedDisk(random, ['/data', DIRECTORY]);
  const store = await openOn(disk, random);
  await store.put(item('a', '1', { version: 1 }), ABSENT, options);
  // The frame is on the disk, its answer is lost, and there is no other file to go on in.
  let isBroken = true;
  disk.fault = (operation) =>
    isBroken && ['writeDurably', 'open', 'rename'].includes(operation) ? { when: 'after', code: 'EIO' } : null;
  await expect(store.put(item('a', '2', { version: 2 }), whenEquals({ version: 1 }), options)).rejects.toMatchObject({
    name: 'StorageUnavailableError',
  });
  expect((await store.get({ partitionKey: 'p', sortKey: 'a' }, options))?.attributes).toEqual({ version: 1 });
  isBroken = false;
  expect(await store.put(item('b', '', { version: 3 }), ABSENT, options)).toEqual({ ok: true });
  const reopened = await openOn(disk.afterKill(), random);
  expect((await allItems(reopened)).map((each) => each.attributes)).toEqual([{ version: 1 }, { version: 3 }]);
});

test('what a start after a kill found in the page cache only survives a power cut from then on', async () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const random = seeded(seed);
    const disk = new SimulatedDisk(random, ['/data', DIRECTORY]);
    const store = await openOn(disk, random);
    await store.put(item('a'), ABSENT, options);
    disk.cutAt = disk.operations + 1;
    void store.put(item('b'), ABSENT, options);
    await disk.cut();
    const restarted = disk.afterKill();
    const found = await allItems(await openOn(restarted, random));
    expect(await allItems(await openOn(restarted.afterPowerCut(), random)), `seed ${seed}`).toEqual(found);
  }
});

test('after a failed step to the next file nothing is written to the file before it', async () => {
  const random = seeded(9);
  const disk = new SimulatedDisk(random, ['/data', DIRECTORY]);
  const store = await openOn(disk, random);
  for (let n = 0; n < 2; n += 1) await store.put(item(`k${n}`, Buffer.alloc(50_000)), ABSENT, options);
  // The new file has its name, but the step to it failed.
  disk.fault = (operation) => (operation === 'syncDirectory' ? { when: 'before', code: 'EIO' } : null);
  await expect(store.put(item('large', Buffer.alloc(50_000)), ABSENT, options)).rejects.toMatchObject({
    name: 'StorageUnavailableError',
  });
  disk.fault = () => null;
  expect(await store.put(item('small'), ABSENT, options)).toEqual({ ok: true });
  const reopened = await openOn(disk.afterKill(), random);
  expect((await allItems(reopened)).map((each) => each.sortKey)).toEqual(['k0', 'k1', 'small']);
});

test('a full disk refuses writes with nothing done, serves reads, and takes writes again when there is room', async () => {
  const random = seeded(8);
  const disk = new SimulatedDisk(random, ['/data', DIRECTORY]);
  const store = await openOn(disk, random);
  disk.fault = (operation) => (operation === 'write' ? { when: 'before', code: 'ENOSPC' } : null);
  const acknowledged: string[] = [];
  const refused: unknown[] = [];
  for (let n = 0; n < 60; n += 1) {
    const key = `k${String(n).padStart(3, '0')}`;
    await store.put(item(key, Buffer.alloc(9_000)), ABSENT, options).then(
      () => acknowledged.push(key),
      (error: unknown) => refused.push(error),
    );
  }
  expect(acknowledged.length).toBeGreaterThan(5);
  expect(refused.length).toBeGreaterThan(5);
  for (const error of refused) expect(error).toMatchObject({ name: 'StorageFullError' });
  expect((await allItems(store)).map((each) => each.sortKey)).toEqual(acknowledged);
  disk.fault = () => null;
  expect(await store.put(item('zzz'), ABSENT, options)).toEqual({ ok: true });
  await store.close();
  const reopened = await openOn(disk.afterPowerCut(), random);
  expect((await allItems(reopened)).map((each) => each.sortKey)).toEqual([...acknowledged, 'zzz']);
});
