import { array, bool, type Infer, type Input, int8, int16, int32, int64, list, message, string } from '../schema.ts';

// v1   flexible; what Admin.abortTransaction sends
// v2   transaction version of each marker (KIP-1228)
export const WriteTxnMarkersRequest = message({
  name: 'WriteTxnMarkersRequest',
  apiKey: 27,
  versions: [1, 2],
  flexibleSince: 1,
  fields: {
    markers: array({
      producerId: int64(),
      producerEpoch: int16(),
      /** True commits, false aborts. */
      transactionResult: bool(),
      topics: array({ name: string(), partitionIndexes: list(int32()) }),
      coordinatorEpoch: int32(),
      transactionVersion: int8({ since: 2 }),
    }),
  },
});

export const WriteTxnMarkersResponse = message({
  name: 'WriteTxnMarkersResponse',
  apiKey: 27,
  versions: [1, 2],
  flexibleSince: 1,
  fields: {
    markers: array({
      producerId: int64(),
      topics: array({ name: string(), partitions: array({ index: int32(), errorCode: int16() }) }),
    }),
  },
});

export type WriteTxnMarkersRequest = Infer<typeof WriteTxnMarkersRequest>;
export type WriteTxnMarkersResponse = Input<typeof WriteTxnMarkersResponse>;
