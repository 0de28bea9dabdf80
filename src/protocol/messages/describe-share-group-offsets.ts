import { array, type Infer, type Input, int16, int32, int64, list, message, string, uuid } from '../schema.ts';

// v0   start offsets of share partitions (KIP-932)
// v1   lag (KIP-1226)
export const DescribeShareGroupOffsetsRequest = message({
  name: 'DescribeShareGroupOffsetsRequest',
  apiKey: 90,
  versions: [0, 1],
  flexibleSince: 0,
  fields: {
    groups: array({
      groupId: string(),
      /** Null: all that the group has. */
      topics: array({ name: string(), partitions: list(int32()) }, { nullableSince: 0 }),
    }),
  },
});

export const DescribeShareGroupOffsetsResponse = message({
  name: 'DescribeShareGroupOffsetsResponse',
  apiKey: 90,
  versions: [0, 1],
  flexibleSince: 0,
  fields: {
    throttleTimeMs: int32({ fallback: 0 }),
    groups: array({
      groupId: string(),
      topics: array({
        name: string(),
        topicId: uuid(),
        partitions: array({
          index: int32(),
          startOffset: int64({ fallback: -1 }),
          leaderEpoch: int32({ fallback: 0 }),
          lag: int64({ since: 1, fallback: -1 }),
          errorCode: int16({ fallback: 0 }),
          errorMessage: string({ nullableSince: 0, fallback: null }),
        }),
      }),
      errorCode: int16({ fallback: 0 }),
      errorMessage: string({ nullableSince: 0, fallback: null }),
    }),
  },
});

export type DescribeShareGroupOffsetsRequest = Infer<typeof DescribeShareGroupOffsetsRequest>;
export type DescribeShareGroupOffsetsResponse = Input<typeof DescribeShareGroupOffsetsResponse>;
