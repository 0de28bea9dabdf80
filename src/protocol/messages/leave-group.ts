import { array, type Infer, type Input, int16, int32, message, string } from '../schema.ts';

// v1   throttle time
// v3   many members in one request, static membership (KIP-345)
// v4   flexible
// v5   reason for leaving (KIP-800)
export const LeaveGroupRequest = message({
  name: 'LeaveGroupRequest',
  apiKey: 13,
  versions: [0, 5],
  flexibleSince: 4,
  fields: {
    groupId: string(),
    memberId: string({ until: 2 }),
    members: array(
      {
        memberId: string(),
        groupInstanceId: string({ nullableSince: 3, fallback: null }),
        reason: string({ since: 5, nullableSince: 5, fallback: null }),
      },
      { since: 3 },
    ),
  },
});

export const LeaveGroupResponse = message({
  name: 'LeaveGroupResponse',
  apiKey: 13,
  versions: [0, 5],
  flexibleSince: 4,
  fields: {
    throttleTimeMs: int32({ since: 1 }),
    errorCode: int16(),
    members: array(
      { memberId: string(), groupInstanceId: string({ nullableSince: 3 }), errorCode: int16() },
      { since: 3 },
    ),
  },
});

export type LeaveGroupRequest = Infer<typeof LeaveGroupRequest>;
export type LeaveGroupResponse = Input<typeof LeaveGroupResponse>;
