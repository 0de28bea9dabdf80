/**
 * AlterShareGroupOffsets (91), v0: moves where a share group begins (KIP-932). What stood there of deliveries and
 * acknowledgements is forgotten. The group must have no members; one that does not exist is made.
 *
 * Unlike Kafka, a negative offset is INVALID_REQUEST.
 */
import type { NewShareOffset } from '../../coordinator/share/share-offsets.ts';
import { KafkaError } from '../../errors.ts';
import { ZERO_UUID } from '../../protocol/codec.ts';
import type { AlterShareGroupOffsetsRequest } from '../../protocol/messages/alter-share-group-offsets.ts';
import type { Call, Handler } from '../handler.ts';
import { itemError } from '../item-errors.ts';
import { learnNames } from '../offset-topics.ts';
import { requirePartition } from '../partitions.ts';

type RequestedPartition = AlterShareGroupOffsetsRequest['topics'][number]['partitions'][number];

export const alterShareGroupOffsets: Handler<'AlterShareGroupOffsets'> = {
  turn: 'alone',
  async handle({ groupId, topics }, call) {
    if (groupId === '') throw new KafkaError('INVALID_GROUP_ID', 'the group id is empty');
    const learning = learnNames(call);
    if (learning !== null) await learning;
    const offsets: NewShareOffset[] = [];
    const answers = topics.map(({ name, partitions }) => ({
      name,
      topicId: call.broker.topics.byName(name)?.topicId ?? ZERO_UUID,
      partitions: partitions.map((partition) => {
        const offset = offsetOf(call, name, partition);
        if (offset instanceof KafkaError) return { index: partition.index, ...itemError(call, offset) };
        offsets.push(offset);
        return { index: partition.index, errorCode: 0 };
      }),
    }));
    const client = `${call.clientId ?? ''}${call.clientHost}`;
    await call.broker.coordinators.shareOffsets.alter(groupId, client, offsets);
    return { topics: answers };
  },
  refuse: (_request, error, call) => ({ ...itemError(call, error), topics: [] }),
};

function offsetOf({ broker }: Call, name: string, { index, startOffset }: RequestedPartition) {
  try {
    const { topicId, partition } = requirePartition(broker, name, index);
    if (startOffset >= 0) return { topicId, partition, startOffset };
    return new KafkaError('INVALID_REQUEST', `there is no offset ${startOffset}`);
  } catch (cause) {
    if (cause instanceof KafkaError) return cause;
    throw cause;
  }
}
