/**
 * ConsumerGroupHeartbeat (68), v0-1: joins a group of the consumer protocol, keeps a member alive, takes it to its part of
 * the assignment, and lets it leave (KIP-848).
 *
 * - In v0 a member that joins without an id is given one; since v1 members choose their own (KIP-1082).
 * - Since v1 a subscription may be a regular expression of RE2; it matches whole names.
 * - The answer carries an assignment when it changed, or when the member said everything.
 *
 * Unlike Kafka, a known member that joins again with its own id is let in whatever its epoch: it says that it owns nothing.
 */
import type { Assignment } from '../../coordinator/group/assignor/assignor.ts';
import type { Handler } from '../handler.ts';

export const consumerGroupHeartbeat: Handler<'ConsumerGroupHeartbeat'> = {
  async handle(request, call) {
    const { rebalanceTimeoutMs, ...heartbeat } = request;
    const answer = await call.broker.coordinators.consumerGroups.heartbeat(
      {
        ...heartbeat,
        rebalanceTimeoutMs: rebalanceTimeoutMs === -1 ? null : rebalanceTimeoutMs,
        clientId: call.clientId ?? '',
        clientHost: call.clientHost,
      },
      call.apiVersion,
    );
    const { memberId, memberEpoch, heartbeatIntervalMs, assignment } = answer;
    return { errorCode: 0, memberId, memberEpoch, heartbeatIntervalMs, assignment: assignment && shown(assignment) };
  },
  refuse: (_request, { error, message }, call) => ({ errorCode: call.code(error), errorMessage: message }),
};

const shown = (assignment: Assignment) => ({
  topicPartitions: Array.from(assignment, ([topicId, partitions]) => ({ topicId, partitions: [...partitions] })),
});
