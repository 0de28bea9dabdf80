import { array, type Infer, type Input, int16, int32, int64, list, message, string } from '../schema.ts';

// v0   flexible (KIP-664)
export const DescribeTransactionsRequest = message({
  name: 'DescribeTransactionsRequest',
  apiKey: 65,
  versions: [0, 0],
  flexibleSince: 0,
  fields: {
    transactionalIds: list(string()),
  },
});

export const DescribeTransactionsResponse = message({
  name: 'DescribeTransactionsResponse',
  apiKey: 65,
  versions: [0, 0],
  flexibleSince: 0,
  fields: {
    throttleTimeMs: int32({ fallback: 0 }),
    transactionStates: array({
      errorCode: int16(),
      transactionalId: string(),
      transactionState: string({ fallback: '' }),
      transactionTimeoutMs: int32({ fallback: 0 }),
      transactionStartTimeMs: int64({ fallback: 0 }),
      producerId: int64({ fallback: 0 }),
      producerEpoch: int16({ fallback: 0 }),
      topics: array({ name: string(), partitions: list(int32()) }),
    }),
  },
});

export type DescribeTransactionsRequest = Infer<typeof DescribeTransactionsRequest>;
export type DescribeTransactionsResponse = Input<typeof DescribeTransactionsResponse>;
