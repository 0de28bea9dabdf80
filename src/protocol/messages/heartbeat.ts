import { type Infer, type Input, int16, int32, message, string } from '../schema.ts';

// v1   throttle time
// v3   static membership (KIP-345)
// v4   flexible
export const HeartbeatRequest = message({
  name: 'HeartbeatRequest',
  apiKey: 12,
  versions: [0, 4],
  flexibleSince: 4,
  fields: {
    groupId: string(),
    generationId: int32(),
    memberId: string(),
    groupInstanceId: string({ since: 3, nullableSince: 3, fallback: null }),
  },
});

export const HeartbeatResponse = message({
  name: 'HeartbeatResponse',
  apiKey: 12,
  versions: [0, 4],
  flexibleSince: 4,
  fields: {
    throttleTimeMs: int32({ since: 1 }),
    errorCode: int16(),
  },
});

export type HeartbeatRequest = Infer<typeof HeartbeatRequest>;
export type HeartbeatResponse = Input<typeof HeartbeatResponse>;
