/** Features as ApiVersions tells them: one is offered when all of its APIs are served. */
import { FEATURES, type FeatureName, type Features } from '../cluster/features.ts';

/** APIs that make up a feature. Without level 0 of it they are served; at level 0 they are UNSUPPORTED_VERSION. */
const APIS_OF: Readonly<Record<FeatureName, readonly string[]>> = {
  'group.version': ['ConsumerGroupHeartbeat', 'ConsumerGroupDescribe'],
  'metadata.version': [],
  'share.version': ['ShareGroupHeartbeat', 'ShareGroupDescribe', 'ShareFetch', 'ShareAcknowledge'],
  'transaction.version': [],
};

/** APIs whose clients go by the level, and which work at any. */
const NEEDED: Partial<Record<FeatureName, readonly string[]>> = {
  'transaction.version': ['InitProducerId', 'AddPartitionsToTxn', 'AddOffsetsToTxn', 'EndTxn', 'TxnOffsetCommit'],
};

const FEATURE_NAMES = Object.keys(FEATURES) as FeatureName[];

/** The feature that an API is part of. */
export const featureOf = (api: string): FeatureName | null =>
  FEATURE_NAMES.find((feature) => APIS_OF[feature].includes(api)) ?? null;

/** Features whose APIs are all among those that are served. */
export function offeredFeatures(served: readonly string[]): readonly FeatureName[] {
  const all = new Set(served);
  return FEATURE_NAMES.filter((name) => [...APIS_OF[name], ...(NEEDED[name] ?? [])].every((api) => all.has(api)));
}

/** Clients that ask with a version below 4 fail on a range that starts at 0 (KAFKA-17492). */
export const supportedFeatures = (offered: readonly FeatureName[], apiVersion: number) =>
  offered
    .map((name) => ({ name, minVersion: FEATURES[name].min, maxVersion: FEATURES[name].max }))
    .filter(({ minVersion }) => apiVersion >= 4 || minVersion > 0);

/** Level 0 is told by leaving the feature out. */
export const finalizedFeatures = (offered: readonly FeatureName[], features: Features) =>
  offered
    .map((name) => ({ name, maxVersionLevel: features.level(name), minVersionLevel: features.level(name) }))
    .filter(({ maxVersionLevel }) => maxVersionLevel > 0);
