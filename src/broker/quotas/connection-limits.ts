/** connection_creation_rate (KIP-612): how many connections an address may open in a second. */
import type { ClientQuotas } from '../../cluster/quotas.ts';
import type { Clock } from '../../runtime/clock.ts';
import { TokenBucket } from './token-bucket.ts';

/** Addresses beyond this push out those that came first; they begin anew. */
const TRACKED_COUNT_MAX = 10_000;

export class ConnectionLimits {
  readonly #quotas: ClientQuotas;
  readonly #clock: Clock;
  readonly #windowSeconds: number;
  readonly #buckets = new Map<string, TokenBucket | null>();
  #version = -1;

  constructor(quotas: ClientQuotas, clock: Clock, windowSeconds: number) {
    this.#quotas = quotas;
    this.#clock = clock;
    this.#windowSeconds = windowSeconds;
  }

  /** Counts a connection; milliseconds that it comes too early. One that does must be refused, and counts nothing. */
  opened(address: string): number {
    if (this.#quotas.empty) return 0;
    if (this.#version !== this.#quotas.version) {
      this.#version = this.#quotas.version;
      this.#buckets.clear();
    }
    const now = this.#clock.monotonic();
    const bucket = this.#bucket(address, now);
    if (bucket === null) return 0;
    bucket.take(1, now);
    const waitMs = bucket.waitMs(now);
    if (waitMs > 0) bucket.take(-1, now);
    return waitMs;
  }

  #bucket(address: string, now: number): TokenBucket | null {
    const known = this.#buckets.get(address);
    if (known !== undefined) return known;
    const found = this.#quotas.find([{ ip: address }, { ip: null }], 'connection_creation_rate');
    const bucket = found && new TokenBucket(found.value, this.#windowSeconds, now);
    this.#buckets.set(address, bucket);
    if (this.#buckets.size > TRACKED_COUNT_MAX) {
      const [first] = this.#buckets.keys();
      this.#buckets.delete(first!);
    }
    return bucket;
  }
}
