import { sleep } from '../runtime/clock.ts';
import { linkSignals } from '../runtime/linked-signals.ts';
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

  /** Rejects with the signal's reason when aborted. `woken` ends the pause early, or makes it none. */
  async pause(woken?: AbortSignal): Promise<void> {
    const ceilingMs = Math.min(MS_MAX, FIRST_MS * 2 ** Math.min(this.#failures, 16));
    this.#failures++;
    const pauseMs = ceilingMs * (0.5 + this.#runtime.random.float() / 2);
    if (woken === undefined) return sleep(this.#runtime.timers, pauseMs, this.#signal);
    const either = linkSignals(this.#signal, woken);
    try {
      await sleep(this.#runtime.timers, pauseMs, either.signal);
    } catch (cause) {
      if (this.#signal.aborted) throw cause;
    } finally {
      either.unlink();
    }
  }
}
