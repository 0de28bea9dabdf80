import { array, type Infer, type Input, int16, int32, list, message, string, struct, uuid } from '../schema.ts';

// v0   one request joins, keeps alive, reconciles and leaves (KIP-848)
// v1   subscription by regular expression; the member makes its own id (KIP-1082)
// Null in a request means "as in the last heartbeat", in a response "no change".
const topicPartitions = { topicId: uuid(), partitions: list(int32()) };

export const ConsumerGroupHeartbeatRequest = message({
  name: 'ConsumerGroupHeartbeatRequest',
  apiKey: 68,
  versions: [0, 1],
  flexibleSince: 0,
  fields: {
    groupId: string(),
    memberId: string(),
    /** 0 joins, -1 leaves, -2 leaves as a static member that will be back. */
    memberEpoch: int32(),
    instanceId: string({ nullableSince: 0, fallback: null }),
    rackId: string({ nullableSince: 0, fallback: null }),
    rebalanceTimeoutMs: int32({ fallback: -1 }),
    subscribedTopicNames: list(string(), { nullableSince: 0, fallback: null }),
    subscribedTopicRegex: string({ since: 1, nullableSince: 1, fallback: null }),
    serverAssignor: string({ nullableSince: 0, fallback: null }),
    topicPartitions: array(topicPartitions, { nullableSince: 0, fallback: null }),
  },
});

export const ConsumerGroupHeartbeatResponse = message({
  name: 'ConsumerGroupHeartbeatResponse',
  apiKey: 68,
  versions: [0, 1],
  flexibleSince: 0,
  fields: {
    throttleTimeMs: int32({ fallback: 0 }),
    errorCode: int16(),
    errorMessage: string({ nullableSince: 0, fallback: null }),
    memberId: string({ nullableSince: 0, fallback: null }),
    memberEpoch: int32({ fallback: 0 }),
    heartbeatIntervalMs: int32({ fallback: 0 }),
    assignment: struct({ topicPartitions: array(topicPartitions) }, { nullableSince: 0, fallback: null }),
  },
});

export type ConsumerGroupHeartbeatRequest = Infer<typeof ConsumerGroupHeartbeatRequest>;
export type ConsumerGroupHeartbeatResponse = Input<typeof ConsumerGroupHeartbeatResponse>;
