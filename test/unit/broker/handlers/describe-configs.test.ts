import { describe, expect, test } from 'vitest';
import { TOPIC_CONFIGS } from '../../../../src/cluster/topic-config.ts';
import { ERRORS } from '../../../../src/errors.ts';
import { ask, door, versionsOf } from '../door.ts';

const TOPIC = 2;
const BROKER = 4;

const one = (resourceType: number, resourceName: string, configurationKeys: string[] | null = null) => ({
  resources: [{ resourceType, resourceName, configurationKeys }],
  includeSynonyms: true,
  includeDocumentation: true,
});

async function withTopic(given = {}) {
  const broker = door(given);
  await broker.topics.create({ name: 'orders', config: { 'retention.ms': '5000', 'cleanup.policy': 'compact' } });
  return broker;
}

test.each(
  versionsOf('DescribeConfigs'),
)('v%i tells every configuration of a topic, defaults included', async (version) => {
  const { results } = await ask(await withTopic(), 'DescribeConfigs', version, one(TOPIC, 'orders'));
  expect(results[0]).toMatchObject({ errorCode: 0, errorMessage: null, resourceType: TOPIC, resourceName: 'orders' });
  const configs = results[0]!.configs;
  expect(configs.map(({ name }) => name)).toEqual(Object.keys(TOPIC_CONFIGS));
  const policy = configs.find(({ name }) => name === 'cleanup.policy');
  expect(policy).toMatchObject({ value: 'compact', configSource: 1, readOnly: false, isSensitive: false });
  expect(policy?.synonyms).toEqual([
    { name: 'cleanup.policy', value: 'compact', source: 1 },
    { name: 'log.cleanup.policy', value: 'delete', source: 5 },
  ]);
  if (version >= 3) expect(policy).toMatchObject({ configType: 7, documentation: TOPIC_CONFIGS['cleanup.policy'].doc });
});

describe('where a value comes from', () => {
  test('a setting of the broker shows as static, over the default', async () => {
    const broker = await withTopic({ 'message.max.bytes': '2000000', 'log.retention.ms': '60000' });
    const { results } = await ask(
      broker,
      'DescribeConfigs',
      4,
      one(TOPIC, 'orders', ['max.message.bytes', 'retention.ms']),
    );
    expect(results[0]?.configs).toMatchObject([
      {
        name: 'max.message.bytes',
        value: '2000000',
        configSource: 4,
        synonyms: [
          { name: 'message.max.bytes', value: '2000000', source: 4 },
          { name: 'message.max.bytes', value: '1048588', source: 5 },
        ],
      },
      {
        name: 'retention.ms',
        value: '5000',
        configSource: 1,
        synonyms: [{ value: '5000' }, { name: 'log.retention.ms', value: '60000' }, { value: '604800000' }],
      },
    ]);
  });

  test('synonyms and documentation come only when asked for', async () => {
    const request = { ...one(TOPIC, 'orders'), includeSynonyms: false, includeDocumentation: false };
    const { results } = await ask(await withTopic(), 'DescribeConfigs', 4, request);
    for (const config of results[0]!.configs) expect(config).toMatchObject({ synonyms: [], documentation: null });
  });
});

describe('which', () => {
  const names = async (keys: string[] | null) => {
    const { results } = await ask(await withTopic(), 'DescribeConfigs', 4, one(TOPIC, 'orders', keys));
    return results[0]!.configs.map(({ name }) => name);
  };

  test('only those asked for, unknown ones left out', async () => {
    expect(await names(['segment.ms', 'no.such', 'retention.ms'])).toEqual(['retention.ms', 'segment.ms']);
  });
  test('an empty list asks for all', async () => expect(await names([])).toEqual(Object.keys(TOPIC_CONFIGS)));
});

test('the broker tells its settings under the names that Kafka has for them, read-only', async () => {
  const broker = await withTopic({ 'num.partitions': '6' });
  const { results } = await ask(broker, 'DescribeConfigs', 4, one(BROKER, '7'));
  const configs = results[0]!.configs;
  for (const config of configs) expect(config.readOnly).toBe(true);
  const byName = new Map(configs.map((config) => [config.name, config]));
  expect(byName.size).toBe(configs.length);
  expect(byName.get('num.partitions')).toMatchObject({ value: '6', configSource: 4 });
  expect(byName.get('auto.create.topics.enable')).toMatchObject({ value: 'true', configSource: 5, configType: 1 });
  expect(byName.get('log.cleanup.policy')).toMatchObject({ value: 'delete', configSource: 5 });
});

test('there are no dynamic defaults of the cluster', async () => {
  const { results } = await ask(await withTopic(), 'DescribeConfigs', 4, one(BROKER, ''));
  expect(results[0]).toMatchObject({ errorCode: 0, configs: [] });
});

test.each([
  ['a topic that is missing', TOPIC, 'missing', ERRORS.UNKNOWN_TOPIC_OR_PARTITION.code],
  ['a topic that cannot be', TOPIC, 'a b', ERRORS.INVALID_TOPIC_EXCEPTION.code],
  ['another broker', BROKER, '9', ERRORS.INVALID_REQUEST.code],
  ['a type that has none here', 16, 'client', ERRORS.INVALID_REQUEST.code],
])('%s is refused by itself', async (_what, resourceType, resourceName, errorCode) => {
  const request = one(resourceType, resourceName);
  request.resources.push(...one(TOPIC, 'orders').resources);
  const { results } = await ask(await withTopic(), 'DescribeConfigs', 4, request);
  expect(results[0]).toMatchObject({ errorCode, resourceType, resourceName, configs: [] });
  expect(results[1]?.errorCode).toBe(0);
});
