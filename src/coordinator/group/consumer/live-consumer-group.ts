/**
 * One consumer group at work: what its records say, and deadlines of its members, which are in memory alone. A heartbeat
 * that changes nothing moves a number; anything else is decided on the journal, by the pure steps of `heartbeat.ts`.
 */
import type { GroupConfig } from '../../../cluster/group-config.ts';
import { type ErrorName, KafkaError } from '../../../errors.ts';
import type { DecisionView, Journal, RecordChange, Records, RecordsView } from '../../../journal/journal.ts';
import { RECORDS_CHANGED_BYTES_MAX } from '../../../limits.ts';
import type { Runtime } from '../../../runtime/runtime.ts';
import { confirmLeading, requireLeading, toCoordinatorError } from '../../coordinator-error.ts';
import { groupOwner } from '../../owner.ts';
import type { AssignorName } from '../assignor/assignors.ts';
import type { ClassicMembership } from '../classic/classic-membership.ts';
import { GROUP_KEY, groupTypeOf, memberIdOf } from '../group-record.ts';
import type { Committer, GroupStateName, LiveGroup } from '../live-group.ts';
import { MemberDeadlines, type Missed } from '../member-deadlines.ts';
import { ClassicMembers } from './classic-members.ts';
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
import { allowsDowngrade, downgradeChanges, lostLastConsumer, type MigrationPolicy, upgraded } from './migration.ts';
import { subscribes } from './subscription.ts';
import type { TopicDirectory } from './topic-directory.ts';

export interface ConsumerGroupSettings {
  readonly sizeMax: number;
  readonly assignorDefault: AssignorName;
  readonly migrationPolicy: MigrationPolicy;
  /** Members that a group may have that becomes a classic one. */
  readonly classicSizeMax: number;
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
  /** Its records are those of a group of another kind now. */
  readonly onOver: (group: LiveConsumerGroup) => void;
  /** Of the classic group that it takes the place of; 0 for none. */
  readonly classicGenerationId?: number;
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
  readonly classic: ClassicMembership;
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
    this.classic = new ClassicMembers({
      deadlines: this.#deadlines,
      topics: options.topics,
      requireDurable: () => {
        if (this.isOver) options.onOver(this);
        return this.#requireForClassic(requireLeading(this.journal).state.records(this.#owner));
      },
      confirm: () => confirmLeading(this.journal),
      context: (timestamp) => this.#context(timestamp, true),
      coordinate: (decide) => this.#coordinate(decide, (records) => existing(this.#requireForClassic(records))),
    });
    for (const memberId of this.current.members.keys()) {
      this.touch(memberId);
      this.#watch(memberId);
    }
  }

  /** What is durable. */
  get current(): ConsumerGroup {
    return this.#durable ?? newConsumerGroup(this.groupId);
  }

  /**
   * Its records are not those of a consumer group, and nothing is under way to change that: it was to be created, or to take
   * over from a group of another kind, and failed; or it became a classic group.
   */
  get isOver(): boolean {
    return this.#deciding === 0 && this.#durable === null;
  }

  get state(): GroupStateName {
    return this.#closed ? 'Dead' : stateOf(this.current);
  }

  /** Whoever joins just now counts, or the group would be anybody's to take over. */
  get memberCount(): number {
    return this.#durable?.members.size || Math.min(this.#deciding, 1);
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
    const group = this.#reader.read(view.records(this.#owner));
    if (group === null) {
      throw new KafkaError('COORDINATOR_LOAD_IN_PROGRESS', `group ${this.groupId} changes its protocol`);
    }
    checkConsumerCommit(group, committer);
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
    const still = this.#durable !== null || !joins ? await this.#told(heartbeat) : null;
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

  /**
   * As `#unchanged`. Nobody is told by old records what to own: a successor may have given it to others since. That nothing
   * has changed may be old; whoever keeps hearing it loses its session with the successor.
   */
  async #told(heartbeat: Heartbeat): Promise<HeartbeatAnswer | null> {
    const answer = this.#unchanged(heartbeat);
    if (answer === null || answer.assignment === null) return answer;
    await confirmLeading(this.journal);
    return this.#unchanged(heartbeat);
  }

  /** The answer to a heartbeat that has nothing to write, from what is durable. */
  #unchanged(heartbeat: Heartbeat): HeartbeatAnswer | null {
    // Where it is not led any more there is no group, which says nothing about it.
    const group = this.#require(requireLeading(this.journal).state.records(this.#owner));
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
    find: (records: Records) => Found = (records) => existing(this.#require(records)),
  ): Promise<T> {
    this.#deciding++;
    try {
      const answer = await this.journal.coordinate((view: DecisionView) => {
        const found = find(view.records(this.#owner));
        const decision = decide(found.group, view.timestamp);
        const changes = this.#changes(found, decision.group, view);
        const commands = changes.length === 0 ? [] : [{ type: 'recordsChanged' as const, owner: this.#owner, changes }];
        return { commands, answer: decision.answer };
      });
      this.#follow();
      return answer;
    } catch (cause) {
      throw toCoordinatorError(cause);
    } finally {
      this.#deciding--;
      if (this.isOver) this.#options.onOver(this);
    }
  }

  #require(records: Records): ConsumerGroup {
    const group = this.#reader.read(records);
    if (group === null) throw new KafkaError('GROUP_ID_NOT_FOUND', `Consumer group ${this.groupId} not found.`);
    return group;
  }

  /** Members of the classic protocol wait for a group that is about to take over, and ask again. */
  #requireForClassic(records: Records): ConsumerGroup {
    const group = this.#reader.read(records);
    if (group === null) throw new KafkaError('REBALANCE_IN_PROGRESS', `group ${this.groupId} changes its protocol`);
    return group;
  }

  /** What is there of the group, or what it takes the place of: offsets alone, or a classic group. */
  #requireOrTakeOver(records: Records): Found {
    const group = this.#reader.read(records);
    if (group !== null) return existing(group);
    const cleared = clearedMembership(records);
    if (!records.has(GROUP_KEY)) return { before: null, group: newConsumerGroup(this.groupId), cleared };
    if (groupTypeOf(this.#owner, records) !== 'classic') {
      throw new KafkaError('GROUP_ID_NOT_FOUND', `Group ${this.groupId} is not a consumer group.`);
    }
    const { topics, classicGenerationId = 0 } = this.#options;
    const hasMembers = cleared.some(({ key }) => memberIdOf(key) !== null);
    const from = hasMembers
      ? upgraded(this.groupId, records, classicGenerationId, topics)
      : newConsumerGroup(this.groupId);
    return { before: null, group: from, cleared };
  }

  #changes({ before, group, cleared }: Found, after: ConsumerGroup, view: DecisionView): readonly RecordChange[] {
    const { topics, settings } = this.#options;
    const becomesClassic =
      lostLastConsumer(group, after) &&
      allowsDowngrade(settings.migrationPolicy) &&
      after.members.size <= settings.classicSizeMax;
    const downgrade = becomesClassic ? downgradeChanges(after, group.epoch, view, topics) : null;
    return downgrade ?? [...cleared, ...recordChanges(before, after)];
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
  /** As the records have it; null when none of it is written yet. */
  readonly before: ConsumerGroup | null;
  readonly group: ConsumerGroup;
  /** What a group of another kind leaves behind. */
  readonly cleared: readonly RecordChange[];
}

const existing = (group: ConsumerGroup): Found => ({ before: group, group, cleared: [] });

/** Whether a missed deadline still says something about the member. */
function isOver(group: ConsumerGroup, { memberId, kind, memberEpoch }: Missed): boolean {
  const member = group.members.get(memberId);
  if (member === undefined) return false;
  if (kind === 'session') return true;
  // It went on, or began to speak the other protocol.
  if (member.memberEpoch !== memberEpoch || (kind === 'rebalance') !== (member.classic === null)) return false;
  return kind !== 'rebalance' || member.state === 'UNREVOKED_PARTITIONS';
}

export type { HeartbeatAnswer, HeartbeatOutcome };
