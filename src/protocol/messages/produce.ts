import {
  array,
  type Infer,
  type Input,
  int16,
  int32,
  int64,
  message,
  records,
  string,
  struct,
  uuid,
} from '../schema.ts';

// v3   RecordBatch v2, transactional id (KIP-98)
// v4   the response may carry KAFKA_STORAGE_ERROR
// v5   log start offset
// v7   zstd (KIP-110)
// v8   errors of single records, error message (KIP-467)
// v9   flexible
// v10  the current leader and its address come with NOT_LEADER_OR_FOLLOWER (KIP-951)
// v11  TRANSACTION_ABORTABLE (KIP-890)
// v12  adds partitions to the transaction by itself, where transactions v2 are on (KIP-890)
// v13  topic ids instead of names (KIP-516)
// Versions 0 to 2 carry old record formats. They are advertised, because librdkafka looks for them before it uses newer
// ones (KAFKA-18659), but refused.
export const ProduceRequest = message({
  name: 'ProduceRequest',
  apiKey: 0,
  versions: [3, 13],
  flexibleSince: 9,
  fields: {
    transactionalId: string({ nullableSince: 3, fallback: null }),
    /** -1 waits for durable storage, 1 is treated as -1, 0 sends no response at all. */
    acks: int16(),
    timeoutMs: int32(),
    topics: array({
      name: string({ until: 12 }),
      topicId: uuid({ since: 13 }),
      partitions: array({
        index: int32(),
        records: records({ nullableSince: 0 }),
      }),
    }),
  },
});

export const ProduceResponse = message({
  name: 'ProduceResponse',
  apiKey: 0,
  versions: [3, 13],
  flexibleSince: 9,
  fields: {
    topics: array({
      name: string({ until: 12 }),
      topicId: uuid({ since: 13 }),
      partitions: array({
        index: int32(),
        errorCode: int16(),
        baseOffset: int64(),
        /** -1 with CreateTime. */
        logAppendTimeMs: int64({ fallback: -1 }),
        logStartOffset: int64({ since: 5, fallback: -1 }),
        recordErrors: array(
          { batchIndex: int32(), message: string({ nullableSince: 8, fallback: null }) },
          { since: 8 },
        ),
        errorMessage: string({ since: 8, nullableSince: 8 }),
        currentLeader: struct(
          { leaderId: int32({ fallback: -1 }), leaderEpoch: int32({ fallback: -1 }) },
          { since: 10, tag: 0 },
        ),
      }),
    }),
    throttleTimeMs: int32({ fallback: 0 }),
    nodeEndpoints: array(
      { nodeId: int32(), host: string(), port: int32(), rack: string({ nullableSince: 10, fallback: null }) },
      { since: 10, tag: 0 },
    ),
  },
});

export type ProduceRequest = Infer<typeof ProduceRequest>;
export type ProduceResponse = Input<typeof ProduceResponse>;
