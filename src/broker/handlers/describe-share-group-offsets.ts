/**
 * DescribeShareGroupOffsets (90), v0-1: where share groups begin in each partition, and since v1 how many records are
 * neither acknowledged nor archived (KIP-932, KIP-1226).
 *
 * Null topics ask for all that the group has used. As in Kafka, what it has not used is start offset -1, also where group
 * or topic do not exist.
 */
import type { SharePlace } from '../../coordinator/share/share-sessions.ts';
import { ZERO_UUID } from '../../protocol/codec.ts';
import type { DescribeShareGroupOffsetsRequest } from '../../protocol/messages/describe-share-group-offsets.ts';
import type { Call, Handler } from '../handler.ts';
import { itemError } from '../item-errors.ts';
import { requirePartition } from '../partitions.ts';

type RequestedGroup = DescribeShareGroupOffsetsRequest['groups'][number];

export const describeShareGroupOffsets: Handler<'DescribeShareGroupOffsets'> = {
  async handle({ groups }, call) {
    return { groups: await Promise.all(groups.map((group) => describeGroup(group, call))) };
  },
  refuse: ({ groups }, error, call) => ({
    groups: groups.map(({ groupId }) => ({ groupId, topics: [], ...itemError(call, error) })),
  }),
};

async function describeGroup({ groupId, topics }: RequestedGroup, call: Call) {
  const { topics: known, coordinators } = call.broker;
  try {
    const used = await coordinators.shareOffsets.places(groupId);
    const described = (topics ?? allOf(used, call)).map(async ({ name, partitions }) => ({
      name,
      topicId: known.byName(name)?.topicId ?? ZERO_UUID,
      partitions: await Promise.all(partitions.map((index) => describe(groupId, name, index, call))),
    }));
    return { groupId, topics: await Promise.all(described) };
  } catch (cause) {
    return { groupId, topics: [], ...itemError(call, cause) };
  }
}

function allOf(used: readonly SharePlace[], { broker }: Call): NonNullable<RequestedGroup['topics']> {
  const topics = new Map<string, number[]>();
  for (const { topicId, partition } of used) {
    const name = broker.topics.byId(topicId)?.name;
    if (name !== undefined) topics.set(name, [...(topics.get(name) ?? []), partition]);
  }
  return Array.from(topics, ([name, partitions]) => ({ name, partitions: partitions.sort((a, b) => a - b) }));
}

async function describe(groupId: string, name: string, index: number, call: Call) {
  const { broker } = call;
  if (broker.topics.byName(name)?.partitions[index] === undefined) return { index };
  try {
    const place = requirePartition(broker, name, index);
    const { startOffset, leaderEpoch, lag } = await broker.coordinators.shareOffsets.describe(groupId, place);
    return { index, startOffset, leaderEpoch, lag };
  } catch (cause) {
    return { index, ...itemError(call, cause) };
  }
}
