/**
 * What a ConsumerGroupHeartbeat does to a group (KIP-848), as a pure function of the group, the request and the topics: a
 * member joins or changes its subscription, the target is computed anew where something changed, and the member takes its
 * next step towards it. `timestamp` is that of the entry.
 */
import { KafkaError } from '../../../errors.ts';
import { equalAssignments, isSubset } from '../assignor/assignment.ts';
import { type Assignment, NO_PARTITIONS } from '../assignor/assignor.ts';
import {
  type ConsumerGroup,
  type ConsumerMember,
  LEAVES,
  LEFT_STATICALLY,
  newMember,
  staticMember,
  withMember,
  withoutMembers,
} from './consumer-group.ts';
import { equalNames } from './consumer-group-records.ts';
import { reconcile, takenByOthers } from './reconcile.ts';
import { type SubscribableTopics, Subscriptions } from './subscription.ts';
import { assignTargets, type TargetLimits, targetOf } from './target-assignment.ts';

/** A request that passed `heartbeat-request.ts`. Null means "as before". */
export interface Heartbeat {
  readonly memberId: string;
  /** 0 joins, LEAVES and LEFT_STATICALLY leave. */
  readonly memberEpoch: number;
  readonly instanceId: string | null;
  readonly rackId: string | null;
  readonly rebalanceTimeoutMs: number | null;
  /** Sorted. */
  readonly subscribedTopicNames: readonly string[] | null;
  /** Empty for none. */
  readonly subscribedTopicRegex: string | null;
  readonly serverAssignor: string | null;
  readonly owned: Assignment | null;
  readonly clientId: string;
  readonly clientHost: string;
}

export interface HeartbeatContext {
  readonly timestamp: number;
  readonly topics: SubscribableTopics;
  /** False when it is known that the subscribed topics are still those of `topicsHash`. */
  readonly checkTopics: boolean;
  readonly sizeMax: number;
  readonly targets: TargetLimits;
}

export interface HeartbeatOutcome {
  /** The same object when nothing changed. */
  readonly group: ConsumerGroup;
  readonly answer: HeartbeatAnswer;
}

export interface HeartbeatAnswer {
  readonly memberId: string;
  readonly memberEpoch: number;
  /** What the member is to own, all of it; null when that is what it was told before. */
  readonly assignment: Assignment | null;
}

/** Throws what Kafka answers. */
export function decideHeartbeat(
  group: ConsumerGroup,
  heartbeat: Heartbeat,
  context: HeartbeatContext,
): HeartbeatOutcome {
  if (heartbeat.memberEpoch < 0) return leave(group, heartbeat, context);
  if (heartbeat.memberEpoch === 0) requireRoom(group, heartbeat.memberId, context.sizeMax);
  const { member, base } = heartbeat.instanceId === null ? dynamic(group, heartbeat) : ofInstance(group, heartbeat);
  const updated = update(member, heartbeat);
  const isNew = !base.members.has(member.memberId);
  const after = advance(base, updated, isNew || subscriptionChanged(member, updated), heartbeat.owned, context);
  const result = after.members.get(updated.memberId)!;
  const isChanged = !equalAssignments(member.assigned, result.assigned);
  const assignment = isFull(heartbeat) || isChanged ? result.assigned : null;
  return { group: after, answer: { memberId: result.memberId, memberEpoch: result.memberEpoch, assignment } };
}

/** Removes a member whose time is over, or that left. The next heartbeat of another one assigns anew. */
export function fenceMembers(
  group: ConsumerGroup,
  memberIds: readonly string[],
  context: Pick<HeartbeatContext, 'timestamp' | 'topics'>,
): ConsumerGroup {
  const after = withoutMembers(group, memberIds, context.timestamp);
  return { ...after, topicsHash: new Subscriptions(context.topics, after.members.values()).hash() };
}

/** The group with this member, at a new epoch when that is called for, and the member's next step. */
export function advance(
  group: ConsumerGroup,
  member: ConsumerMember,
  isNewSubscription: boolean,
  owned: Assignment | null,
  context: Pick<HeartbeatContext, 'topics' | 'checkTopics' | 'targets'>,
): ConsumerGroup {
  let after = withMember(group, member);
  if (isNewSubscription || context.checkTopics || after.epoch > after.targetEpoch) {
    const subscriptions = new Subscriptions(context.topics, after.members.values());
    const topicsHash = subscriptions.hash();
    if (isNewSubscription || topicsHash !== after.topicsHash) after = { ...after, epoch: after.epoch + 1, topicsHash };
    if (after.epoch > after.targetEpoch) after = assignTargets(after, subscriptions, context.targets);
  }
  // A target that is not written to its end is nothing to go by.
  if (after.epoch > after.targetEpoch) return after;
  const reconciled = reconcile(member, {
    targetEpoch: after.targetEpoch,
    target: targetOf(after, member.memberId),
    owned,
    isTaken: takenByOthers(after, member.memberId),
  });
  return withMember(after, reconciled);
}

export function requireRoom(group: ConsumerGroup, memberId: string, sizeMax: number): void {
  if (group.members.size < sizeMax || group.members.has(memberId)) return;
  throw new KafkaError('GROUP_MAX_SIZE_REACHED', `the consumer group has all the ${sizeMax} members it may have`);
}

interface Found {
  /** As it was, or fresh. */
  readonly member: ConsumerMember;
  /** The group, without the member that a static member takes over from. */
  readonly base: ConsumerGroup;
}

function dynamic(group: ConsumerGroup, { memberId, memberEpoch, owned }: Heartbeat): Found {
  const member = group.members.get(memberId);
  if (member === undefined) {
    if (memberEpoch === 0) return { member: newMember(memberId), base: group };
    throw new KafkaError('UNKNOWN_MEMBER_ID', `Member ${memberId} is not a member of group ${group.groupId}.`);
  }
  requireEpoch(member, memberEpoch, owned);
  return { member, base: group };
}

function ofInstance(group: ConsumerGroup, heartbeat: Heartbeat): Found {
  const { memberId, memberEpoch, owned } = heartbeat;
  const instanceId = heartbeat.instanceId!;
  const member = staticMember(group, instanceId);
  if (memberEpoch !== 0) {
    const known = requireInstance(member, memberId, instanceId);
    requireEpoch(known, memberEpoch, owned);
    return { member: known, base: group };
  }
  if (member === undefined) return { member: group.members.get(memberId) ?? newMember(memberId), base: group };
  if (member.memberId === memberId && member.memberEpoch !== LEFT_STATICALLY) return { member, base: group };
  if (member.memberEpoch !== LEFT_STATICALLY && member.classic === null) {
    const problem = `cannot join the group because the instance id is owned by ${member.memberId} member.`;
    throw new KafkaError(
      'UNRELEASED_INSTANCE_ID',
      `Static member ${memberId} with instance id ${instanceId} ${problem}`,
    );
  }
  return takeOver(group, member, memberId);
}

/** A static member is back under another member id: it has what it had, and comes to the target from epoch 0. */
export function takeOver(group: ConsumerGroup, from: ConsumerMember, memberId: string): Found {
  const member = { ...from, memberId, memberEpoch: 0, previousMemberEpoch: 0 };
  const members = new Map(group.members);
  const targets = new Map(group.targets);
  const target = targetOf(group, from.memberId);
  members.delete(from.memberId);
  targets.delete(from.memberId);
  members.set(memberId, member);
  targets.set(memberId, target);
  return { member, base: { ...group, members, targets } };
}

export function requireInstance(
  member: ConsumerMember | undefined,
  memberId: string,
  instanceId: string,
): ConsumerMember {
  if (member === undefined) throw new KafkaError('UNKNOWN_MEMBER_ID', `Instance id ${instanceId} is unknown.`);
  if (member.memberId === memberId) return member;
  const problem = `Static member ${memberId} with instance id ${instanceId} was fenced by member ${member.memberId}.`;
  throw new KafkaError('FENCED_INSTANCE_ID', problem);
}

/**
 * A member that comes with its epoch before did not get the answer that told it the next one: fine, while it owns no more
 * than it was given. One that joins again has given up everything (the request says so).
 */
function requireEpoch(member: ConsumerMember, memberEpoch: number, owned: Assignment | null): void {
  if (memberEpoch === member.memberEpoch || memberEpoch === 0) return;
  const isAnswerLost = memberEpoch === member.previousMemberEpoch && owned !== null && isSubset(owned, member.assigned);
  if (memberEpoch < member.memberEpoch && isAnswerLost) return;
  const which = memberEpoch > member.memberEpoch ? 'greater' : 'smaller';
  throw new KafkaError(
    'FENCED_MEMBER_EPOCH',
    `The consumer group member has a ${which} member epoch (${memberEpoch}) than the one known by the group coordinator (${member.memberEpoch}). The member must abandon all its partitions and rejoin.`,
  );
}

function update(member: ConsumerMember, heartbeat: Heartbeat): ConsumerMember {
  const names = heartbeat.subscribedTopicNames;
  const regex = heartbeat.subscribedTopicRegex;
  const updated: ConsumerMember = {
    ...member,
    instanceId: heartbeat.instanceId ?? member.instanceId,
    rackId: heartbeat.rackId ?? member.rackId,
    rebalanceTimeoutMs: heartbeat.rebalanceTimeoutMs ?? member.rebalanceTimeoutMs,
    serverAssignor: heartbeat.serverAssignor ?? member.serverAssignor,
    subscribedTopicNames:
      names === null || equalNames(names, member.subscribedTopicNames) ? member.subscribedTopicNames : names,
    subscribedTopicRegex: regex === null ? member.subscribedTopicRegex : regex === '' ? null : regex,
    clientId: heartbeat.clientId,
    clientHost: heartbeat.clientHost,
    classic: null,
  };
  const keys = Object.keys(updated) as (keyof ConsumerMember)[];
  return keys.every((key) => updated[key] === member[key]) ? member : updated;
}

export const subscriptionChanged = (before: ConsumerMember, after: ConsumerMember): boolean =>
  before.subscribedTopicRegex !== after.subscribedTopicRegex ||
  !equalNames(before.subscribedTopicNames, after.subscribedTopicNames);

/** A member sends everything when it joins, and after an error: then it is told everything as well. */
const isFull = ({ memberEpoch, rebalanceTimeoutMs, owned, ...subscription }: Heartbeat): boolean =>
  memberEpoch === 0 ||
  (rebalanceTimeoutMs !== null &&
    owned !== null &&
    (subscription.subscribedTopicNames !== null || subscription.subscribedTopicRegex !== null));

function leave(group: ConsumerGroup, heartbeat: Heartbeat, context: HeartbeatContext): HeartbeatOutcome {
  const { memberId, memberEpoch, instanceId } = heartbeat;
  const member =
    instanceId === null
      ? group.members.get(memberId)
      : requireInstance(staticMember(group, instanceId), memberId, instanceId);
  if (member === undefined) {
    throw new KafkaError('UNKNOWN_MEMBER_ID', `Member ${memberId} is not a member of group ${group.groupId}.`);
  }
  const answer: HeartbeatAnswer = { memberId, memberEpoch, assignment: null };
  if (memberEpoch === LEAVES) return { group: fenceMembers(group, [memberId], context), answer };
  if (member.memberEpoch === LEFT_STATICALLY) return { group, answer };
  const away: ConsumerMember = { ...member, memberEpoch: LEFT_STATICALLY, revoking: NO_PARTITIONS };
  return { group: withMember(group, away), answer };
}
