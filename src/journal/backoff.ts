import { sleep } from '../runtime/clock.ts';
import type { Runtime } from '../runtime/runtime.ts';

const FIRST_MS = 20;
const MS_MAX = 2_000;

/** Growing pauses with jitter, for a store that is away. */
export class Backoff {
  readonly #runtime: Runtime;
  readonly #signal: AbortSignal;
  #failures = 0;

  constructor(runtime: Runtime, signal: AbortSignal) {
    this.#runtime = runtime;
    this.#signal = signal;
  }

  get failures(): number {
    return this.#failures;
  }

  reset(): void {
    this.#failures = 0;
  }

  /** Rejects with the signal's reason when aborted. */
  async pause(): Promise<void> {
    const ceilingMs = Math.min(MS_MAX, FIRST_MS * 2 ** Math.min(this.#failures, 16));
    this.#failures++;
    await sleep(this.#runtime.timers, ceilingMs * (0.5 + this.#runtime.random.float() / 2), this.#signal);
  }
}
