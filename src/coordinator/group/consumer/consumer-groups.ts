/** The service behind ConsumerGroupHeartbeat and ConsumerGroupDescribe (KIP-848). */
import type { GroupConfigs } from '../../../cluster/group-configs.ts';
import type { Topics } from '../../../cluster/topics.ts';
import { KafkaError } from '../../../errors.ts';
import type { Journal, Records } from '../../../journal/journal.ts';
import { CLIENT_ID_CHARS_KEPT } from '../../../limits.ts';
import { randomUuid } from '../../../runtime/random.ts';
import type { Runtime } from '../../../runtime/runtime.ts';
import { confirmLeading, refuse, requireLeading } from '../../coordinator-error.ts';
import type { Assignment } from '../assignor/assignor.ts';
import { ClassicGroup } from '../classic/classic-group.ts';
import type { GroupKind, Groups } from '../groups.ts';
import type { GroupStateName, LiveGroup } from '../live-group.ts';
import type { ConsumerGroup } from './consumer-group.ts';
import { checkHeartbeatRequest, type HeartbeatRequest, heartbeatOf } from './heartbeat-request.ts';
import { type ConsumerGroupSettings, LiveConsumerGroup } from './live-consumer-group.ts';
import { allowsUpgrade, isUpgradable } from './migration.ts';
import { assignorOf } from './target-assignment.ts';
import { TopicDirectory } from './topic-directory.ts';

export interface ConsumerGroupsOptions {
  readonly groups: Groups;
  readonly topics: Topics;
  readonly groupConfigs: GroupConfigs;
  readonly runtime: Runtime;
  readonly settings: ConsumerGroupSettings & { readonly assignors: readonly string[] };
}

export interface HeartbeatReply {
  readonly memberId: string;
  readonly memberEpoch: number;
  readonly heartbeatIntervalMs: number;
  /** Null: as it was. */
  readonly assignment: Assignment | null;
}

export interface ConsumerGroupDescription {
  readonly state: GroupStateName;
  readonly assignor: string;
  readonly group: ConsumerGroup;
}

export class ConsumerGroups implements GroupKind {
  readonly type = 'consumer';
  readonly #options: ConsumerGroupsOptions;
  readonly #topics: TopicDirectory;

  constructor(options: ConsumerGroupsOptions) {
    this.#options = options;
    this.#topics = new TopicDirectory(options.topics);
  }

  load(groupId: string, journal: Journal, _records: Records): LiveConsumerGroup {
    return this.#open(groupId, journal);
  }

  /**
   * Joins, keeps alive, reconciles or removes a member. Durable when it answers. Throws what Kafka does: INVALID_REQUEST,
   * UNSUPPORTED_ASSIGNOR, INVALID_REGULAR_EXPRESSION, GROUP_ID_NOT_FOUND, UNKNOWN_MEMBER_ID, FENCED_MEMBER_EPOCH,
   * UNRELEASED_INSTANCE_ID, FENCED_INSTANCE_ID, GROUP_MAX_SIZE_REACHED, NOT_COORDINATOR, COORDINATOR_NOT_AVAILABLE.
   */
  async heartbeat(request: HeartbeatRequest, apiVersion: number): Promise<HeartbeatReply> {
    checkHeartbeatRequest(request, apiVersion, this.#options.settings.assignors);
    if (request.subscribedTopicRegex) this.#topics.matching(request.subscribedTopicRegex);
    const { groupId } = request;
    const clientId = request.clientId.slice(0, CLIENT_ID_CHARS_KEPT);
    const memberId = request.memberId === '' ? randomUuid(this.#options.runtime.random) : request.memberId;
    const group = request.memberEpoch === 0 ? await this.#toJoin(request) : await this.#require(groupId);
    const beating = group.heartbeat(heartbeatOf({ ...request, memberId, clientId }));
    const answer = await beating.catch((cause) => refuse(group.journal, cause));
    if (answer.memberEpoch >= 0) this.#listed(group).touch(answer.memberId);
    const { consumerHeartbeatIntervalMs: heartbeatIntervalMs } = this.#options.groupConfigs.of(groupId);
    return { ...answer, heartbeatIntervalMs };
  }

  /** Undefined when there is none of that id, or it is of another kind. */
  find(groupId: string): LiveConsumerGroup | undefined {
    const group = this.#options.groups.find(groupId);
    return group instanceof LiveConsumerGroup ? group : undefined;
  }

  /** Throws GROUP_ID_NOT_FOUND. */
  async describe(groupId: string): Promise<ConsumerGroupDescription> {
    const live = await this.#require(groupId);
    const group = live.current;
    return { state: live.state, assignor: assignorOf(group, this.#options.settings.assignorDefault), group };
  }

  /** Throws GROUP_ID_NOT_FOUND, NOT_COORDINATOR. */
  async #require(groupId: string): Promise<LiveConsumerGroup> {
    const found = this.find(groupId);
    if (found?.isOver) this.#options.groups.reload(found);
    const group = this.#options.groups.find(groupId);
    if (group instanceof LiveConsumerGroup) {
      requireLeading(group.journal);
      return group;
    }
    if (group !== undefined) {
      // A successor may have made it one since.
      await confirmLeading(group.journal);
      const confirmed = this.find(groupId);
      if (confirmed !== undefined) return confirmed;
      throw new KafkaError('GROUP_ID_NOT_FOUND', `Group ${groupId} is not a consumer group.`);
    }
    const absence = await this.#options.groups.absence(groupId);
    if (absence !== 'UNKNOWN_MEMBER_ID') throw new KafkaError(absence, `group ${groupId} is not coordinated here`);
    throw new KafkaError('GROUP_ID_NOT_FOUND', `Group ${groupId} not found.`);
  }

  /** The group, or a new one in its place. Throws GROUP_ID_NOT_FOUND for one of another kind that has members. */
  async #toJoin({ groupId, clientId, clientHost }: HeartbeatRequest): Promise<LiveConsumerGroup> {
    const { groups } = this.#options;
    const journal = await groups.place(groupId, `${clientId}${clientHost}`);
    const found = groups.find(groupId);
    if (found instanceof LiveConsumerGroup) return found;
    if (found !== undefined && !this.#mayReplace(found)) {
      await confirmLeading(found.journal);
      throw new KafkaError('GROUP_ID_NOT_FOUND', `Group ${groupId} is not a consumer group.`);
    }
    const generationId = found instanceof ClassicGroup ? found.snapshot.generationId : 0;
    const group = this.#open(groupId, journal, generationId);
    // What waits at a classic group is told to join again, and will join this one.
    groups.put(group);
    return group;
  }

  #mayReplace(found: LiveGroup): boolean {
    if (!(found instanceof ClassicGroup)) return false;
    if (found.isIdle) return true;
    const { migrationPolicy, sizeMax } = this.#options.settings;
    return allowsUpgrade(migrationPolicy) && isUpgradable(found.snapshot, sizeMax);
  }

  /** The group in the directory. Members of the classic protocol may have come to an empty group while this one joined. */
  #listed({ groupId, journal }: LiveConsumerGroup): LiveConsumerGroup {
    const listed = this.find(groupId) ?? this.#open(groupId, journal);
    this.#options.groups.put(listed);
    return listed;
  }

  #open(groupId: string, journal: Journal, classicGenerationId = 0): LiveConsumerGroup {
    const { groups, groupConfigs, runtime, settings } = this.#options;
    return new LiveConsumerGroup({
      groupId,
      journal,
      topics: this.#topics,
      runtime,
      settings,
      config: () => groupConfigs.of(groupId),
      classicGenerationId,
      onLost: (group) => groups.abandon(group),
      onOver: (group) => groups.reload(group),
    });
  }
}
