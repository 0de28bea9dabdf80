/** A log over real journals and memory stores, which may misbehave; buffers are poisoned when they come back. */
import { TopicRegistry } from '../../../src/cluster/topic-registry.ts';
import type { Topic } from '../../../src/cluster/topics.ts';
import { type Config, type Given, parseConfig } from '../../../src/config.ts';
import { fixedJournals } from '../../../src/journal/journals.ts';
import { type OpenedJournal, type OpenJournalOptions, openJournal } from '../../../src/journal/open-journal.ts';
import type {
  FetchAnswer,
  FetchPartition,
  Isolation,
  OffsetAt,
  ProduceBatch,
  ProduceOutcome,
} from '../../../src/log/log.ts';
import { type OpenedLog, openLog } from '../../../src/log/open-log.ts';
import { iterateBatches } from '../../../src/record/batch.ts';
import { buildBatch, type DecodedRecord, decodeBatch } from '../../../src/record/records.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import { type Runtime, systemRuntime } from '../../../src/runtime/runtime.ts';
import { SegmentIds } from '../../../src/segment/segment-id.ts';
import { MemoryMetadataStore } from '../../../src/storage/memory/metadata-store.ts';
import { MemoryObjectStore } from '../../../src/storage/memory/object-store.ts';
import type { MetadataStore } from '../../../src/storage/metadata-store.ts';
import type { ObjectStore } from '../../../src/storage/object-store.ts';

export interface WorldOptions {
  readonly journals?: number;
  readonly config?: Given;
  readonly runtime?: Runtime;
  readonly metadata?: MetadataStore;
  readonly objects?: ObjectStore;
  readonly journal?: Partial<OpenJournalOptions>;
  /** Fetches that wait at once. */
  readonly waitersMax?: number;
  /** Of footers that are kept. */
  readonly indexBytesMax?: number;
}

export interface World {
  readonly config: Config;
  readonly runtime: Runtime;
  readonly metadata: MetadataStore;
  readonly objects: ObjectStore;
  readonly journals: readonly OpenedJournal[];
  readonly topics: TopicRegistry;
  readonly log: OpenedLog;
  /** Closes log and journals; stores stay open. */
  close(): Promise<void>;
}

const CLUSTER = 'c';
let nextBrokerEpoch = 1;

export const testRuntime = (): Runtime => systemRuntime(silentLogger);

export async function openWorld(options: WorldOptions = {}): Promise<World> {
  const runtime = options.runtime ?? testRuntime();
  const metadata = options.metadata ?? new MemoryMetadataStore();
  const objects = options.objects ?? new MemoryObjectStore();
  const config = parseConfig(options.config ?? {});
  const brokerId = 1;
  const brokerEpoch = nextBrokerEpoch++;
  const identity = { clusterId: CLUSTER, brokerId, brokerEpoch, runtime };
  const journals = await Promise.all(
    Array.from({ length: options.journals ?? 1 }, (_, id) =>
      openJournal({ ...identity, id, metadata, objects, ...options.journal }),
    ),
  );
  const topics = new TopicRegistry({
    clusterId: CLUSTER,
    metadata,
    journals: fixedJournals(journals),
    runtime,
    defaults: {},
    partitionsDefault: 1,
  });
  await topics.recover();
  const segmentIds = new SegmentIds(runtime.clock, runtime.random, brokerId, brokerEpoch);
  const metadataPricing = metadata.pricing;
  const stores = { journals: fixedJournals(journals), objects, metadataPricing };
  const { waitersMax, indexBytesMax } = options;
  const log = openLog({
    ...identity,
    ...stores,
    config,
    segmentIds,
    topics,
    poison: true,
    ...(waitersMax !== undefined && { waitersMax }),
    ...(indexBytesMax !== undefined && { indexBytesMax }),
  });
  return {
    config,
    runtime,
    metadata,
    objects,
    journals,
    topics,
    log,
    async close() {
      await log.close();
      for (const journal of journals) await journal.close();
    },
  };
}

/** One record per value. */
export function batchOf(values: readonly string[], more: { readonly timestamp?: number; readonly key?: string } = {}) {
  const timestamp = more.timestamp ?? Date.now();
  return buildBatch(
    values.map((value) => ({ key: more.key ?? null, value })),
    { timestamp },
  );
}

export const produceBatch = (topic: Topic, partition: number, values: readonly string[]): ProduceBatch => ({
  topicId: topic.topicId,
  partition,
  records: batchOf(values),
});

export async function produce(
  log: OpenedLog,
  topic: Topic,
  partition: number,
  values: readonly string[],
): Promise<ProduceOutcome> {
  const [outcome] = await log.produce([produceBatch(topic, partition, values)], { origin: 'kafka' });
  return outcome!;
}

export interface FetchWish {
  readonly minBytes?: number;
  readonly maxBytes?: number;
  readonly maxWaitMs?: number;
  readonly isolation?: Isolation;
  readonly signal?: AbortSignal;
}

export const fetchPartition = (
  topic: Topic,
  partition: number,
  fetchOffset: number,
  more: Partial<FetchPartition> = {},
) => ({
  topicId: topic.topicId,
  partition,
  fetchOffset,
  maxBytes: 1024 * 1024,
  currentLeaderEpoch: -1,
  ...more,
});

export function fetch(
  log: OpenedLog,
  partitions: readonly FetchPartition[],
  wish: FetchWish = {},
): Promise<FetchAnswer> {
  const { minBytes = 1, maxBytes = 50 * 1024 * 1024, maxWaitMs = 0, signal = new AbortController().signal } = wish;
  const { isolation = 'read_uncommitted' } = wish;
  return log.fetch({ partitions, minBytes, maxBytes, maxWaitMs, isolation }, signal);
}

export async function decode(buffers: readonly Buffer[]): Promise<DecodedRecord[]> {
  const bytes = Buffer.concat(buffers);
  const records: DecodedRecord[] = [];
  for (const { position, header } of iterateBatches(bytes)) {
    const batch = bytes.subarray(position, position + header.length);
    records.push(...(await decodeBatch(batch, { decompressedBytesMax: 1 << 26 })));
  }
  return records;
}

/** Everything of a partition from `from` on, as `offset:value`, reading as a consumer does. */
export async function readAll(
  log: OpenedLog,
  topic: Topic,
  partition: number,
  from = 0,
  maxBytes = 1 << 20,
): Promise<string[]> {
  const found: string[] = [];
  let offset = from;
  for (;;) {
    const answer = await fetch(log, [fetchPartition(topic, partition, offset, { maxBytes })]);
    const [fetched] = answer.partitions;
    if (fetched!.error !== 'NONE') throw new Error(`${fetched!.error}: ${fetched!.message}`);
    const records = await decode(fetched!.records);
    answer.release();
    for (const record of records) {
      if (record.offset >= offset) found.push(`${record.offset}:${record.value}`);
    }
    if (records.length === 0) return found;
    offset = records.at(-1)!.offset + 1;
  }
}

export const offsetAt = (log: OpenedLog, topic: Topic, partition: number, at: OffsetAt) =>
  log.listOffset({ topicId: topic.topicId, partition }, at);
