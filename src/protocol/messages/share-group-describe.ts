import { array, bool, type Infer, type Input, int16, int32, list, message, string, struct, uuid } from '../schema.ts';
import { AUTHORIZED_OPERATIONS_UNKNOWN } from './authorized-operations.ts';

// v1   share groups (KIP-932); v0 was early access and is gone
export const ShareGroupDescribeRequest = message({
  name: 'ShareGroupDescribeRequest',
  apiKey: 77,
  versions: [1, 1],
  flexibleSince: 0,
  fields: {
    groupIds: list(string()),
    includeAuthorizedOperations: bool(),
  },
});

export const ShareGroupDescribeResponse = message({
  name: 'ShareGroupDescribeResponse',
  apiKey: 77,
  versions: [1, 1],
  flexibleSince: 0,
  fields: {
    throttleTimeMs: int32({ fallback: 0 }),
    groups: array({
      errorCode: int16(),
      errorMessage: string({ nullableSince: 0, fallback: null }),
      groupId: string(),
      /** Empty when there is an error, as the next four. */
      groupState: string({ fallback: '' }),
      groupEpoch: int32({ fallback: 0 }),
      assignmentEpoch: int32({ fallback: 0 }),
      assignorName: string({ fallback: '' }),
      members: array({
        memberId: string(),
        rackId: string({ nullableSince: 0, fallback: null }),
        memberEpoch: int32(),
        clientId: string(),
        clientHost: string(),
        subscribedTopicNames: list(string()),
        assignment: struct({
          topicPartitions: array({ topicId: uuid(), topicName: string(), partitions: list(int32()) }),
        }),
      }),
      authorizedOperations: int32({ fallback: AUTHORIZED_OPERATIONS_UNKNOWN }),
    }),
  },
});

export type ShareGroupDescribeRequest = Infer<typeof ShareGroupDescribeRequest>;
export type ShareGroupDescribeResponse = Input<typeof ShareGroupDescribeResponse>;
