import { array, bool, bytes, type Infer, type Input, int16, int32, list, message, string } from '../schema.ts';
import { AUTHORIZED_OPERATIONS_UNKNOWN } from './authorized-operations.ts';

// v1   throttle time
// v3   authorized operations (KIP-430)
// v4   static membership (KIP-345)
// v5   flexible
// v6   GROUP_ID_NOT_FOUND with a message, where earlier versions answer a group in state Dead (KIP-1043)
export const DescribeGroupsRequest = message({
  name: 'DescribeGroupsRequest',
  apiKey: 15,
  versions: [0, 6],
  flexibleSince: 5,
  fields: {
    groups: list(string()),
    includeAuthorizedOperations: bool({ since: 3 }),
  },
});

export const DescribeGroupsResponse = message({
  name: 'DescribeGroupsResponse',
  apiKey: 15,
  versions: [0, 6],
  flexibleSince: 5,
  fields: {
    throttleTimeMs: int32({ since: 1 }),
    groups: array({
      errorCode: int16(),
      errorMessage: string({ since: 6, nullableSince: 6 }),
      groupId: string(),
      groupState: string(),
      protocolType: string(),
      /** The protocol that was chosen; empty where none was. */
      protocolData: string(),
      members: array({
        memberId: string(),
        groupInstanceId: string({ since: 4, nullableSince: 4, fallback: null }),
        clientId: string(),
        clientHost: string(),
        memberMetadata: bytes(),
        memberAssignment: bytes(),
      }),
      authorizedOperations: int32({ since: 3, fallback: AUTHORIZED_OPERATIONS_UNKNOWN }),
    }),
  },
});

export type DescribeGroupsRequest = Infer<typeof DescribeGroupsRequest>;
export type DescribeGroupsResponse = Input<typeof DescribeGroupsResponse>;
