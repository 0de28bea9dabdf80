import { StorageThrottledError } from '../errors.ts';
import { sleep, type Timers } from '../runtime/clock.ts';
import { Gate } from './gate.ts';

/** A throttled read is repeated this often, all reads of the gate pausing in between, before its fetch is told. */
const THROTTLED_RETRIES_MAX = 4;
const PAUSE_MS_MIN = 50;
const PAUSE_MS_MAX = 2_000;

/** Bounds reads in flight, and slows all of them down when the store asks for it. */
export class ReadGate {
  readonly readsMax: number;
  readonly #gate: Gate;
  readonly #timers: Timers;
  readonly #signal: AbortSignal;
  #pauseMs = 0;

  constructor(readsMax: number, timers: Timers, signal: AbortSignal) {
    this.readsMax = readsMax;
    this.#gate = new Gate(readsMax);
    this.#timers = timers;
    this.#signal = signal;
  }

  /** Reads in flight and those that wait for them. */
  get load(): number {
    return this.#gate.inside + this.#gate.waiting;
  }

  run<T>(read: () => Promise<T>): Promise<T> {
    return this.#gate.run(() => this.#attempt(read));
  }

  async #attempt<T>(read: () => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      if (this.#pauseMs > 0) await sleep(this.#timers, this.#pauseMs, this.#signal);
      try {
        const answer = await read();
        this.#pauseMs = this.#pauseMs > PAUSE_MS_MIN ? this.#pauseMs / 2 : 0;
        return answer;
      } catch (cause) {
        if (!(cause instanceof StorageThrottledError)) throw cause;
        this.#pauseMs = Math.min(PAUSE_MS_MAX, Math.max(PAUSE_MS_MIN, this.#pauseMs * 2));
        if (attempt === THROTTLED_RETRIES_MAX) throw cause;
      }
    }
  }
}
