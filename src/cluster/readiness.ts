/**
 * Whether clients should be sent to this broker. It is ready when it sees the controller, can write, and every journal had a
 * leader once, or its time to get one. A journal that is between two leaders makes no broker unready, nor one that is damaged.
 */
import { sleep } from '../runtime/clock.ts';
import type { Runtime } from '../runtime/runtime.ts';

const LOOK_MS = 50;
/** Between two looks: the process did not run meanwhile. */
const SLEPT_MS_MIN = 2_000;
/** A broker that sees the controller is ready by then even when some journals are led by nobody: they are damaged. */
const LEADERS_MS_MAX = 15_000;

export type Readiness = { readonly ready: true } | { readonly ready: false; readonly reason: string };

export interface ReadinessWatchOptions {
  readonly runtime: Runtime;
  readonly isStopping: () => boolean;
  readonly seesController: () => boolean;
  /** It can write to the table. */
  readonly isFit: () => boolean;
  readonly journals: () => number;
  /** Journals that nobody is known to lead. */
  readonly unled: () => readonly number[];
}

export class ReadinessWatch {
  readonly #options: ReadinessWatchOptions;
  /** When the controller was first seen: its assignments are what leaders follow. */
  #seenAt: number | null = null;
  #wasReady = false;

  constructor(options: ReadinessWatchOptions) {
    this.#options = options;
  }

  /** The controller is there. */
  sees(): void {
    this.#seenAt ??= this.#options.runtime.clock.monotonic();
  }

  /** This process did not run for so long. */
  forgive(ms: number): void {
    if (this.#seenAt === null) return;
    this.#seenAt = Math.min(this.#seenAt + ms, this.#options.runtime.clock.monotonic());
  }

  look(): Readiness {
    const { isStopping, seesController, isFit, journals, unled, runtime } = this.#options;
    if (isStopping()) return unready('the broker stops');
    if (!seesController()) return unready('no controller of the cluster is known');
    if (!isFit()) return unready('the table cannot be written');
    if (this.#wasReady) return { ready: true };
    const waiting = unled();
    const now = runtime.clock.monotonic();
    const patient = now - (this.#seenAt ?? now) < LEADERS_MS_MAX || waiting.length === journals();
    if (waiting.length > 0 && patient) return unready(`nobody is known to lead journal ${waiting[0]}`);
    if (waiting.length > 0) runtime.logger.error({ journals: waiting }, 'nobody leads some journals; the others work');
    this.#wasReady = true;
    return { ready: true };
  }

  /** Rejects with the signal's reason, or with what `failed` resolves with. */
  async whenReady(failed: Promise<Error>, signal?: AbortSignal): Promise<void> {
    let failure: Error | null = null;
    void failed.then((cause) => {
      failure = cause;
    });
    const { clock, timers } = this.#options.runtime;
    while (!this.look().ready) {
      const lookedAt = clock.monotonic();
      await sleep(timers, LOOK_MS, signal);
      // Whoever finds out otherwise may do so later in this turn.
      if (clock.monotonic() - lookedAt > SLEPT_MS_MIN) this.forgive(clock.monotonic() - lookedAt);
      if (failure) throw failure;
    }
  }
}

const unready = (reason: string): Readiness => ({ ready: false, reason });
