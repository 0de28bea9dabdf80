import { array, type Infer, type Input, int16, int32, list, message, string } from '../schema.ts';

// v0   empty groups go with their offsets (KIP-229)
// v2   flexible
export const DeleteGroupsRequest = message({
  name: 'DeleteGroupsRequest',
  apiKey: 42,
  versions: [0, 2],
  flexibleSince: 2,
  fields: {
    groupsNames: list(string()),
  },
});

export const DeleteGroupsResponse = message({
  name: 'DeleteGroupsResponse',
  apiKey: 42,
  versions: [0, 2],
  flexibleSince: 2,
  fields: {
    throttleTimeMs: int32({ fallback: 0 }),
    results: array({ groupId: string(), errorCode: int16() }),
  },
});

export type DeleteGroupsRequest = Infer<typeof DeleteGroupsRequest>;
export type DeleteGroupsResponse = Input<typeof DeleteGroupsResponse>;
