/** Journals over memory stores, and short spellings of what tests propose. */
import type { AppendRequest, BatchAnswer, Lane } from '../../../src/journal/journal.ts';
import { type OpenedJournal, type OpenJournalOptions, openJournal } from '../../../src/journal/open-journal.ts';
import { crc32c } from '../../../src/record/crc32c.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import { type Runtime, systemRuntime } from '../../../src/runtime/runtime.ts';
import { sealSegment } from '../../../src/segment/build.ts';
import type { BatchDescription, PartitionBatches, SegmentReference } from '../../../src/segment/footer.ts';
import { segmentKey } from '../../../src/segment/segment-id.ts';
import { MemoryMetadataStore } from '../../../src/storage/memory/metadata-store.ts';
import { MemoryObjectStore } from '../../../src/storage/memory/object-store.ts';
import type { MetadataStore } from '../../../src/storage/metadata-store.ts';
import type { ObjectStore } from '../../../src/storage/object-store.ts';

export const TOPIC = 'AAAAAAAAQACAAAAAAAAAAA';
export const OTHER_TOPIC = 'BBBBBBBBQACAAAAAAAAAAA';

export interface Stores {
  readonly metadata: MetadataStore;
  readonly objects: ObjectStore;
}

export const memoryStores = (): { metadata: MemoryMetadataStore; objects: MemoryObjectStore } => ({
  metadata: new MemoryMetadataStore(),
  objects: new MemoryObjectStore(),
});

export const testRuntime = (): Runtime => systemRuntime(silentLogger);

let nextBrokerEpoch = 1;
/** Every opening is a new life of broker 1. */
export const newBrokerEpoch = (): number => nextBrokerEpoch++;

export function open(stores: Stores, options: Partial<OpenJournalOptions> = {}): Promise<OpenedJournal> {
  return openJournal({
    id: 0,
    clusterId: 'c',
    brokerId: 1,
    brokerEpoch: newBrokerEpoch(),
    runtime: testRuntime(),
    ...stores,
    ...options,
  });
}

export interface BatchWish {
  readonly count?: number;
  readonly length?: number;
  readonly producerId?: number;
  readonly producerEpoch?: number;
  readonly baseSequence?: number;
  readonly attributes?: number;
  readonly maxTimestamp?: number;
}

export function batch(position: number, wish: BatchWish = {}): BatchDescription {
  return {
    position,
    length: wish.length ?? 100,
    offsetCount: wish.count ?? 1,
    producerId: wish.producerId ?? -1,
    producerEpoch: wish.producerEpoch ?? (wish.producerId === undefined ? -1 : 0),
    baseSequence: wish.baseSequence ?? -1,
    attributes: wish.attributes ?? 0,
    baseTimestamp: wish.maxTimestamp ?? 1_763_683_200_000,
    maxTimestamp: wish.maxTimestamp ?? 1_763_683_200_000,
    baseOffset: -1,
    leaderEpoch: -1,
  };
}

export interface PartitionWish {
  readonly topicId?: string;
  readonly partition?: number;
  readonly batches: readonly BatchWish[];
}

/** Positions follow one another over all partitions. */
export function partitionBatches(wishes: readonly PartitionWish[], journal = 0): PartitionBatches[] {
  let position = 0;
  return wishes.map(({ topicId = TOPIC, partition = 0, batches }) => ({
    topicId,
    partition,
    journal,
    batches: batches.map((wish) => {
      const described = batch(position, wish);
      position += described.length;
      return described;
    }),
  }));
}

export const lane = (brokerEpoch: number, laneId = 0, brokerId = 1): Lane => ({ brokerId, brokerEpoch, lane: laneId });

export const segmentReference = (id: string, bytes = 10_000): SegmentReference => ({
  id,
  bytes,
  footerPosition: bytes - 200,
  footerLength: 150,
  footerCrc: 0xdeadbeef,
});

export function segmentAppend(
  at: { lane: Lane; number: number; segmentId?: string },
  wishes: readonly PartitionWish[],
  more: Partial<AppendRequest> = {},
): AppendRequest {
  const segment = segmentReference(at.segmentId ?? `s-${at.lane.brokerEpoch}-${at.lane.lane}-${at.number}`);
  return {
    lane: at.lane,
    number: at.number,
    source: { type: 'segment', segment },
    partitions: partitionBatches(wishes),
    ...more,
  };
}

/** Uploads a segment whose batches hold nothing of interest, so that its footer can be read back. */
export async function uploadedAppend(
  stores: Stores,
  at: { lane: Lane; number: number; segmentId: string },
  wishes: readonly PartitionWish[],
  journal = 0,
): Promise<AppendRequest> {
  const partitions = partitionBatches(wishes, journal);
  const bytes = partitions.flatMap(({ batches }) => batches).reduce((sum, { length }) => sum + length, 0);
  const body = Buffer.alloc(bytes);
  const { parts, reference } = sealSegment(at.segmentId, { parts: [body], bytes, crc: crc32c(body), partitions });
  await stores.objects.create(segmentKey('c', at.segmentId), parts, { cause: 'ingest' });
  return { lane: at.lane, number: at.number, source: { type: 'segment', segment: reference }, partitions };
}

/** Bytes of each batch repeat one letter, so that reads can be told apart. */
export function inlineAppend(
  at: { lane: Lane; number: number },
  wishes: readonly PartitionWish[],
  letter = 'a',
  more: Partial<AppendRequest> = {},
): AppendRequest {
  const partitions = partitionBatches(wishes);
  const bytes = partitions.flatMap(({ batches }) => batches).reduce((sum, { length }) => sum + length, 0);
  const source = { type: 'inline' as const, parts: [Buffer.alloc(bytes, letter)], bytes };
  return { lane: at.lane, number: at.number, source, partitions, ...more };
}

/** `@5` appended at 5, `=5` duplicate of 5, an error name when refused. */
export const brief = (answers: readonly (readonly BatchAnswer[])[]): string =>
  answers
    .map((ofPartition) =>
      ofPartition
        .map((answer) =>
          answer.type === 'refused' ? answer.error : `${answer.type === 'appended' ? '@' : '='}${answer.baseOffset}`,
        )
        .join(' '),
    )
    .join(' | ');

export async function createTopic(journal: OpenedJournal, partitions = [0], topicId = TOPIC): Promise<void> {
  await journal.propose({ type: 'createPartitions', topicId, partitions });
}
