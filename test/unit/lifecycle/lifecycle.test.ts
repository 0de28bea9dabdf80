import { describe, expect, test } from 'vitest';
import { type Given, parseConfig } from '../../../src/config.ts';
import type { CoordinatorCommand } from '../../../src/journal/journal.ts';
import type { FetchedPartition } from '../../../src/log/log.ts';
import { iterateBatches } from '../../../src/record/batch.ts';
import { readControlBatch } from '../../../src/record/control-batch.ts';
import { buildBatch, type DecodedRecord, decodeBatch } from '../../../src/record/records.ts';
import { type Clock, systemClock, systemTimers } from '../../../src/runtime/clock.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import { PrometheusMetrics } from '../../../src/runtime/metrics.ts';
import { systemRandom } from '../../../src/runtime/random.ts';
import type { Runtime } from '../../../src/runtime/runtime.ts';
import { segmentKey, segmentPrefix } from '../../../src/segment/segment-id.ts';
import { type Core, openCore } from '../../../src/server.ts';
import { MemoryMetadataStore } from '../../../src/storage/memory/metadata-store.ts';
import { MemoryObjectStore } from '../../../src/storage/memory/object-store.ts';

const signal = AbortSignal.timeout(30_000);
const CLUSTER = 'millrace';

/** The broker's wall clock and the store's, moved by hand; durations stay real. */
class WallClock implements Clock {
  offsetMs = 0;
  now = () => systemClock.now() + this.offsetMs;
  monotonic = () => systemClock.monotonic() + this.offsetMs;
}

interface World {
  readonly core: Core;
  readonly objects: MemoryObjectStore;
  readonly metadata: MemoryMetadataStore;
  readonly brokerClock: WallClock;
  readonly storeClock: WallClock;
  readonly runtime: Runtime;
  readonly reopen: () => Promise<Core>;
}

async function open(journals: number, given: Given = {}): Promise<World> {
  const brokerClock = new WallClock();
  const storeClock = new WallClock();
  const objects = new MemoryObjectStore({ clock: storeClock });
  const metadata = new MemoryMetadataStore();
  const runtime: Runtime = {
    clock: brokerClock,
    timers: systemTimers,
    random: systemRandom,
    logger: silentLogger,
    metrics: new PrometheusMetrics(),
  };
  const config = parseConfig({ journals: String(journals), 'merge.segment.bytes': '1048576', ...given });
  const reopen = () => openCore({ config, runtime, stores: { objects, metadata } });
  return { core: await reopen(), objects, metadata, brokerClock, storeClock, runtime, reopen };
}

async function produce(
  { log, topics }: Core,
  name: string,
  partition: number,
  values: readonly string[],
  timestamp: number,
) {
  const records = buildBatch(
    values.map((value) => ({ key: null, value })),
    { timestamp },
  );
  const { topicId } = topics.byName(name)!;
  const [outcome] = await log.produce([{ topicId, partition, records }], { origin: 'kafka' });
  expect(outcome).toMatchObject({ error: 'NONE' });
}

async function readAll({ log, topics }: Core, name: string, partition: number): Promise<DecodedRecord[]> {
  const { topicId } = topics.byName(name)!;
  const records: DecodedRecord[] = [];
  let fetchOffset = (await log.watermarks({ topicId, partition })).logStartOffset;
  for (;;) {
    const request = { topicId, partition, fetchOffset, maxBytes: 1 << 20, currentLeaderEpoch: -1 };
    const answer = await log.fetch(
      { partitions: [request], minBytes: 0, maxBytes: 1 << 20, maxWaitMs: 0, isolation: 'read_uncommitted' },
      signal,
    );
    const [fetched] = answer.partitions;
    expect(fetched!.error).toBe('NONE');
    const bytes = Buffer.concat(fetched!.records);
    answer.release();
    for (const { position, header } of iterateBatches(bytes)) {
      const batch = bytes.subarray(position, position + header.length);
      for (const record of await decodeBatch(batch, { decompressedBytesMax: 1 << 20 })) {
        if (record.offset >= fetchOffset) records.push(record);
      }
    }
    if (records.length === 0 || records.at(-1)!.offset < fetchOffset) return records;
    fetchOffset = records.at(-1)!.offset + 1;
  }
}

const segmentCount = async (objects: MemoryObjectStore) =>
  (await objects.list(segmentPrefix(CLUSTER), '', 1_000, { cause: 'tool' })).objects.length;

const extents = ({ journals }: Core) =>
  journals.flatMap(({ state }) => [...state.partitions()].flatMap((partition) => [...partition.extents]));

/** Reclaims as far as the clocks let it: what entries above a snapshot name needs one more delay. */
async function reclaim({ core, storeClock, brokerClock }: World, delayMs: number): Promise<void> {
  for (let round = 0; round < 3; round++) {
    await core.lifecycle.reclaim(signal);
    storeClock.offsetMs += delayMs;
    brokerClock.offsetMs += delayMs;
    await core.lifecycle.reclaim(signal);
    await new Promise((resolve) => setTimeout(resolve, 20)); // A snapshot that was asked for.
  }
}

async function snapshot({ journals }: Core): Promise<void> {
  for (const journal of journals) journal.requestSnapshot();
  await new Promise((resolve) => setTimeout(resolve, 30));
}

describe.each([1, 4])('the background work of a broker with %i journals', (journals) => {
  test('merging keeps every record at its offset, across a restart, and leaves few extents and objects', async () => {
    const world = await open(journals);
    const { core, objects } = world;
    await core.topics.create({ name: 't', partitions: 8, config: {} });
    const value = (partition: number, round: number) => `${partition}/${round}/${'x'.repeat(200)}`;
    for (let round = 0; round < 40; round++) {
      // Large flushes become segments, small ones go inline.
      const padding = round % 2 === 0 ? ['y'.repeat(30_000)] : [];
      await Promise.all(
        Array.from({ length: 8 }, (_, partition) =>
          produce(core, 't', partition, [value(partition, round), ...padding], round),
        ),
      );
    }
    const before = await Promise.all(Array.from({ length: 8 }, (_, partition) => readAll(core, 't', partition)));
    const extentsBefore = extents(core).length;
    for (let pass = 0; pass < 4; pass++) {
      await core.lifecycle.merge(signal);
      await reclaim(world, 120_000);
    }
    expect(extents(core).length).toBeLessThan(extentsBefore / 2);
    for (const { source } of extents(core)) {
      if (source.type !== 'segment') continue;
      const tail = await objects.readLast(segmentKey(CLUSTER, source.segmentId), 1, { cause: 'tool' });
      expect(tail, `segment ${source.segmentId}`).not.toBeNull();
    }
    const referenced = new Set(
      extents(core).flatMap(({ source }) => (source.type === 'segment' ? [source.segmentId] : [])),
    );
    expect(await segmentCount(objects)).toBe(referenced.size);
    const readBack = async (from: Core) =>
      Promise.all(Array.from({ length: 8 }, (_, partition) => readAll(from, 't', partition)));
    expect(await readBack(core)).toEqual(before);
    await core.close();
    const again = await world.reopen();
    expect(await readBack(again)).toEqual(before);
    await again.close();
  });

  test('merging keeps markers and transactional batches as they are, across a restart', async () => {
    const world = await open(journals);
    const { core, brokerClock } = world;
    const { topicId, partitions } = await core.topics.create({ name: 't', partitions: 1, config: {} });
    const journal = core.journals.find(({ id }) => id === partitions[0]!.journal)!;
    const coordinate = (command: CoordinatorCommand) => journal.coordinate(() => ({ commands: [command], answer: 0 }));
    for (let transaction = 0; transaction < 20; transaction++) {
      const fields = { topicId, partition: 0, producerId: 7, producerEpoch: transaction, transaction };
      await coordinate({ type: 'transactionGuarded', ...fields });
      const producer = { producerId: 7, producerEpoch: transaction, baseSequence: 0, transactional: true };
      const value = 'x'.repeat(transaction % 3 === 0 ? 90_000 : 100);
      const records = buildBatch([{ key: null, value }], { timestamp: 5, ...producer });
      expect(await core.log.produce([{ topicId, partition: 0, records }], { origin: 'kafka' })).toMatchObject([
        { error: 'NONE', baseOffset: 2 * transaction },
      ]);
      const marker = { producerEpoch: transaction + 1, coordinatorEpoch: 3, committed: transaction % 2 === 0 };
      await coordinate({ type: 'transactionMarked', ...fields, ...marker });
    }
    const readCommitted = async ({ log }: Core) => {
      const request = { topicId, partition: 0, fetchOffset: 0, maxBytes: 1 << 24, currentLeaderEpoch: -1 };
      const limits = { minBytes: 0, maxBytes: 1 << 24, maxWaitMs: 0 };
      const answer = await log.fetch({ partitions: [request], ...limits, isolation: 'read_committed' }, signal);
      const [{ records, abortedTransactions }] = answer.partitions as [FetchedPartition];
      const bytes = Buffer.concat(records);
      answer.release();
      return { bytes, abortedTransactions };
    };
    const before = await readCommitted(core);
    expect(before.abortedTransactions).toHaveLength(10);
    expect([...iterateBatches(before.bytes)].map(({ position }) => readControlBatch(before.bytes, position))).toEqual(
      Array.from({ length: 20 }, (_, transaction) => [
        null,
        { producerId: 7, producerEpoch: transaction + 1, coordinatorEpoch: 3, committed: transaction % 2 === 0 },
      ]).flat(),
    );
    brokerClock.offsetMs += 121_000;
    await core.lifecycle.merge(signal);
    expect(extents(core).every(({ source }) => source.type === 'segment')).toBe(true);
    expect(await readCommitted(core)).toEqual(before);
    await core.close();
    const again = await world.reopen();
    expect(await readCommitted(again)).toEqual(before);
    await again.close();
  });

  test('old inline records are merged even when there is one', async () => {
    const world = await open(journals);
    const { core, brokerClock } = world;
    await core.topics.create({ name: 't', partitions: 1, config: {} });
    await produce(core, 't', 0, ['lonely'], 0);
    expect(extents(core)[0]!.source.type).toBe('inline');
    await core.lifecycle.merge(signal);
    expect(extents(core)[0]!.source.type).toBe('inline');
    brokerClock.offsetMs += 121_000;
    await core.lifecycle.merge(signal);
    expect(extents(core)[0]!.source.type).toBe('segment');
    expect((await readAll(core, 't', 0)).map(({ value }) => String(value))).toEqual(['lonely']);
    await core.close();
  });

  test('a deleted topic leaves no object behind, but only after the delay by the clock of the store', async () => {
    const world = await open(journals);
    const { core, objects, storeClock } = world;
    await core.topics.create({ name: 't', partitions: 8, config: {} });
    await core.topics.create({ name: 'kept', partitions: 1, config: {} });
    for (let partition = 0; partition < 8; partition++) await produce(core, 't', partition, ['z'.repeat(100_000)], 0);
    await produce(core, 'kept', 0, ['z'.repeat(100_000)], 0);
    expect(await segmentCount(objects)).toBeGreaterThan(1);
    await core.topics.delete('t');
    await snapshot(core);
    await core.lifecycle.reclaim(signal);
    storeClock.offsetMs += 119_000;
    await core.lifecycle.reclaim(signal);
    const before = await segmentCount(objects);
    expect(before).toBeGreaterThan(1);
    storeClock.offsetMs += 1_000;
    await core.lifecycle.reclaim(signal);
    expect(await segmentCount(objects)).toBe(1);
    expect((await readAll(core, 'kept', 0)).length).toBe(1);
    for (const { state } of core.journals) expect([...state.condemned()]).toEqual([]);
    await core.close();
  });

  test('a crash between condemning and deleting loses track of nothing', async () => {
    const world = await open(journals);
    const { core, objects } = world;
    await core.topics.create({ name: 't', partitions: 2, config: {} });
    await produce(core, 't', 0, ['z'.repeat(100_000)], 0);
    await core.topics.delete('t');
    await snapshot(core);
    await core.lifecycle.reclaim(signal);
    expect(core.journals.flatMap(({ state }) => [...state.condemned()])).toHaveLength(1);
    expect(await segmentCount(objects)).toBe(1);
    await core.close();
    const again = await world.reopen();
    await reclaim({ ...world, core: again }, 120_000);
    expect(await segmentCount(objects)).toBe(0);
    await again.close();
  });

  test('uploads that were never appended are reclaimed once they are old', async () => {
    const world = await open(journals, { 'reclaim.orphan.age.ms': '1000' });
    const { core, objects } = world;
    const id = '019aa3b5ec00-9-1-0-9f86d081';
    await objects.create(segmentKey(CLUSTER, id), [Buffer.from('half an upload')], { cause: 'ingest' });
    await core.lifecycle.reclaim(signal);
    expect(await segmentCount(objects)).toBe(1);
    await reclaim(world, 120_000);
    expect(await segmentCount(objects)).toBe(0);
    await core.close();
  });

  test('retention by time drops what is old, and nothing when the clocks of broker and store are far apart', async () => {
    const world = await open(journals);
    const { core, brokerClock, storeClock } = world;
    await core.topics.create({ name: 't', partitions: 1, config: { 'retention.ms': '1000' } });
    await produce(core, 't', 0, ['old'], brokerClock.now());
    brokerClock.offsetMs += 10 * 60_000;
    await expect(core.lifecycle.retain(signal)).rejects.toThrow(/clocks of broker and store differ/);
    expect((await readAll(core, 't', 0)).length).toBe(1);
    storeClock.offsetMs = brokerClock.offsetMs;
    await produce(core, 't', 0, ['young'], brokerClock.now());
    await core.lifecycle.retain(signal);
    expect((await readAll(core, 't', 0)).map(({ offset, value }) => [offset, String(value)])).toEqual([[1, 'young']]);
    await core.close();
  });

  test('retention by size keeps at least that much', async () => {
    const world = await open(journals);
    const { core } = world;
    await core.topics.create({ name: 't', partitions: 1, config: { 'retention.bytes': '30000' } });
    for (let round = 0; round < 10; round++) await produce(core, 't', 0, ['r'.repeat(10_000)], Date.now());
    await core.lifecycle.retain(signal);
    const { bytes } = [...core.journals.flatMap(({ state }) => [...state.partitions()])][0]!;
    expect(bytes).toBeGreaterThanOrEqual(30_000);
    expect(bytes).toBeLessThan(41_000);
    await core.close();
  });

  test('passes with nothing to do write nothing', async () => {
    const { core } = await open(journals);
    await core.topics.create({ name: 't', partitions: 4, config: {} });
    const seqs = () => core.journals.map(({ state }) => state.lastSeq);
    const before = seqs();
    await core.lifecycle.merge(signal);
    await core.lifecycle.retain(signal);
    await core.lifecycle.reclaim(signal);
    expect(seqs()).toEqual(before);
    await core.close();
  });
});
