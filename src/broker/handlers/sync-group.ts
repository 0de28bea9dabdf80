/**
 * SyncGroup (14), v0-5: a member asks for its assignment; the leader brings those of all. Answered once they are durable.
 *
 * Since v5 protocol type and name are checked against the group's (KIP-559).
 */
import type { SyncAnswer } from '../../coordinator/group/classic/classic-membership.ts';
import type { SyncGroupResponse } from '../../protocol/messages/sync-group.ts';
import type { Call, Handler } from '../handler.ts';

export const syncGroup: Handler<'SyncGroup'> = {
  handle(request, call) {
    const { groupId, generationId, memberId, groupInstanceId, protocolType, protocolName } = request;
    const assignments = new Map(
      request.assignments.map((each) => [each.memberId, Buffer.from(each.assignment).toString('base64')]),
    );
    const named = { generationId, memberId, groupInstanceId, protocolType, protocolName, assignments };
    const answer = call.broker.coordinators.classicGroups.sync(groupId, named);
    return answer instanceof Promise ? answer.then((later) => responseOf(later, call)) : responseOf(answer, call);
  },
  refuse: (_request, { error }, call) => responseOf({ type: 'refused', error }, call),
};

function responseOf(answer: SyncAnswer, call: Call): SyncGroupResponse {
  if (answer.type === 'refused') return { errorCode: call.code(answer.error), assignment: Buffer.alloc(0) };
  const { protocolType, protocolName, assignment } = answer;
  return { errorCode: 0, protocolType, protocolName, assignment: Buffer.from(assignment, 'base64') };
}
