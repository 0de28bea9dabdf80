/**
 * How a member gets from what it has to its part of the target: it gives up first, then gets what nobody else has any
 * more. So no partition is ever with two members.
 *
 *               target is newer, something has to go
 *   STABLE ───────────────────────────────────────────► UNREVOKED_PARTITIONS ─┐ does not own it any more
 *     ▲ ▲                                                                     │ (or more has to go: stays)
 *     │ └── all of it is free ────────────────────────────────────────────────┤
 *     └──── all of it is free ──── UNRELEASED_PARTITIONS ◄── some is not ─────┘
 */

import { KafkaError } from '../../../errors.ts';
import { difference, equalAssignments, filterPartitions, intersection, union } from '../assignor/assignment.ts';
import { type Assignment, NO_PARTITIONS } from '../assignor/assignor.ts';
import { type ConsumerGroup, type ConsumerMember, isReconciled, type MemberState } from './consumer-group.ts';

export interface Reconciliation {
  readonly targetEpoch: number;
  readonly target: Assignment;
  /** What the member says it owns; null when it does not say. */
  readonly owned: Assignment | null;
  /** Whether another member owns the partition. */
  isTaken(topicId: string, partition: number): boolean;
}

/** The member after its next step, itself when it cannot take one. Throws FENCED_MEMBER_EPOCH in state UNKNOWN. */
export function reconcile(member: ConsumerMember, towards: Reconciliation): ConsumerMember {
  if (isReconciled(member, towards.targetEpoch)) return member;
  switch (member.state) {
    case 'STABLE':
    case 'UNRELEASED_PARTITIONS':
      return next(member, member.memberEpoch, towards);
    case 'UNREVOKED_PARTITIONS':
      if (stillOwns(towards.owned, member.revoking)) return member;
      return next(member, member.memberEpoch + 1, towards);
    case 'UNKNOWN':
      if (towards.owned === null || towards.owned.size > 0) {
        throw new KafkaError(
          'FENCED_MEMBER_EPOCH',
          'the member is in an unknown state: it must rejoin without partitions',
        );
      }
      return next(member, towards.targetEpoch, towards);
  }
}

function next(member: ConsumerMember, memberEpoch: number, towards: Reconciliation): ConsumerMember {
  const { target, targetEpoch, isTaken } = towards;
  const kept = intersection(member.assigned, target);
  const revoking = difference(member.assigned, kept);
  if (revoking.size > 0 && stillOwns(towards.owned, revoking)) {
    return become(member, { state: 'UNREVOKED_PARTITIONS', memberEpoch, assigned: kept, revoking });
  }
  const missing = difference(target, kept);
  const free = filterPartitions(missing, (topicId, partition) => !isTaken(topicId, partition));
  const state: MemberState = equalAssignments(free, missing) ? 'STABLE' : 'UNRELEASED_PARTITIONS';
  return become(member, { state, memberEpoch: targetEpoch, assigned: union(kept, free), revoking: NO_PARTITIONS });
}

/** A member that does not say what it owns may still own it. */
const stillOwns = (owned: Assignment | null, revoking: Assignment): boolean =>
  owned === null || intersection(owned, revoking).size > 0;

type Position = Pick<ConsumerMember, 'state' | 'memberEpoch' | 'assigned' | 'revoking'>;

function become(member: ConsumerMember, position: Position): ConsumerMember {
  const isSame =
    member.state === position.state &&
    member.memberEpoch === position.memberEpoch &&
    equalAssignments(member.assigned, position.assigned) &&
    equalAssignments(member.revoking, position.revoking);
  if (isSame) return member;
  const isNewEpoch = member.memberEpoch !== position.memberEpoch;
  return { ...member, ...position, previousMemberEpoch: isNewEpoch ? member.memberEpoch : member.previousMemberEpoch };
}

/** Whether another member than this one owns a partition, or was told to give it up and has not said that it did. */
export function takenByOthers(group: ConsumerGroup, memberId: string): Reconciliation['isTaken'] {
  let taken: Map<string, Set<number>> | null = null;
  return (topicId, partition) => {
    taken ??= ownedByOthers(group, memberId);
    return taken.get(topicId)?.has(partition) ?? false;
  };
}

function ownedByOthers(group: ConsumerGroup, memberId: string): Map<string, Set<number>> {
  const taken = new Map<string, Set<number>>();
  for (const member of group.members.values()) {
    if (member.memberId === memberId) continue;
    for (const [topicId, partitions] of [...member.assigned, ...member.revoking]) {
      const set = taken.get(topicId) ?? new Set();
      for (const partition of partitions) set.add(partition);
      taken.set(topicId, set);
    }
  }
  return taken;
}
