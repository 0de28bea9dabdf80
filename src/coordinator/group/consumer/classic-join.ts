/**
 * What members of the classic protocol do to a consumer group (KIP-848), as pure functions. A group has such members while
 * its clients are upgraded one by one: they join, sync and send heartbeats as ever, and the group assigns.
 *
 * Their generation is their member epoch. Where a member of the consumer protocol would be told what to give up, they are
 * told to join again; what they own then stands in their subscription.
 */
import { type ErrorName, KafkaError } from '../../../errors.ts';
import type { Assignment } from '../assignor/assignor.ts';
import type { Join, MemberName, Sync } from '../classic/classic-membership.ts';
import { type ConsumerGroup, type ConsumerMember, newMember, staticMember } from './consumer-group.ts';
import { equalNames } from './consumer-group-records.ts';
import { CONSUMER_PROTOCOL, type NamedPartitions, readSubscription, type Subscription } from './consumer-protocol.ts';
import {
  advance,
  type HeartbeatContext,
  requireInstance,
  requireRoom,
  subscriptionChanged,
  takeOver,
} from './heartbeat.ts';
import { takenByOthers } from './reconcile.ts';
import { targetOf } from './target-assignment.ts';

/** Topics by name and by id. */
export interface NamedTopics {
  byName(name: string): { readonly topicId: string } | undefined;
  nameOf(topicId: string): string | undefined;
}

export interface ClassicJoinOutcome {
  readonly group: ConsumerGroup;
  /** As it is after the join. */
  readonly member: ConsumerMember;
}

/** Throws GROUP_MAX_SIZE_REACHED, INCONSISTENT_GROUP_PROTOCOL, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID. */
export function decideClassicJoin(group: ConsumerGroup, request: Join, context: HeartbeatContext): ClassicJoinOutcome {
  const memberId = request.memberId === '' ? request.newMemberId : request.memberId;
  const subscription = requireSupported(group, request);
  const { member, base } = found(group, request, memberId, context.sizeMax);
  const updated = update(member, request, subscription);
  const isNew = !base.members.has(memberId);
  const owned = partitionsById(subscription.owned, context.topics);
  const after = advance(base, updated, isNew || subscriptionChanged(member, updated), owned, context);
  return { group: after, member: after.members.get(memberId)! };
}

/** The subscription, which is the same in all of a member's protocols. Throws INCONSISTENT_GROUP_PROTOCOL. */
export function requireSupported(group: ConsumerGroup, { protocolType, protocols }: Join): Subscription {
  const classics = [...group.members.values()].flatMap(({ classic }) => (classic === null ? [] : [classic]));
  const supported = protocols.some(({ name }) =>
    classics.every((classic) => classic.protocols.some((protocol) => protocol.name === name)),
  );
  const subscription = readSubscription(Buffer.from(protocols[0]?.metadata ?? '', 'base64'));
  if (protocolType === CONSUMER_PROTOCOL && supported && subscription !== null) return subscription;
  throw new KafkaError('INCONSISTENT_GROUP_PROTOCOL', 'none of the protocols is supported by the members of the group');
}

interface Found {
  readonly member: ConsumerMember;
  readonly base: ConsumerGroup;
}

function found(group: ConsumerGroup, request: Join, memberId: string, sizeMax: number): Found {
  const { groupInstanceId } = request;
  if (groupInstanceId === null) {
    requireRoom(group, memberId, sizeMax);
    return { member: group.members.get(memberId) ?? newMember(memberId), base: group };
  }
  const standing = staticMember(group, groupInstanceId);
  if (request.memberId !== '') {
    return { member: requireInstance(standing, memberId, groupInstanceId), base: group };
  }
  if (standing !== undefined) return takeOver(group, standing, memberId);
  requireRoom(group, memberId, sizeMax);
  return { member: newMember(memberId), base: group };
}

function update(member: ConsumerMember, request: Join, subscription: Subscription): ConsumerMember {
  const names = [...new Set(subscription.topics)].sort();
  return {
    ...member,
    instanceId: request.groupInstanceId ?? member.instanceId,
    rackId: subscription.rackId ?? member.rackId,
    rebalanceTimeoutMs: request.rebalanceTimeoutMs,
    subscribedTopicNames: equalNames(names, member.subscribedTopicNames) ? member.subscribedTopicNames : names,
    subscribedTopicRegex: null,
    clientId: request.clientId,
    clientHost: request.clientHost,
    classic: {
      sessionTimeoutMs: request.sessionTimeoutMs,
      protocols: request.protocols.map(({ name, metadata }) => ({ name, metadata })),
    },
  };
}

/** Throws UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION. */
export function requireClassicMember(group: ConsumerGroup, name: MemberName, generationId: number): ConsumerMember {
  const { memberId, groupInstanceId } = name;
  const member =
    groupInstanceId === null
      ? group.members.get(memberId)
      : requireInstance(staticMember(group, groupInstanceId), memberId, groupInstanceId);
  if (member?.classic == null) {
    throw new KafkaError('UNKNOWN_MEMBER_ID', `${memberId} is no member of ${group.groupId} with the classic protocol`);
  }
  if (generationId !== member.memberEpoch) {
    throw new KafkaError('ILLEGAL_GENERATION', `generation ${generationId} is not ${member.memberEpoch}`);
  }
  return member;
}

/** Whether the member has to join again to get on, which is what its heartbeats are told. */
export function mustRejoin(group: ConsumerGroup, member: ConsumerMember): boolean {
  if (member.memberEpoch < group.epoch || member.state === 'UNREVOKED_PARTITIONS') return true;
  return member.state === 'UNRELEASED_PARTITIONS' && !waitsForOthers(group, member);
}

/** Throws INCONSISTENT_GROUP_PROTOCOL, REBALANCE_IN_PROGRESS. */
export function requireSyncable(group: ConsumerGroup, member: ConsumerMember, request: Sync): void {
  const { protocolType, protocolName } = request;
  const isOther = protocolName !== null && protocolName !== member.classic!.protocols[0]!.name;
  if (isOther || (protocolType !== null && protocolType !== CONSUMER_PROTOCOL)) {
    throw new KafkaError(
      'INCONSISTENT_GROUP_PROTOCOL',
      `${protocolType} ${protocolName} is not what the join answered`,
    );
  }
  // One that is to give partitions up has joined already, and learns which from this very answer.
  if (group.epoch > member.memberEpoch && member.state !== 'UNREVOKED_PARTITIONS') {
    throw new KafkaError('REBALANCE_IN_PROGRESS', `group ${group.groupId} is at epoch ${group.epoch} by now`);
  }
}

function waitsForOthers(group: ConsumerGroup, member: ConsumerMember): boolean {
  const isTaken = takenByOthers(group, member.memberId);
  for (const [topicId, partitions] of targetOf(group, member.memberId)) {
    const has = new Set(member.assigned.get(topicId));
    if (partitions.some((partition) => !has.has(partition) && isTaken(topicId, partition))) return true;
  }
  return false;
}

/** Per name: NONE for a member of the classic protocol, else why it cannot leave; and the ids of those who do. */
export function classicLeavers(group: ConsumerGroup, names: readonly MemberName[]) {
  const memberIds: string[] = [];
  const errors = names.map(({ memberId, groupInstanceId }): ErrorName => {
    const member = groupInstanceId === null ? group.members.get(memberId) : staticMember(group, groupInstanceId);
    if (member === undefined) return 'UNKNOWN_MEMBER_ID';
    // An administrator knows the instance id alone.
    if (groupInstanceId !== null && memberId !== '' && member.memberId !== memberId) return 'FENCED_INSTANCE_ID';
    if (member.classic === null) return 'UNKNOWN_MEMBER_ID';
    memberIds.push(member.memberId);
    return 'NONE';
  });
  return { memberIds, errors };
}

/** Of topics that exist. */
export function partitionsById(named: readonly NamedPartitions[], topics: Pick<NamedTopics, 'byName'>): Assignment {
  const byId = new Map<string, readonly number[]>();
  for (const { topic, partitions } of named) {
    const topicId = topics.byName(topic)?.topicId;
    if (topicId === undefined) continue;
    const all = new Set([...(byId.get(topicId) ?? []), ...partitions]);
    if (all.size > 0)
      byId.set(
        topicId,
        [...all].sort((a, b) => a - b),
      );
  }
  return byId;
}

/** Of topics that still exist. */
export const partitionsByName = (assignment: Assignment, topics: Pick<NamedTopics, 'nameOf'>): NamedPartitions[] =>
  Array.from(assignment).flatMap(([topicId, partitions]) => {
    const topic = topics.nameOf(topicId);
    return topic === undefined ? [] : [{ topic, partitions }];
  });
