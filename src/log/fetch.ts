/**
 * Fetch = locate + wait + read (design §5). Locating is one look at the durable state, here or where the leader is; waiting is
 * the purgatory's; reading goes to memory first, then to brokers near by, and to the stores for the rest.
 */
import type { Config } from '../config.ts';
import { abortedWithin } from '../journal/transactions.ts';
import { sleep } from '../runtime/clock.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { AnswerCutter } from './answer.ts';
import { isHot } from './block-reader.ts';
import type { FetchMetrics } from './fetch-metrics.ts';
import type { Gatherer, Target } from './gather.ts';
import { type Lease, type Leases, reserveFirst } from './lease.ts';
import { availableIn, currentState, epochOf, outOfRange, readEnd, unknownPartition } from './locate.ts';
import type { FoundOrError, LocateElsewhere } from './locate-elsewhere.ts';
import type { LocateHere, LocateQuestion } from './locate-here.ts';
import type { ArrivalRequest, FetchAnswer, FetchedPartition, FetchPartition, FetchRequest, Isolation } from './log.ts';
import { FULL_PAUSE_MS_MAX, FULL_PAUSE_MS_MIN, type WaitEnd } from './purgatory.ts';
import type { ReadAhead } from './read-ahead.ts';

export interface FetcherOptions {
  readonly config: Config;
  readonly runtime: Runtime;
  readonly here: LocateHere;
  readonly elsewhere: LocateElsewhere;
  readonly gatherer: Gatherer;
  readonly readAhead: ReadAhead;
  /** Of all answers. */
  readonly leases: Leases;
  /** Beside those, of answers from the newest records. */
  readonly hotLeases: Leases;
  readonly metrics: FetchMetrics;
  readonly cacheBytesMax: number;
}

/** Answers wait at least this long for memory, also for clients that do not wait for records. */
const MEMORY_WAIT_MS_MIN = 1_000;

/** A fetch that brings nothing because of what cannot be read is answered after its time, or after this. */
const UNREADABLE_MS_MAX = 1_000;

const NOTHING_TO_RELEASE = (): void => {};

export class Fetcher {
  readonly #options: FetcherOptions;
  readonly #bytesMax: number;

  constructor(options: FetcherOptions) {
    this.#options = options;
    // One answer never takes more than a quarter of the memory that all answers share.
    const { config, cacheBytesMax } = options;
    this.#bytesMax = Math.min(config['fetch.max.bytes'], Math.ceil(cacheBytesMax / 4));
  }

  /** See `Log.fetch`. Rejects only when aborted. */
  async fetch(request: FetchRequest, signal: AbortSignal): Promise<FetchAnswer> {
    const { clock, timers } = this.#options.runtime;
    const endMs = clock.monotonic() + request.maxWaitMs;
    const located = await this.#locate(request, endMs, signal);
    const waitMs = Math.max(MEMORY_WAIT_MS_MIN, endMs - clock.monotonic());
    const answer = await this.#answer(request, located, waitMs, signal);
    const leftMs = endMs - clock.monotonic();
    // Some clients ask again at once: what is damaged would be read as fast as the store can, for as long as it is.
    if (leftMs > 0 && isUnreadable(answer)) await sleep(timers, Math.min(leftMs, UNREADABLE_MS_MAX), signal);
    return answer;
  }

  /** See `Log.arrival`. */
  async arrival({ partitions, maxWaitMs, isolation }: ArrivalRequest, signal: AbortSignal): Promise<void> {
    const { clock, timers } = this.#options.runtime;
    const endMs = clock.monotonic() + maxWaitMs;
    const located = await this.#locate({ partitions, isolation, minBytes: 1, maxBytes: 1, maxWaitMs }, endMs, signal);
    const question: LocateQuestion = { partitions, isolation, minBytes: 1 };
    // Nobody waits here any more: who asks again at once would do so for ever.
    if (this.#options.here.mustWait(question, located)) await sleep(timers, endMs - clock.monotonic(), signal);
  }

  /** All partitions, and enough of them unless it takes longer than until `endMs`. */
  async #locate(request: FetchRequest, endMs: number, signal: AbortSignal): Promise<readonly FoundOrError[]> {
    const { here, elsewhere, runtime } = this.#options;
    const { clock, timers } = runtime;
    const { partitions, isolation } = request;
    const question: LocateQuestion = { partitions, isolation, minBytes: this.#enough(request) };
    let located = await here.locate(partitions);
    let pauseMs = FULL_PAUSE_MS_MIN;
    for (let end: WaitEnd = 'full'; end === 'full'; ) {
      const waitMs = endMs - clock.monotonic();
      if (waitMs <= 0 || !here.mustWait(question, located)) break;
      end = await here.wait(question, located, waitMs, signal);
      signal.throwIfAborted();
      if (end === 'full') {
        // Answered with nothing, its client would ask again at once, and all that have no room would keep this broker busy.
        await sleep(timers, Math.min(pauseMs, waitMs), signal);
        pauseMs = Math.min(FULL_PAUSE_MS_MAX, pauseMs * 2);
      }
      located = await here.locate(partitions);
    }
    if (!located.some(({ type }) => type === 'elsewhere')) return located as readonly FoundOrError[];
    return elsewhere.locate(question, located, endMs, signal);
  }

  #enough(request: FetchRequest): number {
    return Math.min(request.minBytes, this.#limit(request));
  }

  #limit({ maxBytes }: FetchRequest): number {
    return Math.max(0, Math.min(maxBytes, this.#bytesMax));
  }

  async #answer(
    request: FetchRequest,
    located: readonly FoundOrError[],
    waitMs: number,
    signal: AbortSignal,
  ): Promise<FetchAnswer> {
    const { leases, gatherer } = this.#options;
    const bytesMax = this.#limit(request);
    const targets = targetsOf(request, located, bytesMax);
    let reserved = 0;
    for (const target of targets) if (target !== null) reserved += target.bytesMax;
    if (reserved === 0) return this.#finish(request, located, targets, bytesMax, NOTHING_TO_RELEASE).answer;

    const lease = leases.tryReserve(reserved) ?? (await this.#reserve(targets, reserved, waitMs, signal));
    if (lease === null) {
      signal.throwIfAborted();
      // Too many answers are still on their way to slow clients: this one asks again.
      return this.#finish(request, located, [], bytesMax, NOTHING_TO_RELEASE).answer;
    }
    try {
      await gatherer.gather(
        targets.filter((target) => target !== null),
        lease,
        signal,
      );
      signal.throwIfAborted();
      const { answer, cutter } = this.#finish(request, located, targets, bytesMax, () => lease.end());
      lease.keepOnly(cutter.chunks);
      if (cutter.chunks.size === 0) lease.end();
      return answer;
    } catch (cause) {
      lease.end();
      throw cause;
    }
  }

  /** A store that is slow with old records has answers from them hold all the memory: that keeps nobody from new ones. */
  #reserve(
    targets: readonly (Target | null)[],
    bytes: number,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<Lease | null> {
    const { leases, hotLeases, runtime } = this.#options;
    const now = runtime.clock.now();
    const isFollowing = targets.every((target) => target === null || isHotTarget(target, now));
    return isFollowing
      ? reserveFirst([hotLeases, leases], bytes, waitMs, signal)
      : leases.reserve(bytes, waitMs, signal);
  }

  #finish(
    request: FetchRequest,
    located: readonly FoundOrError[],
    targets: readonly (Target | null)[],
    bytesMax: number,
    release: () => void,
  ): { readonly answer: FetchAnswer; readonly cutter: AnswerCutter } {
    const cutter = new AnswerCutter(bytesMax);
    const partitions = request.partitions.map((wanted, index) => {
      const target = targets[index] ?? null;
      return this.#partition(wanted, target?.failure ?? located[index]!, target, request.isolation, cutter);
    });
    this.#options.metrics.answered(cutter.bytesBySource);
    return { answer: { partitions, bytes: cutter.bytes, release }, cutter };
  }

  #partition(
    wanted: FetchPartition,
    found: FoundOrError,
    target: Target | null,
    isolation: Isolation,
    cutter: AnswerCutter,
  ): FetchedPartition {
    if (found.type === 'found' && currentState(found) === undefined) {
      // Deleted while its records were read: where it ended is not known any more.
      return this.#partition(wanted, unknownPartition(wanted), null, isolation, cutter);
    }
    if (found.type !== 'found') {
      const { error, message, led } = found.type === 'error' ? found : outOfRange(found, wanted.fetchOffset);
      if (target?.failure) this.#options.metrics.failed();
      const abortedTransactions = isolation === 'read_committed' ? [] : null;
      return { error, message, ...watermarksOf(led ?? null), abortedTransactions, records: [], bytes: 0 };
    }
    const led = target?.led ?? found;
    const { state } = led;
    const { records, bytes, nextOffset } = cutter.cut(wanted, target?.runs ?? [], readEnd(led, isolation));
    if (target?.runs.some(({ source }) => source !== 'tail')) this.#options.readAhead.ended(wanted, nextOffset);
    // From the state whose end was read to: a later one may have forgotten what was deleted meanwhile.
    const abortedTransactions =
      isolation === 'read_committed' ? abortedWithin(state.abortedTransactions, wanted.fetchOffset, nextOffset) : null;
    return { error: 'NONE', message: '', ...watermarksOf(led), abortedTransactions, records, bytes };
  }
}

function isHotTarget({ wanted, led }: Target, now: number): boolean {
  const { extents } = led.state;
  const extent = extents.at(extents.indexOf(wanted.fetchOffset));
  return extent === undefined || isHot(extent, now);
}

/** It holds no memory then. */
const isUnreadable = ({ bytes, partitions }: FetchAnswer): boolean =>
  bytes === 0 && partitions.some(({ error }) => error === 'KAFKA_STORAGE_ERROR' || error === 'UNKNOWN_SERVER_ERROR');

/** How much each partition may bring, in the order of the request; null for those with nothing to read. */
function targetsOf(
  { partitions, isolation }: FetchRequest,
  located: readonly FoundOrError[],
  bytesMax: number,
): (Target | null)[] {
  let left = bytesMax;
  let first = true;
  return partitions.map((wanted, index) => {
    const found = located[index]!;
    const available = availableIn(wanted, found, isolation);
    if (found.type !== 'found' || available === 0 || (left <= 0 && !first)) return null;
    // The first one may answer one batch whatever the limits say.
    const ofTarget = Math.max(first ? 1 : 0, Math.min(left, available));
    first = false;
    left -= ofTarget;
    return { wanted, bytesMax: ofTarget, isolation, led: found, runs: [], failure: null };
  });
}

/** From the state of this moment: records were read after the partition was located, and none lies beyond it. */
function watermarksOf(led: Target['led'] | null) {
  if (led === null) return { highWatermark: -1, lastStableOffset: -1, logStartOffset: -1, leaderEpoch: -1 };
  const { nextOffset, lastStableOffset, logStartOffset } = currentState(led) ?? led.state;
  return { highWatermark: nextOffset, lastStableOffset, logStartOffset, leaderEpoch: epochOf(led) };
}
