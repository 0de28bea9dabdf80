/**
 * WriteTxnMarkers (27), v1-2: what Admin.abortTransaction sends to end a transaction that hangs in a partition (KIP-664).
 *
 * A producer epoch that is over is INVALID_PRODUCER_EPOCH, a coordinator epoch that is over
 * TRANSACTION_COORDINATOR_FENCED. v2 tells of a transaction version, which makes no difference here.
 *
 * Unlike Kafka: nothing authenticates clients yet, so whoever reaches the listener may send it, as it may send anything
 * else; with authentication it takes the right to alter the cluster. A marker for a producer without an open transaction
 * in the partition is answered well and not written. The journals' own markers do not come this way.
 */
import { KafkaError } from '../../errors.ts';
import type { WriteTxnMarkersRequest } from '../../protocol/messages/write-txn-markers.ts';
import type { Call, Handler } from '../handler.ts';
import { itemError } from '../item-errors.ts';
import { requirePartition } from '../partitions.ts';

type Marker = WriteTxnMarkersRequest['markers'][number];

export const writeTxnMarkers: Handler<'WriteTxnMarkers'> = {
  async handle({ markers }, call) {
    return { markers: await Promise.all(markers.map((marker) => written(marker, call))) };
  },
  refuse: ({ markers }, error, call) => ({
    markers: markers.map((marker) => resultsOf(marker, () => call.code(error.error))),
  }),
};

/** All partitions at once: those of one journal share an entry. */
async function written(marker: Marker, call: Call) {
  const codes = new Map<string, number>();
  await Promise.all(
    marker.topics.flatMap(({ name, partitionIndexes }) =>
      partitionIndexes.map(async (index) => codes.set(keyOf(name, index), await codeOf(marker, name, index, call))),
    ),
  );
  return resultsOf(marker, (name, index) => codes.get(keyOf(name, index))!);
}

async function codeOf(marker: Marker, name: string, index: number, call: Call): Promise<number> {
  const { producerId, producerEpoch, coordinatorEpoch, transactionResult: committed } = marker;
  const { broker } = call;
  try {
    if (producerId < 0) throw new KafkaError('INVALID_REQUEST', `${producerId} is no producer id`);
    const place = requirePartition(broker, name, index);
    const forced = { producerId, producerEpoch, coordinatorEpoch, committed };
    await broker.coordinators.transactions.forceMarker(place, forced);
    return 0;
  } catch (cause) {
    return itemError(call, cause).errorCode;
  }
}

const keyOf = (name: string, index: number): string => `${name}:${index}`;

const resultsOf = ({ producerId, topics }: Marker, code: (name: string, index: number) => number) => ({
  producerId,
  topics: topics.map(({ name, partitionIndexes }) => ({
    name,
    partitions: partitionIndexes.map((index) => ({ index, errorCode: code(name, index) })),
  })),
});
