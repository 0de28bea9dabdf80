/** Puts the log together: the one place that knows all of its parts. */
import { aloneLeaders } from '../cluster/alone.ts';
import { LeaderCalls } from '../cluster/leader-calls.ts';
import type { Leaders, Members } from '../cluster/members.ts';
import type { Topics } from '../cluster/topics.ts';
import type { Config } from '../config.ts';
import { KafkaError } from '../errors.ts';
import type { Applied, Journal } from '../journal/journal.ts';
import type { Journals } from '../journal/journals.ts';
import { READ_AHEAD_BYTES_MAX } from '../limits.ts';
import type { RpcRegistry } from '../rpc/method.ts';
import { type Peers, PeerUnavailableError } from '../rpc/peers.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { SegmentIds } from '../segment/segment-id.ts';
import type { MetadataPricing } from '../storage/metadata-store.ts';
import type { ObjectPricing, ObjectStore } from '../storage/object-store.ts';
import { BlockCache } from './block-cache.ts';
import { BlockReader } from './block-reader.ts';
import { Cadence, costsOf } from './cadence.ts';
import { ChunkPool } from './chunk-pool.ts';
import { Departures } from './departures.ts';
import { Fetcher } from './fetch.ts';
import { FetchMetrics } from './fetch-metrics.ts';
import { Flusher } from './flusher.ts';
import { Gatherer } from './gather.ts';
import { Ingest } from './ingest.ts';
import { IngestMetrics } from './ingest-metrics.ts';
import { LeaderQuestions } from './leader-questions.ts';
import { LeaderWaits } from './leader-waits.ts';
import { Leases } from './lease.ts';
import { Locator } from './locate.ts';
import { LocateElsewhere } from './locate-elsewhere.ts';
import { LocateHere } from './locate-here.ts';
import { answerLocate } from './locate-service.ts';
import type { FetchPartition, Isolation, Log } from './log.ts';
import { NearBlocks } from './near-blocks.ts';
import { answerNear } from './near-service.ts';
import { Offsets } from './offsets.ts';
import { OpenTransactions } from './open-transactions.ts';
import { IngestPressure } from './pressure.ts';
import { ProducerIds } from './producer-ids.ts';
import { Purgatory } from './purgatory.ts';
import { ReadAhead } from './read-ahead.ts';
import type { Memory } from './read-plan.ts';
import { SegmentIndexes } from './segment-indexes.ts';
import { TailCache } from './tail-cache.ts';

export interface OpenLogOptions {
  readonly config: Config;
  readonly runtime: Runtime;
  readonly clusterId: string;
  readonly brokerId: number;
  /** New with every start of the broker: its lanes begin anew. */
  readonly brokerEpoch: number;
  /** All journals of the cluster, whoever leads them. */
  readonly journals: Journals;
  /** The others of the cluster, and what they may ask; absent for a broker alone. */
  readonly cluster?: LogCluster;
  readonly objects: ObjectStore;
  /** What the metadata store behind the journals costs. */
  readonly metadataPricing: MetadataPricing;
  /** The one minter of this broker epoch, shared with whatever else writes segments. */
  readonly segmentIds: SegmentIds;
  readonly topics: Topics;
  /** Overwrites buffers that come back, so that a test sees whoever still reads them. */
  readonly poison?: boolean;
  /** Fetches that wait at once. */
  readonly waitersMax?: number;
  /** For footers of segments with long extents; the last one is kept whatever it takes. */
  readonly indexBytesMax?: number;
}

export interface LogCluster {
  readonly peers: Peers;
  readonly registry: RpcRegistry;
  readonly members: Members;
  readonly leaders: Leaders;
}

export interface OpenedLog extends Log {
  /** Sends everything that waits, whatever it costs, and resolves when all of it is answered. */
  flush(): Promise<void>;
  /**
   * Takes nothing in any more, sends what waits, answers every waiting fetch. Journals and stores stay open. Answers that
   * were given keep their buffers until they are released.
   */
  close(): Promise<void>;
  /** Answers of fetches that were not released. */
  readonly leases: number;
}

/** Fetches that wait at once, one per connection, and the partitions that they wait for together. */
const WAITERS_MAX = 50_000;
const HOOKS_MAX = 1_000_000;
/** Buffers kept for the next bytes: several uploads' worth. */
const IDLE_BYTES_MAX = 32 * 1024 * 1024;
/** Footers of segments with long extents. */
const INDEX_BYTES_MAX = 8 * 1024 * 1024;

/** Where a read is free, the kernel's cache of the files is as good as ours. */
const cacheBytesDefault = ({ read }: ObjectPricing): number => (read > 0 ? 64 : 32) * 1024 * 1024;

/** Of the time that a segment stays after nothing points into it. */
const CACHE_AGE_RATIO = 0.5;
/** Blocks of other brokers' caches, and answers to their questions, take this part of the cache's memory each. */
const NEAR_CACHE_PART = 8;
/** Answers from the newest records may hold this part beside what all answers share. */
const HOT_LEASES_PART = 4;
/** A reader that goes through a block in several fetches asks for it once. */
const NEAR_AGE_MS = 5_000;

const NO_PEERS: Peers = {
  call: (brokerId) => Promise.reject(new PeerUnavailableError(`there is no broker ${brokerId}`, false)),
};

export function openLog(options: OpenLogOptions): OpenedLog {
  const { config, runtime, topics, journals, brokerId, cluster, poison = false } = options;
  const { timers, clock } = runtime;
  const leaders = cluster?.leaders ?? aloneLeaders(brokerId, journals);
  const peers = cluster?.peers ?? NO_PEERS;
  const abort = new AbortController();
  const { signal } = abort;

  const ingestBytesMax = config['ingest.buffer.bytes.max'];
  const cacheBytesMax = config['fetch.cache.bytes.max'] || cacheBytesDefault(options.objects.pricing);
  const pool = new ChunkPool({ idleBytesMax: IDLE_BYTES_MAX, poison });
  const tail = new TailCache(cacheBytesMax / 2);
  const ageMsMax = config['reclaim.delay.ms'] * CACHE_AGE_RATIO;
  const cache = new BlockCache({ bytesMax: cacheBytesMax / 2, ageMsMax, clock });
  const near =
    cluster === undefined
      ? null
      : {
          blocks: new NearBlocks({ peers, members: cluster.members, clock }),
          cache: new BlockCache({ bytesMax: cacheBytesMax / NEAR_CACHE_PART, ageMsMax: NEAR_AGE_MS, clock }),
        };

  const pressure = new IngestPressure(ingestBytesMax, timers);
  const ingestMetrics = new IngestMetrics(runtime.metrics, () => pressure.bytes);
  const uploadsMax = config['ingest.uploads.max'];
  const segmentBytesMax = config['segment.bytes.max'];
  const cadence = new Cadence(
    costsOf(options.objects.pricing, options.metadataPricing),
    { lingerMs: config['segment.linger.ms'], segmentBytesMax, uploadsMax, journals: Math.max(1, journals.count) },
    clock.monotonic(),
  );
  const departures = new Departures({ ...options, leaders, tail, metrics: ingestMetrics });
  const flusher = new Flusher({ runtime, cadence, departures, pressure, segmentBytesMax, uploadsMax });
  const calls = new LeaderCalls({ brokerId, peers, leaders: () => leaders });
  const waits = new LeaderWaits({ journals, leaders, runtime, signal });
  const transactions = new OpenTransactions(journals, calls, waits, runtime.clock);
  const intake = { pool, pressure, flusher, transactions, metrics: ingestMetrics };
  const ingest = new Ingest({ config, runtime, journals, topics, ...intake });

  const locator = new Locator(topics, journals, cluster === undefined ? null : leaders);
  const leases = new Leases(cacheBytesMax, timers);
  const hotLeases = new Leases(cacheBytesMax / HOT_LEASES_PART, timers);
  const { waitersMax = WAITERS_MAX } = options;
  const purgatory = new Purgatory({ timers, waitersMax, hooksMax: HOOKS_MAX });
  const { clusterId, objects } = options;
  const readsMax = config['fetch.reads.max'];
  const reader = new BlockReader({ runtime, clusterId, objects, pool, cache, near, readsMax, signal });
  const indexes = new SegmentIndexes(reader, options.indexBytesMax ?? INDEX_BYTES_MAX);
  const memory: Memory = {
    tail: (topicId, partition, offset) => tail.find(topicId, partition, offset),
    block: (block) => reader.cached(block),
    blocks: (id, extent) => indexes.blocks(id, extent),
  };
  const fetchMetrics = new FetchMetrics(runtime.metrics, {
    waiters: () => purgatory.waiterCount,
    leases: () => leases.outstanding + hotLeases.outstanding,
    leasedBytes: () => pool.leasedBytes,
    tailBytes: () => tail.bytes,
    cacheBytes: () => cache.bytes,
    chunkBytes: () => pool.liveBytes,
  });
  const readAheadBytesMax = Math.min(READ_AHEAD_BYTES_MAX, cacheBytesMax / 4);
  const readAhead = new ReadAhead({ memory, reader, metrics: fetchMetrics, bytesMax: readAheadBytesMax });
  const here = new LocateHere(locator, purgatory);
  const elsewhere = new LocateElsewhere({ brokerId, here, waits, peers, leaders, clock, timers });
  const relocate = async (wanted: FetchPartition, isolation: Isolation) => {
    const found = locator.forFetch(wanted);
    return found.type === 'elsewhere' ? elsewhere.locateOne(wanted, found.journal, isolation) : found;
  };
  const gatherer = new Gatherer({ runtime, memory, reader, indexes, relocate, readAhead });
  const fetcher = new Fetcher({
    config,
    runtime,
    here,
    elsewhere,
    gatherer,
    readAhead,
    leases,
    hotLeases,
    metrics: fetchMetrics,
    cacheBytesMax,
  });
  const offsets = new Offsets({ config, locator, gatherer, indexes, leases, signal });
  const questions = new LeaderQuestions({ journals, locator, offsets, calls, waits, peers });
  const producerIds = new ProducerIds(journals);

  const onApplied = (journal: Journal, applied: Applied) => {
    for (const { topicId, partition } of applied.partitions) {
      purgatory.changed(topicId, partition);
      if (journal.state.partition(topicId, partition) !== undefined) continue;
      ingest.forget(topicId, partition);
      readAhead.forget(topicId, partition);
    }
  };
  const stopFollowing = journals.each((journal) => {
    cadence.setJournals(journals.count, clock.monotonic());
    return journal.subscribe((applied) => onApplied(journal, applied));
  });
  const stopLeading = journals.whileLeading(() => () => purgatory.allChanged());
  // One that was succeeded and has not noticed waits for records that will never come.
  const stopHearing = leaders.onChanged((id) => {
    const journal = journals.get(id);
    if (journal?.role === 'leading' && locator.isSucceeded(journal)) purgatory.allChanged();
  });
  if (cluster !== undefined) {
    transactions.answerTo(cluster.registry);
    answerLocate(cluster.registry, here);
    questions.answerTo(cluster.registry);
    const nearLeases = new Leases(cacheBytesMax / NEAR_CACHE_PART, timers);
    answerNear({ runtime, registry: cluster.registry, tail, reader, leases: nearLeases, readsMax });
  }

  return {
    pressure,
    produce: (batches, produceOptions) => ingest.produce(batches, produceOptions),
    fetch: (request, fetchSignal) => fetcher.fetch(request, fetchSignal),
    arrival: (request, fetchSignal) => fetcher.arrival(request, fetchSignal),
    listOffset: async (partition, at) => questions.listOffset(partition, at),
    offsetForLeaderEpoch: async (partition, leaderEpoch) => questions.offsetForLeaderEpoch(partition, leaderEpoch),
    watermarks: async (partition) => questions.watermarks(partition),
    producers: async (partition) => questions.producers(partition),
    deleteRecords: async (partition, beforeOffset) => questions.deleteRecords(partition, beforeOffset),
    allocateProducerId: () => producerIds.allocate(),
    flush: () => flusher.drain(),
    async close() {
      purgatory.close();
      departures.hurry();
      await ingest.close();
      departures.close();
      stopFollowing();
      stopLeading();
      stopHearing();
      abort.abort(new KafkaError('NOT_LEADER_OR_FOLLOWER', 'the broker is stopping'));
      calls.close();
      elsewhere.close();
      tail.clear();
      cache.clear();
      near?.cache.clear();
      indexes.clear();
    },
    get leases() {
      return leases.outstanding + hotLeases.outstanding;
    },
  };
}
