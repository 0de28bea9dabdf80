/**
 * ShareGroupDescribe (77), v1: share groups with their members and what each has (KIP-932).
 *
 * A group that does not exist or is of another kind is GROUP_ID_NOT_FOUND. Topics that were deleted are not shown.
 * Authorized operations are not told, since there are no ACLs.
 */
import type { Assignment } from '../../coordinator/group/assignor/assignor.ts';
import { SIMPLE_ASSIGNOR } from '../../coordinator/group/share/simple-assignor.ts';
import { KafkaError } from '../../errors.ts';
import type { Call, Handler } from '../handler.ts';
import { itemError } from '../item-errors.ts';

export const shareGroupDescribe: Handler<'ShareGroupDescribe'> = {
  async handle({ groupIds }, call) {
    return { groups: await Promise.all(groupIds.map((groupId) => describe(groupId, call))) };
  },
  refuse: ({ groupIds }, error, call) => ({
    groups: groupIds.map((groupId) => ({ ...nothing(groupId), ...itemError(call, error) })),
  }),
};

const nothing = (groupId: string) => ({ errorCode: 0, groupId, members: [] });

async function describe(groupId: string, call: Call) {
  try {
    if (groupId === '') throw new KafkaError('INVALID_GROUP_ID', 'the group id is empty');
    const { state, epoch, members } = await call.broker.coordinators.shareGroups.describe(groupId);
    return {
      errorCode: 0,
      groupId,
      groupState: state,
      groupEpoch: epoch,
      assignmentEpoch: epoch,
      assignorName: SIMPLE_ASSIGNOR,
      members: members.map((member) => ({
        memberId: member.memberId,
        rackId: member.rackId,
        memberEpoch: member.memberEpoch,
        clientId: member.clientId,
        clientHost: member.clientHost,
        subscribedTopicNames: [...member.subscribedTopicNames],
        assignment: shown(member.assigned, call),
      })),
    };
  } catch (cause) {
    return { ...nothing(groupId), ...itemError(call, cause) };
  }
}

function shown(assignment: Assignment, { broker }: Call) {
  const topicPartitions = [];
  for (const [topicId, partitions] of assignment) {
    const topicName = broker.topics.byId(topicId)?.name;
    if (topicName !== undefined) topicPartitions.push({ topicId, topicName, partitions: [...partitions] });
  }
  return { topicPartitions };
}
