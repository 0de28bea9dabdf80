/**
 * What a broker does in the background so that it can run for weeks: merge, retention and expiry, reclaim. Each is a loop
 * of its own: a pass, a pause, the next pass; a pass that fails is logged and tried again. Key compaction, archive classes
 * and index pages of merged extents will be further passes here.
 */
import type { RemoteJournals } from '../cluster/remote-journals.ts';
import { StoreClock } from '../cluster/store-clock.ts';
import { isTopicStored } from '../cluster/topic-item.ts';
import type { Topics } from '../cluster/topics.ts';
import type { Config } from '../config.ts';
import type { Change, Journal } from '../journal/journal.ts';
import type { Journals } from '../journal/journals.ts';
import type { RpcRegistry } from '../rpc/method.ts';
import { sleep } from '../runtime/clock.ts';
import type { Gauge } from '../runtime/metrics.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { SegmentIds } from '../segment/segment-id.ts';
import type { MetadataStore } from '../storage/metadata-store.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { JournalReferences } from './journal-references.ts';
import { Merger } from './merge.ts';
import { Pacer } from './pacer.ts';
import { Reclaimer } from './reclaim.ts';
import { ReleasedSegments } from './released-segments.ts';
import { retainedFrom } from './retention.ts';

/** Extents that may wait for company: what they cost is memory and the length of snapshots. */
const MERGE_JOB_EXTENTS_MIN = 4_096;
const MERGE_JOB_PARTITIONS_MAX = 500;
/** Where requests cost nothing, larger merges would only take more memory. */
const FREE_SEGMENT_BYTES_MAX = 32 * 1024 * 1024;

export interface LifecycleOptions {
  readonly config: Config;
  readonly runtime: Runtime;
  readonly clusterId: string;
  readonly journals: Journals;
  readonly objects: ObjectStore;
  readonly metadata: MetadataStore;
  readonly topics: Topics;
  readonly segmentIds: SegmentIds;
  /** Compares the clock of the machine with the store's: for who goes by another one. */
  readonly storeClock?: StoreClock;
  /** Other brokers that may lead journals; none for a broker alone. */
  readonly remote?: { readonly journals: RemoteJournals; readonly registry: RpcRegistry };
}

/** What retention wants to drop, and until when it may be said. */
interface Due {
  readonly journal: Journal;
  readonly ended: AbortController;
  readonly topicId: string;
  readonly partition: number;
  readonly logStartOffset: number;
}

export class Lifecycle {
  readonly #options: LifecycleOptions;
  readonly #merger: Merger;
  readonly #reclaimer: Reclaimer;
  readonly #released: ReleasedSegments;
  readonly #storeClock: StoreClock;
  /** Aborted when the journal is led no longer. */
  readonly #led = new Map<Journal, AbortController>();
  readonly #stopWatching: () => void;
  readonly #stopping = new AbortController();
  readonly #loops: Promise<void>[] = [];

  constructor(options: LifecycleOptions) {
    const { config, runtime, clusterId, journals, objects, topics, segmentIds, remote, storeClock } = options;
    this.#options = options;
    this.#storeClock = storeClock ?? new StoreClock(objects, clusterId, runtime);
    const wantedBytes = config['merge.segment.bytes'];
    const segmentBytesMax = objects.pricing.create > 0 ? wantedBytes : Math.min(wantedBytes, FREE_SEGMENT_BYTES_MAX);
    this.#merger = new Merger({
      clusterId,
      journals,
      objects,
      runtime,
      segmentIds,
      retentionClassOf: (topicId) => {
        const topic = topics.byId(topicId);
        return topic
          ? `${topic.config.retentionMs}/${topic.config.retentionBytes}/${topic.config.compacted}`
          : 'deleted';
      },
      pacer: new Pacer(runtime.clock, config['merge.bytes.per.second']),
      limits: {
        segmentBytesMax,
        inlineAgeMsMax: config['merge.inline.age.ms'],
        jobBytesMin: 0.75 * segmentBytesMax,
        jobExtentsMin: MERGE_JOB_EXTENTS_MIN,
        jobPartitionsMax: MERGE_JOB_PARTITIONS_MAX,
      },
    });
    this.#released = new ReleasedSegments(journals);
    const references = new JournalReferences({ journals, released: this.#released, remote: remote?.journals ?? null });
    if (remote) references.answer(remote.registry);
    this.#reclaimer = new Reclaimer({
      clusterId,
      journals,
      references,
      objects,
      runtime,
      delayMs: config['reclaim.delay.ms'],
      orphanAgeMs: config['reclaim.orphan.age.ms'],
      shared: remote !== undefined,
    });
    this.#stopWatching = journals.whileLeading((journal) => {
      const ended = new AbortController();
      this.#led.set(journal, ended);
      return () => {
        this.#led.delete(journal);
        ended.abort();
      };
    });
  }

  start(): void {
    const { config } = this.#options;
    this.#loops.push(
      this.#loop('merge', config['merge.interval.ms'], (signal) => this.merge(signal)),
      this.#loop('retention', config['retention.interval.ms'], (signal) => this.retain(signal)),
      this.#loop('reclaim', config['reclaim.interval.ms'], (signal) => this.reclaim(signal)),
    );
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the broker is stopping'));
    await Promise.all(this.#loops);
    this.#merger.close();
    this.#reclaimer.close();
    this.#released.close();
    this.#stopWatching();
  }

  /** One pass of each kind, also for tests and tools that do not wait for the loops. */
  merge(signal: AbortSignal): Promise<void> {
    return this.#merger.pass(signal);
  }

  async reclaim(signal: AbortSignal): Promise<void> {
    await this.#reclaimer.pass(signal);
  }

  async retain(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options.runtime;
    await this.#deleteStrays(signal);
    if (this.#due(clock.now()).length > 0) {
      // Throws, and thereby stops retention with a log line and a growing metric.
      await this.#storeClock.check(signal);
      // By the clock as it was found to be right: it may have been set since the first look.
      for (const { journal, ended, ...advance } of this.#due(clock.now())) {
        signal.throwIfAborted();
        await proposeUnless(ended, journal, { type: 'advanceLogStart', ...advance });
      }
    }
    if (this.#led.size === 0) return;
    // Producers and keys that are forgotten too soon repeat what was appended.
    await this.#storeClock.checkJump(signal);
    await this.#expire(clock.now());
  }

  /**
   * Partitions that were made after their topic had been deleted, by a broker that slept in between and could not take them back.
   * A topic's item stands before its first partition: one without belongs to nobody, and never will.
   */
  async #deleteStrays(signal: AbortSignal): Promise<void> {
    const { clusterId, metadata } = this.#options;
    for (const [journal, ended] of [...this.#led]) {
      for (const [topicId, partitions] of this.#unknownIn(journal)) {
        signal.throwIfAborted();
        if (await isTopicStored(metadata, clusterId, topicId)) continue;
        await proposeUnless(ended, journal, { type: 'deletePartitions', topicId, partitions });
      }
    }
  }

  /** Partitions of topics that are not shown here, by topic: on their way to be active or gone, or news. */
  #unknownIn({ state }: Journal): ReadonlyMap<string, readonly number[]> {
    const unknown = new Map<string, number[]>();
    for (const { topicId, partition } of state.partitions()) {
      if (this.#options.topics.byId(topicId) !== undefined) continue;
      const partitions = unknown.get(topicId);
      if (partitions) partitions.push(partition);
      else unknown.set(topicId, [partition]);
    }
    return unknown;
  }

  #due(now: number) {
    const due: Due[] = [];
    for (const [journal, ended] of this.#led) {
      for (const state of journal.state.partitions()) {
        const config = this.#options.topics.byId(state.topicId)?.config;
        if (!config?.deletes) continue;
        const logStartOffset = retainedFrom(state, config, now);
        if (logStartOffset <= state.logStartOffset) continue;
        due.push({ journal, ended, topicId: state.topicId, partition: state.partition, logStartOffset });
      }
    }
    return due;
  }

  async #expire(now: number): Promise<void> {
    const { config } = this.#options;
    const before = now - config['producer.id.expiration.ms'];
    const keysBefore = now - config['http.idempotency.window.ms'];
    for (const [journal, ended] of [...this.#led]) {
      await proposeUnless(ended, journal, { type: 'expire', before, keysBefore });
    }
  }

  async #loop(name: string, intervalMs: number, pass: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const { runtime } = this.#options;
    const { signal } = this.#stopping;
    const sinceSuccess = successGauge(runtime, name);
    while (!signal.aborted) {
      try {
        await sleep(runtime.timers, intervalMs, signal);
        await pass(signal);
        sinceSuccess();
      } catch (cause) {
        if (signal.aborted) return;
        runtime.logger.warn({ task: name, cause: String(cause) }, 'a background pass failed and will be tried again');
      }
    }
  }
}

/**
 * What one state says to be due means nothing for another: a journal that was lost in the middle of a pass, however long
 * ago that began, is not told through its next leader.
 */
async function proposeUnless({ signal: ended }: AbortController, journal: Journal, change: Change): Promise<void> {
  if (ended.aborted) return;
  try {
    await journal.propose(change);
  } catch (cause) {
    if (!ended.aborted) throw cause;
  }
}

/** "Seconds since last success" as a gauge that is computed when it is looked at. */
function successGauge({ clock, metrics }: Runtime, name: string): () => void {
  let succeededAt = clock.monotonic();
  const described = {
    name: `${name}_seconds_since_success`,
    help: `Seconds since ${name} last went through without a failure.`,
  };
  const gauge: Gauge = metrics.gauge({ ...described, collect: () => (clock.monotonic() - succeededAt) / 1_000 });
  gauge.set(0);
  return () => {
    succeededAt = clock.monotonic();
  };
}
