/**
 * Who is to have what at the group's epoch: what the assignor says, written down in as many steps as entries need.
 *
 * A target that is too large for one entry is written in two phases, each of which may take several entries: first what
 * members lose, then what they gain. In between no partition is in two targets, so the assignor, asked again, goes on from
 * there. `targetEpoch` follows when all is written.
 */
import { difference, equalAssignments, intersection, writeAssignment } from '../assignor/assignment.ts';
import { type Assignment, type AssignorMember, NO_PARTITIONS } from '../assignor/assignor.ts';
import { ASSIGNORS, type AssignorName, isAssignorName } from '../assignor/assignors.ts';
import { type ConsumerGroup, preferredAssignor } from './consumer-group.ts';
import type { Subscriptions } from './subscription.ts';

export interface TargetLimits {
  readonly assignorDefault: AssignorName;
  /** Of targets that one entry takes. */
  readonly bytesMax: number;
}

/** The assignor that the group uses: the one that most of its members ask for, else the default. */
export function assignorOf(group: ConsumerGroup, assignorDefault: AssignorName): AssignorName {
  const preferred = preferredAssignor(group.members.values());
  return preferred !== null && isAssignorName(preferred) ? preferred : assignorDefault;
}

export function assignTargets(group: ConsumerGroup, subscriptions: Subscriptions, limits: TargetLimits): ConsumerGroup {
  const wanted = ASSIGNORS[assignorOf(group, limits.assignorDefault)]({
    members: [...group.members.values()].map(
      (member): AssignorMember => ({
        memberId: member.memberId,
        instanceId: member.instanceId,
        topicIds: subscriptions.topicIdsOf(member),
        previous: targetOf(group, member.memberId),
      }),
    ),
    partitionCounts: subscriptions.partitionCounts,
  });
  const whole = changed(group, wanted);
  if (bytesOf(whole) <= limits.bytesMax) return { ...withTargets(group, whole), targetEpoch: group.epoch };
  const losses = changed(group, lossesOf(group, wanted));
  const step = losses.length > 0 ? losses : whole;
  return withTargets(group, firstOf(step, limits.bytesMax));
}

export const targetOf = (group: ConsumerGroup, memberId: string): Assignment =>
  group.targets.get(memberId) ?? NO_PARTITIONS;

type Target = readonly [memberId: string, target: Assignment];

/** Of members whose target is another now, or is the first. */
const changed = (group: ConsumerGroup, wanted: ReadonlyMap<string, Assignment>): Target[] =>
  [...wanted].filter(([memberId, target]) => {
    const before = group.targets.get(memberId);
    return before === undefined || !equalAssignments(before, target);
  });

/** What is left of each target when everything goes that is to go. */
function lossesOf(group: ConsumerGroup, wanted: ReadonlyMap<string, Assignment>): Map<string, Assignment> {
  const left = new Map<string, Assignment>();
  for (const [memberId, target] of wanted) {
    const before = group.targets.get(memberId);
    if (before !== undefined && difference(before, target).size > 0) left.set(memberId, intersection(before, target));
  }
  return left;
}

/** At least one, so that every step is one. */
function firstOf(targets: readonly Target[], bytesMax: number): Target[] {
  let bytes = 0;
  let count = 0;
  for (const target of targets) {
    bytes += bytesOf([target]);
    if (bytes > bytesMax && count > 0) break;
    count++;
  }
  return targets.slice(0, count);
}

/** A little more than what the records take. */
function bytesOf(targets: readonly Target[]): number {
  let bytes = 0;
  for (const [memberId, target] of targets) {
    bytes += RECORD_BYTES + Buffer.byteLength(memberId) + JSON.stringify(writeAssignment(target)).length;
  }
  return bytes;
}

const RECORD_BYTES = 40;

function withTargets(group: ConsumerGroup, targets: readonly Target[]): ConsumerGroup {
  if (targets.length === 0) return group;
  const all = new Map(group.targets);
  for (const [memberId, target] of targets) all.set(memberId, target);
  return { ...group, targets: all };
}
