import type { Address } from '../config.ts';
import type { PeerIdentity } from '../rpc/method.ts';

/**
 * Why a broker cannot be reached. `refused`: its host answered that nobody listens there, so the process is gone. `silent`:
 * nothing came for longer than pings take, or nobody answers. `closed`: the connection ended, and a new one is being tried:
 * another call tells how that went.
 */
export type DownReason = 'refused' | 'silent' | 'closed';

export interface WantedPeer extends PeerIdentity {
  readonly address: Address;
}

/** The connections between brokers as membership sees them: `rpc/` keeps them up, and tells. */
export interface Links {
  /** These brokers, no others; replaces what was wanted before. One that is wanted already keeps its connection. */
  want(peers: readonly WantedPeer[]): void;
  /** A connection stands in both directions. Called again when the same broker comes back with another epoch. */
  onUp(listener: (peer: PeerIdentity) => void): void;
  /** Called for each change of the reason, and for a broker that could not be reached from the beginning. */
  onDown(listener: (brokerId: number, reason: DownReason) => void): void;
  /** Views into `payload` are good during the call. */
  onPing(listener: (peer: PeerIdentity, payload: Buffer) => void): void;
  /** What a broker answered to a ping that was sent at `sentAt`: things were so at that moment, or later. */
  onPong(listener: (peer: PeerIdentity, payload: Buffer, sentAt: number) => void): void;
  /** Asked for what each ping, and each answer to one, carries: small, some hundred bytes at most. */
  setPingPayload(provider: () => Uint8Array): void;
}

/** Asks whoever listens there who it is; null when nobody answers within a second or so. */
export type Probe = (address: Address) => Promise<PeerIdentity | null>;
