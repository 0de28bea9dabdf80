import type { Address } from '../config.ts';
import type { PeerIdentity } from '../rpc/method.ts';
import type { DownReason } from '../rpc/peer-events.ts';

export type { DownReason };

export interface WantedPeer extends PeerIdentity {
  readonly address: Address;
}

/** The connections between brokers as membership sees them: `rpc/` keeps them up, and tells. */
export interface Links {
  /** These brokers, no others; replaces what was wanted before. One that is wanted already keeps its connection. */
  want(peers: readonly WantedPeer[]): void;
  /** A connection that this broker opened stands. Called again when it was made anew, to a newer instance perhaps. */
  onUp(listener: (peer: PeerIdentity) => void): void;
  /** Called for each change of the reason, and for a broker that could not be reached from the beginning. */
  onDown(listener: (brokerId: number, reason: DownReason) => void): void;
  /** Views into `payload` are good during the call. */
  onPing(listener: (peer: PeerIdentity, payload: Buffer) => void): void;
  /** What a broker answered to a ping that was sent at `sentAt`: things were so at that moment, or later. */
  onPong(listener: (peer: PeerIdentity, payload: Buffer, sentAt: number) => void): void;
  /** This process did not run for so long: what others said meanwhile is still to be read. */
  onStall(listener: (ms: number) => void): void;
  /** Asked for what each ping, and each answer to one, carries: small, some hundred bytes at most. */
  setPingPayload(provider: () => Uint8Array): void;
}

/** Asks whoever listens there who it is; null when nobody answers within a second or so. */
export type Probe = (address: Address) => Promise<PeerIdentity | null>;
