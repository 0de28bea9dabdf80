/**
 * KIP-951: an answer that tells a client to look for the leader of a partition names it, and its address, so that the
 * client need not ask.
 */
import type { TopicPartition } from '../cluster/topics.ts';
import type { ErrorName } from '../errors.ts';
import type { BrokerNode, ClientView, CurrentLeader } from './client-view.ts';
import type { Call } from './handler.ts';
import { nodesOf } from './partitions.ts';

const TELLING: ReadonlySet<ErrorName> = new Set<ErrorName>(['NOT_LEADER_OR_FOLLOWER', 'FENCED_LEADER_EPOCH']);

/** The hints of one answer. */
export class LeaderHints {
  readonly #call: Call;
  readonly #told: boolean;
  /** Made with the first hint: most answers have none. */
  #view: ClientView | null = null;
  readonly #leaders: CurrentLeader[] = [];

  /** `since`: the first version of the API that has them. */
  constructor(call: Call, since: number) {
    this.#call = call;
    this.#told = call.apiVersion >= since;
  }

  /**
   * Of a partition that was answered with `error`; undefined when there is nothing to tell. `leaderEpoch` is the one that
   * the answer knows of, which may be newer than what was announced.
   */
  after(error: ErrorName, partition: TopicPartition | undefined, leaderEpoch = -1): CurrentLeader | undefined {
    if (!this.#told || partition === undefined || !TELLING.has(error)) return undefined;
    this.#view ??= this.#call.view;
    const leader = this.#view.leaderOf(partition);
    if (leader.leaderId === -1) return undefined;
    const hint = { ...leader, leaderEpoch: Math.max(leader.leaderEpoch, leaderEpoch) };
    this.#leaders.push(hint);
    return hint;
  }

  /** Of the leaders that were named; undefined when none was. */
  get nodes(): BrokerNode[] | undefined {
    return this.#view === null || this.#leaders.length === 0 ? undefined : nodesOf(this.#view, this.#leaders);
  }
}
