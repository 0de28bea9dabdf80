/** Asks the leader of a journal, wherever it is, and again while another broker takes over. */
import type { Leaders } from '../cluster/members.ts';
import { KafkaError } from '../errors.ts';
import type { Journal } from '../journal/journal.ts';
import type { Journals } from '../journal/journals.ts';
import type { RpcMethod } from '../rpc/method.ts';
import type { Peers } from '../rpc/peers.ts';
import type { Runtime } from '../runtime/runtime.ts';

export interface LeaderCallsOptions {
  readonly brokerId: number;
  readonly journals: Journals;
  readonly leaders: Leaders;
  readonly peers: Peers;
  readonly runtime: Pick<Runtime, 'clock' | 'timers'>;
  /** Ends all that waits. */
  readonly signal: AbortSignal;
}

/** For one answer: a leader that is frozen is noticed sooner by its silence. */
export const LEADER_CALL_TIMEOUT_MS = 5_000;
/** A change of leaders that is not heard of is noticed by asking again. */
const AGAIN_MS = 100;

export class LeaderCalls {
  readonly #options: LeaderCallsOptions;

  constructor(options: LeaderCallsOptions) {
    this.#options = options;
  }

  /** The other broker that leads the journal as far as is known. Throws NOT_LEADER_OR_FOLLOWER when there is none. */
  leaderOf(journal: number): number {
    const leader = this.#options.leaders.of(journal);
    if (leader !== null && leader.brokerId !== this.#options.brokerId) return leader.brokerId;
    throw new KafkaError('NOT_LEADER_OR_FOLLOWER', `nobody is known to lead journal ${journal}`);
  }

  /** One attempt. Rejects as `Peers.call`. */
  call<Request, Response>(
    brokerId: number,
    method: RpcMethod<Request, Response>,
    request: Request,
    signal?: AbortSignal,
    timeoutMs = LEADER_CALL_TIMEOUT_MS,
  ): Promise<Response> {
    return this.#options.peers.call(brokerId, method, request, { timeoutMs, ...(signal && { signal }) });
  }

  /**
   * What `attempt` answers; it is repeated while it throws NOT_LEADER_OR_FOLLOWER, after a pause or when leadership of the
   * journal changes, for `patienceMs` and no longer than this broker runs.
   */
  async patiently<T>(journal: number, patienceMs: number, attempt: () => Promise<T>): Promise<T> {
    const { clock } = this.#options.runtime;
    const endMs = clock.monotonic() + patienceMs;
    for (;;) {
      try {
        return await attempt();
      } catch (cause) {
        const leftMs = endMs - clock.monotonic();
        if (!isLeaderAway(cause) || leftMs <= 0 || this.#isOver(journal)) throw cause;
        await this.leaderChange([journal], Math.min(AGAIN_MS, leftMs));
      }
    }
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

export const isLeaderAway = (cause: unknown): boolean =>
  cause instanceof KafkaError && cause.error === 'NOT_LEADER_OR_FOLLOWER';
