import { array, type Infer, type Input, int16, int32, int64, message, string } from '../schema.ts';

// v0   everything below an offset goes (KIP-107)
// v2   flexible
export const DeleteRecordsRequest = message({
  name: 'DeleteRecordsRequest',
  apiKey: 21,
  versions: [0, 2],
  flexibleSince: 2,
  fields: {
    topics: array({
      name: string(),
      partitions: array({
        index: int32(),
        /** The first offset to keep; -1 keeps nothing. */
        offset: int64(),
      }),
    }),
    timeoutMs: int32(),
  },
});

export const DeleteRecordsResponse = message({
  name: 'DeleteRecordsResponse',
  apiKey: 21,
  versions: [0, 2],
  flexibleSince: 2,
  fields: {
    throttleTimeMs: int32({ fallback: 0 }),
    topics: array({
      name: string(),
      partitions: array({
        index: int32(),
        lowWatermark: int64({ fallback: -1 }),
        errorCode: int16(),
      }),
    }),
  },
});

export type DeleteRecordsRequest = Infer<typeof DeleteRecordsRequest>;
export type DeleteRecordsResponse = Input<typeof DeleteRecordsResponse>;
