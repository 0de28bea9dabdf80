/**
 * Brings together the runs that an answer is cut from: from memory at once, the rest by reads, all partitions of a fetch
 * in one go, so that neighbours in a segment come in one read. A segment that is gone was merged meanwhile: the state is
 * looked up again. What cannot be read fails for its partition alone.
 */
import { StorageCorruptError, toKafkaError } from '../errors.ts';
import { sleep } from '../runtime/clock.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { FoundRun } from './answer.ts';
import { sourceId } from './block.ts';
import type { BlockReader, BlockResult, WantedBlock } from './block-reader.ts';
import type { Lease } from './lease.ts';
import { type Led, type LocatedError, readEnd } from './locate.ts';
import type { FoundOrError } from './locate-elsewhere.ts';
import type { FetchPartition, Isolation } from './log.ts';
import type { ReadAhead } from './read-ahead.ts';
import { type Memory, planReads, type ReadPlan } from './read-plan.ts';
import type { SegmentIndexes } from './segment-indexes.ts';

/** What one partition of a fetch wants, and what came of it. */
export interface Target {
  readonly wanted: FetchPartition;
  readonly bytesMax: number;
  readonly isolation: Isolation;
  led: Led;
  runs: FoundRun[];
  failure: LocatedError | null;
}

export interface GathererOptions {
  readonly runtime: Runtime;
  readonly memory: Memory;
  readonly reader: BlockReader;
  readonly indexes: SegmentIndexes;
  /** Looks the partition up again, here or where its leader is. */
  readonly relocate: (wanted: FetchPartition, isolation: Isolation) => Promise<FoundOrError>;
  readonly readAhead: ReadAhead;
}

/** How often a partition is planned anew after its segment was gone or a footer had to be read. */
const ATTEMPTS_MAX = 8;
const GONE_PAUSE_MS = 5;

interface Planned {
  readonly target: Target;
  readonly plan: ReadPlan;
}

/** Planned already for the next attempt. */
type Ready = Map<Target, ReadPlan>;

export class Gatherer {
  readonly #options: GathererOptions;

  constructor(options: GathererOptions) {
    this.#options = options;
  }

  /** Fills `runs` or `failure` of each target. What it finds is held by the lease. */
  async gather(targets: readonly Target[], lease: Lease, signal: AbortSignal): Promise<void> {
    let open = targets;
    const ready: Ready = new Map();
    for (let attempt = 0; open.length > 0; attempt++) {
      const planned: Planned[] = [];
      for (const target of open) {
        const plan = ready.get(target) ?? this.#plan(target, lease);
        if (plan !== null) planned.push({ target, plan });
      }
      ready.clear();
      const last = attempt >= ATTEMPTS_MAX - 1;
      open = await this.#read(planned, ready, lease, attempt === 0, last);
      // The first repeat has its footer now, or finds what was merged.
      if (open.length > 0 && attempt > 0) {
        await sleep(this.#options.runtime.timers, GONE_PAUSE_MS * attempt, signal);
      }
    }
  }

  /** Null when the partition failed. Holds what is in memory before anything else can happen. */
  #plan(target: Target, lease: Lease, memory = this.#options.memory): ReadPlan | null {
    const { wanted, led, bytesMax, isolation } = target;
    try {
      const end = readEnd(led, isolation);
      const plan = planReads(memory, led.state, wanted.fetchOffset, end, bytesMax);
      for (const piece of plan.pieces) if (piece.type !== 'missing') lease.hold(piece.run.chunk);
      return plan;
    } catch (cause) {
      this.#fail(target, cause);
      return null;
    }
  }

  /** Answers the targets that must be planned again, or are planned already. */
  async #read(
    planned: readonly Planned[],
    ready: Ready,
    lease: Lease,
    first: boolean,
    last: boolean,
  ): Promise<readonly Target[]> {
    const { reader, readAhead } = this.#options;
    const blocks: WantedBlock[] = [];
    for (const { target, plan } of planned) {
      const { journal } = target.led;
      for (const piece of plan.pieces) {
        if (piece.type === 'missing') blocks.push({ block: piece.block, journal, lease });
      }
    }
    const wantedCount = blocks.length;
    if (first) for (const { target, plan } of planned) readAhead.add(target, plan, planned.length, blocks);
    const loads = reader.load(blocks);
    const footers = this.#loadFooters(planned, ready, lease);
    const results = wantedCount === 0 ? [] : await Promise.all(loads.slice(0, wantedCount));
    if (footers.length > 0) await Promise.all(footers);

    const again: Target[] = [];
    let next = 0;
    for (const { target, plan } of planned) {
      const ofTarget = results.slice(next, next + plan.missing);
      next += plan.missing;
      if (this.#fill(target, plan, ofTarget)) continue;
      if (ready.has(target) || !(await this.#giveUp(target, plan, last))) again.push(target);
    }
    return again;
  }

  /**
   * Only for those that found nothing else: the others read it with their next fetch, when it is there. They are planned anew at
   * once: where more footers are wanted than there is room for, the next one that comes puts this one out.
   */
  #loadFooters(planned: readonly Planned[], ready: Ready, lease: Lease): Promise<unknown>[] {
    const { indexes, memory } = this.#options;
    const needed: Promise<unknown>[] = [];
    for (const { target, plan } of planned) {
      if (plan.needsIndex === null) continue;
      const { needsIndex } = plan;
      const memoryWith = (blocksOf: Memory['blocks']): Memory => ({
        ...memory,
        blocks: (id, extent) => (extent === needsIndex ? blocksOf : memory.blocks)(id, extent),
      });
      const loading = indexes.load(needsIndex, target.led).then((result) => {
        if (plan.pieces.length > 0) return;
        if (result.type === 'failed') this.#fail(target, result.cause);
        const again = result.type === 'read' ? this.#plan(target, lease, memoryWith(result.blocks)) : null;
        if (again !== null && again.pieces.length > 0) ready.set(target, again);
      });
      if (plan.pieces.length === 0) needed.push(loading);
    }
    return needed;
  }

  /** True when the target is done: it has runs, there is nothing to have, or it failed. */
  #fill(target: Target, plan: ReadPlan, results: readonly BlockResult[]): boolean {
    if (target.failure !== null) return true;
    let next = 0;
    for (const piece of plan.pieces) {
      if (piece.type !== 'missing') {
        target.runs.push({ run: piece.run, source: piece.type });
        continue;
      }
      const result = results[next++]!;
      if (result.type !== 'run') {
        // Records before the trouble are answered; the next fetch meets it first.
        if (target.runs.length > 0) return true;
        if (result.type === 'failed') this.#fail(target, result.cause);
        return result.type === 'failed';
      }
      target.runs.push({ run: result.run, source: result.source });
    }
    return target.runs.length > 0 || plan.needsIndex === null;
  }

  /** Looks the partition up again, or fails it after the last attempt. True when it is done. */
  async #giveUp(target: Target, plan: ReadPlan, last: boolean): Promise<boolean> {
    const located = await this.#options.relocate(target.wanted, target.isolation);
    // Its records were deleted while they were read. The next fetch is told so.
    if (located.type === 'outside') return true;
    if (located.type === 'error') {
      if (located.error !== 'OFFSET_OUT_OF_RANGE') target.failure = located;
      return true;
    }
    target.led = located;
    if (!last) return false;
    const piece = plan.pieces.find(({ type }) => type === 'missing');
    const source =
      piece?.type === 'missing' ? sourceId(piece.block.extent) : plan.needsIndex && sourceId(plan.needsIndex);
    this.#fail(target, new StorageCorruptError(`${source} is gone, but records are still in it`));
    return true;
  }

  #fail(target: Target, cause: unknown): void {
    const { topicId, partition, fetchOffset } = target.wanted;
    this.#options.runtime.logger.warn({ error: cause, topicId, partition, fetchOffset }, 'records could not be read');
    const error = toKafkaError(cause);
    target.failure = {
      type: 'error',
      error: error?.error ?? 'UNKNOWN_SERVER_ERROR',
      message: error?.message ?? 'internal error',
      led: target.led,
    };
  }
}
