/**
 * DescribeShareGroupOffsets (90), v0-1: where share groups begin in each partition, and since v1 how many records are
 * neither acknowledged nor archived (KIP-932, KIP-1226).
 *
 * Null topics ask for all that the group has used. As in Kafka, what it has not used is start offset -1, also where group
 * or topic do not exist.
 */
import { ZERO_UUID } from '../../protocol/codec.ts';
import type { DescribeShareGroupOffsetsRequest } from '../../protocol/messages/describe-share-group-offsets.ts';
import type { Call, Handler } from '../handler.ts';
import { itemError } from '../item-errors.ts';
import { requirePartition } from '../partitions.ts';

type RequestedGroup = DescribeShareGroupOffsetsRequest['groups'][number];

export const describeShareGroupOffsets: Handler<'DescribeShareGroupOffsets'> = {
  async handle({ groups }, call) {
    const described = groups.map(async ({ groupId, topics }) => {
      const asked = (topics ?? allOf(groupId, call)).map(async ({ name, partitions }) => ({
        name,
        topicId: call.broker.topics.byName(name)?.topicId ?? ZERO_UUID,
        partitions: await Promise.all(partitions.map((index) => describe(groupId, name, index, call))),
      }));
      return { groupId, topics: await Promise.all(asked) };
    });
    return { groups: await Promise.all(described) };
  },
  refuse: ({ groups }, error, call) => ({
    groups: groups.map(({ groupId }) => ({ groupId, topics: [], ...itemError(call, error) })),
  }),
};

function allOf(groupId: string, { broker }: Call): NonNullable<RequestedGroup['topics']> {
  const topics = new Map<string, number[]>();
  for (const { topicId, partition } of broker.coordinators.shareOffsets.places(groupId)) {
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
