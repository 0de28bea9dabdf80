import { array, bool, type Infer, type Input, int8, int16, int32, message, string } from '../schema.ts';

// v0   all settings of a resource are replaced (KIP-133)
// v2   flexible
// Java no longer sends it; librdkafka, KafkaJS and @platformatic/kafka do.
export const AlterConfigsRequest = message({
  name: 'AlterConfigsRequest',
  apiKey: 33,
  versions: [0, 2],
  flexibleSince: 2,
  fields: {
    resources: array({
      resourceType: int8(),
      resourceName: string(),
      configs: array({ name: string(), value: string({ nullableSince: 0 }) }),
    }),
    validateOnly: bool(),
  },
});

export const AlterConfigsResponse = message({
  name: 'AlterConfigsResponse',
  apiKey: 33,
  versions: [0, 2],
  flexibleSince: 2,
  fields: {
    throttleTimeMs: int32({ fallback: 0 }),
    responses: array({
      errorCode: int16(),
      errorMessage: string({ nullableSince: 0, fallback: null }),
      resourceType: int8(),
      resourceName: string(),
    }),
  },
});

export type AlterConfigsRequest = Infer<typeof AlterConfigsRequest>;
export type AlterConfigsResponse = Input<typeof AlterConfigsResponse>;
