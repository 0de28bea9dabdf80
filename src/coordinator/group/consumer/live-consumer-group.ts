/**
 * One consumer group at work: what its records say, and deadlines of its members, which are in memory alone. A heartbeat
 * that changes nothing moves a number; anything else is decided on the journal, by the pure steps of `heartbeat.ts`.
 */
import type { GroupConfig } from '../../../cluster/group-config.ts';
import { type ErrorName, KafkaError } from '../../../errors.ts';
import type { DecisionView, Journal, RecordChange, Records, RecordsView } from '../../../journal/journal.ts';
import { RECORDS_CHANGED_BYTES_MAX } from '../../../limits.ts';
import type { Runtime } from '../../../runtime/runtime.ts';
import { toCoordinatorError } from '../../coordinator-error.ts';
import { groupOwner } from '../../owner.ts';
import type { AssignorName } from '../assignor/assignors.ts';
import { GROUP_KEY, groupTypeOf, memberIdOf } from '../group-record.ts';
import type { Committer, GroupStateName, LiveGroup } from '../live-group.ts';
import { checkConsumerCommit, checkMember } from './commit-check.ts';
import { type ConsumerGroup, newConsumerGroup, stateOf } from './consumer-group.ts';
import { ConsumerGroupReader, clearedMembership, recordChanges } from './consumer-group-records.ts';
import {
  decideHeartbeat,
  fenceMembers,
  type Heartbeat,
  type HeartbeatAnswer,
  type HeartbeatContext,
  type HeartbeatOutcome,
} from './heartbeat.ts';
import { MemberDeadlines, type Missed } from './member-deadlines.ts';
import { subscribes } from './subscription.ts';
import type { TopicDirectory } from './topic-directory.ts';

export interface ConsumerGroupSettings {
  readonly sizeMax: number;
  readonly assignorDefault: AssignorName;
}

export interface LiveConsumerGroupOptions {
  readonly groupId: string;
  readonly journal: Journal;
  readonly topics: TopicDirectory;
  readonly runtime: Pick<Runtime, 'clock' | 'timers' | 'logger'>;
  readonly settings: ConsumerGroupSettings;
  readonly config: () => GroupConfig;
  /** Its journal is led by another broker. */
  readonly onLost: (group: LiveConsumerGroup) => void;
}

/** Between attempts to write that members are out. */
const FENCE_RETRY_MS = 1_000;
/** Of a new target in an entry: leaves room for the member that calls for it. */
const TARGET_BYTES_MAX = RECORDS_CHANGED_BYTES_MAX / 2;

interface Decision<T> {
  readonly group: ConsumerGroup;
  readonly answer: T;
}

export class LiveConsumerGroup implements LiveGroup {
  readonly type = 'consumer';
  readonly protocolType = 'consumer';
  readonly groupId: string;
  readonly journal: Journal;
  readonly #options: LiveConsumerGroupOptions;
  readonly #owner: string;
  readonly #reader: ConsumerGroupReader;
  readonly #deadlines: MemberDeadlines;
  /** The topics were looked at in this version of the image, and were those of this hash. */
  #topicsSeen = { version: -1, hash: '' };
  /** Decisions under way. */
  #deciding = 0;
  #closed = false;

  constructor(options: LiveConsumerGroupOptions) {
    this.groupId = options.groupId;
    this.journal = options.journal;
    this.#options = options;
    this.#owner = groupOwner(options.groupId);
    this.#reader = new ConsumerGroupReader(options.groupId);
    this.#deadlines = new MemberDeadlines(options.runtime, (missed) => this.#fence(missed));
    for (const memberId of this.current.members.keys()) {
      this.touch(memberId);
      this.#watch(memberId);
    }
  }

  /** What is durable. */
  get current(): ConsumerGroup {
    return this.#durable ?? newConsumerGroup(this.groupId);
  }

  /** It was to be created, or to take over from a group of another kind, and nothing came of it. */
  get isStillborn(): boolean {
    return this.#deciding === 0 && this.#durable === null;
  }

  get state(): GroupStateName {
    return this.#closed ? 'Dead' : stateOf(this.current);
  }

  get memberCount(): number {
    return this.current.members.size;
  }

  get emptySince(): number | null {
    return this.current.emptySince;
  }

  subscribesTo(topicName: string): boolean {
    for (const member of this.current.members.values()) {
      if (subscribes(member, topicName, this.#options.topics)) return true;
    }
    return false;
  }

  checkCommit(committer: Committer, view: RecordsView): void {
    checkConsumerCommit(this.#require(view.records(this.#owner)), committer);
  }

  checkFetch(memberId: string, memberEpoch: number): void {
    checkMember(this.current, memberId, memberEpoch);
  }

  close(_error: ErrorName): void {
    this.#closed = true;
    this.#deadlines.close();
  }

  /** Durable when it answers. Throws what `decideHeartbeat` does, NOT_COORDINATOR, COORDINATOR_NOT_AVAILABLE. */
  async heartbeat(heartbeat: Heartbeat): Promise<HeartbeatAnswer> {
    const joins = heartbeat.memberEpoch === 0;
    const still = this.#durable !== null || !joins ? this.#unchanged(heartbeat) : null;
    if (still !== null) return still;
    const decide = (group: ConsumerGroup, timestamp: number) =>
      decideHeartbeat(group, heartbeat, this.#context(timestamp, true));
    return this.#coordinate(decide, joins ? (records) => this.#requireOrTakeOver(records) : undefined);
  }

  /** A member was heard of. */
  touch(memberId: string): void {
    const member = this.current.members.get(memberId);
    if (member === undefined) return;
    const timeoutMs = member.classic?.sessionTimeoutMs ?? this.#options.config().consumerSessionTimeoutMs;
    this.#deadlines.set(memberId, 'session', timeoutMs);
  }

  get #durable(): ConsumerGroup | null {
    return this.#reader.read(this.journal.state.records(this.#owner));
  }

  /** The answer to a heartbeat that has nothing to write, from what is durable. */
  #unchanged(heartbeat: Heartbeat): HeartbeatAnswer | null {
    const group = this.#require(this.journal.state.records(this.#owner));
    const { version } = this.#options.topics;
    const checkTopics = this.#topicsSeen.version !== version || this.#topicsSeen.hash !== group.topicsHash;
    const outcome = decideHeartbeat(group, heartbeat, this.#context(0, checkTopics));
    if (outcome.group !== group) return null;
    this.#topicsSeen = { version, hash: group.topicsHash };
    return outcome.answer;
  }

  #context(timestamp: number, checkTopics: boolean): HeartbeatContext {
    const { topics, settings } = this.#options;
    const targets = { assignorDefault: settings.assignorDefault, bytesMax: TARGET_BYTES_MAX };
    return { timestamp, topics, checkTopics, sizeMax: settings.sizeMax, targets };
  }

  /** Decides on the group as it is at the entry. */
  async #coordinate<T>(
    decide: (group: ConsumerGroup, timestamp: number) => Decision<T>,
    find: (records: Records) => Found = (records) => ({ before: this.#require(records), cleared: [] }),
  ): Promise<T> {
    this.#deciding++;
    try {
      const answer = await this.journal.coordinate((view: DecisionView) => {
        const { before, cleared } = find(view.records(this.#owner));
        const decision = decide(before ?? newConsumerGroup(this.groupId), view.timestamp);
        const changes = [...cleared, ...recordChanges(before, decision.group)];
        const commands = changes.length === 0 ? [] : [{ type: 'recordsChanged' as const, owner: this.#owner, changes }];
        return { commands, answer: decision.answer };
      });
      this.#follow();
      return answer;
    } catch (cause) {
      throw toCoordinatorError(cause);
    } finally {
      this.#deciding--;
    }
  }

  #require(records: Records): ConsumerGroup {
    const group = this.#reader.read(records);
    if (group === null) throw new KafkaError('GROUP_ID_NOT_FOUND', `Consumer group ${this.groupId} not found.`);
    return group;
  }

  /** What is there of the group, or what it takes the place of: offsets alone, or a classic group without members. */
  #requireOrTakeOver(records: Records): Found {
    const group = this.#reader.read(records);
    if (group !== null) return { before: group, cleared: [] };
    const hasMembers = [...records.keys()].some((key) => memberIdOf(key) !== null);
    if (records.has(GROUP_KEY) && (hasMembers || groupTypeOf(this.#owner, records) !== 'classic')) {
      throw new KafkaError('GROUP_ID_NOT_FOUND', `Group ${this.groupId} is not a consumer group.`);
    }
    return { before: null, cleared: clearedMembership(records) };
  }

  /** Deadlines of those who are members, and of no others. */
  #follow(): void {
    const { members } = this.current;
    this.#deadlines.keep((memberId) => members.has(memberId));
    for (const memberId of members.keys()) this.#watch(memberId);
  }

  /** A member that is to give partitions up has so long to do it. */
  #watch(memberId: string): void {
    const { state, classic, memberEpoch, rebalanceTimeoutMs } = this.current.members.get(memberId)!;
    const revokes = state === 'UNREVOKED_PARTITIONS' && classic === null;
    if (revokes) this.#deadlines.setOnce(memberId, 'rebalance', rebalanceTimeoutMs, memberEpoch);
    else this.#deadlines.clear(memberId, 'rebalance');
  }

  async #fence(missed: readonly Missed[]): Promise<void> {
    const { runtime, topics, onLost } = this.#options;
    try {
      await this.#coordinate((group, timestamp): Decision<null> => {
        const gone = missed.filter((one) => isOver(group, one)).map(({ memberId }) => memberId);
        const after = gone.length === 0 ? group : fenceMembers(group, [...new Set(gone)], { timestamp, topics });
        return { group: after, answer: null };
      });
    } catch (cause) {
      if (this.#closed || this.#durable === null) return;
      if (this.journal.role !== 'leading') {
        onLost(this);
        return;
      }
      runtime.logger.warn({ group: this.groupId, cause: String(cause) }, 'silent members of a group stay for now');
      for (const { memberId, kind, memberEpoch } of missed) {
        this.#deadlines.set(memberId, kind, FENCE_RETRY_MS, memberEpoch);
      }
    }
  }
}

interface Found {
  /** Null when none of it is written yet. */
  readonly before: ConsumerGroup | null;
  /** What a group of another kind leaves behind. */
  readonly cleared: readonly RecordChange[];
}

/** Whether a missed deadline still says something about the member. */
function isOver(group: ConsumerGroup, { memberId, kind, memberEpoch }: Missed): boolean {
  const member = group.members.get(memberId);
  if (member === undefined) return false;
  return kind !== 'rebalance' || (member.state === 'UNREVOKED_PARTITIONS' && member.memberEpoch === memberEpoch);
}

export type { HeartbeatAnswer, HeartbeatOutcome };
