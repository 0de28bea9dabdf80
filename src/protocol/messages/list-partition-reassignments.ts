import { array, type Infer, type Input, int16, int32, list, message, string } from '../schema.ts';

// v0   partitions that are being moved (KIP-455)
export const ListPartitionReassignmentsRequest = message({
  name: 'ListPartitionReassignmentsRequest',
  apiKey: 46,
  versions: [0, 0],
  flexibleSince: 0,
  fields: {
    timeoutMs: int32({ fallback: 60_000 }),
    /** Null: all. */
    topics: array({ name: string(), partitions: list(int32()) }, { nullableSince: 0, fallback: null }),
  },
});

export const ListPartitionReassignmentsResponse = message({
  name: 'ListPartitionReassignmentsResponse',
  apiKey: 46,
  versions: [0, 0],
  flexibleSince: 0,
  fields: {
    throttleTimeMs: int32({ fallback: 0 }),
    errorCode: int16(),
    errorMessage: string({ nullableSince: 0, fallback: null }),
    topics: array({
      name: string(),
      partitions: array({
        index: int32(),
        replicas: list(int32()),
        addingReplicas: list(int32()),
        removingReplicas: list(int32()),
      }),
    }),
  },
});

export type ListPartitionReassignmentsRequest = Infer<typeof ListPartitionReassignmentsRequest>;
export type ListPartitionReassignmentsResponse = Input<typeof ListPartitionReassignmentsResponse>;
