/**
 * Whether a broker may become the controller. Pure. Any number of brokers may think so at once: the conditional put of the
 * controller's item lets one of them, and the one who was succeeded can write nothing any more. What is decided here is
 * only how soon, so that they do not collide, and that two halves of a cut cluster, or two brokers that do not see each
 * other, do not take it from each other in turns.
 */
import type { DownReason } from './links.ts';

/** Between the attempts of brokers that see the controller go at the same moment. */
export const STAGGER_MS = 100;
/** In which a controller that is cut off from us would write something, and we see it. */
export const SILENT_HALF_MS = 1_000;
/** After something in the table has shown that a controller lives that we cannot reach. Doubles with each time. */
export const PROVEN_REFUSED_MS = 2_000;
export const PROVEN_SILENT_MS = 12_000;
export const PROVEN_MS_MAX = 60_000;

/** How the broker that the item names stands. Moments are of the observer's monotonic clock. */
export type ControllerStanding =
  | { readonly type: 'self' }
  | { readonly type: 'live' }
  /** It may turn out to be there. */
  | { readonly type: 'unknown' }
  /** Nobody ever was; it said goodbye; it started again and is another one now; or it says itself that it cannot. */
  | { readonly type: 'vacant' }
  | {
      readonly type: 'gone';
      readonly reason: DownReason;
      readonly since: number;
      /** How often, and when last, the table has shown that it lives since then. */
      readonly proofs: number;
      readonly provenAt: number;
    };

export interface ControllerFacts {
  readonly standing: ControllerStanding;
  /** Place among the brokers that may become the controller as we see them, from 0; null: this one may not. */
  readonly rank: number | null;
  /** False: of some brokers it will be known within seconds whether they are there. */
  readonly settled: boolean;
  /** Of the brokers that are not known to be gone, how many we see, ourselves included. */
  readonly seen: number;
  readonly expected: number;
  /** Another broker that we see says that it sees the controller. */
  readonly vouched: boolean;
  /** When the standing became what it is. */
  readonly since: number;
}

export type ControllerDecision =
  | { readonly type: 'lead' }
  | { readonly type: 'follow' }
  | { readonly type: 'take' }
  | { readonly type: 'wait'; readonly until: number };

export function decideController(facts: ControllerFacts, now: number): ControllerDecision {
  const { standing, rank } = facts;
  if (standing.type === 'self') return { type: 'lead' };
  if (rank === null || standing.type === 'live' || standing.type === 'unknown') return { type: 'follow' };
  // Who has just come, and sees nobody yet, would give itself everything.
  if (!facts.settled) return { type: 'follow' };
  const staggerMs = rank * STAGGER_MS;
  const from = standing.type === 'vacant' ? facts.since : readyAt(facts, standing);
  const until = from + staggerMs;
  return now >= until ? { type: 'take' } : { type: 'wait', until };
}

function readyAt(facts: ControllerFacts, gone: Extract<ControllerStanding, { type: 'gone' }>): number {
  const refused = gone.reason === 'refused';
  // Whoever sees most of the cluster goes on without those whom it does not see. Where a third broker sees both of two that
  // do not see each other, both see most: the one that writes is left in peace.
  const isHalf = facts.vouched && gone.proofs > 0;
  if (facts.seen * 2 > facts.expected && !isHalf) return gone.since;
  if (gone.proofs > 0) {
    const firstMs = refused ? PROVEN_REFUSED_MS : PROVEN_SILENT_MS;
    return gone.provenAt + Math.min(PROVEN_MS_MAX, firstMs * 2 ** Math.min(gone.proofs - 1, 10));
  }
  return refused ? gone.since : gone.since + SILENT_HALF_MS;
}

/** A controller that suddenly sees less than half of the cluster waits for so long: others may go on without it. */
export const MINORITY_MS = 5_000;

/** From when on a controller may take journals away from brokers that it does not see. */
export function mayReassignAt(facts: Pick<ControllerFacts, 'seen' | 'expected'>, since: number): number {
  return facts.seen * 2 < facts.expected ? since + MINORITY_MS : since;
}
