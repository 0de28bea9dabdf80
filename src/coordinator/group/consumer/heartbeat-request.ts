/** Which requests of members are accepted at all, by Kafka's rules and in Kafka's words. */
import { KafkaError } from '../../../errors.ts';
import { ASSIGNORS } from '../assignor/assignors.ts';
import { LEAVES, LEFT_STATICALLY } from './consumer-group.ts';
import type { Heartbeat } from './heartbeat.ts';

export interface HeartbeatRequest extends Omit<Heartbeat, 'owned'> {
  readonly groupId: string;
  /** What the member owns, as it says: in any order, perhaps twice. Null for "as before". */
  readonly topicPartitions: readonly { readonly topicId: string; readonly partitions: readonly number[] }[] | null;
}

/** Since version 1 members choose their ids (KIP-1082). */
const MEMBER_CHOOSES_ID_SINCE = 1;

/** Throws INVALID_REQUEST, UNSUPPORTED_ASSIGNOR. */
export function checkHeartbeatRequest(
  request: HeartbeatRequest,
  apiVersion: number,
  assignors: readonly string[],
): void {
  const { memberEpoch } = request;
  requireText(request.groupId, 'GroupId');
  requireText(request.instanceId, 'InstanceId');
  requireText(request.rackId, 'RackId');
  if (apiVersion >= MEMBER_CHOOSES_ID_SINCE || memberEpoch !== 0) requireText(request.memberId, 'MemberId');
  if (memberEpoch === 0) checkJoin(request);
  else if (memberEpoch === LEFT_STATICALLY) {
    if (request.instanceId === null) throw invalid("InstanceId can't be null.");
  } else if (memberEpoch < LEAVES) throw invalid('MemberEpoch is invalid.');
  const { serverAssignor } = request;
  if (serverAssignor !== null && !(assignors.includes(serverAssignor) && Object.hasOwn(ASSIGNORS, serverAssignor))) {
    const supported = `Supported assignors: ${assignors.join(', ')}.`;
    throw new KafkaError('UNSUPPORTED_ASSIGNOR', `ServerAssignor ${serverAssignor} is not supported. ${supported}`);
  }
}

function checkJoin(request: HeartbeatRequest): void {
  if (request.rebalanceTimeoutMs === null) throw invalid('RebalanceTimeoutMs must be provided in first request.');
  if (request.topicPartitions === null || request.topicPartitions.length > 0) {
    throw invalid('TopicPartitions must be empty when (re-)joining.');
  }
  if (request.subscribedTopicNames === null && request.subscribedTopicRegex === null) {
    throw invalid('Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.');
  }
}

/** The request as the group takes it: names sorted, partitions as a set. */
export function heartbeatOf(request: HeartbeatRequest): Heartbeat {
  const { groupId: _, topicPartitions, subscribedTopicNames, ...rest } = request;
  return {
    ...rest,
    subscribedTopicNames: subscribedTopicNames && [...new Set(subscribedTopicNames)].sort(),
    owned: topicPartitions && ownedOf(topicPartitions),
  };
}

function ownedOf(topicPartitions: NonNullable<HeartbeatRequest['topicPartitions']>): Map<string, readonly number[]> {
  const owned = new Map<string, readonly number[]>();
  for (const { topicId, partitions } of topicPartitions) {
    const all = new Set([...(owned.get(topicId) ?? []), ...partitions]);
    if (all.size > 0)
      owned.set(
        topicId,
        [...all].sort((a, b) => a - b),
      );
  }
  return owned;
}

function requireText(text: string | null, name: string): void {
  if (text !== null && text.trim() === '') throw invalid(`${name} can't be empty.`);
}

const invalid = (message: string): KafkaError => new KafkaError('INVALID_REQUEST', message);
