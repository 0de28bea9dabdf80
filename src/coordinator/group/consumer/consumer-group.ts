/**
 * A group of the consumer protocol (KIP-848) as values: what its records say, and what follows from it. `heartbeat.ts` and
 * its neighbours make the next value from one; `consumer-group-records.ts` writes the difference down.
 *
 *   a member or its subscription, or a topic changes ──► `epoch` grows                        (Assigning)
 *   `target-assignment.ts` computes who is to have what ──► `targetEpoch` = `epoch`            (Reconciling)
 *   `reconcile.ts` takes each member there, in its own heartbeats ──► every `memberEpoch` = it (Stable)
 */
import { type Assignment, NO_PARTITIONS } from '../assignor/assignor.ts';
import type { GroupStateName } from '../live-group.ts';

export interface ConsumerGroup {
  readonly groupId: string;
  /** Grows with every change that calls for a new assignment. */
  readonly epoch: number;
  /** The epoch that `targets` were computed for. */
  readonly targetEpoch: number;
  /** Fingerprint of the topics that members subscribed to, at `epoch`: another one calls for a new assignment. */
  readonly topicsHash: string;
  /** Milliseconds since 1970 of the entry since which it has no members; null while it has some. */
  readonly emptySince: number | null;
  readonly members: ReadonlyMap<string, ConsumerMember>;
  /** By member id; of members only. */
  readonly targets: ReadonlyMap<string, Assignment>;
}

export interface ConsumerMember {
  readonly memberId: string;
  /** Of a static member. */
  readonly instanceId: string | null;
  readonly rackId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  /** How long it may take to give partitions up. */
  readonly rebalanceTimeoutMs: number;
  readonly serverAssignor: string | null;
  /** Sorted. */
  readonly subscribedTopicNames: readonly string[];
  /** Subscribed in addition to the names; null for none. */
  readonly subscribedTopicRegex: string | null;

  /** LEFT_STATICALLY while a static member is away. */
  readonly memberEpoch: number;
  /** The epoch before: a member whose answer was lost still comes with it. */
  readonly previousMemberEpoch: number;
  readonly state: MemberState;
  /** What it owns, or was told to. */
  readonly assigned: Assignment;
  /** What it was told to give up and still owns. */
  readonly revoking: Assignment;

  /** Null for members of the consumer protocol. */
  readonly classic: ClassicMembership | null;
}

/**
 * - STABLE: has its part of the target, at the epoch of the target that it was taken to.
 * - UNREVOKED_PARTITIONS: is to give partitions up first.
 * - UNRELEASED_PARTITIONS: has what is free of its part, the rest is still with others.
 * - UNKNOWN: a later version wrote it; it has to join anew.
 */
export type MemberState = 'STABLE' | 'UNREVOKED_PARTITIONS' | 'UNRELEASED_PARTITIONS' | 'UNKNOWN';

/** Of a member that uses JoinGroup, SyncGroup and Heartbeat. */
export interface ClassicMembership {
  readonly sessionTimeoutMs: number;
  /** In order of preference. Metadata is a ConsumerProtocolSubscription in base64. */
  readonly protocols: readonly { readonly name: string; readonly metadata: string }[];
}

/** What a member leaves with. */
export const LEAVES = -1;
/** What a static member leaves with that will be back; its member epoch while it is away. */
export const LEFT_STATICALLY = -2;

export const newConsumerGroup = (groupId: string): ConsumerGroup => ({
  groupId,
  epoch: 0,
  targetEpoch: 0,
  topicsHash: '',
  emptySince: 0,
  members: new Map(),
  targets: new Map(),
});

export const newMember = (memberId: string): ConsumerMember => ({
  memberId,
  instanceId: null,
  rackId: null,
  clientId: '',
  clientHost: '',
  rebalanceTimeoutMs: -1,
  serverAssignor: null,
  subscribedTopicNames: [],
  subscribedTopicRegex: null,
  memberEpoch: 0,
  previousMemberEpoch: 0,
  state: 'STABLE',
  assigned: NO_PARTITIONS,
  revoking: NO_PARTITIONS,
  classic: null,
});

export function stateOf(group: ConsumerGroup): GroupStateName {
  if (group.members.size === 0) return 'Empty';
  if (group.epoch > group.targetEpoch) return 'Assigning';
  for (const member of group.members.values()) {
    if (!isReconciled(member, group.targetEpoch)) return 'Reconciling';
  }
  return 'Stable';
}

export const isReconciled = (member: ConsumerMember, targetEpoch: number): boolean =>
  member.state === 'STABLE' && member.memberEpoch === targetEpoch;

export function staticMember(group: ConsumerGroup, instanceId: string): ConsumerMember | undefined {
  for (const member of group.members.values()) if (member.instanceId === instanceId) return member;
  return undefined;
}

/** The group with this member in place of the one with its id, or added. */
export function withMember(group: ConsumerGroup, member: ConsumerMember): ConsumerGroup {
  if (group.members.get(member.memberId) === member) return group;
  return { ...group, members: new Map(group.members).set(member.memberId, member), emptySince: null };
}

/** The group without these members, at its next epoch. `timestamp` is that of the entry. */
export function withoutMembers(group: ConsumerGroup, memberIds: readonly string[], timestamp: number): ConsumerGroup {
  const members = new Map(group.members);
  const targets = new Map(group.targets);
  for (const memberId of memberIds) {
    members.delete(memberId);
    targets.delete(memberId);
  }
  const emptySince = members.size === 0 ? timestamp : null;
  return { ...group, epoch: group.epoch + 1, members, targets, emptySince };
}

/** The assignor that most members ask for; ties go to the first name. Null when none asks. */
export function preferredAssignor(members: Iterable<ConsumerMember>): string | null {
  const counts = new Map<string, number>();
  for (const { serverAssignor } of members) {
    if (serverAssignor !== null) counts.set(serverAssignor, (counts.get(serverAssignor) ?? 0) + 1);
  }
  let preferred: string | null = null;
  for (const name of [...counts.keys()].sort()) {
    if (preferred === null || counts.get(name)! > counts.get(preferred)!) preferred = name;
  }
  return preferred;
}
