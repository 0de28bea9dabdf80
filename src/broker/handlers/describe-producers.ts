/**
 * DescribeProducers (61), v0: the producers that a partition remembers, with their transactions. What `kafka-transactions
 * --find-hanging` looks at.
 *
 * As in Kafka: `lastSequence` is -1 before a producer's first batch in its epoch, `coordinatorEpoch` before the first marker.
 * A partition named twice is refused with INVALID_REQUEST.
 *
 * Unlike Kafka: `lastTimestamp` is when the broker heard of the producer last, not what the producer wrote as time; a
 * transaction that has no records in the partition yet has no start offset there, but its producer is listed.
 */
import { KafkaError } from '../../errors.ts';
import type { ProducerState } from '../../log/log.ts';
import type { DescribeProducersResponse } from '../../protocol/messages/describe-producers.ts';
import { yieldTurn } from '../../runtime/clock.ts';
import type { Call, Handler } from '../handler.ts';
import { itemError, namedTwice } from '../item-errors.ts';
import { requirePartition } from '../partitions.ts';

type PartitionResponse = DescribeProducersResponse['topics'][number]['partitions'][number];

export const describeProducers: Handler<'DescribeProducers'> = {
  async handle({ topics }, call) {
    const twice = namedTwice(
      topics.flatMap(({ name, partitionIndexes }) => partitionIndexes.map((p) => `${name} ${p}`)),
    );
    const answers: { name: string; partitions: PartitionResponse[] }[] = [];
    for (const { name, partitionIndexes } of topics) {
      const partitions: PartitionResponse[] = [];
      for (const index of partitionIndexes) {
        partitions.push(await answer(call, name, index, twice.has(`${name} ${index}`)));
        await yieldTurn(call.broker.runtime.timers); // Each looks through all producers of a journal.
      }
      answers.push({ name, partitions });
    }
    return { topics: answers };
  },
  refuse: ({ topics }, error, call) => ({
    topics: topics.map(({ name, partitionIndexes }) => ({
      name,
      partitions: partitionIndexes.map((index) => failure(call, index, error)),
    })),
  }),
};

async function answer(call: Call, name: string, index: number, twice: boolean): Promise<PartitionResponse> {
  try {
    if (twice) throw new KafkaError('INVALID_REQUEST', `partition ${index} of ${name} is named twice`);
    const producers = await call.broker.log.producers(requirePartition(call.broker, name, index));
    return { index, errorCode: 0, activeProducers: Array.from(producers, describe) };
  } catch (cause) {
    return failure(call, index, cause);
  }
}

const failure = (call: Call, index: number, cause: unknown): PartitionResponse => ({
  index,
  ...itemError(call, cause),
  activeProducers: [],
});

const describe = ({
  producerId,
  producerEpoch,
  batches,
  lastAppendAt,
  coordinatorEpoch,
  open,
}: ProducerState): PartitionResponse['activeProducers'][number] => ({
  producerId,
  producerEpoch,
  lastSequence: batches.at(-1)?.lastSequence ?? -1,
  lastTimestamp: lastAppendAt,
  coordinatorEpoch,
  currentTxnStartOffset: open?.firstOffset ?? -1,
});
