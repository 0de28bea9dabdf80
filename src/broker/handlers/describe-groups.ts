/**
 * DescribeGroups (15), v0-6: classic groups and their members. Members show metadata and assignment while the group is
 * Stable.
 *
 * What is no classic group is answered as state Dead, since v6 as GROUP_ID_NOT_FOUND with a message (KIP-1043). Authorized
 * operations are not told, since there are no ACLs.
 */
import { ClassicGroup } from '../../coordinator/group/classic/classic-group.ts';
import { metadataOf } from '../../coordinator/group/classic/group-state.ts';
import type { LiveGroup } from '../../coordinator/group/live-group.ts';
import type { Call, Handler } from '../handler.ts';
import { itemError } from '../item-errors.ts';

const NOT_FOUND_SINCE = 6;

export const describeGroups: Handler<'DescribeGroups'> = {
  async handle({ groups }, call) {
    return { groups: await Promise.all(groups.map((groupId) => describe(groupId, call))) };
  },
  refuse: ({ groups }, error, call) => ({
    groups: groups.map((groupId) => ({
      ...nothing(groupId),
      errorCode: call.code(error.error),
      errorMessage: error.message,
    })),
  }),
};

const nothing = (groupId: string) => ({
  errorCode: 0,
  errorMessage: null,
  groupId,
  groupState: '',
  protocolType: '',
  protocolData: '',
  members: [],
});

async function describe(groupId: string, call: Call) {
  let group: LiveGroup | undefined;
  try {
    group = await call.broker.coordinators.groups.locate(groupId);
  } catch (cause) {
    return { ...nothing(groupId), ...itemError(call, cause) };
  }
  if (group === undefined) return missing(groupId, `Group ${groupId} not found.`, call);
  if (!(group instanceof ClassicGroup)) return missing(groupId, `Group ${groupId} is not a classic group.`, call);
  const { members, protocolName } = group.snapshot;
  const isStable = group.state === 'Stable';
  const bytes = (base64: string) => Buffer.from(isStable ? base64 : '', 'base64');
  return {
    ...nothing(groupId),
    groupState: group.state,
    protocolType: group.protocolType,
    protocolData: isStable ? (protocolName ?? '') : '',
    members: Array.from(members.values(), (member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      memberMetadata: bytes(metadataOf(member, protocolName)),
      memberAssignment: bytes(member.assignment),
    })),
  };
}

function missing(groupId: string, errorMessage: string, call: Call) {
  const described = { ...nothing(groupId), groupState: 'Dead' };
  return call.apiVersion >= NOT_FOUND_SINCE
    ? { ...described, errorCode: call.code('GROUP_ID_NOT_FOUND'), errorMessage }
    : described;
}
