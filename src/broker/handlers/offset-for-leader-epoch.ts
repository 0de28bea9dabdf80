/**
 * OffsetForLeaderEpoch (23), v2-4: where a leader epoch ended (KIP-320).
 *
 * Consumers ask it after a change of leader, to see whether what they have read was truncated. Here nothing ever is: the
 * answer is the end of the newest epoch that is not newer than the one asked for. -1, -1 for one that is newer than ours.
 *
 * It is asked after the fetches before it on the connection are answered, as by Kafka, which has one request of a connection in
 * work. librdkafka compares the end with where those fetches have brought it, goes back there when it is less, and drops
 * what it has fetched and not given out: records would be skipped.
 */
import type {
  OffsetForLeaderEpochRequest,
  OffsetForLeaderEpochResponse,
} from '../../protocol/messages/offset-for-leader-epoch.ts';
import type { Call, Handler } from '../handler.ts';
import { itemError } from '../item-errors.ts';
import { checkLeaderEpoch, requirePartition } from '../partitions.ts';

type RequestedPartition = OffsetForLeaderEpochRequest['topics'][number]['partitions'][number];
type PartitionResponse = OffsetForLeaderEpochResponse['topics'][number]['partitions'][number];

export const offsetForLeaderEpoch: Handler<'OffsetForLeaderEpoch'> = {
  turn: 'fetch',
  async handle(request, call) {
    const topics = request.topics.map(async ({ name, partitions }) => ({
      name,
      partitions: await Promise.all(partitions.map((partition) => answer(call, name, partition))),
    }));
    return { topics: await Promise.all(topics) };
  },
  refuse: (request, error, call) => ({
    topics: request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ index }) => ({ index, errorCode: call.code(error.error) })),
    })),
  }),
};

async function answer(
  call: Call,
  name: string,
  { index, currentLeaderEpoch, leaderEpoch }: RequestedPartition,
): Promise<PartitionResponse> {
  try {
    const partition = requirePartition(call.broker, name, index);
    await checkLeaderEpoch(call, partition, currentLeaderEpoch);
    const { epoch, endOffset } = await call.broker.log.offsetForLeaderEpoch(partition, leaderEpoch);
    return { index, errorCode: 0, leaderEpoch: epoch, endOffset };
  } catch (cause) {
    return { index, errorCode: itemError(call, cause).errorCode };
  }
}
