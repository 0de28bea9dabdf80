import { array, bool, bytes, type Infer, type Input, int16, int32, message, string } from '../schema.ts';

// v1   rebalance timeout (KIP-62)
// v2   throttle time
// v4   a new member gets MEMBER_ID_REQUIRED and an id first (KIP-394)
// v5   static membership (KIP-345)
// v6   flexible
// v7   protocol type in the response (KIP-559)
// v8   reason for joining (KIP-800)
// v9   the leader may be told to skip the assignment (KIP-814)
export const JoinGroupRequest = message({
  name: 'JoinGroupRequest',
  apiKey: 11,
  versions: [0, 9],
  flexibleSince: 6,
  fields: {
    groupId: string(),
    sessionTimeoutMs: int32(),
    /** -1 in v0, where the session timeout counts. */
    rebalanceTimeoutMs: int32({ since: 1, fallback: -1 }),
    /** Empty from a member that joins for the first time. */
    memberId: string(),
    groupInstanceId: string({ since: 5, nullableSince: 5, fallback: null }),
    protocolType: string(),
    protocols: array({ name: string(), metadata: bytes() }),
    reason: string({ since: 8, nullableSince: 8, fallback: null }),
  },
});

export const JoinGroupResponse = message({
  name: 'JoinGroupResponse',
  apiKey: 11,
  versions: [0, 9],
  flexibleSince: 6,
  fields: {
    throttleTimeMs: int32({ since: 2 }),
    errorCode: int16(),
    generationId: int32({ fallback: -1 }),
    protocolType: string({ since: 7, nullableSince: 7, fallback: null }),
    /** Null since v7 where there is none, empty before. */
    protocolName: string({ nullableSince: 7 }),
    leader: string(),
    skipAssignment: bool({ since: 9 }),
    memberId: string(),
    /** For the leader only. */
    members: array({
      memberId: string(),
      groupInstanceId: string({ since: 5, nullableSince: 5, fallback: null }),
      metadata: bytes(),
    }),
  },
});

export type JoinGroupRequest = Infer<typeof JoinGroupRequest>;
export type JoinGroupResponse = Input<typeof JoinGroupResponse>;
