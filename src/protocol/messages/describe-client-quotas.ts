import { array, bool, float64, type Infer, type Input, int8, int16, int32, message, string } from '../schema.ts';

// v0   quotas of users, client ids and addresses (KIP-546)
// v1   flexible
export const DescribeClientQuotasRequest = message({
  name: 'DescribeClientQuotasRequest',
  apiKey: 48,
  versions: [0, 1],
  flexibleSince: 1,
  fields: {
    components: array({
      entityType: string(),
      /** 0 exactly `match`, 1 the default, 2 any name. */
      matchType: int8(),
      match: string({ nullableSince: 0, fallback: null }),
    }),
    /** Entities of other types besides are left out. */
    strict: bool(),
  },
});

export const DescribeClientQuotasResponse = message({
  name: 'DescribeClientQuotasResponse',
  apiKey: 48,
  versions: [0, 1],
  flexibleSince: 1,
  fields: {
    throttleTimeMs: int32({ fallback: 0 }),
    errorCode: int16(),
    errorMessage: string({ nullableSince: 0, fallback: null }),
    entries: array(
      {
        /** A null name is the default. */
        entity: array({ entityType: string(), entityName: string({ nullableSince: 0 }) }),
        values: array({ key: string(), value: float64() }),
      },
      { nullableSince: 0 },
    ),
  },
});

export type DescribeClientQuotasRequest = Infer<typeof DescribeClientQuotasRequest>;
export type DescribeClientQuotasResponse = Input<typeof DescribeClientQuotasResponse>;
