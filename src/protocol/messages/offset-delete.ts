import { array, type Infer, type Input, int16, int32, message, string } from '../schema.ts';

// v0   committed offsets of single partitions go (KIP-496); never flexible
export const OffsetDeleteRequest = message({
  name: 'OffsetDeleteRequest',
  apiKey: 47,
  versions: [0, 0],
  flexibleSince: Infinity,
  fields: {
    groupId: string(),
    topics: array({ name: string(), partitions: array({ index: int32() }) }),
  },
});

export const OffsetDeleteResponse = message({
  name: 'OffsetDeleteResponse',
  apiKey: 47,
  versions: [0, 0],
  flexibleSince: Infinity,
  fields: {
    errorCode: int16(),
    throttleTimeMs: int32({ fallback: 0 }),
    topics: array({ name: string(), partitions: array({ index: int32(), errorCode: int16() }) }),
  },
});

export type OffsetDeleteRequest = Infer<typeof OffsetDeleteRequest>;
export type OffsetDeleteResponse = Input<typeof OffsetDeleteResponse>;
