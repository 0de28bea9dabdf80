import { expect, test } from 'vitest';
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

test('neither telemetry nor transactions v2 are offered', async () => {
  const { apiKeys, supportedFeatures, finalizedFeatures } = await ask(door(), 'ApiVersions', 4, client);
  expect(apiKeys.filter(({ apiKey }) => apiKey === 71 || apiKey === 72)).toEqual([]);
  expect(supportedFeatures).toEqual([]);
  expect(finalizedFeatures).toEqual([]);
});

test('a client software name that is no name is INVALID_REQUEST', async () => {
  const { errorCode } = await ask(door(), 'ApiVersions', 3, { ...client, clientSoftwareName: '-a b-' });
  expect(errorCode).toBe(ERRORS.INVALID_REQUEST.code);
});
