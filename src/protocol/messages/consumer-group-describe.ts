import {
  array,
  bool,
  type Infer,
  type Input,
  int8,
  int16,
  int32,
  list,
  message,
  string,
  struct,
  uuid,
} from '../schema.ts';
import { AUTHORIZED_OPERATIONS_UNKNOWN } from './authorized-operations.ts';

// v0   groups of the consumer protocol (KIP-848)
// v1   member type (KIP-1099)
export const ConsumerGroupDescribeRequest = message({
  name: 'ConsumerGroupDescribeRequest',
  apiKey: 69,
  versions: [0, 1],
  flexibleSince: 0,
  fields: {
    groupIds: list(string()),
    includeAuthorizedOperations: bool(),
  },
});

const assignment = {
  topicPartitions: array({ topicId: uuid(), topicName: string(), partitions: list(int32()) }),
};

export const ConsumerGroupDescribeResponse = message({
  name: 'ConsumerGroupDescribeResponse',
  apiKey: 69,
  versions: [0, 1],
  flexibleSince: 0,
  fields: {
    throttleTimeMs: int32({ fallback: 0 }),
    groups: array({
      errorCode: int16(),
      errorMessage: string({ nullableSince: 0, fallback: null }),
      groupId: string(),
      groupState: string(),
      groupEpoch: int32(),
      assignmentEpoch: int32(),
      assignorName: string(),
      members: array({
        memberId: string(),
        instanceId: string({ nullableSince: 0, fallback: null }),
        rackId: string({ nullableSince: 0, fallback: null }),
        memberEpoch: int32(),
        clientId: string(),
        clientHost: string(),
        subscribedTopicNames: list(string()),
        subscribedTopicRegex: string({ nullableSince: 0, fallback: null }),
        assignment: struct(assignment),
        targetAssignment: struct(assignment),
        /** -1 unknown, 0 classic, 1 consumer. */
        memberType: int8({ since: 1, fallback: -1 }),
      }),
      authorizedOperations: int32({ fallback: AUTHORIZED_OPERATIONS_UNKNOWN }),
    }),
  },
});

export type ConsumerGroupDescribeRequest = Infer<typeof ConsumerGroupDescribeRequest>;
export type ConsumerGroupDescribeResponse = Input<typeof ConsumerGroupDescribeResponse>;
