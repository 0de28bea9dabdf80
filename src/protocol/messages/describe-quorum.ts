import { array, type Infer, type Input, int16, int32, int64, message, string, uint16, uuid } from '../schema.ts';

// v0   who keeps the metadata log (KIP-595)
// v1   when each voter last fetched (KIP-836)
// v2   messages, directories, addresses of nodes (KIP-853)
export const DescribeQuorumRequest = message({
  name: 'DescribeQuorumRequest',
  apiKey: 55,
  versions: [0, 2],
  flexibleSince: 0,
  fields: {
    topics: array({ name: string(), partitions: array({ index: int32() }) }),
  },
});

const replica = {
  replicaId: int32(),
  replicaDirectoryId: uuid({ since: 2 }),
  logEndOffset: int64(),
  /** -1 when unknown. */
  lastFetchTimestamp: int64({ since: 1, fallback: -1 }),
  lastCaughtUpTimestamp: int64({ since: 1, fallback: -1 }),
};

export const DescribeQuorumResponse = message({
  name: 'DescribeQuorumResponse',
  apiKey: 55,
  versions: [0, 2],
  flexibleSince: 0,
  fields: {
    errorCode: int16(),
    errorMessage: string({ since: 2, nullableSince: 2, fallback: null }),
    topics: array({
      name: string(),
      partitions: array({
        index: int32(),
        errorCode: int16(),
        errorMessage: string({ since: 2, nullableSince: 2, fallback: null }),
        leaderId: int32(),
        leaderEpoch: int32(),
        highWatermark: int64(),
        currentVoters: array(replica),
        observers: array(replica),
      }),
    }),
    nodes: array(
      { nodeId: int32(), listeners: array({ name: string(), host: string(), port: uint16() }) },
      { since: 2 },
    ),
  },
});

export type DescribeQuorumRequest = Infer<typeof DescribeQuorumRequest>;
export type DescribeQuorumResponse = Input<typeof DescribeQuorumResponse>;
