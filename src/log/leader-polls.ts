/**
 * Questions to leaders that may wait there. One that is asked of a leader which another broker succeeds is given up: that leader
 * may be cut off from all who know, and would wait for records that never come to it.
 */
import type { Leaders } from '../cluster/members.ts';
import { linkSignals } from '../runtime/linked-signals.ts';

interface Poll {
  readonly brokerId: number;
  readonly abort: AbortController;
}

const SUCCEEDED = new Error('another broker leads by now');

export class LeaderPolls {
  readonly #leaders: Leaders;
  readonly #polls = new Map<number, Set<Poll>>();
  /** One for all polls: there are thousands. */
  readonly #unsubscribe: () => void;

  constructor(leaders: Leaders) {
    this.#leaders = leaders;
    this.#unsubscribe = leaders.onChanged((journal) => this.#onChanged(journal));
  }

  close(): void {
    this.#unsubscribe();
  }

  /** Resolves with `ask`, or when one of the journals is not led by that broker any more. Rejects as `ask` does. */
  async poll(
    brokerId: number,
    journals: ReadonlySet<number>,
    signal: AbortSignal,
    ask: (signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    const abort = new AbortController();
    const poll: Poll = { brokerId, abort };
    const either = linkSignals(signal, abort.signal);
    for (const journal of journals) this.#add(journal, poll);
    try {
      await ask(either.signal);
    } catch (cause) {
      if (either.signal.reason !== SUCCEEDED) throw cause;
    } finally {
      either.unlink();
      for (const journal of journals) this.#remove(journal, poll);
    }
  }

  #add(journal: number, poll: Poll): void {
    const polls = this.#polls.get(journal);
    if (polls === undefined) this.#polls.set(journal, new Set([poll]));
    else polls.add(poll);
  }

  #remove(journal: number, poll: Poll): void {
    const polls = this.#polls.get(journal);
    polls?.delete(poll);
    if (polls?.size === 0) this.#polls.delete(journal);
  }

  #onChanged(journal: number): void {
    const polls = this.#polls.get(journal);
    if (polls === undefined) return;
    const leader = this.#leaders.of(journal)?.brokerId;
    for (const { brokerId, abort } of [...polls]) if (brokerId !== leader) abort.abort(SUCCEEDED);
  }
}
