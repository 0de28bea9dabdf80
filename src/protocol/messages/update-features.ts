import { array, bool, type Infer, type Input, int8, int16, int32, message, string } from '../schema.ts';

// v0   levels of features are raised or lowered (KIP-584)
// v1   validateOnly, kinds of downgrade (KIP-778)
// v2   all or none: no results of single features
export const UpdateFeaturesRequest = message({
  name: 'UpdateFeaturesRequest',
  apiKey: 57,
  versions: [0, 2],
  flexibleSince: 0,
  fields: {
    timeoutMs: int32({ fallback: 60_000 }),
    featureUpdates: array({
      feature: string(),
      maxVersionLevel: int16(),
      allowDowngrade: bool({ until: 0 }),
      /** 1 upgrade, 2 safe downgrade, 3 unsafe downgrade. */
      upgradeType: int8({ since: 1, fallback: 1 }),
    }),
    validateOnly: bool({ since: 1 }),
  },
});

export const UpdateFeaturesResponse = message({
  name: 'UpdateFeaturesResponse',
  apiKey: 57,
  versions: [0, 2],
  flexibleSince: 0,
  fields: {
    throttleTimeMs: int32({ fallback: 0 }),
    errorCode: int16(),
    errorMessage: string({ nullableSince: 0, fallback: null }),
    results: array(
      { feature: string(), errorCode: int16(), errorMessage: string({ nullableSince: 0, fallback: null }) },
      { until: 1 },
    ),
  },
});

export type UpdateFeaturesRequest = Infer<typeof UpdateFeaturesRequest>;
export type UpdateFeaturesResponse = Input<typeof UpdateFeaturesResponse>;
