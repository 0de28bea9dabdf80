import { expect, test } from 'vitest';
import { ERRORS } from '../../../../src/errors.ts';
import { ask, door, versionsOf } from '../door.ts';

const lower = { feature: 'transaction.version', maxVersionLevel: 1, allowDowngrade: true, upgradeType: 2 };

test.each(versionsOf('UpdateFeatures'))('v%i lowers a level', async (version) => {
  const broker = door();
  const answer = await ask(broker, 'UpdateFeatures', version, { featureUpdates: [lower] });
  expect(answer).toMatchObject({ errorCode: 0, errorMessage: null });
  expect(answer.results).toEqual(
    version < 2 ? [{ feature: 'transaction.version', errorCode: 0, errorMessage: null }] : [],
  );
  expect(broker.configs.features.level('transaction.version')).toBe(1);
});

test.each([
  ['a downgrade that does not say so', { ...lower, upgradeType: 1 }, 'INVALID_UPDATE_VERSION'],
  ['a level that is not supported', { ...lower, maxVersionLevel: 9, upgradeType: 1 }, 'INVALID_UPDATE_VERSION'],
  ['an unknown feature', { ...lower, feature: 'no.such', upgradeType: 1 }, 'INVALID_UPDATE_VERSION'],
  ['metadata.version', { ...lower, feature: 'metadata.version', maxVersionLevel: 25 }, 'FEATURE_UPDATE_FAILED'],
  ['an unknown kind of upgrade', { ...lower, upgradeType: 4 }, 'INVALID_REQUEST'],
] as const)('%s is refused, and nothing changes', async (_what, update, error) => {
  const broker = door();
  const other = { feature: 'group.version', maxVersionLevel: 0, upgradeType: 2 };
  const answer = await ask(broker, 'UpdateFeatures', 2, { featureUpdates: [other, update] });
  expect(answer).toMatchObject({ errorCode: ERRORS[error].code, errorMessage: expect.any(String) });
  expect(broker.configs.features.epoch).toBe(0);
});

test('a feature that is named twice is INVALID_REQUEST', async () => {
  const { errorCode } = await ask(door(), 'UpdateFeatures', 2, { featureUpdates: [lower, lower] });
  expect(errorCode).toBe(ERRORS.INVALID_REQUEST.code);
});

test('validateOnly changes nothing', async () => {
  const broker = door();
  const answer = await ask(broker, 'UpdateFeatures', 1, { featureUpdates: [lower], validateOnly: true });
  expect(answer.errorCode).toBe(0);
  expect(broker.configs.features.level('transaction.version')).toBe(2);
});
