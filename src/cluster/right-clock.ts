/**
 * The wall clock of a broker that shares its stores, for all that it writes down. What one broker stamps another one judges the
 * age of: producers, transactions and offsets that were stamped by a clock that is behind would be forgotten as soon as another
 * broker leads. A clock that is more than `DIFFERENCE_MS_MAX` from the store's is not gone by: time goes on from what the store
 * said, by the monotonic clock, until the two agree again.
 */
import type { Clock } from '../runtime/clock.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { DIFFERENCE_MS_MAX, JUMP_MS, type StoreClock } from './store-clock.ts';
import { within } from './within.ts';

const ASK_MS_MAX = 5_000;
/** A store that does not answer is asked again after this. */
const PAUSE_MS = 10_000;

export class RightClock implements Clock {
  readonly #store: Pick<StoreClock, 'ask'>;
  readonly #runtime: Pick<Runtime, 'clock' | 'timers' | 'logger'>;
  /** The store's clock minus the monotonic one; null before it answered once. */
  #rightMs: number | null = null;
  /** The same of the broker's clock when the store was last asked: while it goes on evenly there is nothing new to learn. */
  #comparedMs = Number.NaN;
  #nextAskAt = Number.NEGATIVE_INFINITY;
  #asking = false;

  constructor(store: Pick<StoreClock, 'ask'>, runtime: Pick<Runtime, 'clock' | 'timers' | 'logger'>) {
    this.#store = store;
    this.#runtime = runtime;
  }

  now(): number {
    const { clock } = this.#runtime;
    const own = clock.now();
    const monotonic = clock.monotonic();
    const ownMs = own - monotonic;
    const agrees = this.#rightMs !== null && Math.abs(ownMs - this.#rightMs) <= DIFFERENCE_MS_MAX;
    if (agrees) return own;
    if (!(Math.abs(ownMs - this.#comparedMs) <= JUMP_MS) && monotonic >= this.#nextAskAt) void this.compare();
    return this.#rightMs === null ? own : Math.round(monotonic + this.#rightMs);
  }

  monotonic(): number {
    return this.#runtime.clock.monotonic();
  }

  /** Asks the store. What it does not answer in a few seconds is asked again later; never rejects. */
  async compare(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    const { clock, timers, logger } = this.#runtime;
    const askedAt = clock.monotonic();
    try {
      const now = await within(timers, (signal) => this.#store.ask(signal), { ms: ASK_MS_MAX });
      const answeredAt = clock.monotonic();
      // A process that stood still meanwhile does not know when that was.
      if (answeredAt - askedAt > ASK_MS_MAX) throw new Error('the answer took too long');
      const differenceMs = clock.now() - now;
      this.#rightMs = now - (askedAt + answeredAt) / 2;
      this.#comparedMs = clock.now() - answeredAt;
      if (Math.abs(differenceMs) <= DIFFERENCE_MS_MAX) return;
      const message =
        "the clock of this broker is wrong: the store's is gone by, and nothing expires, until it is set right";
      logger.warn({ differenceMs: Math.round(differenceMs) }, message);
    } catch (cause) {
      this.#nextAskAt = clock.monotonic() + PAUSE_MS;
      logger.warn({ cause: String(cause) }, "the store's clock could not be asked");
    } finally {
      this.#asking = false;
    }
  }
}
