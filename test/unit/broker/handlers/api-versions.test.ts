import { describe, expect, test } from 'vitest';
import { finalizedFeatures, offeredFeatures } from '../../../../src/broker/features.ts';
import { SERVED } from '../../../../src/broker/served.ts';
import { ERRORS } from '../../../../src/errors.ts';
import { APIS } from '../../../../src/protocol/apis.ts';
import { ask, door, versionsOf } from '../door.ts';

const client = { clientSoftwareName: 'librdkafka', clientSoftwareVersion: '2.3.0' };

test.each(versionsOf('ApiVersions'))('v%i advertises exactly what is served', async (version) => {
  const { errorCode, apiKeys } = await ask(door(), 'ApiVersions', version, client);
  expect(errorCode).toBe(0);
  expect(apiKeys.map(({ apiKey }) => apiKey)).toEqual(SERVED.map((name) => APIS[name].key).sort((a, b) => a - b));
  for (const name of SERVED) {
    const { key, max } = APIS[name];
    expect(apiKeys.find(({ apiKey }) => apiKey === key)?.maxVersion).toBe(max);
  }
});

test('Produce is advertised from version 0, which librdkafka looks for (KAFKA-18659)', async () => {
  const { apiKeys } = await ask(door(), 'ApiVersions', 3, client);
  expect(apiKeys[0]).toEqual({ apiKey: 0, minVersion: 0, maxVersion: 13 });
});

test('no telemetry is offered', async () => {
  const { apiKeys } = await ask(door(), 'ApiVersions', 4, client);
  expect(apiKeys.filter(({ apiKey }) => apiKey === 71 || apiKey === 72)).toEqual([]);
});

describe('features', () => {
  test('metadata.version has the level of Kafka 4.2, and ranges that start at 0 are hidden before v4', async () => {
    for (const version of [3, 4]) {
      const answer = await ask(door(), 'ApiVersions', version, client);
      expect(answer.supportedFeatures).toContainEqual({ name: 'metadata.version', minVersion: 7, maxVersion: 29 });
      expect(answer.finalizedFeatures).toContainEqual({
        name: 'metadata.version',
        maxVersionLevel: 29,
        minVersionLevel: 29,
      });
      expect(answer.finalizedFeaturesEpoch).toBe(0);
      expect(answer.supportedFeatures.some(({ minVersion }) => minVersion === 0)).toBe(
        version === 4 && offeredFeatures(SERVED).length > 1,
      );
    }
  });

  test('a feature is offered when all of its APIs are served', () => {
    expect(offeredFeatures([])).toEqual(['metadata.version']);
    expect(offeredFeatures(['ConsumerGroupHeartbeat'])).toEqual(['metadata.version']);
    expect(offeredFeatures(['ConsumerGroupHeartbeat', 'ConsumerGroupDescribe'])).toContain('group.version');
  });

  test('a level that was changed is told with a higher epoch, level 0 by leaving the feature out', async () => {
    const { configs } = door();
    const offered = ['group.version', 'transaction.version'] as const;
    await configs.features.update([{ feature: 'transaction.version', level: 1, upgradeType: 'SAFE_DOWNGRADE' }]);
    expect(configs.features.epoch).toBe(1);
    expect(finalizedFeatures(offered, configs.features)).toEqual([
      { name: 'group.version', maxVersionLevel: 1, minVersionLevel: 1 },
      { name: 'transaction.version', maxVersionLevel: 1, minVersionLevel: 1 },
    ]);
    await configs.features.update([{ feature: 'group.version', level: 0, upgradeType: 'UNSAFE_DOWNGRADE' }]);
    expect(finalizedFeatures(offered, configs.features).map(({ name }) => name)).toEqual(['transaction.version']);
    expect(configs.features.epoch).toBe(2);
  });
});

test('a client software name that is no name is INVALID_REQUEST', async () => {
  const { errorCode } = await ask(door(), 'ApiVersions', 3, { ...client, clientSoftwareName: '-a b-' });
  expect(errorCode).toBe(ERRORS.INVALID_REQUEST.code);
});
