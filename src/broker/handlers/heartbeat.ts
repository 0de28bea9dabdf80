/**
 * Heartbeat (12), v0-4: a member of a classic group is alive, and learns of a rebalance. Answered at once and without a
 * trace: sessions are not durable.
 */
import type { Handler } from '../handler.ts';

export const heartbeat: Handler<'Heartbeat'> = {
  handle({ groupId, generationId, memberId, groupInstanceId }, call) {
    const name = { memberId, groupInstanceId };
    const error = call.broker.coordinators.classicGroups.heartbeat(groupId, name, generationId);
    if (error instanceof Promise) return error.then((later) => ({ errorCode: call.code(later) }));
    return { errorCode: call.code(error) };
  },
  refuse: (_request, { error }, call) => ({ errorCode: call.code(error) }),
};
