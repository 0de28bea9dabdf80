/**
 * UpdateFeatures (57), v0-2: feature levels are raised or lowered, all that a request names or none (KIP-584, KIP-778).
 *
 * The rules are those of Kafka's controller: INVALID_UPDATE_VERSION for a level that is not supported, or a downgrade that
 * does not say that it is one (v0: `allowDowngrade`). FEATURE_UPDATE_FAILED for metadata.version, which means nothing
 * here. A feature that is named twice is INVALID_REQUEST.
 */
import type { FeatureUpdate } from '../../cluster/features.ts';
import { KafkaError } from '../../errors.ts';
import type { UpdateFeaturesRequest } from '../../protocol/messages/update-features.ts';
import type { Handler } from '../handler.ts';
import { itemError, namedTwice } from '../item-errors.ts';

const UPGRADE_TYPES = new Map([
  [1, 'UPGRADE'],
  [2, 'SAFE_DOWNGRADE'],
  [3, 'UNSAFE_DOWNGRADE'],
] as const);

export const updateFeatures: Handler<'UpdateFeatures'> = {
  turn: 'alone',
  async handle({ featureUpdates, validateOnly }, { apiVersion, broker }) {
    const twice = [...namedTwice(featureUpdates.map(({ feature }) => feature))];
    if (twice.length > 0) throw new KafkaError('INVALID_REQUEST', `named more than once: ${twice.join(', ')}`);
    const updates = featureUpdates.map((update) => updateOf(update, apiVersion));
    await broker.configs.features.update(updates, { validateOnly });
    const results = updates.map(({ feature }) => ({ feature, errorCode: 0, errorMessage: null }));
    return { errorCode: 0, results };
  },
  refuse: (_request, error, call) => itemError(call, error),
};

function updateOf(
  { feature, maxVersionLevel, allowDowngrade, upgradeType: type }: UpdateFeaturesRequest['featureUpdates'][number],
  apiVersion: number,
): FeatureUpdate {
  const upgradeType = UPGRADE_TYPES.get((apiVersion === 0 && allowDowngrade ? 2 : type) as 1);
  if (upgradeType === undefined) throw new KafkaError('INVALID_REQUEST', `${type} is no kind of upgrade`);
  return { feature, level: maxVersionLevel, upgradeType };
}
