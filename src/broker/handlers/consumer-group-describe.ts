/**
 * ConsumerGroupDescribe (69), v0-1: groups of the consumer protocol with what each member has and is to have (KIP-848).
 *
 * A group that does not exist or is of another kind is GROUP_ID_NOT_FOUND: administrators then ask DescribeGroups. Topics
 * that were deleted are not shown. Since v1 members show whether they speak the classic protocol. Authorized operations are
 * not told, since there are no ACLs.
 */
import type { Assignment } from '../../coordinator/group/assignor/assignor.ts';
import { NO_PARTITIONS } from '../../coordinator/group/assignor/assignor.ts';
import type { ConsumerMember } from '../../coordinator/group/consumer/consumer-group.ts';
import type { Call, Handler } from '../handler.ts';
import { itemError } from '../item-errors.ts';

const MEMBER_TYPE = { classic: 0, consumer: 1 } as const;

export const consumerGroupDescribe: Handler<'ConsumerGroupDescribe'> = {
  async handle({ groupIds }, call) {
    return { groups: await Promise.all(groupIds.map((groupId) => describe(groupId, call))) };
  },
  refuse: ({ groupIds }, error, call) => ({
    groups: groupIds.map((groupId) => ({ ...nothing(groupId), ...itemError(call, error) })),
  }),
};

const nothing = (groupId: string) => ({
  errorCode: 0,
  errorMessage: null,
  groupId,
  groupState: '',
  groupEpoch: 0,
  assignmentEpoch: 0,
  assignorName: '',
  members: [],
});

async function describe(groupId: string, call: Call) {
  try {
    const { state, assignor, group } = await call.broker.coordinators.consumerGroups.describe(groupId);
    return {
      ...nothing(groupId),
      groupState: state,
      groupEpoch: group.epoch,
      assignmentEpoch: group.targetEpoch,
      assignorName: assignor,
      members: Array.from(group.members.values(), (member) =>
        shownMember(member, group.targets.get(member.memberId) ?? NO_PARTITIONS, call),
      ),
    };
  } catch (cause) {
    return { ...nothing(groupId), ...itemError(call, cause) };
  }
}

const shownMember = (member: ConsumerMember, target: Assignment, call: Call) => ({
  memberId: member.memberId,
  instanceId: member.instanceId,
  rackId: member.rackId,
  memberEpoch: member.memberEpoch,
  clientId: member.clientId,
  clientHost: member.clientHost,
  subscribedTopicNames: [...member.subscribedTopicNames],
  subscribedTopicRegex: member.subscribedTopicRegex,
  assignment: shown(member.assigned, call),
  targetAssignment: shown(target, call),
  memberType: member.classic === null ? MEMBER_TYPE.consumer : MEMBER_TYPE.classic,
});

function shown(assignment: Assignment, { broker }: Call) {
  const topicPartitions = [];
  for (const [topicId, partitions] of assignment) {
    const topicName = broker.topics.byId(topicId)?.name;
    if (topicName !== undefined) topicPartitions.push({ topicId, topicName, partitions: [...partitions] });
  }
  return { topicPartitions };
}
