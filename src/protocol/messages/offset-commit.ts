import { array, type Infer, type Input, int16, int32, int64, message, string, uuid } from '../schema.ts';

// v2   retention time, commit timestamps gone
// v3   throttle time
// v5   retention time gone: the broker's setting decides (KIP-211)
// v6   leader epoch of what was consumed (KIP-320)
// v7   static membership (KIP-345)
// v8   flexible
// v9   usable by the consumer protocol; STALE_MEMBER_EPOCH (KIP-848)
// v10  topic ids instead of names
export const OffsetCommitRequest = message({
  name: 'OffsetCommitRequest',
  apiKey: 8,
  versions: [2, 10],
  flexibleSince: 8,
  fields: {
    groupId: string(),
    /** -1, with an empty member id, from consumers that assign partitions themselves. */
    generationIdOrMemberEpoch: int32({ fallback: -1 }),
    memberId: string({ fallback: '' }),
    groupInstanceId: string({ since: 7, nullableSince: 7, fallback: null }),
    retentionTimeMs: int64({ until: 4, fallback: -1 }),
    topics: array({
      name: string({ until: 9 }),
      topicId: uuid({ since: 10 }),
      partitions: array({
        index: int32(),
        committedOffset: int64(),
        committedLeaderEpoch: int32({ since: 6, fallback: -1 }),
        committedMetadata: string({ nullableSince: 0 }),
      }),
    }),
  },
});

export const OffsetCommitResponse = message({
  name: 'OffsetCommitResponse',
  apiKey: 8,
  versions: [2, 10],
  flexibleSince: 8,
  fields: {
    throttleTimeMs: int32({ since: 3 }),
    topics: array({
      name: string({ until: 9 }),
      topicId: uuid({ since: 10 }),
      partitions: array({ index: int32(), errorCode: int16() }),
    }),
  },
});

export type OffsetCommitRequest = Infer<typeof OffsetCommitRequest>;
export type OffsetCommitResponse = Input<typeof OffsetCommitResponse>;
