/**
 * Asks the broker that leads a journal, for coordinators: what is decided is decided where the journal is led. A call whose
 * leader has a successor ends at once, so that nobody waits for a broker that is frozen or cut off.
 */

import type { Leaders, Members } from '../cluster/members.ts';
import { KafkaError } from '../errors.ts';
import type { RpcMethod, RpcRegistry } from '../rpc/method.ts';
import { type CallOptions, type Peers, PeerUnavailableError } from '../rpc/peers.ts';
import { linkSignals } from '../runtime/linked-signals.ts';

/** The other brokers, as coordinators need them. */
export interface CoordinatorCluster {
  readonly brokerId: number;
  readonly leaders: Leaders;
  readonly members: Members;
  readonly peers: Peers;
  readonly registry: RpcRegistry;
}

interface Calls {
  readonly brokerId: number;
  readonly abort: AbortController;
}

export class LeaderCalls {
  /** Null when this broker is alone. */
  readonly #cluster: CoordinatorCluster | null;
  readonly #calls = new Map<number, Calls>();
  readonly #stop: () => void;

  constructor(cluster: CoordinatorCluster | null) {
    this.#cluster = cluster;
    this.#stop = cluster?.leaders.onChanged((journal) => this.#onLeader(journal)) ?? (() => {});
  }

  get isAlone(): boolean {
    return this.#cluster === null;
  }

  /** Ends what is under way, and whatever comes later. */
  close(): void {
    this.#stop();
    for (const { abort } of this.#calls.values()) abort.abort(new PeerUnavailableError('the broker stops', true));
    this.#calls.clear();
  }

  /**
   * Rejects as `Peers.call` does; at once with NOT_LEADER_OR_FOLLOWER when nobody is known to lead. Not async: the question
   * is encoded before this returns.
   */
  ask<Request, Response>(
    journal: number,
    method: RpcMethod<Request, Response>,
    request: Request,
    { timeoutMs, signal }: CallOptions,
  ): Promise<Response> {
    const cluster = this.#cluster;
    const leader = cluster?.leaders.of(journal) ?? null;
    if (cluster === null || leader === null || leader.brokerId === cluster.brokerId) {
      return Promise.reject(new KafkaError('NOT_LEADER_OR_FOLLOWER', `nobody is known to lead journal ${journal}`));
    }
    const { abort } = this.#callsTo(journal, leader.brokerId);
    if (signal === undefined) {
      return cluster.peers.call(leader.brokerId, method, request, { timeoutMs, signal: abort.signal });
    }
    const either = linkSignals(abort.signal, signal);
    return cluster.peers
      .call(leader.brokerId, method, request, { timeoutMs, signal: either.signal })
      .finally(either.unlink);
  }

  #callsTo(journal: number, brokerId: number): Calls {
    const known = this.#calls.get(journal);
    if (known?.brokerId === brokerId) return known;
    const calls = { brokerId, abort: new AbortController() };
    this.#calls.set(journal, calls);
    return calls;
  }

  #onLeader(journal: number): void {
    const calls = this.#calls.get(journal);
    if (calls === undefined || this.#cluster?.leaders.of(journal)?.brokerId === calls.brokerId) return;
    this.#calls.delete(journal);
    calls.abort.abort(new PeerUnavailableError(`journal ${journal} is led by another broker now`, true));
  }
}
