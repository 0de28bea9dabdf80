/**
 * A coordinator that a broker on the same stores succeeds, which it does not know; and members of all kinds of groups that
 * ask either of them. They are members of one group, and subscribe to the topic `orders`.
 */
import type { Broker } from '../../../src/broker/handler.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import { systemRuntime } from '../../../src/runtime/runtime.ts';
import { subscription } from '../../bench/member.ts';
import { ask } from '../broker/door.ts';
import { createTopic, errorName } from './share/share-world.ts';
import { type CoordinatorWorld, openCoordinatorWorld } from './world.ts';

export const GROUP = 'g';
const TOPIC = 'orders';

/** Requests to one broker. */
export type Asked = CoordinatorWorld['ask'];

export const to =
  (broker: Broker): Asked =>
  (name, version, body) =>
    ask(broker, name, version, body);

/** A world with the topic. `takeOver` of the world makes another broker the coordinator. */
export async function openSuccession(partitions = 1) {
  const world = await openCoordinatorWorld(systemRuntime(silentLogger));
  return { world, topicId: await createTopic(world, TOPIC, partitions) };
}

/** Says everything. Epoch 0 joins. */
export const consumerHeartbeat = (memberId: string, memberEpoch: number, more: object = {}) => ({
  groupId: GROUP,
  memberId,
  memberEpoch,
  instanceId: null,
  rackId: null,
  rebalanceTimeoutMs: 10_000,
  subscribedTopicNames: [TOPIC],
  subscribedTopicRegex: null,
  serverAssignor: null,
  topicPartitions: [],
  ...more,
});

/** Epoch 0 joins. */
export const shareHeartbeat = (memberId: string, memberEpoch: number) => ({
  groupId: GROUP,
  memberId,
  memberEpoch,
  rackId: null,
  subscribedTopicNames: [TOPIC],
});

/** An offset, by a member or, with epoch -1, by whoever is none. */
export const offsetCommit = (memberId: string, generationIdOrMemberEpoch: number, groupInstanceId: string | null) => ({
  groupId: GROUP,
  memberId,
  generationIdOrMemberEpoch,
  groupInstanceId,
  topics: [{ name: TOPIC, partitions: [{ index: 0, committedOffset: 0, committedMetadata: null }] }],
});

export interface ClassicMember {
  readonly memberId: string;
  readonly generationId: number;
  readonly groupInstanceId: string | null;
}

export const askToJoin = (asked: Asked, memberId: string, groupInstanceId: string | null = null, type = 'consumer') =>
  asked('JoinGroup', 5, {
    groupId: GROUP,
    sessionTimeoutMs: 30_000,
    rebalanceTimeoutMs: 20_000,
    memberId,
    groupInstanceId,
    protocolType: type,
    protocols: [{ name: 'range', metadata: subscription(TOPIC) }],
  });

/** A new member, unless it has an id already. */
export async function join(
  asked: Asked,
  {
    memberId = '',
    groupInstanceId = null,
    type = 'consumer',
  }: Partial<ClassicMember> & { readonly type?: string } = {},
): Promise<ClassicMember> {
  let joined = await askToJoin(asked, memberId, groupInstanceId, type);
  if (errorName(joined.errorCode) === 'MEMBER_ID_REQUIRED') {
    joined = await askToJoin(asked, joined.memberId, groupInstanceId, type);
  }
  if (joined.errorCode !== 0) throw new Error(errorName(joined.errorCode));
  return { memberId: joined.memberId, generationId: joined.generationId, groupInstanceId };
}

/** What the member is told; `assignment` where it leads. */
export async function sync(asked: Asked, member: ClassicMember, assignment: string | null = null): Promise<string> {
  const assignments = assignment === null ? [] : [{ memberId: member.memberId, assignment: Buffer.from(assignment) }];
  return errorName((await asked('SyncGroup', 3, { groupId: GROUP, ...member, assignments })).errorCode);
}

/** A member that is alone in the next generation of a classic group. */
export async function joinAlone(asked: Asked, as: Parameters<typeof join>[1] = {}): Promise<ClassicMember> {
  const member = await join(asked, as);
  const error = await sync(asked, member, 'all');
  if (error !== 'NONE') throw new Error(error);
  return member;
}
