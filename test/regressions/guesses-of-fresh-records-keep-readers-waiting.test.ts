/**
 * Blocks that a sequential reader is likely to want next are read ahead when that keeps nobody waiting. Whether it does was
 * asked of the reads of old records alone: those of recently written ones waited behind any number of guesses.
 */
import { expect, test } from 'vitest';
import { MemoryObjectStore } from '../../src/storage/memory/object-store.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { turns } from '../unit/log/manual-runtime.ts';
import { fetch, fetchPartition, openWorld, produce } from '../unit/log/world.ts';

test('nothing recent is read ahead while others wait to read what is recent', async () => {
  const { objects, keys, gate } = watched(new MemoryObjectStore());
  const config = { 'fetch.reads.max': '1' };
  const writing = await openWorld({ objects, config });
  const topic = await writing.topics.create({ name: 'orders', partitions: 2, config: {} });
  for (let offset = 0; offset < 6; offset++) await produce(writing.log, topic, 0, [large]);
  await produce(writing.log, topic, 1, [large]);
  await writing.close();

  const world = await openWorld({ objects, metadata: writing.metadata, config });
  const read = async (partition: number, offset: number) => {
    const answer = await fetch(world.log, [fetchPartition(topic, partition, offset, { maxBytes: 1 })]);
    answer.release();
  };
  await read(0, 0);
  expect(keys).toHaveLength(1);
  const { promise, resolve } = Promise.withResolvers<void>();
  gate.opened = promise;
  const reading = [read(1, 0), read(0, 1)];
  resolve();
  await Promise.all(reading);
  await turns();
  expect(keys).toHaveLength(3);
  await world.close();
});

const large = '.'.repeat(100_000);

function watched(inner: ObjectStore) {
  const keys: string[] = [];
  const gate = { opened: Promise.resolve() };
  const objects: ObjectStore = {
    pricing: inner.pricing,
    create: (...args) => inner.create(...args),
    async read(key, ...rest) {
      keys.push(key);
      await gate.opened;
      return inner.read(key, ...rest);
    },
    readLast: (...args) => inner.readLast(...args),
    list: (...args) => inner.list(...args),
    delete: (...args) => inner.delete(...args),
    restore: (...args) => inner.restore(...args),
    close: () => inner.close(),
  };
  return { objects, keys, gate };
}
