/**
 * Membership of a share group (KIP-932) as pure functions: no clock, no store.
 *
 * The group epoch grows when a member joins, leaves or subscribes to something else, and when a topic that is subscribed to
 * comes, goes or grows. With it comes a new target for every member. Partitions are shared, so nobody waits for anybody:
 * each member gets its target, and the group epoch as its own, with its next heartbeat.
 *
 *   Empty ──join──► Stable ──last member leaves or is silent for too long──► Empty ──deleted──► Dead
 */
import { createHash } from 'node:crypto';
import { equalAssignments } from '../assignor/assignment.ts';
import { type Assignment, NO_PARTITIONS } from '../assignor/assignor.ts';
import { assignSimple } from './simple-assignor.ts';

export interface ShareGroupState {
  readonly epoch: number;
  /** Of the topics that are subscribed to, as they were when the epoch began. */
  readonly topicsHash: string;
  /** Milliseconds since 1970 since when it has no members; 0 when it never had any, null while it has some. */
  readonly emptySince: number | null;
  readonly members: ReadonlyMap<string, ShareMember>;
  readonly targets: ReadonlyMap<string, Assignment>;
}

export interface ShareMember {
  readonly memberId: string;
  readonly rackId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly subscribedTopicNames: readonly string[];
  readonly memberEpoch: number;
  /** A heartbeat whose answer was lost is repeated with it. */
  readonly previousMemberEpoch: number;
  readonly assigned: Assignment;
}

export interface ShareHeartbeat {
  readonly memberId: string;
  /** 0 joins. */
  readonly memberEpoch: number;
  /** Null: as before. */
  readonly rackId: string | null;
  readonly subscribedTopicNames: readonly string[] | null;
  readonly clientId: string;
  readonly clientHost: string;
}

/** Topics as the assignor needs them. */
export interface TopicsOfGroup {
  byName(name: string): { readonly topicId: string; readonly partitions: { readonly length: number } } | undefined;
}

export type Beat =
  | { readonly group: ShareGroupState; readonly member: ShareMember; readonly tellsAssignment: boolean }
  | {
      readonly rejected: 'UNKNOWN_MEMBER_ID' | 'FENCED_MEMBER_EPOCH' | 'GROUP_MAX_SIZE_REACHED';
      readonly message: string;
    };

export const emptyShareGroup = (emptySince: number): ShareGroupState => ({
  epoch: 0,
  topicsHash: '',
  emptySince,
  members: new Map(),
  targets: new Map(),
});

/** A heartbeat that changes nothing answers the group itself. */
export function heartbeat(group: ShareGroupState, beat: ShareHeartbeat, topics: TopicsOfGroup, sizeMax: number): Beat {
  const before = group.members.get(beat.memberId);
  if (before === undefined) {
    if (group.members.size >= sizeMax) {
      return {
        rejected: 'GROUP_MAX_SIZE_REACHED',
        message: `the share group has ${sizeMax} members, no more may join`,
      };
    }
    if (beat.memberEpoch !== 0) {
      return { rejected: 'UNKNOWN_MEMBER_ID', message: `${beat.memberId} is not a member of the share group` };
    }
  } else if (!isKnownEpoch(before, beat.memberEpoch)) {
    const message = `member epoch ${beat.memberEpoch} is not ${before.memberEpoch}: the member must join again`;
    return { rejected: 'FENCED_MEMBER_EPOCH', message };
  }
  const said = memberAfter(before, beat);
  const joined = said === before ? group : withMember(group, said);
  const current = refresh(joined, before?.subscribedTopicNames !== said.subscribedTopicNames, topics);
  const target = current.targets.get(said.memberId) ?? NO_PARTITIONS;
  const member = reconcile(said, current.epoch, target);
  const tellsAssignment =
    beat.memberEpoch === 0 ||
    beat.subscribedTopicNames !== null ||
    !equalAssignments(member.assigned, before?.assigned ?? NO_PARTITIONS);
  return { group: member === said ? current : withMember(current, member), member, tellsAssignment };
}

/** The group without these members; itself when it has none of them. */
export function leave(
  group: ShareGroupState,
  memberIds: readonly string[],
  topics: TopicsOfGroup,
  nowMs: number,
): ShareGroupState {
  const members = new Map(group.members);
  for (const memberId of memberIds) members.delete(memberId);
  if (members.size === group.members.size) return group;
  return refresh({ ...group, members, emptySince: members.size === 0 ? nowMs : null }, true, topics);
}

const isKnownEpoch = (member: ShareMember, epoch: number): boolean =>
  epoch === 0 || epoch === member.memberEpoch || epoch === member.previousMemberEpoch;

function memberAfter(before: ShareMember | undefined, beat: ShareHeartbeat): ShareMember {
  const names = beat.subscribedTopicNames === null ? null : [...new Set(beat.subscribedTopicNames)].sort();
  const after: ShareMember = {
    memberId: beat.memberId,
    rackId: beat.rackId ?? before?.rackId ?? null,
    clientId: beat.clientId,
    clientHost: beat.clientHost,
    subscribedTopicNames: names === null || equalNames(names, before) ? (before?.subscribedTopicNames ?? []) : names,
    memberEpoch: before?.memberEpoch ?? 0,
    previousMemberEpoch: before?.previousMemberEpoch ?? 0,
    assigned: before?.assigned ?? NO_PARTITIONS,
  };
  const isSame =
    before !== undefined &&
    before.rackId === after.rackId &&
    before.clientId === after.clientId &&
    before.clientHost === after.clientHost &&
    before.subscribedTopicNames === after.subscribedTopicNames;
  return isSame ? before : after;
}

const equalNames = (names: readonly string[], before: ShareMember | undefined): boolean =>
  before?.subscribedTopicNames.length === names.length &&
  names.every((name, index) => name === before.subscribedTopicNames[index]);

const withMember = (group: ShareGroupState, member: ShareMember): ShareGroupState => ({
  ...group,
  emptySince: null,
  members: new Map(group.members).set(member.memberId, member),
});

function reconcile(member: ShareMember, epoch: number, target: Assignment): ShareMember {
  if (member.memberEpoch === epoch) return member;
  const assigned = equalAssignments(member.assigned, target) ? member.assigned : target;
  return { ...member, memberEpoch: epoch, previousMemberEpoch: member.memberEpoch, assigned };
}

/** A new epoch with new targets, when there is a reason for one. */
function refresh(group: ShareGroupState, changed: boolean, topics: TopicsOfGroup): ShareGroupState {
  const names = new Set<string>();
  for (const { subscribedTopicNames } of group.members.values()) {
    for (const name of subscribedTopicNames) names.add(name);
  }
  const topicsHash = hashOf(names, topics);
  if (!changed && topicsHash === group.topicsHash) return group;
  return { ...group, epoch: group.epoch + 1, topicsHash, targets: targetsOf(group, names, topics) };
}

function hashOf(names: ReadonlySet<string>, topics: TopicsOfGroup): string {
  const parts: string[] = [];
  for (const name of [...names].sort()) {
    const topic = topics.byName(name);
    if (topic) parts.push(`${topic.topicId}:${topic.partitions.length}`);
  }
  return createHash('sha256').update(parts.join()).digest('base64url').slice(0, 16);
}

function targetsOf(
  group: ShareGroupState,
  names: ReadonlySet<string>,
  topics: TopicsOfGroup,
): ReadonlyMap<string, Assignment> {
  const topicIds = new Map<string, string>();
  const partitionCounts = new Map<string, number>();
  for (const name of names) {
    const topic = topics.byName(name);
    if (topic === undefined) continue;
    topicIds.set(name, topic.topicId);
    partitionCounts.set(topic.topicId, topic.partitions.length);
  }
  const members = [...group.members.values()].map(({ memberId, subscribedTopicNames }) => ({
    memberId,
    instanceId: null,
    topicIds: new Set(subscribedTopicNames.flatMap((name) => topicIds.get(name) ?? [])),
    previous: group.targets.get(memberId) ?? NO_PARTITIONS,
  }));
  const targets = assignSimple({ members, partitionCounts });
  // What did not change stays the same object, so that it is not written.
  return new Map(
    [...targets].map(([memberId, target]) => {
      const before = group.targets.get(memberId);
      return [memberId, before && equalAssignments(before, target) ? before : target];
    }),
  );
}
