import { describe, expect, test } from 'vitest';
import { parseConfig, parseZones } from '../../src/config.ts';
import { SETTINGS } from '../../src/settings.ts';

describe('zones with listeners of their own', () => {
  test('are read with their addresses', () => {
    expect(parseZones('eu-1a=10.0.0.1:9192,eu-1b=[::1]:9193', '--kafka-zones')).toEqual({
      'eu-1a': { host: '10.0.0.1', port: 9192 },
      'eu-1b': { host: '::1', port: 9193 },
    });
    expect(parseZones('', '--kafka-zones')).toEqual({});
  });

  test.each([
    ['eu-1a', 'expected ZONE=HOST:PORT'],
    ['eu-1a=', 'expected ZONE=HOST:PORT'],
    ['=10.0.0.1:1', 'expected ZONE=HOST:PORT'],
    ['a b=10.0.0.1:1', 'expected ZONE=HOST:PORT'],
    ['eu-1a=10.0.0.1', 'expected HOST:PORT'],
    ['eu-1a=10.0.0.1:1,', 'expected ZONE=HOST:PORT'],
    ['eu-1a=10.0.0.1:1,eu-1a=10.0.0.2:1', 'zone eu-1a is there twice'],
  ])('%j is refused: %s', (text, why) => {
    expect(() => parseConfig({ 'kafka.zones': text })).toThrow(why);
    expect(() => parseConfig({ 'kafka.zones': text })).toThrow('--kafka-zones');
  });

  test('are advertised only where there is a listener', () => {
    const zones = 'a=127.0.0.1:1';
    expect(() => parseConfig({ 'kafka.zones': zones, 'advertise.kafka.zones': 'a=x:2' })).not.toThrow();
    expect(() => parseConfig({ 'kafka.zones': zones, 'advertise.kafka.zones': 'b=x:2' })).toThrow(
      '--advertise-kafka-zones names zone b, which --kafka-zones has no listener for',
    );
  });
});

test('a zone that a client id cannot name is refused', () => {
  expect(() => parseConfig({ zone: 'eu-west-1a' })).not.toThrow();
  expect(() => parseConfig({ zone: 'a,b' })).toThrow('--zone (MILLRACE_ZONE) is "a,b": expected at most 64 letters');
  expect(() => parseConfig({ zone: 'z'.repeat(65) })).toThrow('expected at most 64 letters');
});

test.each([
  'advertise.kafka',
  'advertise.http',
  'advertise.internal',
] as const)('%s is an address or nothing', (name) => {
  expect(parseConfig({ [name]: '' })[name]).toBe('');
  expect(parseConfig({ [name]: 'broker-1:9092' })[name]).toBe('broker-1:9092');
  expect(() => parseConfig({ [name]: 'broker-1' })).toThrow(`--${name.replace('.', '-')} (MILLRACE_`);
});

describe('the secret of a cluster', () => {
  const SECRET = 'sixteen letters!';

  test('comes from the environment alone', () => {
    expect(parseConfig({}, { MILLRACE_CLUSTER_SECRET: SECRET })['cluster.secret']).toBe(SECRET);
    expect(parseConfig({})['cluster.secret']).toBe('');
    expect(SETTINGS['cluster.secret']).not.toHaveProperty('flag');
  });

  test('that is too short is refused without being shown', () => {
    const parse = () => parseConfig({}, { MILLRACE_CLUSTER_SECRET: 'fifteen letters' });
    expect(parse).toThrow(
      'cluster.secret (MILLRACE_CLUSTER_SECRET) is 15 characters: expected at least 16 characters, for example what `openssl rand -base64 32` prints',
    );
    expect(parse).not.toThrow('fifteen');
  });
});
