/**
 * A share partition (KIP-932) as a pure function: which records of a partition a share group has been given, and how they
 * stand. No clock, no store. `share-partition.ts` feeds it and writes what it decides.
 *
 *                 acquire                    acknowledge, timeout, release
 *   Available ─────────────► Acquired ──────────────────────────────────────► Settling
 *       ▲                       ▲                                                │  │ written
 *       │                       └────────────── not written ─────────────────────┘  ├──► Acknowledged
 *       └───────────────────── released, below the delivery limit ──────────────────┤
 *                                                  rejected, gap, at the limit ─────┴──► Archived
 *
 * Nobody is told of a change, and nobody gets a released record, before the change is durable: meanwhile a record is
 * acquired and `becomes` something. Writes are numbered rounds, one at a time; what happens during one goes into the next.
 *
 * The window reaches from the share-partition start offset to the newest record that was given out. Its leading
 * acknowledged and archived records are dropped at once, which is how the start offset moves. Offsets at which the log has
 * nothing to give (compacted away, control batches, aborted transactions) are archived with delivery count 0.
 */
import { append, change, clip, covered, type InFlight, isGap, isTerminal, lengthOf, type Span } from './in-flight.ts';

export interface ShareWindow {
  /** Everything below is done with. */
  readonly startOffset: number;
  /** First offset that was never given out. */
  readonly endOffset: number;
  /** All offsets of [startOffset, endOffset). */
  readonly runs: readonly InFlight[];
  /** The write that new changes go into. */
  readonly round: number;
}

export const ACKNOWLEDGE_TYPES = { gap: 0, accept: 1, release: 2, reject: 3, renew: 4 } as const;

export interface Acknowledgement extends Span {
  readonly type: number;
}

export type Acknowledged =
  | { readonly window: ShareWindow }
  | { readonly rejected: 'INVALID_RECORD_STATE' | 'INVALID_REQUEST'; readonly message: string };

export interface AcknowledgeRules {
  readonly memberId: string;
  /** A record that was delivered this often is archived when it is released. */
  readonly deliveryCountLimit: number;
  /** Where renewed locks end. */
  readonly lockUntilMs: number;
  /** Records below are gone: whatever is said of them counts. */
  readonly logStartOffset: number;
}

export const emptyWindow = (startOffset: number): ShareWindow => ({
  startOffset,
  endOffset: startOffset,
  runs: [],
  round: 1,
});

/** Sorted, not overlapping. Everything or nothing: one record that this member may not acknowledge refuses all. */
export function acknowledge(
  window: ShareWindow,
  wishes: readonly Acknowledgement[],
  rules: AcknowledgeRules,
): Acknowledged {
  const { memberId, deliveryCountLimit, lockUntilMs, logStartOffset } = rules;
  const live = wishes.filter(({ last }) => last >= window.startOffset);
  for (const { first, last, type } of wishes) {
    if (last >= window.startOffset || last < logStartOffset || type === ACKNOWLEDGE_TYPES.gap) continue;
    return { rejected: 'INVALID_RECORD_STATE', message: `records ${first} to ${last} were settled before` };
  }
  for (const { first, last } of live) {
    if (last < window.endOffset) continue;
    return { rejected: 'INVALID_REQUEST', message: `records ${first} to ${last} are past the acquired ones` };
  }
  for (const [part] of covered(window.runs, live)) {
    const refusal = refusalOf(part, memberId);
    if (refusal === null) continue;
    const which = `${part.first} to ${part.last}`;
    return { rejected: 'INVALID_RECORD_STATE', message: `records ${which} ${refusal}` };
  }
  const runs = change(window.runs, live, (part, { type }) => {
    if (part.state !== 'Acquired') return part;
    if (type === ACKNOWLEDGE_TYPES.renew) return { ...part, lockedUntilMs: lockUntilMs };
    if (type === ACKNOWLEDGE_TYPES.accept) return { ...part, becomes: 'Acknowledged', round: window.round };
    if (type === ACKNOWLEDGE_TYPES.release) return releasing(part, window.round, deliveryCountLimit);
    return { ...part, becomes: 'Archived', round: window.round };
  });
  return { window: { ...window, runs } };
}

/** Clients need not know which offsets have nothing: an acknowledgement may span them. */
function refusalOf(part: InFlight, memberId: string): string | null {
  if (isGap(part)) return null;
  if (part.state !== 'Acquired') return 'are not acquired';
  if (part.memberId !== memberId) return 'are acquired by another member';
  return part.becomes === null ? null : 'are being acknowledged already';
}

/** Locks that end by `nowMs` begin to be released. */
export function expireLocks(window: ShareWindow, nowMs: number, deliveryCountLimit: number): ShareWindow {
  return releaseWhere(window, deliveryCountLimit, ({ lockedUntilMs }) => lockedUntilMs <= nowMs);
}

/** Everything that a member still holds begins to be released: its session is over. */
export function releaseMember(window: ShareWindow, memberId: string, deliveryCountLimit: number): ShareWindow {
  return releaseWhere(window, deliveryCountLimit, (run) => run.memberId === memberId);
}

function releaseWhere(
  window: ShareWindow,
  deliveryCountLimit: number,
  isMeant: (run: InFlight) => boolean,
): ShareWindow {
  const held = window.runs.filter((run) => run.state === 'Acquired' && run.becomes === null && isMeant(run));
  if (held.length === 0) return window;
  const runs = change(window.runs, held, (part) => releasing(part, window.round, deliveryCountLimit));
  return { ...window, runs };
}

const releasing = (part: InFlight, round: number, deliveryCountLimit: number): InFlight => ({
  ...part,
  becomes: part.deliveryCount >= deliveryCountLimit ? 'Archived' : 'Available',
  round,
});

/** What was decided until now is written; what follows goes into the next round. */
export const beginRound = (window: ShareWindow): ShareWindow => ({ ...window, round: window.round + 1 });

export const hasUnwritten = ({ runs, round }: ShareWindow): boolean =>
  runs.some((run) => run.becomes !== null && run.round === round);

/** The end of a write: its changes come true, or its records are acquired as before. */
export function endRound(window: ShareWindow, round: number, written: boolean): ShareWindow {
  const runs: InFlight[] = [];
  for (const run of window.runs) append(runs, run.round === round && run.becomes !== null ? settle(run, written) : run);
  return trim({ ...window, runs });
}

function settle(run: InFlight, written: boolean): InFlight {
  if (!written) return { ...run, becomes: null, round: 0 };
  return { ...run, state: run.becomes!, memberId: '', lockedUntilMs: 0, becomes: null, round: 0 };
}

/** Retention or DeleteRecords: nothing below is there any more, whoever holds it. Never goes back. */
export function advanceStart(window: ShareWindow, logStartOffset: number): ShareWindow {
  if (logStartOffset <= window.startOffset) return window;
  const endOffset = Math.max(window.endOffset, logStartOffset);
  const kept = { first: logStartOffset, last: endOffset };
  const runs = window.runs.filter(({ last }) => last >= logStartOffset).map((run) => clip(run, kept));
  return trim({ ...window, startOffset: logStartOffset, endOffset, runs });
}

/** The start offset passes whatever is done with. */
export function trim(window: ShareWindow): ShareWindow {
  const from = window.runs.findIndex((run) => !isTerminal(run));
  if (from === 0) return window;
  const runs = from === -1 ? [] : window.runs.slice(from);
  return { ...window, runs, startOffset: runs[0]?.first ?? window.endOffset };
}

/** When the next lock ends; null when none will. */
export function nextLockEndMs({ runs }: ShareWindow): number | null {
  let earliest = Number.POSITIVE_INFINITY;
  for (const run of runs) {
    if (run.state === 'Acquired' && run.becomes === null) earliest = Math.min(earliest, run.lockedUntilMs);
  }
  return earliest === Number.POSITIVE_INFINITY ? null : earliest;
}

/** Records that take up room: offsets with nothing do not count. */
export function occupancy({ runs }: ShareWindow): number {
  let count = 0;
  for (const run of runs) if (!isGap(run)) count += lengthOf(run);
  return count;
}

/** Acknowledged and archived records beyond the start offset, for the lag. */
export function finishedCount({ runs }: ShareWindow): number {
  let count = 0;
  for (const run of runs) if (isTerminal(run)) count += lengthOf(run);
  return count;
}
