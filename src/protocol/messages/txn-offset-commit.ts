import { array, type Infer, type Input, int16, int32, int64, message, string } from '../schema.ts';

// v0   offsets as part of a transaction (KIP-98)
// v2   leader epoch of what was consumed (KIP-320)
// v3   flexible; group membership, which fences zombies (KIP-447)
// v4   TRANSACTION_ABORTABLE (KIP-890)
// v5   adds the group to the transaction by itself, where transactions v2 are on (KIP-890)
export const TxnOffsetCommitRequest = message({
  name: 'TxnOffsetCommitRequest',
  apiKey: 28,
  versions: [0, 5],
  flexibleSince: 3,
  fields: {
    transactionalId: string(),
    groupId: string(),
    producerId: int64(),
    producerEpoch: int16(),
    generationId: int32({ since: 3, fallback: -1 }),
    memberId: string({ since: 3 }),
    groupInstanceId: string({ since: 3, nullableSince: 3, fallback: null }),
    topics: array({
      name: string(),
      partitions: array({
        index: int32(),
        committedOffset: int64(),
        committedLeaderEpoch: int32({ since: 2, fallback: -1 }),
        committedMetadata: string({ nullableSince: 0 }),
      }),
    }),
  },
});

export const TxnOffsetCommitResponse = message({
  name: 'TxnOffsetCommitResponse',
  apiKey: 28,
  versions: [0, 5],
  flexibleSince: 3,
  fields: {
    throttleTimeMs: int32({ fallback: 0 }),
    topics: array({ name: string(), partitions: array({ index: int32(), errorCode: int16() }) }),
  },
});

export type TxnOffsetCommitRequest = Infer<typeof TxnOffsetCommitRequest>;
export type TxnOffsetCommitResponse = Input<typeof TxnOffsetCommitResponse>;
