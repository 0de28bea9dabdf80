/**
 * ListOffsets (2), v1-11.
 *
 * Timestamps: -1 latest (the last stable offset with read_committed), -2 earliest, -3 the record with the largest timestamp
 * (v7), else the first record at or after the time. -4, the earliest local offset (v8), is the earliest: all data is
 * equally near. -5 and -6 ask for tiered data (v9, v11), which there is none of: offset -1, as Kafka without tiers.
 * With read_committed a record above the last stable offset is not found, as in Kafka.
 * A partition named twice is refused with INVALID_REQUEST. Leadership is confirmed before an answer.
 *
 * Unlike Kafka: `timeoutMs` (v10) is not looked at.
 */
import { KafkaError } from '../../errors.ts';
import type { FoundOffset, OffsetAt } from '../../log/log.ts';
import type { ListOffsetsRequest, ListOffsetsResponse } from '../../protocol/messages/list-offsets.ts';
import type { Call, Handler } from '../handler.ts';
import { itemError, namedTwice } from '../item-errors.ts';
import { checkLeaderEpoch, requirePartition } from '../partitions.ts';

type RequestedPartition = ListOffsetsRequest['topics'][number]['partitions'][number];
type PartitionResponse = ListOffsetsResponse['topics'][number]['partitions'][number];

const NOT_FOUND: FoundOffset = { offset: -1, timestamp: -1, leaderEpoch: -1 };

export const listOffsets: Handler<'ListOffsets'> = {
  async handle(request, call) {
    const twice = namedTwice(
      request.topics.flatMap(({ name, partitions }) => partitions.map((p) => placeName(name, p))),
    );
    const topics = request.topics.map(async ({ name, partitions }) => ({
      name,
      partitions: await Promise.all(
        partitions.map((partition) => answer(request, call, name, partition, twice.has(placeName(name, partition)))),
      ),
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

const placeName = (topic: string, { index }: RequestedPartition) => `${topic} ${index}`;

async function answer(
  request: ListOffsetsRequest,
  call: Call,
  name: string,
  { index, currentLeaderEpoch, timestamp }: RequestedPartition,
  twice: boolean,
): Promise<PartitionResponse> {
  try {
    if (twice) throw new KafkaError('INVALID_REQUEST', `partition ${index} of ${name} is named twice`);
    const partition = requirePartition(call.broker, name, index);
    await checkLeaderEpoch(call, partition, currentLeaderEpoch);
    const at = offsetAt(timestamp, request.isolationLevel, call.apiVersion);
    const found = at === null ? NOT_FOUND : await call.broker.log.listOffset(partition, at);
    return { index, errorCode: 0, timestamp: found.timestamp, offset: found.offset, leaderEpoch: found.leaderEpoch };
  } catch (cause) {
    return { index, errorCode: itemError(call, cause).errorCode };
  }
}

/** Null where the answer is always that there is none. */
function offsetAt(timestamp: number, isolationLevel: number, version: number): OffsetAt | null {
  const isolation = isolationLevel === 1 ? 'read_committed' : 'read_uncommitted';
  if (timestamp >= 0) return { type: 'timestamp', timestamp, isolation };
  if (timestamp === -1) return { type: 'latest', isolation };
  if (timestamp === -2) return { type: 'earliest' };
  if (timestamp === -3 && version >= 7) return { type: 'maxTimestamp', isolation };
  if (timestamp === -4 && version >= 8) return { type: 'earliest' };
  if (timestamp === -5 && version >= 9) return null;
  if (timestamp === -6 && version >= 11) return null;
  throw new KafkaError('UNSUPPORTED_VERSION', `timestamp ${timestamp} means nothing in v${version}`);
}
