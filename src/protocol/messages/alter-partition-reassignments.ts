import { array, bool, type Infer, type Input, int16, int32, list, message, string } from '../schema.ts';

// v0   partitions are moved to other brokers, or a move is cancelled (KIP-455)
// v1   moves that change the number of replicas may be forbidden (KIP-860)
export const AlterPartitionReassignmentsRequest = message({
  name: 'AlterPartitionReassignmentsRequest',
  apiKey: 45,
  versions: [0, 1],
  flexibleSince: 0,
  fields: {
    timeoutMs: int32({ fallback: 60_000 }),
    allowReplicationFactorChange: bool({ since: 1, fallback: true }),
    topics: array({
      name: string(),
      partitions: array({
        index: int32(),
        /** Null cancels. */
        replicas: list(int32(), { nullableSince: 0, fallback: null }),
      }),
    }),
  },
});

export const AlterPartitionReassignmentsResponse = message({
  name: 'AlterPartitionReassignmentsResponse',
  apiKey: 45,
  versions: [0, 1],
  flexibleSince: 0,
  fields: {
    throttleTimeMs: int32({ fallback: 0 }),
    allowReplicationFactorChange: bool({ since: 1, fallback: true }),
    errorCode: int16(),
    errorMessage: string({ nullableSince: 0, fallback: null }),
    topics: array({
      name: string(),
      partitions: array({
        index: int32(),
        errorCode: int16(),
        errorMessage: string({ nullableSince: 0, fallback: null }),
      }),
    }),
  },
});

export type AlterPartitionReassignmentsRequest = Infer<typeof AlterPartitionReassignmentsRequest>;
export type AlterPartitionReassignmentsResponse = Input<typeof AlterPartitionReassignmentsResponse>;
