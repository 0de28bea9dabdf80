import { type Clock, sleep, type Timers } from '../runtime/clock.ts';

/** Spends a budget of bytes per second; sleeps when it is overdrawn. Unused budget is kept for one second at most. */
export class Pacer {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #bytesPerSecond: number;
  #available: number;
  #filledAt: number;

  constructor(clock: Clock, timers: Timers, bytesPerSecond: number) {
    this.#clock = clock;
    this.#timers = timers;
    this.#bytesPerSecond = bytesPerSecond;
    this.#available = bytesPerSecond;
    this.#filledAt = clock.monotonic();
  }

  /** Takes `bytes` from the budget and waits until it is not negative any more. */
  async spend(bytes: number, signal: AbortSignal): Promise<void> {
    const now = this.#clock.monotonic();
    const filled = this.#available + ((now - this.#filledAt) / 1_000) * this.#bytesPerSecond;
    this.#available = Math.min(this.#bytesPerSecond, filled) - bytes;
    this.#filledAt = now;
    if (this.#available < 0) await sleep(this.#timers, (-this.#available / this.#bytesPerSecond) * 1_000, signal);
  }
}
