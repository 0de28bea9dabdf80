import { array, type Infer, type Input, int16, int32, int64, list, message, string } from '../schema.ts';

// v0   flexible
export const DescribeProducersRequest = message({
  name: 'DescribeProducersRequest',
  apiKey: 61,
  versions: [0, 0],
  flexibleSince: 0,
  fields: {
    topics: array({ name: string(), partitionIndexes: list(int32()) }),
  },
});

export const DescribeProducersResponse = message({
  name: 'DescribeProducersResponse',
  apiKey: 61,
  versions: [0, 0],
  flexibleSince: 0,
  fields: {
    throttleTimeMs: int32({ fallback: 0 }),
    topics: array({
      name: string(),
      partitions: array({
        index: int32(),
        errorCode: int16(),
        errorMessage: string({ nullableSince: 0, fallback: null }),
        activeProducers: array({
          producerId: int64(),
          producerEpoch: int32(),
          lastSequence: int32({ fallback: -1 }),
          lastTimestamp: int64({ fallback: -1 }),
          coordinatorEpoch: int32(),
          currentTxnStartOffset: int64({ fallback: -1 }),
        }),
      }),
    }),
  },
});

export type DescribeProducersRequest = Infer<typeof DescribeProducersRequest>;
export type DescribeProducersResponse = Input<typeof DescribeProducersResponse>;
