/** The service behind ShareGroupHeartbeat and ShareGroupDescribe. */
import type { GroupConfigs } from '../../../cluster/group-configs.ts';
import type { Topics } from '../../../cluster/topics.ts';
import { KafkaError } from '../../../errors.ts';
import type { Journal, Records } from '../../../journal/journal.ts';
import type { Runtime } from '../../../runtime/runtime.ts';
import { confirmLeading, refuse } from '../../coordinator-error.ts';
import type { Assignment } from '../assignor/assignor.ts';
import type { GroupKind, Groups } from '../groups.ts';
import { decideOnNewGroup, noShareGroup, ShareGroup } from './share-group.ts';
import { heartbeat, leave, type ShareGroupState, type ShareHeartbeat, type ShareMember } from './share-membership.ts';

export interface ShareGroupsOptions {
  readonly groups: Groups;
  readonly topics: Topics;
  readonly groupConfigs: GroupConfigs;
  readonly runtime: Runtime;
  readonly sizeMax: number;
}

export interface ShareHeartbeatRequest extends ShareHeartbeat {
  readonly groupId: string;
}

export interface ShareHeartbeatAnswer {
  readonly memberId: string;
  readonly memberEpoch: number;
  readonly heartbeatIntervalMs: number;
  /** Null: as it was. */
  readonly assignment: Assignment | null;
}

export interface ShareGroupDescription {
  readonly state: string;
  readonly epoch: number;
  readonly members: readonly ShareMember[];
}

export class ShareGroups implements GroupKind {
  readonly type = 'share';
  readonly #options: ShareGroupsOptions;
  readonly #live = new Set<ShareGroup>();

  constructor(options: ShareGroupsOptions) {
    this.#options = options;
  }

  load(groupId: string, journal: Journal, _records: Records): ShareGroup {
    const { topics, runtime, groupConfigs } = this.#options;
    const sessionTimeoutMs = () => groupConfigs.of(groupId).shareSessionTimeoutMs;
    const onClosed = (closed: ShareGroup) => void this.#live.delete(closed);
    const group = new ShareGroup({ groupId, journal, topics, runtime, sessionTimeoutMs, onClosed });
    this.#live.add(group);
    return group;
  }

  get count(): number {
    return this.#live.size;
  }

  /** Share groups alone. */
  live(): Iterable<ShareGroup> {
    return this.#live;
  }

  /** Undefined for an id that no group has. Throws GROUP_ID_NOT_FOUND when it belongs to a group of another kind. */
  find(groupId: string): ShareGroup | undefined {
    const group = this.#options.groups.find(groupId);
    if (group === undefined || group instanceof ShareGroup) return group;
    throw new KafkaError('GROUP_ID_NOT_FOUND', `${JSON.stringify(groupId)} is a ${group.type} group, no share group`);
  }

  /** Throws GROUP_ID_NOT_FOUND. */
  require(groupId: string): ShareGroup {
    const group = this.find(groupId);
    if (group === undefined) throw noShareGroup(groupId);
    return group;
  }

  /** As `require`; throws NOT_COORDINATOR, COORDINATOR_NOT_AVAILABLE where another broker may know the group. */
  async locate(groupId: string): Promise<ShareGroup> {
    const found = await this.#ofThisKind(groupId);
    if (found !== undefined) return found;
    await this.#options.groups.locate(groupId);
    return this.require(groupId);
  }

  /**
   * Joins, keeps alive or changes a member. Durable when it answers. Throws what Kafka does: GROUP_ID_NOT_FOUND,
   * UNKNOWN_MEMBER_ID, FENCED_MEMBER_EPOCH, GROUP_MAX_SIZE_REACHED, NOT_COORDINATOR, COORDINATOR_NOT_AVAILABLE.
   */
  async heartbeat(request: ShareHeartbeatRequest): Promise<ShareHeartbeatAnswer> {
    const { groupId, memberId } = request;
    const found = request.memberEpoch === 0 ? await this.#ofThisKind(groupId) : await this.locate(groupId);
    const still = found && (await this.#told(found, request));
    const beat = still ?? (await this.#decide(found, request));
    this.find(groupId)?.touch(memberId);
    return {
      memberId,
      memberEpoch: beat.member.memberEpoch,
      heartbeatIntervalMs: this.#options.groupConfigs.of(groupId).shareHeartbeatIntervalMs,
      assignment: beat.tellsAssignment ? beat.member.assigned : null,
    };
  }

  /** Throws GROUP_ID_NOT_FOUND, UNKNOWN_MEMBER_ID, NOT_COORDINATOR, COORDINATOR_NOT_AVAILABLE. */
  async leave(groupId: string, memberId: string): Promise<void> {
    const group = await this.locate(groupId);
    const { topics } = this.#options;
    try {
      await group.coordinate((state, timestamp) => {
        if (!state.members.has(memberId)) {
          throw new KafkaError('UNKNOWN_MEMBER_ID', `${memberId} is not a member of the share group`);
        }
        return { after: leave(state, [memberId], topics, timestamp), answer: null };
      });
    } catch (cause) {
      await refuse(group.journal, cause);
    }
    group.forget([memberId]);
  }

  /** Throws as `locate`. */
  async describe(groupId: string): Promise<ShareGroupDescription> {
    const group = await this.locate(groupId);
    const { epoch, members } = group.current;
    return { state: group.state, epoch, members: [...members.values()] };
  }

  /** As `find`; throws NOT_COORDINATOR where a successor may have made it a share group since. */
  async #ofThisKind(groupId: string): Promise<ShareGroup | undefined> {
    const found = this.#options.groups.find(groupId);
    if (found !== undefined && !(found instanceof ShareGroup)) await confirmLeading(found.journal);
    return this.find(groupId);
  }

  /** Makes an empty group, unless there is one. Throws GROUP_ID_NOT_FOUND when the id belongs to a group of another kind. */
  async create(groupId: string, client: string): Promise<ShareGroup> {
    if ((await this.#ofThisKind(groupId)) === undefined) {
      const journal = await this.#options.groups.place(groupId, client);
      try {
        await journal.coordinate((view) =>
          decideOnNewGroup(view, groupId, (group) => ({ after: { ...group }, answer: null })),
        );
      } catch (cause) {
        await refuse(journal, cause);
      }
    }
    return this.require(groupId);
  }

  /** As `#unchanged`. By old records a member would share partitions that are others' now, and for as long as nothing changes. */
  async #told(group: ShareGroup, request: ShareHeartbeatRequest): Promise<Decision | null> {
    const answer = this.#unchanged(group, request);
    if (answer === null || !answer.tellsAssignment) return answer;
    await confirmLeading(group.journal);
    return this.#unchanged(group, request);
  }

  /** The answer to a heartbeat that has nothing to write, from what is durable. */
  #unchanged(group: ShareGroup, request: ShareHeartbeatRequest): Decision | null {
    const before: ShareGroupState = group.current;
    const beat = heartbeat(before, request, this.#options.topics, this.#options.sizeMax);
    if ('rejected' in beat || beat.group !== before || group.journal.role !== 'leading') return null;
    return beat;
  }

  async #decide(group: ShareGroup | undefined, request: ShareHeartbeatRequest): Promise<Decision> {
    const { groups, topics, sizeMax } = this.#options;
    const decide = (state: ShareGroupState) => {
      const beat = heartbeat(state, request, topics, sizeMax);
      if ('rejected' in beat) throw new KafkaError(beat.rejected, beat.message);
      return { after: beat.group, answer: { member: beat.member, tellsAssignment: beat.tellsAssignment } };
    };
    const { groupId, clientId, clientHost } = request;
    const journal = group?.journal ?? (await groups.place(groupId, `${clientId}${clientHost}`));
    try {
      if (group !== undefined) return await group.coordinate(decide);
      return await journal.coordinate((view) => decideOnNewGroup(view, groupId, decide));
    } catch (cause) {
      return refuse(journal, cause);
    }
  }
}

interface Decision {
  readonly member: ShareMember;
  readonly tellsAssignment: boolean;
}
