import { array, type Infer, type Input, int16, int32, list, message, string } from '../schema.ts';

// v1   throttle time
// v3   flexible
// v4   states (KIP-518)
// v5   types (KIP-848)
export const ListGroupsRequest = message({
  name: 'ListGroupsRequest',
  apiKey: 16,
  versions: [0, 5],
  flexibleSince: 3,
  fields: {
    /** None asks for all, here and below. */
    statesFilter: list(string(), { since: 4 }),
    typesFilter: list(string(), { since: 5 }),
  },
});

export const ListGroupsResponse = message({
  name: 'ListGroupsResponse',
  apiKey: 16,
  versions: [0, 5],
  flexibleSince: 3,
  fields: {
    throttleTimeMs: int32({ since: 1 }),
    errorCode: int16(),
    groups: array({
      groupId: string(),
      protocolType: string(),
      groupState: string({ since: 4 }),
      groupType: string({ since: 5 }),
    }),
  },
});

export type ListGroupsRequest = Infer<typeof ListGroupsRequest>;
export type ListGroupsResponse = Input<typeof ListGroupsResponse>;
