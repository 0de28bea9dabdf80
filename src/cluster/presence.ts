/**
 * Whether another broker is there, decided from what this one knows of it. Pure.
 *
 * Two opinions: the connection tells at once and rules whenever it says anything; the heartbeat counter in the table is slow and
 * only decides what a connection cannot. A wrong guess costs one fence, never data.
 */
import type { BrokerState } from './cluster-items.ts';
import type { DownReason } from './links.ts';

/** A connection that broke comes back, or is refused, sooner than this. */
export const CLOSED_PATIENCE_MS = 1_000;
/** Connecting for the first time takes no longer. */
export const CONNECT_PATIENCE_MS = 2_500;
/** A counter that stands still for so long belongs to a broker that is gone, or that cannot write. */
export const HEARTBEAT_SILENCE_MS = 30_000;

/** Moments are of the observer's monotonic clock. */
export type LinkState =
  | { readonly type: 'connecting'; readonly since: number }
  | { readonly type: 'up'; readonly brokerEpoch: number; readonly since: number }
  | { readonly type: 'down'; readonly reason: DownReason; readonly since: number };

export interface PresenceFacts {
  readonly state: BrokerState;
  readonly brokerEpoch: number;
  readonly link: LinkState;
  /** How long the counter has stood still between two looks at the table; 0 when it was seen once. */
  readonly stillMs: number;
}

/** `unknown`: it will be `live` or `gone` within seconds. */
export type Presence = 'live' | 'unknown' | 'gone';

export function presenceOf({ state, brokerEpoch, link, stillMs }: PresenceFacts, now: number): Presence {
  if (state === 'stopped') return 'gone';
  // With another instance: what that one says of itself is on its way.
  if (link.type === 'up' && link.brokerEpoch === brokerEpoch) return 'live';
  if (stillMs > HEARTBEAT_SILENCE_MS) return 'gone';
  if (link.type !== 'down') return now - link.since < CONNECT_PATIENCE_MS ? 'unknown' : 'gone';
  if (link.reason === 'closed') return now - link.since < CLOSED_PATIENCE_MS ? 'unknown' : 'gone';
  return 'gone';
}

/** When the presence changes by itself as time passes; null when it does not. */
export function presenceChangesAt({ state, brokerEpoch, link }: PresenceFacts): number | null {
  if (state === 'stopped' || (link.type === 'up' && link.brokerEpoch === brokerEpoch)) return null;
  if (link.type !== 'down') return link.since + CONNECT_PATIENCE_MS;
  return link.reason === 'closed' ? link.since + CLOSED_PATIENCE_MS : null;
}
