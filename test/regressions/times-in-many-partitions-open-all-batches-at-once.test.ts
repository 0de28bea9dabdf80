/**
 * ListOffsets by time opened the batch that it looked into of every partition at once, and each may become 64 MiB: a request
 * for hundreds of partitions took gigabytes.
 */
import { createHook } from 'node:async_hooks';
import { expect, test } from 'vitest';
import { buildBatch, compressBatch } from '../../src/record/records.ts';
import { openWorld } from '../unit/log/world.ts';

const PARTITIONS = 40;
const T = 1_763_683_200_000;

test('few batches are open at a time, whatever the number of partitions', async () => {
  const world = await openWorld();
  const { topicId } = await world.topics.create({ name: 'orders', partitions: PARTITIONS, config: {} });
  const times = Array.from({ length: 200 }, (_, at) => T + at);
  const plain = buildBatch(
    times.map((timestamp) => ({ key: null, value: 'x'.repeat(1_000), timestamp })),
    { timestamp: T },
  );
  const records = await compressBatch(plain, 'gzip');
  const partitions = Array.from({ length: PARTITIONS }, (_, partition) => ({ topicId, partition }));
  await world.log.produce(
    partitions.map((id) => ({ ...id, records })),
    { origin: 'kafka' },
  );

  /** When each decompression began and was heard of last, by a count of such events. */
  const spans = new Map<number, { readonly from: number; to: number }>();
  let events = 0;
  const hook = createHook({
    init: (id, type) => {
      events++;
      if (type === 'ZLIB') spans.set(id, { from: events, to: events });
    },
    after: (id) => {
      events++;
      const span = spans.get(id);
      if (span) span.to = events;
    },
  }).enable();
  const at = { type: 'timestamp', timestamp: T + 150 } as const;
  const found = await Promise.all(partitions.map((id) => world.log.listOffset(id, at)));
  hook.disable();
  expect(found.map(({ offset }) => offset)).toEqual(partitions.map(() => 150));
  expect(spans.size).toBe(PARTITIONS);
  const open = ({ from }: { readonly from: number }) =>
    [...spans.values()].filter((other) => other.from <= from && from < other.to).length;
  expect(Math.max(...[...spans.values()].map(open))).toBeLessThanOrEqual(2);
  await world.close();
});
