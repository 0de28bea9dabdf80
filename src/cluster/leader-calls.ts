/**
 * Asks the broker that leads a journal. A call whose leader has a successor ends at once, so that nobody waits for a broker
 * that is frozen or cut off. It may have been carried out: `PeerUnavailableError.sent` tells so, and only who knows what
 * the call does knows whether the next leader may be asked again.
 */
import { KafkaError } from '../errors.ts';
import type { RpcMethod } from '../rpc/method.ts';
import { type CallOptions, type Peers, PeerUnavailableError } from '../rpc/peers.ts';
import { linkSignals } from '../runtime/linked-signals.ts';
import type { JournalLeader, Leaders } from './members.ts';

export interface LeaderCallsOptions {
  readonly brokerId: number;
  readonly peers: Peers;
  /** Asked for at the first call: whoever knows the leaders may be made later. */
  readonly leaders: () => Leaders;
}

/** Calls under way to the leader of one journal. */
interface Calls {
  readonly brokerId: number;
  readonly abort: AbortController;
}

export class LeaderCalls {
  /** Null when this broker is alone. */
  readonly #options: LeaderCallsOptions | null;
  /** By journal. */
  readonly #calls = new Map<number, Calls>();
  #leaders: Leaders | null = null;
  readonly #listeners = new Set<() => void>();
  #stop = (): void => {};
  #closed = false;

  constructor(options: LeaderCallsOptions | null) {
    this.#options = options;
  }

  get isAlone(): boolean {
    return this.#options === null;
  }

  /** Ends what is under way, and whatever comes later. */
  close(): void {
    this.#closed = true;
    this.#stop();
    for (const journal of [...this.#calls.keys()]) this.#endCalls(journal, 'the broker stops');
  }

  /** As far as is known; this broker perhaps. */
  leaderOf(journal: number): JournalLeader | null {
    return this.#options === null ? null : this.#follow(this.#options).of(journal);
  }

  /** After each change of a journal's leader; never where this broker is alone. Answers the way to stop. */
  onChanged(listener: () => void): () => void {
    if (this.#options !== null) this.#follow(this.#options);
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Throws NOT_LEADER_OR_FOLLOWER when no other broker is known to lead the journal. */
  otherLeaderOf(journal: number): number {
    const leader = this.leaderOf(journal);
    if (leader !== null && leader.brokerId !== this.#options?.brokerId) return leader.brokerId;
    throw new KafkaError('NOT_LEADER_OR_FOLLOWER', `nobody is known to lead journal ${journal}`);
  }

  /**
   * Rejects as `Peers.call` does, or as `otherLeaderOf` throws. Not async: the question is encoded before this returns, and
   * calls leave in the order in which they were made.
   */
  ask<Request, Response>(
    journal: number,
    method: RpcMethod<Request, Response>,
    request: Request,
    { timeoutMs, signal }: CallOptions,
  ): Promise<Response> {
    if (this.#closed) return Promise.reject(new PeerUnavailableError('the broker stops', false));
    let brokerId: number;
    try {
      brokerId = this.otherLeaderOf(journal);
    } catch (cause) {
      return Promise.reject(cause);
    }
    const { peers } = this.#options!;
    const { signal: succeeded } = this.#callsTo(journal, brokerId).abort;
    if (signal === undefined) return peers.call(brokerId, method, request, { timeoutMs, signal: succeeded });
    const either = linkSignals(succeeded, signal);
    return peers.call(brokerId, method, request, { timeoutMs, signal: either.signal }).finally(either.unlink);
  }

  #follow({ leaders: known }: LeaderCallsOptions): Leaders {
    if (this.#leaders !== null) return this.#leaders;
    const leaders = known();
    this.#leaders = leaders;
    if (!this.#closed) this.#stop = leaders.onChanged((journal) => this.#onLeader(journal));
    return leaders;
  }

  #callsTo(journal: number, brokerId: number): Calls {
    const known = this.#calls.get(journal);
    if (known?.brokerId === brokerId) return known;
    // Who asks in the turn in which the leader changes may be ahead of those who are told of it.
    if (known !== undefined) this.#endCalls(journal, `journal ${journal} is led by another broker now`);
    const calls = { brokerId, abort: new AbortController() };
    this.#calls.set(journal, calls);
    return calls;
  }

  #onLeader(journal: number): void {
    const calls = this.#calls.get(journal);
    if (calls !== undefined && this.leaderOf(journal)?.brokerId !== calls.brokerId) {
      this.#endCalls(journal, `journal ${journal} is led by another broker now`);
    }
    for (const listener of [...this.#listeners]) listener();
  }

  #endCalls(journal: number, why: string): void {
    const calls = this.#calls.get(journal);
    this.#calls.delete(journal);
    calls?.abort.abort(new PeerUnavailableError(why, true));
  }
}
