import { afterEach, describe, expect, test } from 'vitest';
import type { Topic } from '../../../src/cluster/topics.ts';
import { segmentKey, segmentPrefix } from '../../../src/segment/segment-id.ts';
import { Faults, faultyObjectStore } from '../../../src/storage/faulty.ts';
import { MemoryMetadataStore } from '../../../src/storage/memory/metadata-store.ts';
import { MemoryObjectStore } from '../../../src/storage/memory/object-store.ts';
import type { ObjectKey, ObjectStore } from '../../../src/storage/object-store.ts';
import { virtualRuntime } from '../storage/virtual-runtime.ts';
import { turns } from './manual-runtime.ts';
import {
  decode,
  fetch,
  fetchPartition,
  openWorld,
  produce,
  produceBatch,
  readAll,
  testRuntime,
  type World,
  type WorldOptions,
} from './world.ts';

let worlds: World[] = [];
const open = async (options?: WorldOptions) => {
  const world = await openWorld(options);
  worlds.push(world);
  return world;
};

afterEach(async () => {
  for (const world of worlds) {
    await world.close();
    expect(world.log.leases).toBe(0);
  }
  worlds = [];
});

/** The same stores under a new broker: nothing is in memory. */
async function restart(world: World, options: WorldOptions = {}): Promise<World> {
  await world.close();
  const { metadata, objects } = world;
  return open({ metadata, objects, ...options });
}

const large = (name: string, bytes = 100_000) => name.padEnd(bytes, '.');
const names = (read: readonly string[]) => read.map((record) => record.replace(/\.+$/, ''));

async function values(world: World, topic: Topic, offset: number, limits = {}, wish = {}): Promise<string[]> {
  const answer = await fetch(world.log, [fetchPartition(topic, 0, offset, limits)], wish);
  const records = await decode(answer.partitions[0]!.records);
  answer.release();
  return records.map(({ offset: at, value }) => `${at}:${String(value).replace(/\.+$/, '')}`);
}

const singlePartition = async (options?: WorldOptions) => {
  const world = await open(options);
  return { world, topic: await world.topics.create({ name: 'orders', config: {} }) };
};

describe.each(['memory', 'stores'])('from %s', (where) => {
  const settled = async (world: World) => (where === 'memory' ? world : restart(world));

  test.each(['small', 'large'])('an offset in the middle of a %s batch gets the whole batch', async (size) => {
    const { world, topic } = await singlePartition();
    const pad = (name: string) => (size === 'large' ? large(name) : name);
    await produce(world.log, topic, 0, ['a', 'b', pad('c')]);
    await produce(world.log, topic, 0, ['d', pad('e')]);
    const reader = await settled(world);
    expect(await values(reader, topic, 1)).toEqual(['0:a', '1:b', '2:c', '3:d', '4:e']);
    expect(await values(reader, topic, 4)).toEqual(['3:d', '4:e']);
    expect(await values(reader, topic, 5)).toEqual([]);
  });

  test('batches are never cut, and the first one comes whatever the limits say', async () => {
    const { world, topic } = await singlePartition();
    for (const name of ['a', 'b', 'c']) await produce(world.log, topic, 0, [large(name, 10_000)]);
    const reader = await settled(world);
    expect(await values(reader, topic, 0, { maxBytes: 1 })).toEqual(['0:a']);
    expect(await values(reader, topic, 0, { maxBytes: 25_000 })).toEqual(['0:a', '1:b']);
    expect(await values(reader, topic, 1, {}, { maxBytes: 0 })).toEqual(['1:b']);
  });

  test('the limit of the answer counts over partitions in their order', async () => {
    const world = await open();
    const topic = await world.topics.create({ name: 'orders', partitions: 3, config: {} });
    for (const partition of [0, 1, 2]) await produce(world.log, topic, partition, [large('x', 10_000)]);
    const reader = await settled(world);
    const wanted = [2, 0, 1].map((partition) => fetchPartition(topic, partition, 0));
    const answer = await fetch(reader.log, wanted, { maxBytes: 21_000 });
    expect(answer.partitions.map(({ bytes }) => bytes > 0)).toEqual([true, true, false]);
    expect(answer.bytes).toBe(answer.partitions[0]!.bytes + answer.partitions[1]!.bytes);
    answer.release();
  });

  test('records carry their offsets and the epoch of their journal', async () => {
    const { world, topic } = await singlePartition();
    await produce(world.log, topic, 0, ['a']);
    await produce(world.log, topic, 0, [large('b')]);
    const reader = await settled(world);
    const answer = await fetch(reader.log, [fetchPartition(topic, 0, 0)]);
    const bytes = Buffer.concat(answer.partitions[0]!.records);
    answer.release();
    expect(bytes.readBigInt64BE(0)).toBe(0n);
    const second = 12 + bytes.readInt32BE(8);
    expect(bytes.readBigInt64BE(second)).toBe(1n);
    expect(bytes.readInt32BE(second + 12)).toBe(world.journals[0]!.epoch);
  });

  test('a large partition is read back whole, block by block', async () => {
    const { world, topic } = await singlePartition();
    const calls = Array.from({ length: 60 }, (_, index) => produce(world.log, topic, 0, [large(`${index}`, 100_000)]));
    await Promise.all(calls);
    const reader = await settled(world);
    const expected = calls.map((_, index) => `${index}:${index}`);
    expect(names(await readAll(reader.log, topic, 0, 0))).toEqual(expected);
    expect(names(await readAll(reader.log, topic, 0, 17, 150_000))).toEqual(expected.slice(17));
    expect(names(await readAll(reader.log, topic, 0, 59))).toEqual(expected.slice(59));
  });
});

describe('long poll', () => {
  test('a fetch is answered with nothing after its time', async () => {
    const { world, topic } = await singlePartition();
    const answer = await fetch(world.log, [fetchPartition(topic, 0, 0)], { maxWaitMs: 20 });
    expect(answer).toMatchObject({ bytes: 0, partitions: [{ error: 'NONE', highWatermark: 0, records: [] }] });
    answer.release();
  });

  test('a fetch waits until min.bytes are there', async () => {
    const { world, topic } = await singlePartition();
    let answered = false;
    const waiting = fetch(world.log, [fetchPartition(topic, 0, 0)], { minBytes: 20_000, maxWaitMs: 10_000 });
    waiting.then(() => {
      answered = true;
    });
    await produce(world.log, topic, 0, [large('a', 12_000)]);
    await turns(5);
    expect(answered).toBe(false);
    await produce(world.log, topic, 0, [large('b', 12_000)]);
    const answer = await waiting;
    expect(answer.bytes).toBeGreaterThan(24_000);
    answer.release();
  });

  test('aborting rejects the fetch and leaves nothing behind', async () => {
    const { world, topic } = await singlePartition();
    const abort = new AbortController();
    const waiting = fetch(world.log, [fetchPartition(topic, 0, 0)], { maxWaitMs: 10_000, signal: abort.signal });
    await turns(2);
    abort.abort(new Error('gone'));
    await expect(waiting).rejects.toThrow('gone');
  });

  test('deleting the topic answers those who wait', async () => {
    const { world, topic } = await singlePartition();
    const waiting = fetch(world.log, [fetchPartition(topic, 0, 0)], { maxWaitMs: 10_000 });
    await turns(2);
    await world.topics.delete('orders');
    expect((await waiting).partitions).toMatchObject([{ error: 'UNKNOWN_TOPIC_OR_PARTITION' }]);
  });

  test('closing answers those who wait', async () => {
    const { world, topic } = await singlePartition();
    const waiting = fetch(world.log, [fetchPartition(topic, 0, 0)], { maxWaitMs: 100_000 });
    await turns(2);
    await world.log.close();
    expect((await waiting).bytes).toBe(0);
  });

  test('an error in one partition answers at once', async () => {
    const { world, topic } = await singlePartition();
    const answer = await fetch(world.log, [fetchPartition(topic, 0, 0), fetchPartition(topic, 9, 0)], {
      maxWaitMs: 100_000,
    });
    expect(answer.partitions.map(({ error }) => error)).toEqual(['NONE', 'UNKNOWN_TOPIC_OR_PARTITION']);
  });
});

describe('refused', () => {
  const errorAt = async (world: World, topic: Topic, offset: number, more = {}) => {
    const answer = await fetch(world.log, [fetchPartition(topic, 0, offset, more)]);
    answer.release();
    return answer.partitions[0]!;
  };

  test('an offset beyond the end or before the start is out of range', async () => {
    const { world, topic } = await singlePartition();
    for (const name of ['a', 'b', 'c']) await produce(world.log, topic, 0, [name]);
    await world.log.deleteRecords({ topicId: topic.topicId, partition: 0 }, 2);
    expect(await errorAt(world, topic, 4)).toMatchObject({ error: 'OFFSET_OUT_OF_RANGE', highWatermark: 3 });
    expect(await errorAt(world, topic, 1)).toMatchObject({ error: 'OFFSET_OUT_OF_RANGE', logStartOffset: 2 });
    expect(await errorAt(world, topic, 3)).toMatchObject({ error: 'NONE' });
  });

  test('a deposed broker does not say that an offset is out of range', async () => {
    const { world, topic } = await singlePartition();
    await produce(world.log, topic, 0, ['a']);
    const successor = await open({ metadata: world.metadata, objects: world.objects });
    await produce(successor.log, topic, 0, ['b']);
    expect(await errorAt(world, topic, 2)).toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER' });
    expect(await errorAt(successor, topic, 2)).toMatchObject({ error: 'NONE' });
  });

  test('a leader epoch that is older or newer than the journal is told apart', async () => {
    const { world, topic } = await singlePartition();
    const { epoch } = world.journals[0]!;
    const at = (currentLeaderEpoch: number) => errorAt(world, topic, 0, { currentLeaderEpoch });
    expect(await at(epoch - 1)).toMatchObject({ error: 'FENCED_LEADER_EPOCH' });
    expect(await at(epoch + 1)).toMatchObject({ error: 'UNKNOWN_LEADER_EPOCH' });
    expect(await at(epoch)).toMatchObject({ error: 'NONE', leaderEpoch: epoch });
  });
});

async function segmentKeys(objects: ObjectStore): Promise<ObjectKey[]> {
  const page = await objects.list(segmentPrefix('c'), '', 1_000, { cause: 'tool' });
  return page.objects.map(({ key }) => key);
}

describe('trouble with stores', () => {
  test('damage in one partition is told by name, and the others are read', async () => {
    const world = await open();
    const topic = await world.topics.create({ name: 'orders', partitions: 2, config: {} });
    await world.log.produce([produceBatch(topic, 0, [large('a')]), produceBatch(topic, 1, [large('b')])], {
      origin: 'kafka',
    });
    await world.close();
    const [key] = await segmentKeys(world.objects);
    const bytes = (await world.objects.read(key!, { start: 0, end: 1 << 30 }, { cause: 'tool' })) as Buffer;
    bytes[80_100]! ^= 1; // Inside the second partition's batch or the first one's end.
    await world.objects.delete([key!], { cause: 'tool' });
    await world.objects.create(key!, [bytes], { cause: 'tool' });
    const reader = await open({ metadata: world.metadata, objects: world.objects });
    const answer = await fetch(reader.log, [fetchPartition(topic, 0, 0), fetchPartition(topic, 1, 0)]);
    answer.release();
    const errors = answer.partitions.map(({ error }) => error).sort();
    expect(errors).toEqual(['KAFKA_STORAGE_ERROR', 'NONE']);
    const failed = answer.partitions.find(({ error }) => error !== 'NONE')!;
    expect(failed.message).toContain(key!.split('/').at(-1));
    expect(failed.message).toMatch(/CRC/);
  });

  test('a segment that is gone without a merge fails its partition by name', async () => {
    const { world, topic } = await singlePartition();
    await produce(world.log, topic, 0, [large('a')]);
    const reader = await restart(world);
    const [key] = await segmentKeys(reader.objects);
    await reader.objects.delete([key!], { cause: 'tool' });
    const answer = await fetch(reader.log, [fetchPartition(topic, 0, 0)]);
    answer.release();
    expect(answer.partitions[0]).toMatchObject({ error: 'KAFKA_STORAGE_ERROR' });
    expect(answer.partitions[0]!.message).toContain(key!.split('/').at(-1));
  });

  test('what is damaged is not read again and again for a client that asks at once', async () => {
    const { store: objects, reads } = countingReads(new MemoryObjectStore());
    const { world, topic } = await singlePartition({ objects });
    await produce(world.log, topic, 0, [large('a')]);
    const runtime = virtualRuntime();
    const reader = await restart(world, { runtime });
    const [key] = await segmentKeys(reader.objects);
    await reader.objects.delete([key!], { cause: 'tool' });
    await reader.objects.create(key!, [Buffer.alloc(1 << 20)], { cause: 'tool' });
    const startedAt = runtime.elapsedMs;
    const readsBefore = reads();
    for (let asked = 0; asked < 4; asked++) {
      const answer = await fetch(reader.log, [fetchPartition(topic, 0, 0)], { maxWaitMs: 500 });
      expect(answer.partitions[0]).toMatchObject({ error: 'KAFKA_STORAGE_ERROR' });
      answer.release();
    }
    expect(runtime.elapsedMs - startedAt).toBeGreaterThanOrEqual(2_000);
    expect(reads() - readsBefore).toBe(4);
  });

  test('a store that throttles slows reads down and fails none', async () => {
    const runtime = testRuntime();
    const faults = new Faults(runtime);
    const objects = faultyObjectStore(new MemoryObjectStore(), faults);
    const metadata = new MemoryMetadataStore();
    const { world, topic } = await singlePartition({ runtime, objects, metadata });
    await produce(world.log, topic, 0, [large('a')]);
    const reader = await restart(world);
    faults.script({ operation: 'read', fault: 'throttled', times: 2 });
    expect(await values(reader, topic, 0)).toEqual(['0:a']);
  });

  test('a store that does not answer fails the fetch retriably, and the next one succeeds', async () => {
    const runtime = testRuntime();
    const faults = new Faults(runtime);
    const objects = faultyObjectStore(new MemoryObjectStore(), faults);
    const { world, topic } = await singlePartition({ runtime, objects });
    await produce(world.log, topic, 0, [large('a')]);
    const reader = await restart(world);
    faults.script({ operation: 'read', fault: 'error-before' });
    const answer = await fetch(reader.log, [fetchPartition(topic, 0, 0)]);
    answer.release();
    expect(answer.partitions[0]).toMatchObject({ error: 'KAFKA_STORAGE_ERROR', highWatermark: 1 });
    expect(await values(reader, topic, 0)).toEqual(['0:a']);
  });

  test('a fetch of more long extents than there is room for footers brings all of them', async () => {
    const world = await open();
    const topic = await world.topics.create({ name: 'orders', partitions: 12, config: {} });
    for (let partition = 0; partition < 12; partition++) {
      await Promise.all(
        Array.from({ length: 15 }, (_, index) => produce(world.log, topic, partition, [large(`${index}`)])),
      );
    }
    const reader = await restart(world, { indexBytesMax: 1 });
    const wanted = Array.from({ length: 12 }, (_, partition) => fetchPartition(topic, partition, 0, { maxBytes: 1 }));
    const answer = await fetch(reader.log, wanted, { maxBytes: 1 << 26 });
    answer.release();
    expect(answer.partitions.map(({ error }) => error)).toEqual(wanted.map(() => 'NONE'));
  });

  test('many readers of one block cause one read', async () => {
    const runtime = testRuntime();
    const faults = new Faults(runtime);
    const { store, reads } = countingReads(new MemoryObjectStore());
    const objects = faultyObjectStore(store, faults);
    const { world, topic } = await singlePartition({ runtime, objects });
    await produce(world.log, topic, 0, [large('a')]);
    const reader = await restart(world);
    faults.plan = { latencyMs: [5, 5] };
    const all = await Promise.all(Array.from({ length: 20 }, () => values(reader, topic, 0)));
    expect(all).toEqual(all.map(() => ['0:a']));
    expect(reads()).toBe(1);
  });

  test('neighbours in a segment come in one read', async () => {
    const { store: objects, reads } = countingReads(new MemoryObjectStore());
    const world = await open({ objects });
    const topic = await world.topics.create({ name: 'orders', partitions: 10, config: {} });
    const partitions = Array.from({ length: 10 }, (_, partition) => partition);
    await world.log.produce(
      partitions.map((partition) => produceBatch(topic, partition, [large('a', 20_000)])),
      { origin: 'kafka' },
    );
    const reader = await restart(world);
    const answer = await fetch(
      reader.log,
      partitions.map((partition) => fetchPartition(topic, partition, 0)),
    );
    expect(answer.partitions.every(({ bytes }) => bytes > 20_000)).toBe(true);
    answer.release();
    expect(reads()).toBe(1);
  });

  test('a segment that was merged while it was read is looked up again', async () => {
    const runtime = testRuntime();
    const faults = new Faults(runtime);
    const objects = faultyObjectStore(new MemoryObjectStore(), faults);
    const { world, topic } = await singlePartition({ runtime, objects });
    await produce(world.log, topic, 0, [large('a')]);
    const reader = await restart(world);
    const [key] = await segmentKeys(objects);
    faults.script({ operation: 'read', fault: 'hang' });
    const reading = values(reader, topic, 0);
    await turns(3);
    await moveExtents(reader, topic);
    await objects.delete([key!], { cause: 'reclaim' });
    faults.release();
    expect(await reading).toEqual(['0:a']);
  });
});

/** What a merge does: the same bytes, with absolute offsets, in another segment. */
async function moveExtents(world: World, topic: Topic): Promise<void> {
  const { layoutSegment } = await import('../../../src/segment/build.ts');
  const { placeBatch, readBatchHeader } = await import('../../../src/record/batch.ts');
  const journal = world.journals[0]!;
  const state = journal.state.partition(topic.topicId, 0)!;
  const extents = [...state.extents];
  const batches = [];
  for (const extent of extents) {
    if (extent.source.type !== 'segment') throw new Error('not a segment');
    const range = { start: extent.position, end: extent.position + extent.length };
    const bytes = (await world.objects.read(segmentKey('c', extent.source.segmentId), range, {
      cause: 'merge',
    })) as Buffer;
    let offset = extent.baseOffset;
    for (let at = 0; at < bytes.length; ) {
      placeBatch(bytes, at, offset, extent.leaderEpoch);
      const header = readBatchHeader(bytes, at);
      batches.push({ bytes: bytes.subarray(at, at + header.length), header });
      offset += header.lastOffsetDelta + 1;
      at += header.length;
    }
  }
  const id = '019aa3b5ec00-1-999999-0-9f86d081';
  const input = { topicId: topic.topicId, partition: 0, journal: 0, batches };
  const segment = layoutSegment(id, [input], 'absolute');
  await world.objects.create(segmentKey('c', id), segment.parts, { cause: 'merge' });
  const add = {
    ...extents[0]!,
    endOffset: extents.at(-1)!.endOffset,
    source: { type: 'segment' as const, segmentId: id },
    position: 0,
    length: segment.reference.footerPosition,
    batchCount: batches.length,
    maxTimestamp: Math.max(...extents.map(({ maxTimestamp }) => maxTimestamp)),
    absolute: true,
  };
  const swaps = [{ topicId: topic.topicId, partition: 0, remove: extents, add: [add] }];
  const outcome = await journal.propose({ type: 'merge', segments: [segment.reference], swaps });
  expect(outcome).toEqual({ type: 'done' });
}

/** Counts the reads that fetches cause. */
function countingReads(inner: ObjectStore): { readonly store: ObjectStore; readonly reads: () => number } {
  let count = 0;
  const store: ObjectStore = {
    pricing: inner.pricing,
    create: (key, parts, options) => inner.create(key, parts, options),
    read(key, range, options) {
      if (options.cause === 'fetch') count++;
      return inner.read(key, range, options);
    },
    readLast: (key, length, options) => inner.readLast(key, length, options),
    list: (prefix, after, limit, options) => inner.list(prefix, after, limit, options),
    delete: (keys, options) => inner.delete(keys, options),
    restore: (key, days, options) => inner.restore(key, days, options),
    close: () => inner.close(),
  };
  return { store, reads: () => count };
}

test('a large merged extent is read by the footer of its segment, from any offset', async () => {
  const { world, topic } = await singlePartition();
  for (let index = 0; index < 30; index++) await produce(world.log, topic, 0, [large(`${index}`, 100_000), 'x']);
  const merging = await restart(world);
  await moveExtents(merging, topic);
  const reader = await restart(merging);
  expect([...reader.journals[0]!.state.partition(topic.topicId, 0)!.extents]).toHaveLength(1);
  expect(await values(reader, topic, 41, { maxBytes: 1 })).toEqual(['40:20', '41:x']);
  const all = names(await readAll(reader.log, topic, 0));
  expect(all).toHaveLength(60);
  expect(all.filter((_, index) => index % 2 === 0)).toEqual(
    Array.from({ length: 30 }, (_, index) => `${2 * index}:${index}`),
  );
});

describe('memory', () => {
  test('answers that nobody releases hold others back for a while, not for ever', async () => {
    const config = { 'fetch.cache.bytes.max': '1048576', 'segment.bytes.max': '65536' };
    const { world, topic } = await singlePartition({ config });
    for (let index = 0; index < 20; index++) await produce(world.log, topic, 0, [large(`${index}`, 90_000)]);
    const held = [];
    for (let index = 0; index < 6; index++) {
      held.push(await fetch(world.log, [fetchPartition(topic, 0, index)], { maxWaitMs: 1 }));
    }
    expect(held.at(-1)!.bytes).toBe(0);
    const waiting = fetch(world.log, [fetchPartition(topic, 0, 0)], { maxWaitMs: 60_000 });
    for (const answer of held) answer.release();
    const answer = await waiting;
    expect(answer.bytes).toBeGreaterThan(0);
    answer.release();
    answer.release();
  });

  test('a store that is slow with old records does not keep new ones from their readers', async () => {
    const runtime = testRuntime();
    let now = runtime.clock.now();
    const late = { ...runtime, clock: { ...runtime.clock, now: () => now } };
    const faults = new Faults(runtime);
    const objects = faultyObjectStore(new MemoryObjectStore(), faults);
    const config = { 'fetch.cache.bytes.max': '1048576' };
    const { world, topic } = await singlePartition({ runtime: late, objects, config });
    for (let index = 0; index < 8; index++) await produce(world.log, topic, 0, [large(`${index}`, 300_000)]);
    const reader = await restart(world, { runtime: late, config });
    now += 3_600_000;
    faults.plan = { operations: { read: { faults: { hang: 1 } } } };
    const abort = new AbortController();
    const old = Array.from({ length: 8 }, (_, offset) =>
      fetch(reader.log, [fetchPartition(topic, 0, offset)], { signal: abort.signal }).catch(() => null),
    );
    await turns(5);
    faults.plan = {};
    await produce(reader.log, topic, 0, ['new']);
    const answer = await fetch(reader.log, [fetchPartition(topic, 0, 8)]);
    expect(answer.bytes).toBeGreaterThan(0);
    answer.release();
    abort.abort();
    faults.release();
    await Promise.all(old);
  });

  test('short answers pin no chunk', async () => {
    const { world, topic } = await singlePartition();
    await produce(world.log, topic, 0, ['a']);
    const answer = await fetch(world.log, [fetchPartition(topic, 0, 0)]);
    expect(world.log.leases).toBe(0);
    expect(answer.bytes).toBeGreaterThan(0);
  });

  test('an answer stays as it is while everything else in memory is replaced', async () => {
    const config = { 'fetch.cache.bytes.max': '1048576', 'ingest.buffer.bytes.max': '1048576' };
    const { world, topic } = await singlePartition({ config });
    await produce(world.log, topic, 0, [large('kept', 100_000)]);
    const answer = await fetch(world.log, [fetchPartition(topic, 0, 0)]);
    const before = Buffer.concat(answer.partitions[0]!.records);
    for (let index = 0; index < 60; index++) await produce(world.log, topic, 0, [large(`${index}`, 100_000)]);
    expect(Buffer.concat(answer.partitions[0]!.records).equals(before)).toBe(true);
    answer.release();
  });

  test('readers of everything at once, with little memory, all see the same', async () => {
    const config = { 'fetch.cache.bytes.max': '2097152' };
    const world = await open({ config });
    const topic = await world.topics.create({ name: 'orders', partitions: 3, config: {} });
    const expected: string[][] = [[], [], []];
    for (let index = 0; index < 90; index++) {
      await produce(world.log, topic, index % 3, [large(`${index}`, 30_000)]);
      expected[index % 3]!.push(`${Math.floor(index / 3)}:${index}`);
    }
    const reader = await restart(world, { config });
    const readers = Array.from({ length: 9 }, async (_, index) => {
      const partition = index % 3;
      return [partition, names(await readAll(reader.log, topic, partition, 0, 40_000 * (index + 1)))] as const;
    });
    for (const [partition, read] of await Promise.all(readers)) expect(read).toEqual(expected[partition]);
  });
});
