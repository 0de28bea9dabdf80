import type { Address } from '../config.ts';
import type { Hello } from './hello.ts';
import type { PeerIdentity } from './method.ts';

/**
 * `refused`: nobody listens at its address, or somebody else does: it is gone. `silent`: no word for 1.5 s. `closed`: it said
 * goodbye, or why it does not want to meet.
 */
export type DownReason = 'refused' | 'silent' | 'closed';

/** What the pool tells and asks whoever keeps the list of brokers. None of these may throw. */
export interface PeerEvents {
  /** A connection to a wanted broker was made, again perhaps: with the same instance, or with a newer one. */
  onUp(other: Hello): void;
  /**
   * A wanted broker does not answer; the pool goes on trying. A connection that is cut and made again within milliseconds
   * is no `onDown`. Called again when more becomes known: `silent` or `closed`, later `refused`.
   */
  onDown(brokerId: number, why: DownReason, sentence: string): void;
  /** A broker that has a connection to this one, wanted or not, sent what its `pingPayload` answered. */
  onPing(from: PeerIdentity, payload: Buffer): void;
  /**
   * What the `pingPayload` of a wanted broker answered after `sentAt`, by this broker's monotonic clock. Empty from a broker whose
   * version answers pings without it.
   */
  onPong(from: PeerIdentity, payload: Buffer, sentAt: number): void;
  /** This process did not run for so long: that was nobody's silence. */
  onStall(ms: number): void;
  /** What to tell a broker now, in a ping or the answer to one. `fresh` on the first ping of a connection: pings arrive in order until it ends. */
  pingPayload(brokerId: number, fresh: boolean): readonly Uint8Array[];
  /** A newer instance of this broker's id is known to others: this one should stop. */
  onSuperseded(brokerEpoch: number): void;
}

export interface WantedPeer {
  readonly brokerId: number;
  /** An instance that is older than this is not the one that is wanted. */
  readonly brokerEpoch?: number;
  readonly address: Address;
}

/** Who answers at an address. `nobody`: the connection is refused. `unfit`: a broker that cannot work with this one, or another secret. */
export type ProbeResult =
  | { readonly answer: 'hello'; readonly hello: Hello }
  | { readonly answer: 'nobody' | 'silent' | 'unfit' | 'failed'; readonly why: string };
