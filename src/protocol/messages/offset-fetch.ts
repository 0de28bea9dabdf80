import { array, bool, type Infer, type Input, int16, int32, int64, list, message, string, uuid } from '../schema.ts';

// v2   null asks for all partitions of the group (KIP-88); error code of the whole response
// v3   throttle time
// v5   leader epoch of what was consumed (KIP-320)
// v6   flexible
// v7   require stable: UNSTABLE_OFFSET_COMMIT while a transaction is open (KIP-447)
// v8   many groups in one request (KIP-709)
// v9   member id and epoch (KIP-848)
// v10  topic ids instead of names
export const OffsetFetchRequest = message({
  name: 'OffsetFetchRequest',
  apiKey: 9,
  versions: [1, 10],
  flexibleSince: 6,
  fields: {
    groupId: string({ until: 7 }),
    topics: array({ name: string(), partitionIndexes: list(int32()) }, { until: 7, nullableSince: 2 }),
    groups: array(
      {
        groupId: string(),
        memberId: string({ since: 9, nullableSince: 9, fallback: null }),
        memberEpoch: int32({ since: 9, fallback: -1 }),
        topics: array(
          {
            name: string({ until: 9 }),
            topicId: uuid({ since: 10 }),
            partitionIndexes: list(int32()),
          },
          { nullableSince: 8 },
        ),
      },
      { since: 8 },
    ),
    requireStable: bool({ since: 7 }),
  },
});

export const OffsetFetchResponse = message({
  name: 'OffsetFetchResponse',
  apiKey: 9,
  versions: [1, 10],
  flexibleSince: 6,
  fields: {
    throttleTimeMs: int32({ since: 3 }),
    topics: array(
      {
        name: string(),
        partitions: array({
          index: int32(),
          /** -1 where nothing is committed. */
          committedOffset: int64(),
          committedLeaderEpoch: int32({ since: 5, fallback: -1 }),
          metadata: string({ nullableSince: 0 }),
          errorCode: int16(),
        }),
      },
      { until: 7 },
    ),
    errorCode: int16({ since: 2, until: 7 }),
    groups: array(
      {
        groupId: string(),
        topics: array({
          name: string({ until: 9 }),
          topicId: uuid({ since: 10 }),
          partitions: array({
            index: int32(),
            committedOffset: int64(),
            committedLeaderEpoch: int32({ fallback: -1 }),
            metadata: string({ nullableSince: 8 }),
            errorCode: int16(),
          }),
        }),
        errorCode: int16({ fallback: 0 }),
      },
      { since: 8 },
    ),
  },
});

export type OffsetFetchRequest = Infer<typeof OffsetFetchRequest>;
export type OffsetFetchResponse = Input<typeof OffsetFetchResponse>;
