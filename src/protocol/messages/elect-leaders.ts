import { array, type Infer, type Input, int8, int16, int32, list, message, string } from '../schema.ts';

// v0   preferred leaders (KIP-183)
// v1   unclean elections as well (KIP-460); an error of the whole request
// v2   flexible
export const ElectLeadersRequest = message({
  name: 'ElectLeadersRequest',
  apiKey: 43,
  versions: [0, 2],
  flexibleSince: 2,
  fields: {
    /** 0 preferred, 1 unclean. */
    electionType: int8({ since: 1 }),
    /** Null: all partitions. */
    topics: array({ name: string(), partitions: list(int32()) }, { nullableSince: 0 }),
    timeoutMs: int32({ fallback: 60_000 }),
  },
});

export const ElectLeadersResponse = message({
  name: 'ElectLeadersResponse',
  apiKey: 43,
  versions: [0, 2],
  flexibleSince: 2,
  fields: {
    throttleTimeMs: int32({ fallback: 0 }),
    errorCode: int16({ since: 1 }),
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

export type ElectLeadersRequest = Infer<typeof ElectLeadersRequest>;
export type ElectLeadersResponse = Input<typeof ElectLeadersResponse>;
