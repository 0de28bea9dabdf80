import { array, bool, type Infer, type Input, int8, int16, int32, message, string } from '../schema.ts';
import { AUTHORIZED_OPERATIONS_UNKNOWN } from './authorized-operations.ts';

// v0   flexible (KIP-700)
// v1   brokers or controllers (KIP-919)
// v2   fenced brokers (KIP-1073)
export const DescribeClusterRequest = message({
  name: 'DescribeClusterRequest',
  apiKey: 60,
  versions: [0, 2],
  flexibleSince: 0,
  fields: {
    includeClusterAuthorizedOperations: bool(),
    /** 1 brokers, 2 controllers. */
    endpointType: int8({ since: 1, fallback: 1 }),
    includeFencedBrokers: bool({ since: 2 }),
  },
});

export const DescribeClusterResponse = message({
  name: 'DescribeClusterResponse',
  apiKey: 60,
  versions: [0, 2],
  flexibleSince: 0,
  fields: {
    throttleTimeMs: int32({ fallback: 0 }),
    errorCode: int16(),
    errorMessage: string({ nullableSince: 0, fallback: null }),
    endpointType: int8({ since: 1, fallback: 1 }),
    clusterId: string(),
    controllerId: int32({ fallback: -1 }),
    brokers: array({
      brokerId: int32(),
      host: string(),
      port: int32(),
      rack: string({ nullableSince: 0, fallback: null }),
      isFenced: bool({ since: 2 }),
    }),
    clusterAuthorizedOperations: int32({ fallback: AUTHORIZED_OPERATIONS_UNKNOWN }),
  },
});

export type DescribeClusterRequest = Infer<typeof DescribeClusterRequest>;
export type DescribeClusterResponse = Input<typeof DescribeClusterResponse>;
