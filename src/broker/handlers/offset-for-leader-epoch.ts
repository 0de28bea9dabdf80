/**
 * OffsetForLeaderEpoch (23), v2-4: where a leader epoch ended (KIP-320).
 *
 * Consumers ask it after a change of leader, to see whether what they have read was truncated. Here nothing ever is: the
 * answer is the end of the newest epoch that is not newer than the one asked for. -1, -1 for one that is newer than ours.
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
  handle: (request, call) => ({
    topics: request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map((partition) => answer(call, name, partition)),
    })),
  }),
  refuse: (request, error, call) => ({
    topics: request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ index }) => ({ index, errorCode: call.code(error.error) })),
    })),
  }),
};

function answer(
  call: Call,
  name: string,
  { index, currentLeaderEpoch, leaderEpoch }: RequestedPartition,
): PartitionResponse {
  try {
    const partition = requirePartition(call.broker, name, index);
    checkLeaderEpoch(call.broker, partition, currentLeaderEpoch);
    const { epoch, endOffset } = call.broker.log.offsetForLeaderEpoch(partition, leaderEpoch);
    return { index, errorCode: 0, leaderEpoch: epoch, endOffset };
  } catch (cause) {
    return { index, errorCode: itemError(call, cause).errorCode };
  }
}
