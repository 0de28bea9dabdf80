/**
 * DeleteRecords (21), v0-2: everything below an offset becomes unreadable (KIP-107); -1 means the high watermark.
 *
 * Each partition has its own result. A topic that is compacted and never deleted from by retention is refused with
 * POLICY_VIOLATION, as in Kafka.
 *
 * Unlike Kafka: `timeoutMs` is not looked at.
 */
import { KafkaError } from '../../errors.ts';
import type { DeleteRecordsRequest } from '../../protocol/messages/delete-records.ts';
import type { Call, Handler } from '../handler.ts';
import { changeEach, checkItemCount, itemError } from '../item-errors.ts';
import { requirePartition } from '../partitions.ts';

type RequestedPartition = DeleteRecordsRequest['topics'][number]['partitions'][number];

export const deleteRecords: Handler<'DeleteRecords'> = {
  turn: 'alone',
  async handle({ topics }, call) {
    const items = topics.flatMap(({ name, partitions }) => partitions.map((partition) => ({ name, partition })));
    checkItemCount('partitions', items.length);
    const results = await changeEach(items, ({ name, partition }) => remove(name, partition, call));
    let next = 0;
    return {
      topics: topics.map(({ name, partitions }) => ({ name, partitions: partitions.map(() => results[next++]!) })),
    };
  },
  refuse: ({ topics }, error, call) => ({
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ index }) => ({ index, lowWatermark: -1, errorCode: call.code(error.error) })),
    })),
  }),
};

async function remove(name: string, { index, offset }: RequestedPartition, call: Call) {
  const { broker } = call;
  try {
    const partition = requirePartition(broker, name, index);
    const { compacted, deletes } = broker.topics.byName(name)!.config;
    if (compacted && !deletes) {
      throw new KafkaError('POLICY_VIOLATION', `the cleanup.policy of ${name} does not allow to delete records`);
    }
    if (offset < -1) throw new KafkaError('OFFSET_OUT_OF_RANGE', `${offset} is no offset`);
    return { index, lowWatermark: await broker.log.deleteRecords(partition, offset), errorCode: 0 };
  } catch (cause) {
    return { index, lowWatermark: -1, errorCode: itemError(call, cause).errorCode };
  }
}
