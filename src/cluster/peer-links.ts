/** The connections of `rpc/` as membership sees them. */
import type { PeerIdentity } from '../rpc/method.ts';
import type { PeerEvents } from '../rpc/peer-events.ts';
import type { PeerPool } from '../rpc/peer-pool.ts';
import type { DownReason, Links, WantedPeer } from './links.ts';

const NOTHING = Buffer.alloc(0);

export class PeerLinks implements Links {
  readonly #pool: PeerPool;
  #up: (peer: PeerIdentity) => void = () => {};
  #down: (brokerId: number, reason: DownReason) => void = () => {};
  #ping: (peer: PeerIdentity, payload: Buffer) => void = () => {};
  #pong: (peer: PeerIdentity, payload: Buffer, sentAt: number) => void = () => {};
  #stall: (ms: number) => void = () => {};
  #payload: () => Uint8Array = () => NOTHING;

  constructor(pool: PeerPool) {
    this.#pool = pool;
  }

  /** For `PeerPool.start`. `onSuperseded`: a newer process has this broker's id. */
  events(onSuperseded: (brokerEpoch: number) => void): PeerEvents {
    return {
      onUp: (other) => this.#up(other),
      onDown: (brokerId, why) => this.#down(brokerId, why),
      onStall: (ms) => this.#stall(ms),
      onPing: (from, payload) => this.#ping(from, payload),
      onPong: (from, payload, sentAt) => this.#pong(from, payload, sentAt),
      pingPayload: () => [this.#payload()],
      onSuperseded,
    };
  }

  want(peers: readonly WantedPeer[]): void {
    this.#pool.want(peers);
  }

  onUp(listener: (peer: PeerIdentity) => void): void {
    this.#up = listener;
  }

  onDown(listener: (brokerId: number, reason: DownReason) => void): void {
    this.#down = listener;
  }

  onPing(listener: (peer: PeerIdentity, payload: Buffer) => void): void {
    this.#ping = listener;
  }

  onPong(listener: (peer: PeerIdentity, payload: Buffer, sentAt: number) => void): void {
    this.#pong = listener;
  }

  onStall(listener: (ms: number) => void): void {
    this.#stall = listener;
  }

  setPingPayload(provider: () => Uint8Array): void {
    this.#payload = provider;
  }
}
