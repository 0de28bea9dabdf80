/**
 * One share group at work: what its records say, and sessions of its members, which are in memory alone. A heartbeat that
 * changes nothing moves a number; anything else is decided on the journal, by the pure steps of `share-membership.ts`.
 */
import { type ErrorName, KafkaError } from '../../../errors.ts';
import type { Decided, DecisionView, Journal } from '../../../journal/journal.ts';
import type { Runtime } from '../../../runtime/runtime.ts';
import { groupOwner } from '../../owner.ts';
import { GROUP_KEY, isMembershipKey } from '../group-record.ts';
import type { GroupStateName, LiveGroup } from '../live-group.ts';
import { MemberDeadlines, type Missed } from '../member-deadlines.ts';
import { ShareGroupReader, shareGroupChanges } from './share-group-records.ts';
import { emptyShareGroup, leave, type ShareGroupState, type TopicsOfGroup } from './share-membership.ts';

/** Between attempts to write that silent members are out. */
const EXPIRY_RETRY_MS = 1_000;

export interface ShareGroupOptions {
  readonly groupId: string;
  readonly journal: Journal;
  readonly topics: TopicsOfGroup;
  readonly runtime: Pick<Runtime, 'clock' | 'timers' | 'logger'>;
  readonly sessionTimeoutMs: () => number;
  readonly onClosed: (group: ShareGroup) => void;
}

export class ShareGroup implements LiveGroup {
  readonly type = 'share';
  readonly protocolType = 'share';
  readonly groupId: string;
  readonly journal: Journal;
  readonly #options: ShareGroupOptions;
  readonly #owner: string;
  readonly #reader: ShareGroupReader;
  readonly #sessions: MemberDeadlines;
  #closed = false;

  constructor(options: ShareGroupOptions) {
    this.groupId = options.groupId;
    this.journal = options.journal;
    this.#options = options;
    this.#owner = groupOwner(options.groupId);
    this.#reader = new ShareGroupReader(options.groupId);
    this.#sessions = new MemberDeadlines(options.runtime, (missed) => this.#expire(missed));
    for (const memberId of this.current.members.keys()) this.touch(memberId);
  }

  /** What is durable. */
  get current(): ShareGroupState {
    return this.#reader.read(this.journal.state.records(this.#owner)) ?? emptyShareGroup(0);
  }

  get state(): GroupStateName {
    if (this.#closed) return 'Dead';
    return this.memberCount > 0 ? 'Stable' : 'Empty';
  }

  get memberCount(): number {
    return this.current.members.size;
  }

  get emptySince(): number | null {
    return this.current.emptySince;
  }

  subscribesTo(topicName: string): boolean {
    for (const member of this.current.members.values()) {
      if (member.subscribedTopicNames.includes(topicName)) return true;
    }
    return false;
  }

  /** Share groups have no committed offsets: Kafka says that there is no such group. */
  checkCommit(): never {
    throw this.#isNoConsumerGroup();
  }

  checkFetch(): never {
    throw this.#isNoConsumerGroup();
  }

  close(_error: ErrorName): void {
    this.#closed = true;
    this.#sessions.close();
    this.#options.onClosed(this);
  }

  /** Decides on the group as it is at the entry. Throws GROUP_ID_NOT_FOUND when it is of another kind, or gone. */
  async coordinate<T>(decide: (group: ShareGroupState, timestamp: number) => ShareDecision<T>): Promise<T> {
    return this.journal.coordinate((view) => {
      const group = this.#reader.read(view.records(this.#owner));
      if (group === null) throw noShareGroup(this.groupId);
      return decided(this.#owner, group, decide(group, view.timestamp));
    });
  }

  /** Its session begins anew. */
  touch(memberId: string): void {
    this.#sessions.set(memberId, 'session', this.#options.sessionTimeoutMs());
  }

  forget(memberIds: readonly string[]): void {
    this.#sessions.keep((memberId) => !memberIds.includes(memberId));
  }

  async #expire(missed: readonly Missed[]): Promise<void> {
    const { runtime, topics } = this.#options;
    const silent = missed.map(({ memberId }) => memberId);
    try {
      await this.coordinate((group, timestamp) => ({ after: leave(group, silent, topics, timestamp), answer: null }));
      this.forget(silent);
    } catch (cause) {
      if (this.#closed || this.journal.role !== 'leading') return;
      runtime.logger.warn({ groupId: this.groupId, cause: String(cause) }, 'silent members of a share group stay');
      for (const memberId of silent) this.#sessions.set(memberId, 'session', EXPIRY_RETRY_MS);
    }
  }

  #isNoConsumerGroup(): KafkaError {
    return new KafkaError('GROUP_ID_NOT_FOUND', `${JSON.stringify(this.groupId)} is a share group, no consumer group`);
  }
}

export interface ShareDecision<T> {
  readonly after: ShareGroupState;
  readonly answer: T;
}

export const noShareGroup = (groupId: string): KafkaError =>
  new KafkaError('GROUP_ID_NOT_FOUND', `there is no share group ${JSON.stringify(groupId)}`);

/** For a group that need not exist. Throws GROUP_ID_NOT_FOUND when the id belongs to a group of another kind. */
export function decideOnNewGroup<T>(
  view: DecisionView,
  groupId: string,
  decide: (group: ShareGroupState, timestamp: number) => ShareDecision<T>,
): Decided<T> {
  const owner = groupOwner(groupId);
  const records = view.records(owner);
  const group = new ShareGroupReader(groupId).read(records);
  if (group !== null) return decided(owner, group, decide(group, view.timestamp));
  const isTaken =
    records.has(GROUP_KEY) || [...records.keys()].some((key) => isMembershipKey(key) || /^[opt]\//.test(key));
  if (isTaken) throw new KafkaError('GROUP_ID_NOT_FOUND', `${JSON.stringify(groupId)} is a group of another kind`);
  return decided(owner, null, decide(emptyShareGroup(view.timestamp), view.timestamp));
}

function decided<T>(owner: string, before: ShareGroupState | null, { after, answer }: ShareDecision<T>): Decided<T> {
  const changes = before === after ? [] : shareGroupChanges(before, after);
  const commands = changes.length === 0 ? [] : [{ type: 'recordsChanged' as const, owner, changes }];
  return { commands, answer };
}
