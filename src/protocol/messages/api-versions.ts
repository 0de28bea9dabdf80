import { array, bool, type Infer, type Input, int16, int32, int64, message, string } from '../schema.ts';

// v1   throttle time
// v3   flexible; the client names its software (KIP-511), features (KIP-584)
// v4   features whose range starts at 0 are no longer hidden (KAFKA-17011)
// A request of a version that the broker does not know is answered with UNSUPPORTED_VERSION in a v0 body, which carries the
// broker's range, so that the client can try again.
export const ApiVersionsRequest = message({
  name: 'ApiVersionsRequest',
  apiKey: 18,
  versions: [0, 4],
  flexibleSince: 3,
  fields: {
    clientSoftwareName: string({ since: 3 }),
    clientSoftwareVersion: string({ since: 3 }),
  },
});

const versionRange = { minVersion: int16(), maxVersion: int16() };

export const ApiVersionsResponse = message({
  name: 'ApiVersionsResponse',
  apiKey: 18,
  versions: [0, 4],
  flexibleSince: 3,
  headerFlexibleSince: Infinity,
  fields: {
    errorCode: int16(),
    apiKeys: array({ apiKey: int16(), ...versionRange }),
    throttleTimeMs: int32({ since: 1 }),
    supportedFeatures: array({ name: string(), ...versionRange }, { since: 3, tag: 0 }),
    /** Version of `finalizedFeatures`; -1 when unknown. */
    finalizedFeaturesEpoch: int64({ since: 3, tag: 1, fallback: -1 }),
    finalizedFeatures: array(
      { name: string(), maxVersionLevel: int16(), minVersionLevel: int16() },
      { since: 3, tag: 2 },
    ),
    zkMigrationReady: bool({ since: 3, tag: 3 }),
  },
});

export type ApiVersionsRequest = Infer<typeof ApiVersionsRequest>;
export type ApiVersionsResponse = Input<typeof ApiVersionsResponse>;
