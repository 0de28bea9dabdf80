import { array, bool, type Infer, type Input, int8, int16, int32, list, message, string, uuid } from '../schema.ts';

// v2   throttle time
// v4   -1 partitions or replicas ask for the broker's defaults (KIP-464)
// v5   flexible; the response tells what was created (KIP-525)
// v6   THROTTLING_QUOTA_EXCEEDED (KIP-599)
// v7   topic id in the response (KIP-516)
export const CreateTopicsRequest = message({
  name: 'CreateTopicsRequest',
  apiKey: 19,
  versions: [2, 7],
  flexibleSince: 5,
  fields: {
    topics: array({
      name: string(),
      /** -1 where `assignments` say it, or for the default. */
      numPartitions: int32(),
      replicationFactor: int16(),
      assignments: array({ index: int32(), brokerIds: list(int32()) }, { fallback: [] }),
      configs: array({ name: string(), value: string({ nullableSince: 0 }) }, { fallback: [] }),
    }),
    timeoutMs: int32({ fallback: 60_000 }),
    validateOnly: bool({ fallback: false }),
  },
});

export const CreateTopicsResponse = message({
  name: 'CreateTopicsResponse',
  apiKey: 19,
  versions: [2, 7],
  flexibleSince: 5,
  fields: {
    throttleTimeMs: int32({ fallback: 0 }),
    topics: array({
      name: string(),
      topicId: uuid({ since: 7 }),
      errorCode: int16(),
      errorMessage: string({ nullableSince: 0, fallback: null }),
      /** Why `configs` is null, when the caller may not see them. */
      topicConfigErrorCode: int16({ since: 5, tag: 0 }),
      numPartitions: int32({ since: 5, fallback: -1 }),
      replicationFactor: int16({ since: 5, fallback: -1 }),
      configs: array(
        {
          name: string(),
          value: string({ nullableSince: 5 }),
          readOnly: bool(),
          configSource: int8({ fallback: -1 }),
          isSensitive: bool(),
        },
        { since: 5, nullableSince: 5 },
      ),
    }),
  },
});

export type CreateTopicsRequest = Infer<typeof CreateTopicsRequest>;
export type CreateTopicsResponse = Input<typeof CreateTopicsResponse>;
