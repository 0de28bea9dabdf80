import { array, bytes, type Infer, type Input, int16, int32, message, string } from '../schema.ts';

// v1   throttle time
// v3   static membership (KIP-345)
// v4   flexible
// v5   protocol type and name, checked against the group's (KIP-559)
export const SyncGroupRequest = message({
  name: 'SyncGroupRequest',
  apiKey: 14,
  versions: [0, 5],
  flexibleSince: 4,
  fields: {
    groupId: string(),
    generationId: int32(),
    memberId: string(),
    groupInstanceId: string({ since: 3, nullableSince: 3, fallback: null }),
    protocolType: string({ since: 5, nullableSince: 5, fallback: null }),
    protocolName: string({ since: 5, nullableSince: 5, fallback: null }),
    /** From the leader only. */
    assignments: array({ memberId: string(), assignment: bytes() }),
  },
});

export const SyncGroupResponse = message({
  name: 'SyncGroupResponse',
  apiKey: 14,
  versions: [0, 5],
  flexibleSince: 4,
  fields: {
    throttleTimeMs: int32({ since: 1 }),
    errorCode: int16(),
    protocolType: string({ since: 5, nullableSince: 5, fallback: null }),
    protocolName: string({ since: 5, nullableSince: 5, fallback: null }),
    assignment: bytes(),
  },
});

export type SyncGroupRequest = Infer<typeof SyncGroupRequest>;
export type SyncGroupResponse = Input<typeof SyncGroupResponse>;
