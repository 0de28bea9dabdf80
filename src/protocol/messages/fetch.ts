import {
  array,
  type Infer,
  type Input,
  int8,
  int16,
  int32,
  int64,
  list,
  message,
  records,
  string,
  struct,
  uuid,
} from '../schema.ts';

// v4   isolation level, aborted transactions (KIP-98)
// v5   log start offset (KIP-107)
// v6   the response may carry KAFKA_STORAGE_ERROR
// v7   incremental fetch sessions (KIP-227)
// v9   current leader epoch, which fences (KIP-320)
// v10  zstd (KIP-110)
// v11  rack of the consumer, preferred read replica (KIP-392)
// v12  flexible; last fetched epoch and diverging epoch
// v13  topic ids instead of names (KIP-516)
// v14  the response may carry OFFSET_MOVED_TO_TIERED_STORAGE (KIP-405)
// v15  replica state instead of replica id (KIP-903)
// v16  addresses of current leaders (KIP-951)
// v17  directory id of the replica (KIP-853)
// v18  high watermark as the replica knows it (KIP-1166)
export const FetchRequest = message({
  name: 'FetchRequest',
  apiKey: 1,
  versions: [4, 18],
  flexibleSince: 12,
  fields: {
    clusterId: string({ since: 12, nullableSince: 12, tag: 0 }),
    /** -1 from consumers, here and in `replicaState`; anything else comes from a follower. */
    replicaId: int32({ until: 14, fallback: -1 }),
    replicaState: struct(
      { replicaId: int32({ fallback: -1 }), replicaEpoch: int64({ fallback: -1 }) },
      { since: 15, tag: 1 },
    ),
    maxWaitMs: int32(),
    minBytes: int32(),
    maxBytes: int32({ fallback: 0x7fffffff }),
    /** 0 read_uncommitted, 1 read_committed. */
    isolationLevel: int8({ fallback: 0 }),
    sessionId: int32({ since: 7 }),
    /** -1 asks for no session, 0 for a new one; -1 with a session id closes that. */
    sessionEpoch: int32({ since: 7, fallback: -1 }),
    topics: array({
      name: string({ until: 12 }),
      topicId: uuid({ since: 13 }),
      partitions: array({
        index: int32(),
        currentLeaderEpoch: int32({ since: 9, fallback: -1 }),
        fetchOffset: int64(),
        lastFetchedEpoch: int32({ since: 12, fallback: -1 }),
        /** Of a follower. */
        logStartOffset: int64({ since: 5, fallback: -1 }),
        partitionMaxBytes: int32(),
        replicaDirectoryId: uuid({ since: 17, tag: 0 }),
        highWatermark: int64({ since: 18, tag: 1, fallback: 2 ** 63 }),
      }),
    }),
    forgottenTopics: array(
      {
        name: string({ until: 12 }),
        topicId: uuid({ since: 13 }),
        partitions: list(int32()),
      },
      { since: 7 },
    ),
    rackId: string({ since: 11 }),
  },
});

export const FetchResponse = message({
  name: 'FetchResponse',
  apiKey: 1,
  versions: [4, 18],
  flexibleSince: 12,
  fields: {
    throttleTimeMs: int32({ fallback: 0 }),
    errorCode: int16({ since: 7 }),
    sessionId: int32({ since: 7 }),
    topics: array({
      name: string({ until: 12 }),
      topicId: uuid({ since: 13 }),
      partitions: array({
        index: int32(),
        errorCode: int16(),
        highWatermark: int64(),
        lastStableOffset: int64({ fallback: -1 }),
        logStartOffset: int64({ since: 5, fallback: -1 }),
        divergingEpoch: struct(
          { epoch: int32({ fallback: -1 }), endOffset: int64({ fallback: -1 }) },
          { since: 12, tag: 0 },
        ),
        currentLeader: struct(
          { leaderId: int32({ fallback: -1 }), leaderEpoch: int32({ fallback: -1 }) },
          { since: 12, tag: 1 },
        ),
        snapshotId: struct(
          { endOffset: int64({ fallback: -1 }), epoch: int32({ fallback: -1 }) },
          { since: 12, tag: 2 },
        ),
        /** Null with read_uncommitted. */
        abortedTransactions: array({ producerId: int64(), firstOffset: int64() }, { nullableSince: 4, fallback: null }),
        preferredReadReplica: int32({ since: 11, fallback: -1 }),
        /** Kafka answers with nothing as empty, never as null. */
        records: records({ nullableSince: 0 }),
      }),
    }),
    nodeEndpoints: array(
      { nodeId: int32(), host: string(), port: int32(), rack: string({ nullableSince: 16, fallback: null }) },
      { since: 16, tag: 0 },
    ),
  },
});

export type FetchRequest = Infer<typeof FetchRequest>;
export type FetchResponse = Input<typeof FetchResponse>;
