/**
 * A rate that may be exceeded for a while: tokens come at `perSecond` and gather for `windowSeconds`. What is taken beyond
 * that is owed, for at most another window, and says how long to wait. This is Kafka's average over a window without its
 * samples.
 */
export class TokenBucket {
  readonly perSecond: number;
  readonly #most: number;
  #tokens: number;
  #at: number;

  constructor(perSecond: number, windowSeconds: number, now: number) {
    this.perSecond = perSecond;
    this.#most = perSecond * windowSeconds;
    this.#tokens = this.#most;
    this.#at = now;
  }

  /** The most that can be taken at once without owing anything. */
  get most(): number {
    return this.#most;
  }

  take(amount: number, now: number): void {
    this.#refill(now);
    this.#tokens = Math.max(this.#tokens - amount, -this.#most);
  }

  /** Milliseconds until nothing is owed. */
  waitMs(now: number): number {
    this.#refill(now);
    return this.#tokens >= 0 ? 0 : Math.ceil((-this.#tokens / this.perSecond) * 1_000);
  }

  #refill(now: number): void {
    if (now <= this.#at) return;
    this.#tokens = Math.min(this.#tokens + ((now - this.#at) / 1_000) * this.perSecond, this.#most);
    this.#at = now;
  }
}
