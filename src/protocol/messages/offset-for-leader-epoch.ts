import { array, type Infer, type Input, int16, int32, int64, message, string } from '../schema.ts';

// v2   current leader epoch, which fences (KIP-320)
// v3   replica id; consumers may ask, too
// v4   flexible
export const OffsetForLeaderEpochRequest = message({
  name: 'OffsetForLeaderEpochRequest',
  apiKey: 23,
  versions: [2, 4],
  flexibleSince: 4,
  fields: {
    /** -1 from consumers; -2 where it is not given. */
    replicaId: int32({ since: 3, fallback: -2 }),
    topics: array({
      name: string(),
      partitions: array({
        index: int32(),
        currentLeaderEpoch: int32({ fallback: -1 }),
        leaderEpoch: int32(),
      }),
    }),
  },
});

export const OffsetForLeaderEpochResponse = message({
  name: 'OffsetForLeaderEpochResponse',
  apiKey: 23,
  versions: [2, 4],
  flexibleSince: 4,
  fields: {
    throttleTimeMs: int32({ fallback: 0 }),
    topics: array({
      name: string(),
      partitions: array({
        errorCode: int16(),
        index: int32(),
        leaderEpoch: int32({ fallback: -1 }),
        endOffset: int64({ fallback: -1 }),
      }),
    }),
  },
});

export type OffsetForLeaderEpochRequest = Infer<typeof OffsetForLeaderEpochRequest>;
export type OffsetForLeaderEpochResponse = Input<typeof OffsetForLeaderEpochResponse>;
