import { array, type Infer, type Input, int16, int32, list, message, string, struct, uuid } from '../schema.ts';

// v1   one request joins, keeps alive, tells the assignment and leaves (KIP-932); v0 was early access and is gone
// Null in a request means "as in the last heartbeat", in a response "no change".
export const ShareGroupHeartbeatRequest = message({
  name: 'ShareGroupHeartbeatRequest',
  apiKey: 76,
  versions: [1, 1],
  flexibleSince: 0,
  fields: {
    groupId: string(),
    /** Made by the client, and kept as long as it lives. */
    memberId: string(),
    /** 0 joins, -1 leaves. */
    memberEpoch: int32(),
    rackId: string({ nullableSince: 0, fallback: null }),
    subscribedTopicNames: list(string(), { nullableSince: 0, fallback: null }),
  },
});

export const ShareGroupHeartbeatResponse = message({
  name: 'ShareGroupHeartbeatResponse',
  apiKey: 76,
  versions: [1, 1],
  flexibleSince: 0,
  fields: {
    throttleTimeMs: int32({ fallback: 0 }),
    errorCode: int16(),
    errorMessage: string({ nullableSince: 0, fallback: null }),
    memberId: string({ nullableSince: 0, fallback: null }),
    memberEpoch: int32({ fallback: 0 }),
    heartbeatIntervalMs: int32({ fallback: 0 }),
    assignment: struct(
      { topicPartitions: array({ topicId: uuid(), partitions: list(int32()) }) },
      { nullableSince: 0, fallback: null },
    ),
  },
});

export type ShareGroupHeartbeatRequest = Infer<typeof ShareGroupHeartbeatRequest>;
export type ShareGroupHeartbeatResponse = Input<typeof ShareGroupHeartbeatResponse>;
