import { array, bool, type Infer, type Input, int16, int32, list, message, string, uuid } from '../schema.ts';
import { AUTHORIZED_OPERATIONS_UNKNOWN } from './authorized-operations.ts';

// v0   an empty list of topics asks for all
// v1   null asks for all, empty for none; racks, controller, internal topics
// v2   cluster id (KIP-78)
// v4   whether missing topics may be created
// v5   offline replicas (KIP-112)
// v7   leader epoch (KIP-320)
// v8   authorized operations (KIP-430)
// v9   flexible
// v10  topic ids in the response (KIP-516); clients must not ask by id yet
// v11  no authorized operations of the cluster: DescribeCluster has them (KIP-700)
// v12  topics may be asked for by id, and the name may be null
// v13  error code of the whole response (REBOOTSTRAP_REQUIRED, KIP-1102)
export const MetadataRequest = message({
  name: 'MetadataRequest',
  apiKey: 3,
  versions: [0, 13],
  flexibleSince: 9,
  fields: {
    topics: array(
      {
        topicId: uuid({ since: 10 }),
        name: string({ nullableSince: 10 }),
      },
      { nullableSince: 1 },
    ),
    allowAutoTopicCreation: bool({ since: 4, fallback: true }),
    includeClusterAuthorizedOperations: bool({ since: 8, until: 10 }),
    includeTopicAuthorizedOperations: bool({ since: 8 }),
  },
});

export const MetadataResponse = message({
  name: 'MetadataResponse',
  apiKey: 3,
  versions: [0, 13],
  flexibleSince: 9,
  fields: {
    throttleTimeMs: int32({ since: 3 }),
    brokers: array({
      nodeId: int32(),
      host: string(),
      port: int32(),
      rack: string({ since: 1, nullableSince: 1 }),
    }),
    clusterId: string({ since: 2, nullableSince: 2 }),
    controllerId: int32({ since: 1, fallback: -1 }),
    topics: array({
      errorCode: int16(),
      name: string({ nullableSince: 12 }),
      topicId: uuid({ since: 10 }),
      isInternal: bool({ since: 1 }),
      partitions: array({
        errorCode: int16(),
        index: int32(),
        leaderId: int32(),
        leaderEpoch: int32({ since: 7, fallback: -1 }),
        replicaNodes: list(int32()),
        isrNodes: list(int32()),
        offlineReplicas: list(int32(), { since: 5 }),
      }),
      topicAuthorizedOperations: int32({ since: 8, fallback: AUTHORIZED_OPERATIONS_UNKNOWN }),
    }),
    clusterAuthorizedOperations: int32({ since: 8, until: 10, fallback: AUTHORIZED_OPERATIONS_UNKNOWN }),
    errorCode: int16({ since: 13 }),
  },
});

export type MetadataRequest = Infer<typeof MetadataRequest>;
export type MetadataResponse = Input<typeof MetadataResponse>;
