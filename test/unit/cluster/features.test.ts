import { expect, test } from 'vitest';
import { FEATURES, Features, type FeatureUpdate } from '../../../src/cluster/features.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import { systemRuntime } from '../../../src/runtime/runtime.ts';
import { MemoryMetadataStore } from '../../../src/storage/memory/metadata-store.ts';

async function opened(metadata = new MemoryMetadataStore()) {
  const features = new Features({ clusterId: 'test', metadata, runtime: systemRuntime(silentLogger) });
  await features.recover();
  return { features, metadata };
}

const to = (feature: string, level: number, upgradeType: FeatureUpdate['upgradeType'] = 'UPGRADE') => ({
  feature,
  level,
  upgradeType,
});

test('levels begin where Kafka 4.2 puts a new cluster', async () => {
  const { features } = await opened();
  expect(features.epoch).toBe(0);
  for (const [name, { initial }] of Object.entries(FEATURES))
    expect(features.level(name as 'group.version')).toBe(initial);
});

test('a level that was lowered stays so after a restart, and can be raised again', async () => {
  const { features, metadata } = await opened();
  await features.update([to('transaction.version', 0, 'SAFE_DOWNGRADE'), to('group.version', 0, 'UNSAFE_DOWNGRADE')]);
  const again = (await opened(metadata)).features;
  expect([again.level('transaction.version'), again.level('group.version'), again.epoch]).toEqual([0, 0, 1]);
  await again.update([to('transaction.version', 2)]);
  expect([again.level('transaction.version'), again.level('group.version'), again.epoch]).toEqual([2, 0, 2]);
});

test.each([
  ['no.such.version', 1, 'UPGRADE', 'INVALID_UPDATE_VERSION', /does not support the feature/],
  ['transaction.version', 3, 'UPGRADE', 'INVALID_UPDATE_VERSION', /supports versions 0 to 2/],
  ['transaction.version', -1, 'SAFE_DOWNGRADE', 'INVALID_UPDATE_VERSION', /less than 0/],
  ['transaction.version', 1, 'UPGRADE', 'INVALID_UPDATE_VERSION', /without setting the upgrade type/],
  ['metadata.version', 28, 'SAFE_DOWNGRADE', 'FEATURE_UPDATE_FAILED', /no metadata log/],
] as const)('%s to %d by %s is %s', async (name, level, upgradeType, error, message) => {
  const { features } = await opened();
  const update = features.update([to('group.version', 0, 'SAFE_DOWNGRADE'), to(name, level, upgradeType)]);
  await expect(update).rejects.toMatchObject({ error, message: expect.stringMatching(message) });
  expect([features.level('group.version'), features.epoch]).toEqual([1, 0]);
});

test('a downgrade to a higher level is refused', async () => {
  const { features } = await opened();
  await features.update([to('share.version', 0, 'SAFE_DOWNGRADE')]);
  await expect(features.update([to('share.version', 1, 'SAFE_DOWNGRADE')])).rejects.toThrow(/newer version/);
});

test('validateOnly changes nothing', async () => {
  const { features } = await opened();
  await features.update([to('share.version', 0, 'SAFE_DOWNGRADE')], { validateOnly: true });
  expect([features.level('share.version'), features.epoch]).toEqual([1, 0]);
});
