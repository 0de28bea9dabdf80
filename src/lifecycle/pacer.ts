import type { Clock } from '../runtime/clock.ts';

/**
 * A budget of bytes per second that may be overdrawn once: work is done while there is any left, and its bytes are charged
 * then. Unused budget is kept for one second at most.
 */
export class Pacer {
  readonly #clock: Clock;
  readonly #bytesPerSecond: number;
  #available: number;
  #filledAt: number;

  constructor(clock: Clock, bytesPerSecond: number) {
    this.#clock = clock;
    this.#bytesPerSecond = bytesPerSecond;
    this.#available = bytesPerSecond;
    this.#filledAt = clock.monotonic();
  }

  get hasBudget(): boolean {
    const now = this.#clock.monotonic();
    const filled = this.#available + ((now - this.#filledAt) / 1_000) * this.#bytesPerSecond;
    this.#available = Math.min(this.#bytesPerSecond, filled);
    this.#filledAt = now;
    return this.#available > 0;
  }

  charge(bytes: number): void {
    this.#available -= bytes;
  }
}
