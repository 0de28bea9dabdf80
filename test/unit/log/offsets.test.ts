import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import type { Topic } from '../../../src/cluster/topics.ts';
import type { OffsetAt } from '../../../src/log/log.ts';
import { epochEnd } from '../../../src/log/offsets.ts';
import { buildBatch, compressBatch } from '../../../src/record/records.ts';
import { openWorld, produce, type World, type WorldOptions } from './world.ts';

let worlds: World[] = [];
const open = async (options?: WorldOptions) => {
  const world = await openWorld(options);
  worlds.push(world);
  return world;
};

afterEach(async () => {
  for (const world of worlds) await world.close();
  worlds = [];
});

const T = 1_763_683_200_000;

async function setUp() {
  const world = await open();
  const topic = await world.topics.create({ name: 'orders', config: {} });
  return { world, topic };
}

/** One batch with a record at each of these milliseconds after T. */
async function produceAt(
  world: World,
  topic: Topic,
  times: readonly number[],
  { bytes = 10, codec = 'none' as 'none' | 'zstd' } = {},
) {
  const plain = buildBatch(
    times.map((time) => ({ key: null, value: 'x'.repeat(bytes), timestamp: T + time })),
    { timestamp: T },
  );
  const records = codec === 'none' ? plain : await compressBatch(plain, codec);
  const [outcome] = await world.log.produce([{ topicId: topic.topicId, partition: 0, records }], { origin: 'kafka' });
  expect(outcome).toMatchObject({ error: 'NONE' });
}

const find = async (world: World, topic: Topic, at: OffsetAt) => {
  const { offset, timestamp } = await world.log.listOffset({ topicId: topic.topicId, partition: 0 }, at);
  return [offset, timestamp < 0 ? timestamp : timestamp - T];
};
const at = (time: number): OffsetAt => ({ type: 'timestamp', timestamp: T + time });

describe.each(['memory', 'stores'])('by time, from %s', (where) => {
  const settled = async (world: World) => {
    if (where === 'memory') return world;
    await world.close();
    return open({ metadata: world.metadata, objects: world.objects });
  };

  test('the first record at or after the time is found, inside compressed batches too', async () => {
    const { world, topic } = await setUp();
    await produceAt(world, topic, [0, 10, 20]);
    await produceAt(world, topic, [5, 40, 30], { codec: 'zstd' });
    await produceAt(world, topic, [50, 60], { bytes: 50_000 });
    const reader = await settled(world);
    expect(await find(reader, topic, at(-100))).toEqual([0, 0]);
    expect(await find(reader, topic, at(11))).toEqual([2, 20]);
    expect(await find(reader, topic, at(25))).toEqual([4, 40]);
    expect(await find(reader, topic, at(41))).toEqual([6, 50]);
    expect(await find(reader, topic, at(60))).toEqual([7, 60]);
    expect(await find(reader, topic, at(61))).toEqual([-1, -1]);
  });

  test('the largest timestamp is found where it first occurs', async () => {
    const { world, topic } = await setUp();
    await produceAt(world, topic, [10, 90, 20]);
    await produceAt(world, topic, [30, 90, 40], { bytes: 40_000 });
    const reader = await settled(world);
    expect(await find(reader, topic, { type: 'maxTimestamp' })).toEqual([1, 90]);
  });

  test('records before the log start are not found', async () => {
    const { world, topic } = await setUp();
    await produceAt(world, topic, [0, 10, 20, 30]);
    await world.log.deleteRecords({ topicId: topic.topicId, partition: 0 }, 2);
    const reader = await settled(world);
    expect(await find(reader, topic, at(0))).toEqual([2, 20]);
    expect(await find(reader, topic, { type: 'earliest' })).toEqual([2, -1]);
    expect(await find(reader, topic, { type: 'latest', isolation: 'read_uncommitted' })).toEqual([4, -1]);
  });
});

test('in an empty partition no record is found', async () => {
  const { world, topic } = await setUp();
  expect(await find(world, topic, { type: 'maxTimestamp' })).toEqual([-1, -1]);
  expect(await find(world, topic, at(0))).toEqual([-1, -1]);
  expect(await find(world, topic, { type: 'earliest' })).toEqual([0, -1]);
});

test('a deposed broker does not answer', async () => {
  const { world, topic } = await setUp();
  await open({ metadata: world.metadata, objects: world.objects });
  await expect(find(world, topic, { type: 'latest', isolation: 'read_uncommitted' })).rejects.toMatchObject({
    error: 'NOT_LEADER_OR_FOLLOWER',
  });
});

test('deleting records moves the log start, never back, and not beyond the end', async () => {
  const { world, topic } = await setUp();
  const id = { topicId: topic.topicId, partition: 0 };
  for (const value of ['a', 'b', 'c']) await produce(world.log, topic, 0, [value]);
  expect(await world.log.deleteRecords(id, 2)).toBe(2);
  expect(await world.log.deleteRecords(id, 1)).toBe(2);
  await expect(world.log.deleteRecords(id, 4)).rejects.toMatchObject({ error: 'OFFSET_OUT_OF_RANGE' });
  expect(await world.log.deleteRecords(id, -1)).toBe(3);
  expect(await world.log.watermarks(id)).toMatchObject({ logStartOffset: 3, highWatermark: 3, lastStableOffset: 3 });
});

test('producer ids are never given twice, over journals, restarts and concurrent callers', async () => {
  const first = await open({ journals: 3 });
  const ids: number[] = await Promise.all(Array.from({ length: 2_500 }, () => first.log.allocateProducerId()));
  await first.close();
  const second = await open({ journals: 3, metadata: first.metadata, objects: first.objects });
  ids.push(await second.log.allocateProducerId());
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids.every(Number.isSafeInteger)).toBe(true);
});

describe('the end of an epoch', () => {
  const epochs = [
    { epoch: 2, startOffset: 0 },
    { epoch: 5, startOffset: 10 },
  ];
  const current = { epoch: 7, startOffset: 25 };
  test.each([
    [2, { epoch: 2, endOffset: 10 }],
    [3, { epoch: 2, endOffset: 10 }],
    [5, { epoch: 5, endOffset: 25 }],
    [6, { epoch: 5, endOffset: 25 }],
    [7, { epoch: 7, endOffset: 25 }],
    [8, { epoch: -1, endOffset: -1 }],
    [1, { epoch: 1, endOffset: 0 }],
    [-1, { epoch: -1, endOffset: -1 }],
  ])('asked for %i', (asked, expected) => {
    expect(epochEnd(epochs, current, asked)).toEqual(expected);
  });

  test('grows with the epoch and never passes the high watermark', () => {
    const starts = fc.uniqueArray(fc.tuple(fc.nat(50), fc.nat(100)), { selector: ([epoch]) => epoch, maxLength: 8 });
    fc.assert(
      fc.property(starts, fc.nat(60), fc.nat(60), (given, a, b) => {
        const byEpoch = given.map(([epoch]) => epoch).sort((x, y) => x - y);
        const byOffset = given.map(([, offset]) => offset).sort((x, y) => x - y);
        const known = byEpoch.map((epoch, index) => ({ epoch, startOffset: byOffset[index]! }));
        const now = { epoch: 51, startOffset: 100 };
        const [low, high] = [Math.min(a, b, 51), Math.min(Math.max(a, b), 51)];
        expect(epochEnd(known, now, low).endOffset).toBeLessThanOrEqual(epochEnd(known, now, high).endOffset);
        expect(epochEnd(known, now, high).endOffset).toBeLessThanOrEqual(100);
      }),
    );
  });

  test('is never told too early where the oldest epochs are not remembered', () => {
    const lengths = fc.array(fc.nat(5), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(lengths, fc.nat(12), fc.nat(13), (given, dropped, asked) => {
        let startOffset = 0;
        const known = given.map((length, epoch) => {
          const start = { epoch, startOffset };
          startOffset += length;
          return start;
        });
        const now = { epoch: given.length, startOffset };
        const whole = epochEnd(known, now, asked);
        const rest = epochEnd(known.slice(dropped), now, asked);
        expect(rest.endOffset).toBeGreaterThanOrEqual(whole.endOffset);
        if (asked >= dropped) expect(rest).toEqual(whole);
      }),
    );
  });
});
