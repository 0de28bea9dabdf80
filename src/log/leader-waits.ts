/** Waits for a journal that another broker is about to lead. */
import type { Leaders } from '../cluster/members.ts';
import { patiently } from '../cluster/patience.ts';
import type { Journal } from '../journal/journal.ts';
import type { Journals } from '../journal/journals.ts';
import type { Runtime } from '../runtime/runtime.ts';

export interface LeaderWaitsOptions {
  readonly journals: Journals;
  readonly leaders: Leaders;
  readonly runtime: Pick<Runtime, 'clock' | 'timers'>;
  /** Ends all that waits. */
  readonly signal: AbortSignal;
}

/** A change of leaders that is not heard of is noticed by asking again. */
const AGAIN_MS = 100;

export class LeaderWaits {
  readonly #options: LeaderWaitsOptions;

  constructor(options: LeaderWaitsOptions) {
    this.#options = options;
  }

  /**
   * What `attempt` answers; it is repeated while it throws NOT_LEADER_OR_FOLLOWER, after a pause or when leadership of the
   * journal changes, for `patienceMs` and no longer than this broker runs.
   */
  patiently<T>(journal: number, patienceMs: number, attempt: () => Promise<T>): Promise<T> {
    const pause = async (leftMs: number) => {
      if (this.#isOver(journal)) return false;
      await this.leaderChange([journal], Math.min(AGAIN_MS, leftMs));
      return true;
    };
    return patiently({ clock: this.#options.runtime.clock, patienceMs, attempt, pause });
  }

  #isOver(journal: number): boolean {
    const role = this.#options.journals.get(journal)?.role;
    return this.#options.signal.aborted || role === undefined || role === 'deposed' || role === 'stopped';
  }

  /** Resolves when another broker, or this one, leads one of the journals; after `waitMs` at the latest, or when aborted. */
  leaderChange(journals: readonly number[], waitMs: number, signal = this.#options.signal): Promise<void> {
    const { leaders, runtime } = this.#options;
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const end = () => {
        timer.cancel();
        for (const unsubscribe of unsubscribes) unsubscribe();
        signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = runtime.timers.after(Math.max(0, waitMs), end);
      let isSubscribed = false;
      const onChanged = (journal: number) => {
        if (isSubscribed && journals.includes(journal)) end();
      };
      const onLeading = ({ id }: Journal) => {
        onChanged(id);
        return () => undefined;
      };
      const unsubscribes = [leaders.onChanged(onChanged), this.#options.journals.whileLeading(onLeading)];
      // Subscribing tells of what is led already.
      isSubscribed = true;
      signal.addEventListener('abort', end, { once: true });
    });
  }
}
