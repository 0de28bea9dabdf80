/**
 * Fetch = locate + wait + read (design §5). Locating is one look at the durable state; waiting is the purgatory's; reading
 * goes to memory first and to the stores for the rest.
 */
import type { Config } from '../config.ts';
import { abortedWithin } from '../journal/transactions.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { AnswerCutter } from './answer.ts';
import type { FetchMetrics } from './fetch-metrics.ts';
import type { Gatherer, Target } from './gather.ts';
import type { Leases } from './lease.ts';
import {
  availableBytes,
  type Located,
  type Locator,
  notConfirmed,
  outOfRange,
  readableEnd,
  unknownPartition,
} from './locate.ts';
import type { FetchAnswer, FetchedPartition, FetchPartition, FetchRequest, Isolation } from './log.ts';
import type { Purgatory } from './purgatory.ts';
import type { ReadAhead } from './read-ahead.ts';

export interface FetcherOptions {
  readonly config: Config;
  readonly runtime: Runtime;
  readonly locator: Locator;
  readonly gatherer: Gatherer;
  readonly purgatory: Purgatory;
  readonly readAhead: ReadAhead;
  readonly leases: Leases;
  readonly metrics: FetchMetrics;
  readonly cacheBytesMax: number;
}

/** Answers wait at least this long for memory, also for clients that do not wait for records. */
const MEMORY_WAIT_MS_MIN = 1_000;

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
    const { clock } = this.#options.runtime;
    const startedAt = clock.monotonic();
    let located = await this.#locate(request);
    if (this.#mustWait(request, located)) {
      await this.#wait(request, located, signal);
      signal.throwIfAborted();
      located = await this.#locate(request);
    }
    const leftMs = request.maxWaitMs - (clock.monotonic() - startedAt);
    return this.#answer(request, located, Math.max(MEMORY_WAIT_MS_MIN, leftMs), signal);
  }

  /** Confirms leadership before it tells anybody that an offset is out of range. */
  async #locate({ partitions }: FetchRequest): Promise<Located[]> {
    const { locator } = this.#options;
    const located = partitions.map((wanted) => locator.forFetch(wanted));
    if (!located.some(({ type }) => type === 'outside')) return located;
    return Promise.all(
      located.map(async (found, index) => {
        if (found.type !== 'outside') return found;
        if (!(await found.journal.confirmLeadership())) return notConfirmed(found);
        const wanted = partitions[index]!;
        const again = locator.forFetch(wanted);
        return again.type === 'outside' ? outOfRange(again, wanted.fetchOffset) : again;
      }),
    );
  }

  #limit({ maxBytes }: FetchRequest): number {
    return Math.max(0, Math.min(maxBytes, this.#bytesMax));
  }

  #mustWait(request: FetchRequest, located: readonly Located[]): boolean {
    if (request.maxWaitMs <= 0 || request.partitions.length === 0) return false;
    if (located.some(({ type }) => type !== 'found')) return false;
    return this.#available(request, located) < Math.min(request.minBytes, this.#limit(request));
  }

  #available({ partitions, isolation }: FetchRequest, located: readonly Located[]): number {
    let bytes = 0;
    for (const [index, found] of located.entries()) bytes += availableIn(partitions[index]!, found, isolation);
    return bytes;
  }

  #wait(request: FetchRequest, located: readonly Located[], signal: AbortSignal): Promise<void> {
    const { locator, purgatory } = this.#options;
    const { partitions, maxWaitMs, isolation } = request;
    const bytes = located.map((found, index) => availableIn(partitions[index]!, found, isolation));
    let total = bytes.reduce((sum, each) => sum + each, 0);
    const enough = Math.min(request.minBytes, this.#limit(request));
    const satisfied = (index: number): boolean => {
      const found = locator.forFetch(partitions[index]!);
      if (found.type !== 'found') return true;
      const now = availableIn(partitions[index]!, found, isolation);
      total += now - bytes[index]!;
      bytes[index] = now;
      return total >= enough;
    };
    return purgatory.wait({ partitions, maxWaitMs, signal, satisfied });
  }

  async #answer(
    request: FetchRequest,
    located: readonly Located[],
    waitMs: number,
    signal: AbortSignal,
  ): Promise<FetchAnswer> {
    const { leases, gatherer } = this.#options;
    const bytesMax = this.#limit(request);
    const targets = targetsOf(request, located, bytesMax);
    let reserved = 0;
    for (const target of targets) if (target !== null) reserved += target.bytesMax;
    if (reserved === 0) return this.#finish(request, located, targets, bytesMax, NOTHING_TO_RELEASE).answer;

    const lease = leases.tryReserve(reserved) ?? (await leases.reserve(reserved, waitMs, signal));
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

  #finish(
    request: FetchRequest,
    located: readonly Located[],
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
    found: Located,
    target: Target | null,
    isolation: Isolation,
    cutter: AnswerCutter,
  ): FetchedPartition {
    const { topicId, partition } = wanted;
    if (found.type === 'found' && found.journal.state.partition(topicId, partition) === undefined) {
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
    const { records, bytes, nextOffset } = cutter.cut(wanted, target?.runs ?? [], readableEnd(state, isolation));
    if (target?.runs.some(({ source }) => source !== 'tail')) this.#options.readAhead.ended(wanted, nextOffset);
    // From the state whose end was read to: a later one may have forgotten what was deleted meanwhile.
    const abortedTransactions =
      isolation === 'read_committed' ? abortedWithin(state.abortedTransactions, wanted.fetchOffset, nextOffset) : null;
    return { error: 'NONE', message: '', ...watermarksOf(led), abortedTransactions, records, bytes };
  }
}

function availableIn({ fetchOffset, maxBytes }: FetchPartition, found: Located, isolation: Isolation): number {
  if (found.type !== 'found') return 0;
  return availableBytes(found.state, fetchOffset, readableEnd(found.state, isolation), Math.max(1, maxBytes));
}

/** How much each partition may bring, in the order of the request; null for those with nothing to read. */
function targetsOf(
  { partitions, isolation }: FetchRequest,
  located: readonly Located[],
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
  const { journal, state } = led;
  const current = journal.state.partition(state.topicId, state.partition) ?? state;
  const { nextOffset, lastStableOffset, logStartOffset } = current;
  return {
    highWatermark: nextOffset,
    lastStableOffset,
    logStartOffset,
    leaderEpoch: journal.epoch,
  };
}
