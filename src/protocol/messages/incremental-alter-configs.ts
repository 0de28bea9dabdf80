import { array, bool, type Infer, type Input, int8, int16, int32, message, string } from '../schema.ts';

// v0   single settings of a resource change (KIP-339)
// v1   flexible
export const IncrementalAlterConfigsRequest = message({
  name: 'IncrementalAlterConfigsRequest',
  apiKey: 44,
  versions: [0, 1],
  flexibleSince: 1,
  fields: {
    resources: array({
      resourceType: int8(),
      resourceName: string(),
      configs: array({
        name: string(),
        /** 0 set, 1 delete, 2 append, 3 subtract. */
        configOperation: int8(),
        value: string({ nullableSince: 0 }),
      }),
    }),
    validateOnly: bool(),
  },
});

export const IncrementalAlterConfigsResponse = message({
  name: 'IncrementalAlterConfigsResponse',
  apiKey: 44,
  versions: [0, 1],
  flexibleSince: 1,
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

export type IncrementalAlterConfigsRequest = Infer<typeof IncrementalAlterConfigsRequest>;
export type IncrementalAlterConfigsResponse = Input<typeof IncrementalAlterConfigsResponse>;
