/**
 * ShareGroupHeartbeat (76), v1: joins a share group, keeps a member alive, tells it its partitions, and lets it leave
 * (KIP-932).
 *
 * Members make their own ids. Epoch 0 joins, -1 leaves. The answer carries an assignment when it changed, or when the
 * member said everything. Partitions are shared: nobody waits until another member has given some up.
 */
import { KafkaError } from '../../errors.ts';
import type { ShareGroupHeartbeatRequest } from '../../protocol/messages/share-group-heartbeat.ts';
import type { Handler } from '../handler.ts';
import { checkMemberId } from '../share-requests.ts';

const JOIN = 0;
const LEAVE = -1;

export const shareGroupHeartbeat: Handler<'ShareGroupHeartbeat'> = {
  async handle(request, call) {
    const { shareGroups } = call.broker.coordinators;
    check(request);
    const { groupId, memberId, memberEpoch, rackId, subscribedTopicNames } = request;
    if (memberEpoch === LEAVE) {
      await shareGroups.leave(groupId, memberId);
      return { errorCode: 0, memberId, memberEpoch };
    }
    const client = { clientId: call.clientId ?? '', clientHost: call.clientHost };
    const beat = { groupId, memberId, memberEpoch, rackId, subscribedTopicNames, ...client };
    const { assignment, ...answer } = await shareGroups.heartbeat(beat);
    if (assignment === null) return { errorCode: 0, ...answer };
    const topicPartitions = Array.from(assignment, ([topicId, partitions]) => ({
      topicId,
      partitions: [...partitions],
    }));
    return { errorCode: 0, ...answer, assignment: { topicPartitions } };
  },
  refuse: (_request, { error, message }, call) => ({ errorCode: call.code(error), errorMessage: message }),
};

/** Throws INVALID_REQUEST. */
function check({ groupId, memberId, memberEpoch, rackId, subscribedTopicNames }: ShareGroupHeartbeatRequest): void {
  checkMemberId(memberId);
  if (groupId === '') throw new KafkaError('INVALID_REQUEST', 'the group id is empty');
  if (rackId === '') throw new KafkaError('INVALID_REQUEST', 'the rack id is empty');
  if (memberEpoch < LEAVE) throw new KafkaError('INVALID_REQUEST', `there is no member epoch ${memberEpoch}`);
  if (memberEpoch === JOIN && (subscribedTopicNames === null || subscribedTopicNames.length === 0)) {
    throw new KafkaError('INVALID_REQUEST', 'who joins must say what it subscribes to');
  }
}
