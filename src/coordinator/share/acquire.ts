/**
 * Acquiring records for a member: which of the batches that were read it gets, as a pure function.
 *
 * - batch_optimized: batches are taken whole, so that the wish for records is exceeded to the end of one; ranges are cut at
 *   batches and hold about `batchSize` records, in which clients acknowledge. record_limit: never more than the wish.
 * - Records that nobody may be given (a control batch, an aborted transaction) and offsets missing between batches are
 *   archived without a delivery.
 * - A record that was delivered half as often as it may be might be one that breaks consumers. Such records are given out
 *   in ever smaller numbers and with no others, the last time alone, so that it takes no neighbours with it.
 */
import { append, change, covered, gapRun, type InFlight, lengthOf, type Span } from './in-flight.ts';
import { occupancy, type ShareWindow, trim } from './share-partition-state.ts';

/** One batch that was read; its records are acquired only when they are `deliverable`. */
export interface FetchedBatch extends Span {
  readonly deliverable: boolean;
}

export interface AcquireWish {
  readonly memberId: string;
  readonly lockedUntilMs: number;
  /** From `nextFetchOffset`. The first batch may begin before it. */
  readonly fetchOffset: number;
  /** In order; at least one for anything to be acquired. */
  readonly batches: readonly FetchedBatch[];
  readonly maxRecords: number;
  readonly batchSize: number;
  readonly mode: AcquireMode;
}

export type AcquireMode = 'batch_optimized' | 'record_limit';

export interface AcquireLimits {
  readonly deliveryCountLimit: number;
  /** Records that may be in flight before new ones wait; exceeded to the end of a batch. */
  readonly recordLocksMax: number;
  /** Never exceeded: what a record in the journal can hold. */
  readonly occupancyMax: number;
  readonly runsMax: number;
}

export interface AcquiredRange extends Span {
  readonly deliveryCount: number;
}

export interface Acquired {
  readonly window: ShareWindow;
  readonly ranges: readonly AcquiredRange[];
  readonly count: number;
}

/** Where to read for the next member: at the first released record, else behind the window; null while that is full. */
export function nextFetchOffset(window: ShareWindow, limits: AcquireLimits): number | null {
  const released = window.runs.find(({ state }) => state === 'Available');
  if (released !== undefined) return released.first;
  return hasRoom(window, limits) ? window.endOffset : null;
}

const hasRoom = (window: ShareWindow, { recordLocksMax, occupancyMax, runsMax }: AcquireLimits): boolean =>
  window.runs.length < runsMax && occupancy(window) < Math.min(recordLocksMax, occupancyMax);

export function acquire(window: ShareWindow, wish: AcquireWish, limits: AcquireLimits): Acquired {
  const taking = new Taking(wish, limits.deliveryCountLimit);
  const pieces = piecesOf(wish, window.startOffset);
  const edits: Edit[] = [];
  for (const [part, { deliverable }] of covered(window.runs, pieces)) {
    if (part.state !== 'Available') continue;
    if (!deliverable) edits.push({ ...spanOf(part), to: 'gap' });
    // The limit was lowered since.
    else if (part.deliveryCount >= limits.deliveryCountLimit) edits.push({ ...spanOf(part), to: 'dead' });
    else edits.push(...taking.take(part).map((span) => ({ ...span, to: 'acquired' as const })));
  }
  const runs = change(window.runs, edits, (part, { to }) => {
    if (to === 'gap') return gapRun(part.first, part.last);
    return to === 'dead' ? { ...part, state: 'Archived' } : acquired(part, part.deliveryCount + 1, wish);
  });
  const extended = extend({ ...window, runs }, pieces, taking, limits);
  return { window: trim(extended), ranges: taking.ranges, count: taking.count };
}

interface Edit extends Span {
  readonly to: 'gap' | 'dead' | 'acquired';
}

/** Records that nobody was given before. */
function extend(
  window: ShareWindow,
  pieces: readonly FetchedBatch[],
  taking: Taking,
  limits: AcquireLimits,
): ShareWindow {
  const runs = [...window.runs];
  let { endOffset } = window;
  let occupied = occupancy(window);
  const room = Math.min(limits.recordLocksMax, limits.occupancyMax);
  for (const piece of pieces) {
    if (piece.last < endOffset) continue;
    if (taking.done || occupied >= room || runs.length >= limits.runsMax) break;
    const part = { first: Math.max(piece.first, endOffset), last: piece.last, deliveryCount: 0 };
    if (!piece.deliverable) {
      append(runs, gapRun(part.first, part.last));
      endOffset = part.last + 1;
      continue;
    }
    const last = Math.min(part.last, part.first + limits.occupancyMax - occupied - 1);
    const [taken] = taking.take({ ...part, last });
    if (taken === undefined) break;
    append(runs, acquired(taken, 1, taking.wish));
    occupied += lengthOf(taken);
    endOffset = taken.last + 1;
    if (taken.last < piece.last) break;
  }
  return { ...window, runs, endOffset };
}

const acquired = (
  { first, last }: Span,
  deliveryCount: number,
  { memberId, lockedUntilMs }: AcquireWish,
): InFlight => ({ first, last, state: 'Acquired', deliveryCount, memberId, lockedUntilMs, becomes: null, round: 0 });

const spanOf = ({ first, last }: Span): Span => ({ first, last });

/** What was read without anything left out: where no batch is, there is nothing to deliver. */
function piecesOf({ fetchOffset, batches }: AcquireWish, startOffset: number): FetchedBatch[] {
  const pieces: FetchedBatch[] = [];
  let from = Math.max(fetchOffset, startOffset);
  for (const { first, last, deliverable } of batches) {
    if (last < from) continue;
    if (first > from) pieces.push({ first: from, last: first - 1, deliverable: false });
    pieces.push({ first: Math.max(first, from), last, deliverable });
    from = last + 1;
  }
  return pieces;
}

/** Counts what one wish was given. */
class Taking {
  readonly wish: AcquireWish;
  readonly #deliveryCountLimit: number;
  /** From this many deliveries on a record is suspect. */
  readonly #suspectFrom: number;
  readonly #ranges: AcquiredRange[] = [];
  #count = 0;
  #stopped = false;

  constructor(wish: AcquireWish, deliveryCountLimit: number) {
    this.wish = wish;
    this.#deliveryCountLimit = deliveryCountLimit;
    this.#suspectFrom = Math.max(SUSPECT_FROM_MIN, Math.ceil(deliveryCountLimit / 2));
  }

  get ranges(): readonly AcquiredRange[] {
    return this.#ranges;
  }

  get count(): number {
    return this.#count;
  }

  get done(): boolean {
    return this.#stopped || this.#count >= this.wish.maxRecords;
  }

  /** The records from the first on that are taken: none or one span. Part of one batch that stands alike. */
  take(part: Span & { readonly deliveryCount: number }): Span[] {
    if (this.done) return [];
    let length = lengthOf(part);
    if (this.wish.mode === 'record_limit') length = Math.min(length, this.wish.maxRecords - this.#count);
    if (part.deliveryCount >= this.#suspectFrom) {
      this.#stopped = true;
      if (this.#count > 0) return [];
      length = Math.min(length, this.#suspectsAtOnce(part));
    }
    const span = { first: part.first, last: part.first + length - 1 };
    this.#count += length;
    this.#add({ ...span, deliveryCount: part.deliveryCount + 1 });
    return [span];
  }

  #suspectsAtOnce(part: Span & { readonly deliveryCount: number }): number {
    if (part.deliveryCount === this.#deliveryCountLimit - 1) return 1;
    return Math.max(1, Math.floor(lengthOf(part) / 2 ** (part.deliveryCount - this.#suspectFrom + 1)));
  }

  #add(range: AcquiredRange): void {
    const before = this.#ranges.at(-1);
    const joins =
      before !== undefined &&
      before.last + 1 === range.first &&
      before.deliveryCount === range.deliveryCount &&
      (this.wish.mode === 'record_limit' || lengthOf(before) < this.wish.batchSize);
    if (joins) this.#ranges[this.#ranges.length - 1] = { ...before, last: range.last };
    else this.#ranges.push(range);
  }
}

const SUSPECT_FROM_MIN = 2;
