import { array, type Infer, type Input, int8, int16, int32, list, message, string } from '../schema.ts';

// v0   names of client metrics subscriptions (KIP-1000)
// v1   names of resources of any type (KIP-1142)
export const ListConfigResourcesRequest = message({
  name: 'ListConfigResourcesRequest',
  apiKey: 74,
  versions: [0, 1],
  flexibleSince: 0,
  fields: {
    /** Empty: all types. */
    resourceTypes: list(int8(), { since: 1 }),
  },
});

export const ListConfigResourcesResponse = message({
  name: 'ListConfigResourcesResponse',
  apiKey: 74,
  versions: [0, 1],
  flexibleSince: 0,
  fields: {
    throttleTimeMs: int32({ fallback: 0 }),
    errorCode: int16(),
    configResources: array({
      name: string(),
      /** Without it: client metrics. */
      resourceType: int8({ since: 1, fallback: 16 }),
    }),
  },
});

export type ListConfigResourcesRequest = Infer<typeof ListConfigResourcesRequest>;
export type ListConfigResourcesResponse = Input<typeof ListConfigResourcesResponse>;
