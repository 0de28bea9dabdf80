import { array, bool, float64, type Infer, type Input, int16, int32, message, string } from '../schema.ts';

// v0   quotas of users, client ids and addresses are set and removed (KIP-546)
// v1   flexible
export const AlterClientQuotasRequest = message({
  name: 'AlterClientQuotasRequest',
  apiKey: 49,
  versions: [0, 1],
  flexibleSince: 1,
  fields: {
    entries: array({
      /** A null name is the default. */
      entity: array({ entityType: string(), entityName: string({ nullableSince: 0 }) }),
      ops: array({ key: string(), value: float64(), remove: bool() }),
    }),
    validateOnly: bool(),
  },
});

export const AlterClientQuotasResponse = message({
  name: 'AlterClientQuotasResponse',
  apiKey: 49,
  versions: [0, 1],
  flexibleSince: 1,
  fields: {
    throttleTimeMs: int32({ fallback: 0 }),
    entries: array({
      errorCode: int16(),
      errorMessage: string({ nullableSince: 0, fallback: null }),
      entity: array({ entityType: string(), entityName: string({ nullableSince: 0 }) }),
    }),
  },
});

export type AlterClientQuotasRequest = Infer<typeof AlterClientQuotasRequest>;
export type AlterClientQuotasResponse = Input<typeof AlterClientQuotasResponse>;
