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
  string,
  struct,
  uuid,
} from '../schema.ts';

// v1   acknowledgements without a fetch (KIP-932); v0 was early access and is gone
// v2   acknowledgements that renew a lock (KIP-1222)
export const ShareAcknowledgeRequest = message({
  name: 'ShareAcknowledgeRequest',
  apiKey: 79,
  versions: [1, 2],
  flexibleSince: 0,
  fields: {
    groupId: string({ nullableSince: 0, fallback: null }),
    memberId: string({ nullableSince: 0 }),
    /** -1 closes the session, else one more than in the request before; 0 is refused. */
    shareSessionEpoch: int32(),
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
  },
});

export const ShareAcknowledgeResponse = message({
  name: 'ShareAcknowledgeResponse',
  apiKey: 79,
  versions: [1, 2],
  flexibleSince: 0,
  fields: {
    throttleTimeMs: int32({ fallback: 0 }),
    errorCode: int16(),
    errorMessage: string({ nullableSince: 0, fallback: null }),
    acquisitionLockTimeoutMs: int32({ since: 2, fallback: 0 }),
    topics: array({
      topicId: uuid(),
      partitions: array({
        index: int32(),
        errorCode: int16(),
        errorMessage: string({ nullableSince: 0, fallback: null }),
        currentLeader: struct({ leaderId: int32(), leaderEpoch: int32() }),
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

export type ShareAcknowledgeRequest = Infer<typeof ShareAcknowledgeRequest>;
export type ShareAcknowledgeResponse = Input<typeof ShareAcknowledgeResponse>;
