import { array, type Infer, type Input, int8, int16, int32, int64, message, string } from '../schema.ts';

// v1   one offset with its timestamp, instead of a list of offsets (KIP-79)
// v2   isolation level (KIP-98)
// v4   leader epochs (KIP-320)
// v5   the response may carry OFFSET_NOT_AVAILABLE (KIP-207)
// v6   flexible
// v7   timestamp -3: the record with the largest timestamp (KIP-734)
// v8   timestamp -4: the earliest local offset (KIP-405)
// v9   timestamp -5: the latest tiered offset (KIP-1005)
// v10  timeout (KIP-1075)
// v11  timestamp -6: the earliest offset not yet uploaded (KIP-1023)
export const ListOffsetsRequest = message({
  name: 'ListOffsetsRequest',
  apiKey: 2,
  versions: [1, 11],
  flexibleSince: 6,
  fields: {
    /** -1 from consumers, -2 from tools. */
    replicaId: int32(),
    /** 0 read_uncommitted, 1 read_committed. */
    isolationLevel: int8({ since: 2 }),
    topics: array({
      name: string(),
      partitions: array({
        index: int32(),
        currentLeaderEpoch: int32({ since: 4, fallback: -1 }),
        /** -1 latest, -2 earliest; further ones above. */
        timestamp: int64(),
      }),
    }),
    timeoutMs: int32({ since: 10 }),
  },
});

export const ListOffsetsResponse = message({
  name: 'ListOffsetsResponse',
  apiKey: 2,
  versions: [1, 11],
  flexibleSince: 6,
  fields: {
    throttleTimeMs: int32({ since: 2 }),
    topics: array({
      name: string(),
      partitions: array({
        index: int32(),
        errorCode: int16(),
        timestamp: int64({ fallback: -1 }),
        offset: int64({ fallback: -1 }),
        leaderEpoch: int32({ since: 4, fallback: -1 }),
      }),
    }),
  },
});

export type ListOffsetsRequest = Infer<typeof ListOffsetsRequest>;
export type ListOffsetsResponse = Input<typeof ListOffsetsResponse>;
