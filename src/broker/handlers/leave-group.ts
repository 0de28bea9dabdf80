/**
 * LeaveGroup (13), v0-5: members leave a classic group; many at once, also by instance id alone, since v3 (KIP-345).
 *
 * A reason (v5) goes to the log. That another broker is to be asked is told of the request as a whole: Java's admin client
 * looks for the coordinator again after that alone, and gives up members that are told it one by one.
 */
import type { ErrorName } from '../../errors.ts';
import type { LeaveGroupRequest, LeaveGroupResponse } from '../../protocol/messages/leave-group.ts';
import type { Call, Handler } from '../handler.ts';

const MANY_SINCE = 3;
const OF_THE_WHOLE: ReadonlySet<ErrorName> = new Set([
  'NOT_COORDINATOR',
  'COORDINATOR_NOT_AVAILABLE',
  'COORDINATOR_LOAD_IN_PROGRESS',
]);

export const leaveGroup: Handler<'LeaveGroup'> = {
  handle(request, call) {
    const names = namesIn(request, call);
    for (const { memberId, reason } of request.members) {
      if (reason) call.broker.runtime.logger.debug({ group: request.groupId, memberId, reason }, 'a member leaves');
    }
    const errors = call.broker.coordinators.classicGroups.leave(request.groupId, names);
    return errors instanceof Promise
      ? errors.then((later) => responseOf(request, call, later))
      : responseOf(request, call, errors);
  },
  refuse: (_request, { error }, call) => ({ errorCode: call.code(error), members: [] }),
};

const namesIn = ({ memberId, members }: LeaveGroupRequest, { apiVersion }: Call) =>
  apiVersion >= MANY_SINCE ? members : [{ memberId, groupInstanceId: null }];

function responseOf(request: LeaveGroupRequest, call: Call, errors: readonly ErrorName[]): LeaveGroupResponse {
  if (call.apiVersion < MANY_SINCE) return { errorCode: call.code(errors[0]!), members: [] };
  const whole = errors.find((error) => OF_THE_WHOLE.has(error));
  if (whole !== undefined) return { errorCode: call.code(whole), members: [] };
  const members = namesIn(request, call).map(({ memberId, groupInstanceId }, index) => ({
    memberId,
    groupInstanceId,
    errorCode: call.code(errors[index]!),
  }));
  return { errorCode: 0, members };
}
