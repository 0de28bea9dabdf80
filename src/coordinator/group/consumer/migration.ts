/**
 * A classic group becomes a consumer group with its first member of that protocol, and a classic one again when the last
 * such member is gone (KIP-848). Pure: from records to values and back.
 */
import { KafkaError } from '../../../errors.ts';
import type { DecisionView, RecordChange, Records } from '../../../journal/journal.ts';
import { groupOwner } from '../../owner.ts';
import type { Assignment } from '../assignor/assignor.ts';
import { imageOf, loadGroup, writeImage } from '../classic/classic-records.ts';
import { emptyGroup, type Group, type Member, metadataOf, selectProtocol } from '../classic/group-state.ts';
import { type NamedTopics, partitionsById, partitionsByName } from './classic-join.ts';
import { type ConsumerGroup, type ConsumerMember, newConsumerGroup, newMember } from './consumer-group.ts';
import { CONSUMER_PROTOCOL, readAssignment, readSubscription, writeAssignment } from './consumer-protocol.ts';
import { type SubscribableTopics, Subscriptions } from './subscription.ts';

/** Kafka's `group.consumer.migration.policy`. */
export type MigrationPolicy = 'bidirectional' | 'upgrade' | 'downgrade' | 'disabled';

export const allowsUpgrade = (policy: MigrationPolicy): boolean => policy === 'bidirectional' || policy === 'upgrade';
export const allowsDowngrade = (policy: MigrationPolicy): boolean =>
  policy === 'bidirectional' || policy === 'downgrade';

/** Whether all members of a classic group speak the consumer's embedded protocol, so that the group can be assigned here. */
export function isUpgradable(group: Group, sizeMax: number): boolean {
  if (group.protocolType !== CONSUMER_PROTOCOL || group.members.size > sizeMax) return false;
  return [...group.members.values()].every((member) => {
    const metadata = metadataOf(member, group.protocolName) || (member.protocols[0]?.metadata ?? '');
    return readSubscription(Buffer.from(metadata, 'base64')) !== null;
  });
}

/**
 * The classic group of these records as a consumer group whose members have what they were assigned last.
 * `generationId` is one that members know, and may be newer than that of the records. Throws GROUP_ID_NOT_FOUND for
 * members whose bytes cannot be read.
 */
export function upgraded(
  groupId: string,
  records: Records,
  generationId: number,
  topics: SubscribableTopics,
): ConsumerGroup {
  const { group } = loadGroup(groupOwner(groupId), records);
  const epoch = Math.max(group.generationId, generationId);
  const given = new Set<string>();
  const members = new Map<string, ConsumerMember>();
  const targets = new Map<string, Assignment>();
  for (const classic of group.members.values()) {
    const member = upgradedMember(groupId, classic, group.generationId, given, topics);
    members.set(member.memberId, member);
    targets.set(member.memberId, member.assigned);
  }
  const topicsHash = new Subscriptions(topics, members.values()).hash();
  return { ...newConsumerGroup(groupId), epoch, targetEpoch: epoch, topicsHash, emptySince: null, members, targets };
}

/** `given` holds what members before have: a partition that two claim is the first one's. */
function upgradedMember(
  groupId: string,
  classic: Member,
  memberEpoch: number,
  given: Set<string>,
  topics: SubscribableTopics,
): ConsumerMember {
  const metadata = classic.protocols[0]?.metadata ?? '';
  const subscription = readSubscription(Buffer.from(metadata, 'base64'));
  const named = readAssignment(Buffer.from(classic.assignment, 'base64'));
  if (subscription === null || named === null) {
    const problem = `the embedded consumer protocol of ${classic.memberId} is malformed`;
    throw new KafkaError('GROUP_ID_NOT_FOUND', `Cannot upgrade the classic group ${groupId}: ${problem}.`);
  }
  const mine = named.map(({ topic, partitions }) => ({
    topic,
    partitions: partitions.filter((partition) => given.size < given.add(`${topic}/${partition}`).size),
  }));
  return {
    ...newMember(classic.memberId),
    instanceId: classic.groupInstanceId,
    rackId: subscription.rackId,
    clientId: classic.clientId,
    clientHost: classic.clientHost,
    rebalanceTimeoutMs: classic.rebalanceTimeoutMs,
    subscribedTopicNames: [...new Set(subscription.topics)].sort(),
    memberEpoch,
    previousMemberEpoch: memberEpoch,
    assigned: partitionsById(mine, topics),
    classic: { sessionTimeoutMs: classic.sessionTimeoutMs, protocols: classic.protocols },
  };
}

/** Whether the last member of the consumer protocol is gone, and others remain. */
export function lostLastConsumer(before: ConsumerGroup, after: ConsumerGroup): boolean {
  if (after.members.size === 0 || before === after) return false;
  for (const { classic } of after.members.values()) if (classic === null) return false;
  for (const { classic } of before.members.values()) if (classic === null) return true;
  return false;
}

/**
 * What has to be written for the group to be a classic one with its remaining members, who then rebalance. `epoch` is that
 * of the group before. Null when that is too much for an entry: it stays a consumer group.
 */
export function downgradeChanges(
  group: ConsumerGroup,
  epoch: number,
  view: DecisionView,
  topics: NamedTopics,
): readonly RecordChange[] | null {
  let generationId = epoch;
  for (const { memberEpoch } of group.members.values()) generationId = Math.max(generationId, memberEpoch);
  const image = imageOf(downgraded(group, generationId, topics));
  // Marked as one that was not written to its end: whoever loads it has its members rebalance.
  const partial = { ...image, group: { ...image.group, partial: true as const } };
  const { commands, answer } = writeImage(view, groupOwner(group.groupId), partial);
  if (!answer.complete) return null;
  return commands.flatMap((command) => (command.type === 'recordsChanged' ? command.changes : []));
}

function downgraded(group: ConsumerGroup, generationId: number, topics: NamedTopics): Group {
  const members = new Map<string, Member>();
  const staticMembers = new Map<string, string>();
  for (const member of group.members.values()) {
    members.set(member.memberId, downgradedMember(member, topics));
    if (member.instanceId !== null) staticMembers.set(member.instanceId, member.memberId);
  }
  const [leaderId = null] = members.keys();
  const protocolName = selectProtocol(members);
  return {
    ...emptyGroup,
    state: 'Stable',
    generationId,
    protocolType: CONSUMER_PROTOCOL,
    protocolName,
    leaderId,
    members,
    staticMembers,
  };
}

function downgradedMember(member: ConsumerMember, topics: NamedTopics): Member {
  const { sessionTimeoutMs, protocols } = member.classic!;
  return {
    memberId: member.memberId,
    groupInstanceId: member.instanceId,
    clientId: member.clientId,
    clientHost: member.clientHost,
    sessionTimeoutMs,
    rebalanceTimeoutMs: member.rebalanceTimeoutMs,
    protocols,
    assignment: assignmentBytes(member, topics),
    waiting: null,
    isNew: false,
    synced: true,
  };
}

/** What the member has as it reads it, in base64. */
export function assignmentBytes(member: ConsumerMember, topics: Pick<NamedTopics, 'nameOf'>): string {
  const metadata = member.classic!.protocols[0]?.metadata ?? '';
  const version = readSubscription(Buffer.from(metadata, 'base64'))?.version ?? 0;
  return writeAssignment(partitionsByName(member.assigned, topics), version).toString('base64');
}
