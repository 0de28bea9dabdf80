/**
 * When what waits for one journal leaves for it. Where entries are free, at once. Where they cost money, everything leaves
 * together, at most every `intervalMs`: the first after a pause at once, what comes soon after it waits. So commits add at
 * most 1,000 / intervalMs entries a second, whatever the number of consumers.
 */
import type { Runtime } from '../../../runtime/runtime.ts';

export class CommitCadence {
  readonly #runtime: Pick<Runtime, 'clock' | 'timers'>;
  readonly #intervalMs: number;
  #leftAt = Number.NEGATIVE_INFINITY;
  #waiting: (() => void)[] = [];
  #timer: { cancel(): void } | null = null;

  /** 0: nothing ever waits. */
  constructor(runtime: Pick<Runtime, 'clock' | 'timers'>, intervalMs: number) {
    this.#runtime = runtime;
    this.#intervalMs = intervalMs;
  }

  /** Calls `leave` when it is time: now, or later together with all others. */
  join(leave: () => void): void {
    if (this.#intervalMs === 0) {
      leave();
      return;
    }
    this.#waiting.push(leave);
    if (this.#timer !== null) return;
    const delayMs = this.#leftAt + this.#intervalMs - this.#runtime.clock.monotonic();
    if (delayMs <= 0) this.leaveNow();
    else this.#timer = this.#runtime.timers.after(delayMs, () => this.leaveNow());
  }

  leaveNow(): void {
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#waiting.length === 0) return;
    this.#leftAt = this.#runtime.clock.monotonic();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const leave of waiting) leave();
  }
}
