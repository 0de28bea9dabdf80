/** What the APIs of share groups have in common: who asks, acknowledgements, outcomes in the shape of responses. */
import type { AcknowledgedPlace } from '../coordinator/share/shares.ts';
import { KafkaError } from '../errors.ts';
import type { ShareAcknowledgeRequest } from '../protocol/messages/share-acknowledge.ts';
import type { Call } from './handler.ts';

/** Clients make a UUID. */
const MEMBER_ID_CHARS_MAX = 36;
const RENEW_SINCE = 2;
const TYPE_MAX = 4;
const TYPE_MAX_WITHOUT_RENEW = 3;

/** Throws INVALID_REQUEST. */
export function checkMemberId(memberId: string | null): string {
  if (memberId !== null && memberId.length > 0 && memberId.length <= MEMBER_ID_CHARS_MAX) return memberId;
  throw new KafkaError('INVALID_REQUEST', `a member id has 1 to ${MEMBER_ID_CHARS_MAX} characters`);
}

interface ShareRequest {
  readonly groupId: string | null;
  readonly memberId: string | null;
  readonly shareSessionEpoch: number;
  readonly isRenewAck: boolean;
  readonly topics: ShareAcknowledgeRequest['topics'];
}

/** Throws INVALID_REQUEST. */
export function acknowledgeWishOf(request: ShareRequest, { apiVersion }: Call) {
  const { groupId, memberId, shareSessionEpoch: epoch, isRenewAck: renews, topics } = request;
  if (groupId === null || groupId === '') throw new KafkaError('INVALID_REQUEST', 'a share group has an id');
  const typeMax = apiVersion >= RENEW_SINCE ? TYPE_MAX : TYPE_MAX_WITHOUT_RENEW;
  const acknowledgements: AcknowledgedPlace[] = topics.flatMap(({ topicId, partitions }) =>
    partitions.map(({ index, acknowledgementBatches }) => ({
      topicId,
      partition: index,
      batches: acknowledgementBatches,
    })),
  );
  return { groupId, memberId: checkMemberId(memberId), epoch, renews, typeMax, acknowledgements };
}

/** Results of partitions in the order in which their topics first came. */
export function byTopic<T extends { readonly topicId: string }, R>(items: readonly T[], show: (item: T) => R) {
  const topics = new Map<string, R[]>();
  for (const item of items) {
    const shown = show(item);
    const partitions = topics.get(item.topicId);
    if (partitions) partitions.push(shown);
    else topics.set(item.topicId, [shown]);
  }
  return Array.from(topics, ([topicId, partitions]) => ({ topicId, partitions }));
}

/** Told where it helps: to a client that asked the wrong broker, or an earlier life of this one (KIP-951). */
export function leaderOf(call: Call, { error, ...place }: LeaderQuestion) {
  if (error !== 'NOT_LEADER_OR_FOLLOWER' && error !== 'FENCED_LEADER_EPOCH') return { leaderId: -1, leaderEpoch: -1 };
  const partition = call.broker.topics.byId(place.topicId)?.partitions[place.partition];
  return partition === undefined ? { leaderId: -1, leaderEpoch: -1 } : call.view.leaderOf(partition);
}

interface LeaderQuestion {
  readonly error: string;
  readonly topicId: string;
  readonly partition: number;
}
