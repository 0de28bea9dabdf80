/**
 * JoinGroup (11), v0-9: becomes a member of a classic group, and waits until the members of the next generation are known.
 *
 * - v0 has no rebalance timeout: the session timeout counts.
 * - Since v4 a new dynamic member gets MEMBER_ID_REQUIRED and its id first (KIP-394).
 * - Since v9 the leader of a group that stands may be told to skip the assignment (KIP-814).
 * - A reason (v8) goes to the log.
 *
 * Unlike Kafka, members whose metadata is too long are refused with MESSAGE_TOO_LARGE when they join, not when the
 * assignment is written; a client that makes groups without end gets POLICY_VIOLATION.
 */
import type { JoinAnswer } from '../../coordinator/group/classic/classic-membership.ts';
import type { JoinGroupRequest, JoinGroupResponse } from '../../protocol/messages/join-group.ts';
import type { Call, Handler } from '../handler.ts';

const ASKS_FOR_ID_SINCE = 4;
const SKIPS_ASSIGNMENT_SINCE = 9;
const NULLABLE_PROTOCOL_SINCE = 7;

export const joinGroup: Handler<'JoinGroup'> = {
  handle(request, call) {
    const { groupId, memberId, groupInstanceId, sessionTimeoutMs, protocolType } = request;
    if (request.reason) logReason(request, call);
    const answer = call.broker.coordinators.classicGroups.join(groupId, {
      memberId,
      groupInstanceId,
      clientId: call.clientId,
      clientHost: call.clientHost,
      sessionTimeoutMs,
      rebalanceTimeoutMs: request.rebalanceTimeoutMs < 0 ? sessionTimeoutMs : request.rebalanceTimeoutMs,
      protocolType,
      protocols: request.protocols.map(({ name, metadata }) => ({ name, metadata: toBase64(metadata) })),
      asksForId: call.apiVersion >= ASKS_FOR_ID_SINCE,
      skipsAssignment: call.apiVersion >= SKIPS_ASSIGNMENT_SINCE,
    });
    return answer instanceof Promise ? answer.then((later) => responseOf(later, call)) : responseOf(answer, call);
  },
  refuse({ groupId, memberId }, { error, message }, call) {
    // The response has no room for the reason.
    call.broker.runtime.logger.debug({ group: groupId, client: call.clientId, error, message }, 'a join is refused');
    return responseOf({ type: 'refused', error, memberId }, call);
  },
};

function responseOf(answer: JoinAnswer, call: Call): JoinGroupResponse {
  const { memberId } = answer;
  if (answer.type === 'refused') {
    const protocolName = call.apiVersion >= NULLABLE_PROTOCOL_SINCE ? null : '';
    return { errorCode: call.code(answer.error), memberId, protocolType: null, protocolName, leader: '', members: [] };
  }
  return {
    errorCode: 0,
    memberId,
    generationId: answer.generationId,
    protocolType: answer.protocolType,
    protocolName: answer.protocolName,
    leader: answer.leaderId,
    skipAssignment: answer.skipAssignment,
    members: answer.members.map((member) => ({ ...member, metadata: Buffer.from(member.metadata, 'base64') })),
  };
}

function logReason({ groupId, memberId, reason }: JoinGroupRequest, { broker }: Call): void {
  broker.runtime.logger.debug({ group: groupId, memberId, reason }, 'a member joins');
}

const toBase64 = ({ buffer, byteOffset, byteLength }: Uint8Array): string =>
  Buffer.from(buffer, byteOffset, byteLength).toString('base64');
