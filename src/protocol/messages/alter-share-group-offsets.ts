import { array, type Infer, type Input, int16, int32, int64, message, string, uuid } from '../schema.ts';

// v0   moves the start offsets of an empty share group (KIP-932)
export const AlterShareGroupOffsetsRequest = message({
  name: 'AlterShareGroupOffsetsRequest',
  apiKey: 91,
  versions: [0, 0],
  flexibleSince: 0,
  fields: {
    groupId: string(),
    topics: array({
      name: string(),
      partitions: array({ index: int32(), startOffset: int64() }),
    }),
  },
});

export const AlterShareGroupOffsetsResponse = message({
  name: 'AlterShareGroupOffsetsResponse',
  apiKey: 91,
  versions: [0, 0],
  flexibleSince: 0,
  fields: {
    throttleTimeMs: int32({ fallback: 0 }),
    errorCode: int16({ fallback: 0 }),
    errorMessage: string({ nullableSince: 0, fallback: null }),
    topics: array({
      name: string(),
      topicId: uuid(),
      partitions: array({
        index: int32(),
        errorCode: int16(),
        errorMessage: string({ nullableSince: 0, fallback: null }),
      }),
    }),
  },
});

export type AlterShareGroupOffsetsRequest = Infer<typeof AlterShareGroupOffsetsRequest>;
export type AlterShareGroupOffsetsResponse = Input<typeof AlterShareGroupOffsetsResponse>;
