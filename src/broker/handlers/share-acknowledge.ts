/**
 * ShareAcknowledge (79), v1-2: how records of a share group were dealt with (KIP-932): accepted, released for another
 * delivery, rejected, or not there at all; since v2 also still being worked on, which renews the lock (KIP-1222).
 *
 * Durable when it is answered. Of one partition everything counts or nothing: INVALID_RECORD_STATE when the member has not
 * acquired a record, or no longer. Epoch -1 ends the session; what the member still holds is there for others then.
 */
import type { Handler } from '../handler.ts';
import { thisNode } from '../partitions.ts';
import { acknowledgeWishOf, byTopic, leaderOf } from '../share-requests.ts';

export const shareAcknowledge: Handler<'ShareAcknowledge'> = {
  async handle(request, call) {
    const { shares } = call.broker.coordinators;
    const wish = acknowledgeWishOf(request, call);
    const outcomes = await shares.acknowledge(wish);
    const topics = byTopic(outcomes, (outcome) => ({
      index: outcome.partition,
      errorCode: call.code(outcome.error),
      errorMessage: outcome.message,
      currentLeader: leaderOf(call, outcome),
    }));
    const namesLeader = topics.some(({ partitions }) =>
      partitions.some(({ currentLeader }) => currentLeader.leaderId !== -1),
    );
    return {
      errorCode: 0,
      acquisitionLockTimeoutMs: shares.lockDurationMs(wish.groupId),
      topics,
      nodeEndpoints: namesLeader ? [thisNode(call)] : [],
    };
  },
  refuse: (_request, { error, message }, call) => ({
    errorCode: call.code(error),
    errorMessage: message,
    topics: [],
    nodeEndpoints: [],
  }),
};
