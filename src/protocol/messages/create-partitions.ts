import { array, bool, type Infer, type Input, int16, int32, list, message, string } from '../schema.ts';

// v0   a topic gets more partitions (KIP-195)
// v2   flexible
// v3   THROTTLING_QUOTA_EXCEEDED (KIP-599)
export const CreatePartitionsRequest = message({
  name: 'CreatePartitionsRequest',
  apiKey: 37,
  versions: [0, 3],
  flexibleSince: 2,
  fields: {
    topics: array({
      name: string(),
      /** The new total. */
      count: int32(),
      assignments: array({ brokerIds: list(int32()) }, { nullableSince: 0, fallback: null }),
    }),
    timeoutMs: int32(),
    validateOnly: bool(),
  },
});

export const CreatePartitionsResponse = message({
  name: 'CreatePartitionsResponse',
  apiKey: 37,
  versions: [0, 3],
  flexibleSince: 2,
  fields: {
    throttleTimeMs: int32({ fallback: 0 }),
    topics: array({
      name: string(),
      errorCode: int16(),
      errorMessage: string({ nullableSince: 0, fallback: null }),
    }),
  },
});

export type CreatePartitionsRequest = Infer<typeof CreatePartitionsRequest>;
export type CreatePartitionsResponse = Input<typeof CreatePartitionsResponse>;
