import type { Runtime } from '../runtime/runtime.ts';
import type { ObjectStore } from '../storage/object-store.ts';

/** A broker whose clock is off by more than this from the store's must not judge the age of anything that it removes. */
export const DIFFERENCE_MS_MAX = 5 * 60_000;

/** A clock that was set, since the two of a broker last agreed. */
export const JUMP_MS = 60_000;

/**
 * Compares the broker's clock with the store's, before something is removed because it is old. Costs one listing. Throws an
 * Error that names the difference when it is too large, and what the store says when that does not answer.
 */
export class StoreClock {
  readonly #objects: ObjectStore;
  readonly #prefix: string;
  readonly #runtime: Pick<Runtime, 'clock'>;
  /** Wall clock minus monotonic clock when it was right last. */
  #rightMs: number | null = null;

  constructor(objects: ObjectStore, clusterId: string, runtime: Pick<Runtime, 'clock'>) {
    this.#objects = objects;
    this.#prefix = `${clusterId}/`;
    this.#runtime = runtime;
  }

  /** As `check`, without a request as long as the broker's clock has gone on evenly since it was right. */
  async checkJump(signal?: AbortSignal): Promise<void> {
    if (this.#rightMs === null || Math.abs(this.#offsetMs() - this.#rightMs) > JUMP_MS) await this.check(signal);
  }

  async check(signal?: AbortSignal): Promise<void> {
    const now = await this.ask(signal);
    const differenceMs = Math.abs(now - this.#runtime.clock.now());
    if (differenceMs > DIFFERENCE_MS_MAX) {
      throw new Error(`the clocks of broker and store differ by ${differenceMs} ms: nothing expires until they agree`);
    }
    this.#rightMs = this.#offsetMs();
  }

  /** What the store's clock says. */
  async ask(signal?: AbortSignal): Promise<number> {
    const options = { cause: 'retention', ...(signal && { signal }) } as const;
    const { now } = await this.#objects.list(this.#prefix, '', 1, options);
    return now;
  }

  #offsetMs(): number {
    const { clock } = this.#runtime;
    return clock.now() - clock.monotonic();
  }
}
