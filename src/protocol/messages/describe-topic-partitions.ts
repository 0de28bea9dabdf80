import { array, bool, type Infer, type Input, int16, int32, list, message, string, struct, uuid } from '../schema.ts';
import { AUTHORIZED_OPERATIONS_UNKNOWN } from './authorized-operations.ts';

// v0   flexible; partitions of topics, in pages (KIP-966)
export const DescribeTopicPartitionsRequest = message({
  name: 'DescribeTopicPartitionsRequest',
  apiKey: 75,
  versions: [0, 0],
  flexibleSince: 0,
  fields: {
    /** None asks for all. */
    topics: array({ name: string() }),
    responsePartitionLimit: int32({ fallback: 2_000 }),
    /** Where the page before ended: the first partition of this one. */
    cursor: struct({ topicName: string(), partitionIndex: int32() }, { nullableSince: 0, fallback: null }),
  },
});

export const DescribeTopicPartitionsResponse = message({
  name: 'DescribeTopicPartitionsResponse',
  apiKey: 75,
  versions: [0, 0],
  flexibleSince: 0,
  fields: {
    throttleTimeMs: int32({ fallback: 0 }),
    topics: array({
      errorCode: int16(),
      name: string({ nullableSince: 0 }),
      topicId: uuid(),
      isInternal: bool({ fallback: false }),
      partitions: array({
        errorCode: int16(),
        index: int32(),
        leaderId: int32(),
        leaderEpoch: int32({ fallback: -1 }),
        replicaNodes: list(int32()),
        isrNodes: list(int32()),
        eligibleLeaderReplicas: list(int32(), { nullableSince: 0, fallback: null }),
        lastKnownElr: list(int32(), { nullableSince: 0, fallback: null }),
        offlineReplicas: list(int32(), { fallback: [] }),
      }),
      topicAuthorizedOperations: int32({ fallback: AUTHORIZED_OPERATIONS_UNKNOWN }),
    }),
    /** Null on the last page. */
    nextCursor: struct({ topicName: string(), partitionIndex: int32() }, { nullableSince: 0, fallback: null }),
  },
});

export type DescribeTopicPartitionsRequest = Infer<typeof DescribeTopicPartitionsRequest>;
export type DescribeTopicPartitionsResponse = Input<typeof DescribeTopicPartitionsResponse>;
