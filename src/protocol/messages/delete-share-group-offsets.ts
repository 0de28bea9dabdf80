import { array, type Infer, type Input, int16, int32, message, string, uuid } from '../schema.ts';

// v0   forgets the topics of an empty share group (KIP-932)
export const DeleteShareGroupOffsetsRequest = message({
  name: 'DeleteShareGroupOffsetsRequest',
  apiKey: 92,
  versions: [0, 0],
  flexibleSince: 0,
  fields: {
    groupId: string(),
    topics: array({ name: string() }),
  },
});

export const DeleteShareGroupOffsetsResponse = message({
  name: 'DeleteShareGroupOffsetsResponse',
  apiKey: 92,
  versions: [0, 0],
  flexibleSince: 0,
  fields: {
    throttleTimeMs: int32({ fallback: 0 }),
    errorCode: int16({ fallback: 0 }),
    errorMessage: string({ nullableSince: 0, fallback: null }),
    topics: array({
      name: string(),
      topicId: uuid(),
      errorCode: int16({ fallback: 0 }),
      errorMessage: string({ nullableSince: 0, fallback: null }),
    }),
  },
});

export type DeleteShareGroupOffsetsRequest = Infer<typeof DeleteShareGroupOffsetsRequest>;
export type DeleteShareGroupOffsetsResponse = Input<typeof DeleteShareGroupOffsetsResponse>;
