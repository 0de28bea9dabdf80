import { array, bool, type Infer, type Input, int8, int16, int32, list, message, string } from '../schema.ts';

// v1   synonyms and sources (KIP-226)
// v3   types and documentation (KIP-569)
// v4   flexible
export const DescribeConfigsRequest = message({
  name: 'DescribeConfigsRequest',
  apiKey: 32,
  versions: [1, 4],
  flexibleSince: 4,
  fields: {
    resources: array({
      /** 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group. */
      resourceType: int8(),
      resourceName: string(),
      /** Null asks for all. */
      configurationKeys: list(string(), { nullableSince: 0 }),
    }),
    includeSynonyms: bool({ fallback: false }),
    includeDocumentation: bool({ since: 3 }),
  },
});

export const DescribeConfigsResponse = message({
  name: 'DescribeConfigsResponse',
  apiKey: 32,
  versions: [1, 4],
  flexibleSince: 4,
  fields: {
    throttleTimeMs: int32({ fallback: 0 }),
    results: array({
      errorCode: int16(),
      errorMessage: string({ nullableSince: 0, fallback: null }),
      resourceType: int8(),
      resourceName: string(),
      configs: array({
        name: string(),
        value: string({ nullableSince: 0 }),
        readOnly: bool(),
        /** 1 topic, 2 dynamic broker, 3 dynamic default broker, 4 static broker, 5 default, 6 dynamic broker logger. */
        configSource: int8({ fallback: -1 }),
        isSensitive: bool(),
        synonyms: array({ name: string(), value: string({ nullableSince: 0 }), source: int8() }, { fallback: [] }),
        /** 1 boolean, 2 string, 3 int, 4 short, 5 long, 6 double, 7 list, 8 class, 9 password. */
        configType: int8({ since: 3 }),
        documentation: string({ since: 3, nullableSince: 0 }),
      }),
    }),
  },
});

export type DescribeConfigsRequest = Infer<typeof DescribeConfigsRequest>;
export type DescribeConfigsResponse = Input<typeof DescribeConfigsResponse>;
