import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MemoryMetadataStore } from '../../../../src/storage/memory/metadata-store.ts';
import {
  ABSENT,
  ALWAYS,
  type Condition,
  type MetadataStore,
  type Write,
  whenEquals,
} from '../../../../src/storage/metadata-store.ts';
import { allItems, item, open, options, scratchDirectory } from './scratch.ts';

test('everything that was acknowledged is there after the store was closed and opened again', async () => {
  const directory = await scratchDirectory();
  const first = await open(directory);
  await first.metadata.put(item('a', 'body', { text: 'größe ✓', number: -5, empty: '' }), ABSENT, options);
  await first.metadata.put(item('gone'), ALWAYS, options);
  await first.metadata.put(item('twice', '1'), ALWAYS, options);
  await first.metadata.put(item('twice', '2'), ALWAYS, options);
  await first.metadata.delete({ partitionKey: 'p', sortKey: 'gone' }, ALWAYS, options);
  await first.metadata.put({ ...item('𝄞é', Buffer.alloc(200_000, 3)), partitionKey: 'ключ' }, ALWAYS, options);
  await first.close();

  const second = await open(directory);
  expect(await allItems(second.metadata)).toEqual([
    item('a', 'body', { text: 'größe ✓', number: -5, empty: '' }),
    item('twice', '2'),
  ]);
  expect(await allItems(second.metadata, 'ключ')).toEqual([
    { ...item('𝄞é', Buffer.alloc(200_000, 3)), partitionKey: 'ключ' },
  ]);
  await second.close();
});

test('a closed store refuses every call', async () => {
  const { metadata, close } = await open(await scratchDirectory());
  await close();
  await expect(metadata.get({ partitionKey: 'p', sortKey: 'a' }, options)).rejects.toThrow('closed');
  await expect(metadata.put(item('a'), ALWAYS, options)).rejects.toThrow('closed');
});

test('closing waits for writes that were accepted', async () => {
  const directory = await scratchDirectory();
  const first = await open(directory);
  const writes = Array.from({ length: 50 }, (_, n) => first.metadata.put(item(`k${n}`), ALWAYS, options));
  await Promise.all([first.close(), ...writes]);
  const second = await open(directory);
  expect(await allItems(second.metadata)).toHaveLength(50);
  await second.close();
});

test('writes whose signal aborts while they wait are not done', async () => {
  const { metadata, close } = await open(await scratchDirectory());
  const abort = new AbortController();
  const first = metadata.put(item('first'), ALWAYS, options);
  await Promise.resolve(); // The first one's frame is being written now.
  const second = metadata.put(item('second'), ALWAYS, { ...options, signal: abort.signal });
  abort.abort(new Error('enough'));
  await first;
  await expect(second).rejects.toThrow('enough');
  expect((await allItems(metadata)).map((each) => each.sortKey)).toEqual(['first']);
  await close();
});

test('writes beyond the limit of what may wait are refused with nothing done', async () => {
  const { metadata, close } = await open(await scratchDirectory(), 2 * 1024 * 1024);
  const body = Buffer.alloc(390 * 1024);
  const outcomes = await Promise.allSettled(
    Array.from({ length: 200 }, (_, n) => metadata.put({ ...item(`k${n}`), body }, ALWAYS, options)),
  );
  const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
  expect(refused.length).toBeGreaterThan(0);
  for (const { reason } of refused) expect(reason.name).toBe('StorageThrottledError');
  const page = await metadata.query({ partitionKey: 'p', from: 'k', to: 'l', limit: 1_000, keysOnly: true }, options);
  expect(page.items.length).toBeLessThanOrEqual(200 - refused.length);
  expect(await metadata.put(item('after'), ABSENT, options)).toEqual({ ok: true });
  await close();
});

test('the log stays small while items come and go, and what stands stands', async () => {
  const directory = await scratchDirectory();
  const logFileBytes = 256 * 1024;
  const first = await open(directory, logFileBytes);
  for (const n of [1, 2, 3]) await first.metadata.put(item(`kept-${n}`, `body ${n}`, { n }), ALWAYS, options);
  let largest = 0;
  for (let round = 0; round < 150; round += 1) {
    const key = (of: number) => `entry-${String(of).padStart(6, '0')}`;
    await Promise.all([
      ...Array.from({ length: 20 }, (_, n) =>
        first.metadata.put(item(key(round * 20 + n), Buffer.alloc(2_000, n)), ABSENT, options),
      ),
      ...Array.from({ length: 20 }, (_, n) =>
        first.metadata.delete({ partitionKey: 'p', sortKey: key((round - 2) * 20 + n) }, ALWAYS, options),
      ),
    ]);
    largest = Math.max(largest, (await readdir(join(directory, 'metadata'))).length);
  }
  // 25 files were filled; 80 kB stand: the newest, the spare, the next spare, and a few that wait for cleaning.
  expect(largest).toBeLessThanOrEqual(6);
  const standing = await allItems(first.metadata);
  expect(standing).toHaveLength(3 + 40);
  expect(standing.slice(-3)).toEqual([1, 2, 3].map((n) => item(`kept-${n}`, `body ${n}`, { n })));
  await first.close();
  const second = await open(directory, logFileBytes);
  expect(await allItems(second.metadata)).toEqual(standing);
  await second.close();
});

test('reads of items that cleaning moves meanwhile are right', async () => {
  const { metadata, close } = await open(await scratchDirectory());
  const keys = Array.from({ length: 30 }, (_, n) => `kept-${n}`);
  for (const key of keys) await metadata.put(item(key, Buffer.alloc(3_000, key)), ALWAYS, options);
  let isOver = false;
  const reading = Promise.all(
    [0, 1, 2, 3].map(async () => {
      while (!isOver) {
        const page = await metadata.query({ partitionKey: 'p', from: 'kept-', to: 'kept.', limit: 100 }, options);
        expect(page.items).toHaveLength(30);
        for (const each of page.items) expect(Buffer.alloc(3_000, each.sortKey).equals(each.body)).toBe(true);
        const one = await metadata.get({ partitionKey: 'p', sortKey: 'kept-7' }, options);
        expect(Buffer.alloc(3_000, 'kept-7').equals(one!.body)).toBe(true);
      }
    }),
  );
  for (let n = 0; n < 300; n += 1) await metadata.put(item('churn', Buffer.alloc(10_000, n)), ALWAYS, options);
  isOver = true;
  await reading;
  await close();
});

test('any sequence of writes and restarts gives what the memory store gives', async () => {
  const key = fc.constantFrom('a', 'b', 'c', 'd');
  const version = fc.integer({ min: 0, max: 2 });
  const condition: fc.Arbitrary<Condition> = fc.oneof(
    fc.constant(ALWAYS),
    fc.constant(ABSENT),
    version.map((v) => whenEquals({ version: v })),
  );
  const put = fc.tuple(key, version, fc.integer({ min: 0, max: 9_000 }), condition).map(
    ([sortKey, v, size, on]): Write => ({
      type: 'put',
      item: item(sortKey, Buffer.alloc(size, sortKey), { version: v }),
      condition: on,
    }),
  );
  const remove = fc
    .tuple(key, condition)
    .map(([sortKey, on]): Write => ({ type: 'delete', key: { partitionKey: 'p', sortKey }, condition: on }));
  const write = fc.oneof({ weight: 3, arbitrary: put }, { weight: 1, arbitrary: remove });
  const keyOf = (each: Write) => (each.type === 'put' ? each.item.sortKey : each.key.sortKey);
  const step = fc.oneof(
    { weight: 8, arbitrary: fc.array(write, { minLength: 1, maxLength: 8 }).map((together) => ({ together })) },
    {
      weight: 4,
      arbitrary: fc.uniqueArray(write, { minLength: 1, maxLength: 4, selector: keyOf }).map((all) => ({ all })),
    },
    { weight: 1, arbitrary: fc.constant({ restart: true }) },
  );
  const apply = (store: MetadataStore, each: Write) =>
    each.type === 'put'
      ? store.put(each.item, each.condition, options)
      : store.delete(each.key, each.condition, options);

  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async (steps) => {
      const directory = await scratchDirectory();
      const model = new MemoryMetadataStore();
      let stores = await open(directory, 128 * 1024);
      for (const each of steps) {
        if ('together' in each) {
          const outcomes = await Promise.all(each.together.map((one) => apply(stores.metadata, one)));
          for (const [index, one] of each.together.entries()) expect(outcomes[index]).toEqual(await apply(model, one));
        } else if ('all' in each) {
          expect(await stores.metadata.transact(each.all, options)).toEqual(await model.transact(each.all, options));
        } else {
          await stores.close();
          stores = await open(directory, 128 * 1024);
        }
        expect(await allItems(stores.metadata)).toEqual(await allItems(model));
      }
      await stores.close();
    }),
    { numRuns: 15 },
  );
});
