import { array, type Infer, type Input, int16, int32, list, message, string, uuid } from '../schema.ts';

// v1   throttle time
// v4   flexible
// v5   error message; THROTTLING_QUOTA_EXCEEDED (KIP-599)
// v6   topics by name or by id (KIP-516)
export const DeleteTopicsRequest = message({
  name: 'DeleteTopicsRequest',
  apiKey: 20,
  versions: [1, 6],
  flexibleSince: 4,
  fields: {
    /** Each by its name, or by its id with a null name. */
    topics: array({ name: string({ nullableSince: 6, fallback: null }), topicId: uuid({ since: 6 }) }, { since: 6 }),
    topicNames: list(string(), { until: 5 }),
    timeoutMs: int32(),
  },
});

export const DeleteTopicsResponse = message({
  name: 'DeleteTopicsResponse',
  apiKey: 20,
  versions: [1, 6],
  flexibleSince: 4,
  fields: {
    throttleTimeMs: int32({ fallback: 0 }),
    topics: array({
      name: string({ nullableSince: 6 }),
      topicId: uuid({ since: 6 }),
      errorCode: int16(),
      errorMessage: string({ since: 5, nullableSince: 5 }),
    }),
  },
});

export type DeleteTopicsRequest = Infer<typeof DeleteTopicsRequest>;
export type DeleteTopicsResponse = Input<typeof DeleteTopicsResponse>;
