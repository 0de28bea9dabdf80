/**
 * Carries out merge jobs: reads the extents, places every batch at its offset, writes one segment and swaps exactly what
 * was read. When the state moved on meanwhile the swap is refused and the new segment is left for reclaim; so it is when
 * the journal is led by another broker meanwhile, which plans anew.
 */

import { StorageCorruptError } from '../errors.ts';
import type { ExtentSwap, Journal } from '../journal/journal.ts';
import type { Journals } from '../journal/journals.ts';
import type { PartitionState } from '../journal/partition-state.ts';
import { type Timers, yieldTurn } from '../runtime/clock.ts';
import { linkSignals } from '../runtime/linked-signals.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { SegmentIds } from '../segment/segment-id.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import {
  type MergeJob,
  type MergeLimits,
  type MergeRun,
  nextRun,
  type PartitionSummary,
  planJobs,
  summarize,
} from './merge-plan.ts';
import type { Pacer } from './pacer.ts';
import { ReadArena } from './read-arena.ts';
import { rewrite } from './rewrite.ts';

/** Inline data pins journal entries: with this much of it in one journal all of it is merged. */
const JOURNAL_INLINE_BYTES_MAX = 8 * 1024 * 1024;
const JOURNAL_INLINE_COUNT_MAX = 4_096;
/** A journal with more extents than this is merged faster than the budget says, in proportion. */
const UNHURRIED_EXTENTS_MAX = 20_000;
/** Holds the longest extent that is ever rewritten, one of grade 2. */
const ARENA_BLOCK_BYTES = 16 * 1024 * 1024;
/** Looking at this many takes a few milliseconds. */
const EXTENTS_PER_TURN = 20_000;
/** Partitions swapped in one proposal: their description must fit one journal entry with room for others. */
const SWAP_EXTENTS_MAX = 1_000;

export interface MergeOptions {
  readonly clusterId: string;
  readonly journals: Journals;
  readonly objects: ObjectStore;
  readonly runtime: Runtime;
  readonly segmentIds: SegmentIds;
  /** Topics of one class keep records equally long, so their partitions may share a segment. */
  readonly retentionClassOf: (topicId: string) => string;
  readonly pacer: Pacer;
  readonly limits: MergeLimits;
}

/** Candidates of one journal that is led here: only partitions that changed since the last pass are looked at again. */
interface Watch {
  readonly journal: Journal;
  /** Aborted when the journal is led no longer. */
  readonly ended: AbortController;
  readonly changed: Map<string, { readonly topicId: string; readonly partition: number }>;
  readonly inline: Map<string, { readonly state: PartitionState; readonly summary: PartitionSummary }>;
}

export class Merger {
  readonly #options: MergeOptions;
  readonly #watches = new Set<Watch>();
  readonly #stop: () => void;
  /** Partitions with damaged data: named once in the log, never rewritten. */
  readonly #damaged = new Set<string>();
  readonly #arena = new ReadArena(ARENA_BLOCK_BYTES);

  constructor(options: MergeOptions) {
    this.#options = options;
    this.#stop = options.journals.whileLeading((journal) => this.#watch(journal));
  }

  close(): void {
    this.#stop();
  }

  /**
   * Rewrites what is worth it now, as far as the budget goes; the rest waits for the next pass. What is urgent goes first
   * and is not held up by the budget: it keeps journal entries from being trimmed.
   */
  async pass(signal: AbortSignal): Promise<void> {
    const { pacer } = this.#options;
    let calm = 0;
    for (const watched of [...this.#watches]) {
      const { journal, ended } = watched;
      const { signal: whileLed, unlink } = linkSignals(signal, ended.signal);
      try {
        for (const job of whileLed.aborted ? [] : await this.#plan(watched)) {
          whileLed.throwIfAborted();
          if (job.urgent) {
            await this.#carryOut(watched, job, whileLed);
          } else if (pacer.hasBudget) {
            calm++;
            pacer.charge((2 * job.bytes) / haste(journal));
            await this.#carryOut(watched, job, whileLed);
          }
        }
      } catch (cause) {
        // What is half done is dropped: its new segment, if there is one already, is an orphan.
        if (signal.aborted || !ended.signal.aborted) throw cause;
      } finally {
        unlink();
      }
    }
    if (calm === 0) this.#arena.forget();
  }

  #watch(journal: Journal): () => void {
    const changed: Watch['changed'] = new Map();
    for (const state of journal.state.partitions()) changed.set(keyOf(state), state);
    const stop = journal.subscribe(({ partitions }) => {
      for (const partition of partitions) changed.set(keyOf(partition), partition);
    });
    const watched: Watch = { journal, ended: new AbortController(), changed, inline: new Map() };
    this.#watches.add(watched);
    return () => {
      stop();
      this.#watches.delete(watched);
      watched.ended.abort(new Error(`journal ${journal.id} is led no longer`));
    };
  }

  /** A journal that was just taken over is looked at as a whole: others get turns meanwhile. */
  async #plan(watched: Watch): Promise<MergeJob[]> {
    const { limits, retentionClassOf, runtime } = this.#options;
    const now = runtime.clock.now();
    const pause = new Pause(runtime.timers);
    const looked = await this.#look(watched, pause);
    let inlineBytes = 0;
    let inlineCount = 0;
    for (const { summary } of watched.inline.values()) {
      inlineBytes += summary.inlineBytes;
      inlineCount += summary.inlineCount;
    }
    const flushInline = inlineBytes > JOURNAL_INLINE_BYTES_MAX || inlineCount > JOURNAL_INLINE_COUNT_MAX;
    const runs: MergeRun[] = [];
    for (const [key, { state, summary }] of new Map([...watched.inline, ...looked])) {
      if (this.#damaged.has(key)) continue;
      await pause.after(state.extents.length);
      const run = nextRun(state, summary, flushInline, now, limits);
      if (run) runs.push(run);
      // A run that waits for company is looked at again in the next pass.
      if (run && !run.urgent) watched.changed.set(key, state);
    }
    return planJobs(runs, ({ partition: { topicId } }) => retentionClassOf(topicId), limits);
  }

  /** Takes what changed since the last pass. */
  async #look(
    { journal, changed, inline }: Watch,
    pause: Pause,
  ): Promise<Map<string, { state: PartitionState; summary: PartitionSummary }>> {
    const looked = new Map<string, { state: PartitionState; summary: PartitionSummary }>();
    for (const [key, { topicId, partition }] of [...changed]) {
      changed.delete(key); // It may change again while others are looked at.
      const state = journal.state.partition(topicId, partition);
      inline.delete(key);
      if (!state) continue;
      await pause.after(state.extents.length);
      const summary = summarize(state);
      looked.set(key, { state, summary });
      if (summary.inlineCount > 0) inline.set(key, { state, summary });
    }
    return looked;
  }

  async #carryOut({ journal, changed }: Watch, job: MergeJob, signal: AbortSignal): Promise<void> {
    const { clusterId, objects, runtime, segmentIds } = this.#options;
    for (const { partition } of job.runs) changed.set(keyOf(partition), partition);
    const arena = this.#arena;
    const written = await rewrite(job, { journal, objects, clusterId, segmentIds, arena, signal }).catch((cause) => {
      arena.forget(); // A request that was given up may still read or write there.
      if (cause instanceof StorageCorruptError) return this.#setAside(job, cause);
      throw cause;
    });
    arena.reset();
    if (!written) return;
    for (const swaps of batchesOf(written.swaps)) {
      signal.throwIfAborted();
      const outcome = await journal.propose({ type: 'merge', segments: [written.segment], swaps });
      if (outcome.type !== 'refused') continue;
      runtime.logger.debug(
        { journal: journal.id, why: outcome.message },
        'a merge lost its race and will be planned anew',
      );
    }
  }

  #setAside(job: MergeJob, cause: StorageCorruptError): null {
    // The job is retried without its damaged partition only when that is known; else all of it waits for a restart.
    const damaged = job.runs.filter(({ partition }) => cause.message.includes(keyOf(partition)));
    for (const { partition } of damaged.length > 0 ? damaged : job.runs) this.#damaged.add(keyOf(partition));
    this.#options.runtime.logger.error({ cause: cause.message }, 'damaged data is left as it is and not merged');
    return null;
  }
}

/** Lets others have a turn after so many extents. */
class Pause {
  readonly #timers: Timers;
  #looked = 0;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  async after(extents: number): Promise<void> {
    this.#looked += extents;
    if (this.#looked < EXTENTS_PER_TURN) return;
    this.#looked = 0;
    await yieldTurn(this.#timers);
  }
}

/** Bytes of many extents cost less budget: what a large state costs in memory and snapshots must not grow without bound. */
function haste({ state }: Journal): number {
  let extents = 0;
  for (const partition of state.partitions()) extents += partition.extents.length;
  return Math.max(1, extents / UNHURRIED_EXTENTS_MAX);
}

const keyOf = ({ topicId, partition }: { readonly topicId: string; readonly partition: number }): string =>
  `${topicId}/${partition}`;

/** Splits swaps so that each proposal names a bounded number of extents. */
function batchesOf(swaps: readonly ExtentSwap[]): ExtentSwap[][] {
  const batches: ExtentSwap[][] = [];
  let open: ExtentSwap[] = [];
  let extents = 0;
  for (const swap of swaps) {
    const more = swap.remove.length + swap.add.length;
    if (open.length > 0 && extents + more > SWAP_EXTENTS_MAX) {
      batches.push(open);
      open = [];
      extents = 0;
    }
    open.push(swap);
    extents += more;
  }
  if (open.length > 0) batches.push(open);
  return batches;
}
