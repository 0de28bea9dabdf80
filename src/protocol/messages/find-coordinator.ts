import { array, type Infer, type Input, int8, int16, int32, list, message, string } from '../schema.ts';

// v1   key type, error message, throttle time (KIP-98)
// v3   flexible
// v4   many keys in one request (KIP-699)
// v5   TRANSACTION_ABORTABLE (KIP-890)
// v6   share groups (KIP-932)
export const FindCoordinatorRequest = message({
  name: 'FindCoordinatorRequest',
  apiKey: 10,
  versions: [0, 6],
  flexibleSince: 3,
  fields: {
    key: string({ until: 3 }),
    /** 0 group, 1 transaction, 2 share. */
    keyType: int8({ since: 1 }),
    coordinatorKeys: list(string(), { since: 4 }),
  },
});

export const FindCoordinatorResponse = message({
  name: 'FindCoordinatorResponse',
  apiKey: 10,
  versions: [0, 6],
  flexibleSince: 3,
  fields: {
    throttleTimeMs: int32({ since: 1 }),
    errorCode: int16({ until: 3 }),
    errorMessage: string({ since: 1, until: 3, nullableSince: 1 }),
    nodeId: int32({ until: 3 }),
    host: string({ until: 3 }),
    port: int32({ until: 3 }),
    coordinators: array(
      {
        key: string(),
        nodeId: int32(),
        host: string(),
        port: int32(),
        errorCode: int16(),
        errorMessage: string({ nullableSince: 4, fallback: null }),
      },
      { since: 4 },
    ),
  },
});

export type FindCoordinatorRequest = Infer<typeof FindCoordinatorRequest>;
export type FindCoordinatorResponse = Input<typeof FindCoordinatorResponse>;
