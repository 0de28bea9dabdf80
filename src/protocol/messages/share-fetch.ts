import {
  array,
  bool,
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

// v1   records of a share group (KIP-932); v0 was early access and is gone
// v2   acquire mode (KIP-1206), acknowledgements that renew a lock (KIP-1222)
export const ShareFetchRequest = message({
  name: 'ShareFetchRequest',
  apiKey: 78,
  versions: [1, 2],
  flexibleSince: 0,
  fields: {
    groupId: string({ nullableSince: 0, fallback: null }),
    memberId: string({ nullableSince: 0 }),
    /** 0 opens a session, -1 closes it, else one more than in the request before. */
    shareSessionEpoch: int32(),
    maxWaitMs: int32(),
    minBytes: int32(),
    maxBytes: int32({ fallback: 0x7fffffff }),
    /** Exceeded to end with a batch, unless the mode is record_limit. */
    maxRecords: int32(),
    /** Records that one range of acquired records should hold. */
    batchSize: int32(),
    /** 0 batch_optimized, 1 record_limit. */
    shareAcquireMode: int8({ since: 2, fallback: 0 }),
    isRenewAck: bool({ since: 2, fallback: false }),
    topics: array({
      topicId: uuid(),
      partitions: array({
        index: int32(),
        acknowledgementBatches: array({
          firstOffset: int64(),
          lastOffset: int64(),
          /** One for all, or one per offset: 0 gap, 1 accept, 2 release, 3 reject, 4 renew. */
          acknowledgeTypes: list(int8()),
        }),
      }),
    }),
    forgottenTopics: array({ topicId: uuid(), partitions: list(int32()) }),
  },
});

export const ShareFetchResponse = message({
  name: 'ShareFetchResponse',
  apiKey: 78,
  versions: [1, 2],
  flexibleSince: 0,
  fields: {
    throttleTimeMs: int32({ fallback: 0 }),
    errorCode: int16(),
    errorMessage: string({ nullableSince: 0, fallback: null }),
    acquisitionLockTimeoutMs: int32({ fallback: 0 }),
    topics: array({
      topicId: uuid(),
      partitions: array({
        index: int32(),
        errorCode: int16(),
        errorMessage: string({ nullableSince: 0, fallback: null }),
        acknowledgeErrorCode: int16({ fallback: 0 }),
        acknowledgeErrorMessage: string({ nullableSince: 0, fallback: null }),
        currentLeader: struct({ leaderId: int32(), leaderEpoch: int32() }),
        records: records({ nullableSince: 0 }),
        acquiredRecords: array({ firstOffset: int64(), lastOffset: int64(), deliveryCount: int16() }),
      }),
    }),
    nodeEndpoints: array({
      nodeId: int32(),
      host: string(),
      port: int32(),
      rack: string({ nullableSince: 0, fallback: null }),
    }),
  },
});

export type ShareFetchRequest = Infer<typeof ShareFetchRequest>;
export type ShareFetchResponse = Input<typeof ShareFetchResponse>;
