/** The broker of the benchmark `takeover`: writes a large journal, takes it over from two kinds of stores, and tells how it went. */
import { monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks';
import type { Entry } from '../../src/journal/entry.ts';
import { encodeEntry } from '../../src/journal/entry-codec.ts';
import { SharedExtentList } from '../../src/journal/extent-list.ts';
import type { SegmentUse } from '../../src/journal/journal.ts';
import { JournalStore, NO_POINTER } from '../../src/journal/journal-store.ts';
import { openJournal } from '../../src/journal/open-journal.ts';
import type { Extent, PartitionState } from '../../src/journal/partition-state.ts';
import { producerKey } from '../../src/journal/producers.ts';
import { SharedList } from '../../src/journal/shared-list.ts';
import { captureState, encodeSnapshot } from '../../src/journal/snapshot-encoder.ts';
import { JournalState, partitionKey } from '../../src/journal/state.ts';
import { NONE_ABORTED } from '../../src/journal/transactions.ts';
import { SNAPSHOT_REFERENCES } from '../../src/limits.ts';
import { crc32c } from '../../src/record/crc32c.ts';
import { sleep } from '../../src/runtime/clock.ts';
import { limitHeapGrowth } from '../../src/runtime/heap.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { randomUuid, systemRandom } from '../../src/runtime/random.ts';
import { systemRuntime } from '../../src/runtime/runtime.ts';
import { sealSegment } from '../../src/segment/build.ts';
import type { PartitionBatches, SegmentReference } from '../../src/segment/footer.ts';
import { segmentKey } from '../../src/segment/segment-id.ts';
import { Faults, faultyMetadataStore, faultyObjectStore } from '../../src/storage/faulty.ts';
import { MemoryMetadataStore } from '../../src/storage/memory/metadata-store.ts';
import { MemoryObjectStore } from '../../src/storage/memory/object-store.ts';
import { ALWAYS } from '../../src/storage/metadata-store.ts';
import type { TakeoverFigures } from './takeover.ts';

const CLUSTER = 'bench';
const PARTITIONS_PER_TOPIC = 100;
const EXTENTS_PER_PARTITION = 100;
/** Partitions with a part in one segment, at different times of its life. */
const PARTITIONS_PER_SEGMENT = 50;
const UNCOVERED_SEGMENTS = SNAPSHOT_REFERENCES;
const UNCOVERED_PARTITIONS = 50;
/** Of batches behind the snapshot: nobody reads them. */
const BATCH_BYTES = 100;
const EPOCH = 7;
const NOW = 1_763_683_200_000;
/** Observers of performance are told a little later. */
const SETTLING_MS = 50;
const MS_PER_MICROSECOND = 1e-3;
const MS_PER_NANOSECOND = 1e-6;

type Stores = Pick<Parameters<typeof openJournal>[0], 'objects' | 'metadata'>;

let brokerEpoch = 1;

async function measure(partitions: number): Promise<TakeoverFigures> {
  const runtime = systemRuntime(silentLogger);
  const objects = new MemoryObjectStore();
  const metadata = new MemoryMetadataStore();
  const stores = { objects, metadata };
  const { snapshotBytes, entryBytes } = await write(stores, partitions);
  const inMemory = await takeOver(stores, runtime);
  const faults = new Faults(runtime, {
    latencyMs: [1, 4],
    operations: { read: { latencyMs: [15, 35], slow: 0.01, slowMs: [100, 100] } },
  });
  const faulty = {
    objects: faultyObjectStore(objects, faults),
    metadata: faultyMetadataStore(metadata, faults),
  };
  const away = await takeOver(faulty, runtime);
  return {
    snapshotBytes,
    entryBytes,
    entries: UNCOVERED_SEGMENTS,
    extentsPerPartition: EXTENTS_PER_PARTITION,
    inMemory,
    away,
  };
}

async function takeOver(stores: Stores, runtime: ReturnType<typeof systemRuntime>) {
  globalThis.gc!(); // What writing the journal left behind.
  let pauseMs = 0;
  const pauses = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) pauseMs = Math.max(pauseMs, duration);
  });
  await sleep(runtime.timers, SETTLING_MS);
  pauses.observe({ entryTypes: ['gc'] });
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const startedAt = runtime.clock.monotonic();
  const cpu = process.cpuUsage();
  const journal = await openJournal({ id: 0, clusterId: CLUSTER, brokerId: 1, brokerEpoch, runtime, ...stores });
  brokerEpoch++;
  const { user, system } = process.cpuUsage(cpu);
  const ms = runtime.clock.monotonic() - startedAt;
  delay.disable();
  await journal.close();
  await sleep(runtime.timers, SETTLING_MS);
  pauses.disconnect();
  return { ms, cpuMs: (user + system) * MS_PER_MICROSECOND, turnMs: delay.max * MS_PER_NANOSECOND, pauseMs };
}

/** Snapshot, pointer, and the entries behind it. */
async function write({ objects, metadata }: Stores, partitionCount: number) {
  const state = largeState(partitionCount);
  const parts = [...encodeSnapshot(captureState(state))];
  const store = new JournalStore(metadata, objects, CLUSTER, 0, new AbortController().signal);
  const key = store.snapshotKey(state.lastSeq, 'ab');
  await store.createSnapshot(key, parts);
  const snapshotBytes = parts.reduce((sum, part) => sum + part.length, 0);
  const pointer = { snapshotSeq: state.lastSeq, floor: state.lastSeq, snapshot: { key, bytes: snapshotBytes } };
  await store.writePointer(NO_POINTER, pointer, 'w');
  let entryBytes = 0;
  const partitions = [...state.partitionsByKey.values()];
  for (let at = 0; at < UNCOVERED_SEGMENTS; at++) {
    const appended = partitions.slice((at * UNCOVERED_PARTITIONS) % partitions.length).slice(0, UNCOVERED_PARTITIONS);
    const { reference, batchCount } = await upload({ objects, metadata }, at, appended);
    const entry: Entry = {
      seq: state.lastSeq + 1 + at,
      id: systemRandom.bytes(16).toString('hex'),
      epoch: EPOCH,
      timestamp: NOW + at,
      commands: [
        {
          type: 'appended',
          lane: { brokerId: 1, brokerEpoch: 3, lane: 1 },
          number: at,
          source: { type: 'segment', segment: reference },
          batches: { type: 'footer', batchCount },
          exceptions: [],
          groups: [],
        },
      ],
      body: Buffer.alloc(3_500),
    };
    const bytes = encodeEntry(0, entry);
    entryBytes += bytes.length;
    await metadata.put(store.entryItem(entry.seq, entry.id, bytes), ALWAYS, { cause: 'journal' });
  }
  return { snapshotBytes, entryBytes };
}

async function upload({ objects }: Stores, number: number, partitions: readonly PartitionState[]) {
  const sorted = [...partitions].sort((a, b) =>
    a.topicId < b.topicId ? -1 : a.topicId > b.topicId ? 1 : a.partition - b.partition,
  );
  let position = 0;
  const described = sorted.map(({ topicId, partition }): PartitionBatches => {
    const batches = [0, 1].map((place) => {
      const batch = {
        ...{
          position,
          length: BATCH_BYTES,
          offsetCount: 16,
          attributes: 0,
          baseTimestamp: NOW + number,
          maxTimestamp: NOW + number,
        },
        ...{
          producerId: partition,
          producerEpoch: 0,
          baseSequence: 16 * (2 * number + place),
          baseOffset: -1,
          leaderEpoch: -1,
        },
      };
      position += batch.length;
      return batch;
    });
    return { topicId, partition, journal: 0, batches };
  });
  const id = segmentId(1_000_000 + number);
  const body = Buffer.alloc(position);
  const { parts, reference } = sealSegment(id, {
    parts: [body],
    bytes: position,
    crc: crc32c(body),
    partitions: described,
  });
  await objects.create(segmentKey(CLUSTER, id), parts, { cause: 'ingest' });
  return { reference, batchCount: 2 * described.length };
}

const segmentId = (number: number): string => `019aa3b5ec00-1-3-${number}-9f86d081`;

function largeState(partitionCount: number): JournalState {
  const state = new JournalState(0);
  state.lastSeq = 5_000_000;
  state.lastEntryId = 'ab'.repeat(16);
  state.epoch = EPOCH;
  state.fences = [1, 9, 100, 1_000, 10_000, 100_000, 4_000_000];
  const segments = Array.from(
    { length: Math.ceil((partitionCount * EXTENTS_PER_PARTITION) / PARTITIONS_PER_SEGMENT) },
    (_, at): SegmentReference => ({
      id: segmentId(at),
      bytes: 8_000_000,
      footerPosition: 7_990_000,
      footerLength: 9_900,
      footerCrc: (at * 2_654_435_761) >>> 0,
    }),
  );
  const uses = segments.map((segment) => ({ ...segment, extentCount: 0, liveBytes: 0 }));
  let topicId = '';
  for (let at = 0; at < partitionCount; at++) {
    if (at % PARTITIONS_PER_TOPIC === 0) topicId = randomUuid(systemRandom);
    const partition = at % PARTITIONS_PER_TOPIC;
    const extents: Extent[] = [];
    let offset = 1_000_000;
    for (let place = 0; place < EXTENTS_PER_PARTITION; place++) {
      const isMerged = place < EXTENTS_PER_PARTITION / 4;
      const use =
        uses[
          (place * Math.ceil(partitionCount / PARTITIONS_PER_SEGMENT) + Math.floor(at / PARTITIONS_PER_SEGMENT)) %
            uses.length
        ]!;
      const count = isMerged ? 5_000 + place : 16 + (at % 7);
      const length = isMerged ? 2_000_000 + at : 16_000 + place;
      extents.push({
        baseOffset: offset,
        endOffset: offset + count,
        source: { type: 'segment', segmentId: use.id },
        position: (at % PARTITIONS_PER_SEGMENT) * 16_100,
        length,
        batchCount: isMerged ? 100 : 1,
        maxTimestamp: NOW - 1_000_000 + 1_000 * place,
        leaderEpoch: 1 + Math.floor(place / 20),
        absolute: isMerged,
        appendedAt: NOW - 999_900 + 1_000 * place,
      });
      offset += count;
      use.extentCount++;
      use.liveBytes += length;
    }
    const key = partitionKey(topicId, partition);
    state.partitionsByKey.set(key, {
      ...{ topicId, partition, logStartOffset: 1_000_000, nextOffset: offset, lastStableOffset: offset },
      ...{ unstable: [], abortedTransactions: NONE_ABORTED, extents: SharedExtentList.of(extents) },
      bytes: extents.reduce((sum, { length }) => sum + length, 0),
      epochs: [1, 2, 3, 4, 5].map((epoch) => ({ epoch, startOffset: 1_000_000 + epoch })),
    });
    state.producersByKey.set(producerKey(key, at), {
      ...{ partitionKey: key, producerId: partition, producerEpoch: 0, lastAppendAt: NOW, coordinatorEpoch: -1 },
      ...{ open: null, endedTransaction: -1 },
      batches: [0, 1, 2, 3, 4].map((place) => ({
        ...{ baseSequence: 16 * place, lastSequence: 16 * place + 15, baseOffset: offset - 16 * (5 - place) },
        maxTimestamp: NOW,
      })),
    });
  }
  for (const use of uses) state.segmentsById.set(use.id, use as SegmentUse);
  for (let brokerId = 1; brokerId <= 6; brokerId++) {
    state.sessions.set(brokerId, 3);
    const answers = Array.from({ length: 64 }, (_, number) => ({
      ...{ type: 'appended' as const, number, seq: 4_999_000 + number, entryId: 'cd'.repeat(16), inlinePosition: 0 },
      ...{ leaderEpoch: EPOCH, batchCounts: [2, 2, 2, 2], logStartOffsets: [1, 2, 3, 4] },
      ...{ baseOffsets: [1, 2, 3, 4, 5, 6, 7, 8].map((place) => 1_000_000 + place), exceptions: [] },
    }));
    // The lane of the entries behind the snapshot begins with them.
    if (brokerId > 1)
      state.lanes.set(`${brokerId}/1`, {
        brokerId,
        brokerEpoch: 3,
        lane: 1,
        last: 63,
        answers: SharedList.of(answers),
      });
  }
  return state;
}

limitHeapGrowth();
process.send!(await measure(Number(process.argv[2])));
process.disconnect();
