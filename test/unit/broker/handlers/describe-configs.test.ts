import { describe, expect, test } from 'vitest';
import { GROUP_CONFIGS } from '../../../../src/cluster/group-config.ts';
import { TOPIC_CONFIGS } from '../../../../src/cluster/topic-config.ts';
import { ERRORS } from '../../../../src/errors.ts';
import { ask, type Door, door, versionsOf } from '../door.ts';

const TOPIC = 2;
const BROKER = 4;
const GROUP = 32;

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

describe('the broker', () => {
  const describeBroker = async (broker: Door, name = '7') => {
    const { results } = await ask(broker, 'DescribeConfigs', 4, one(BROKER, name));
    expect(results[0]).toMatchObject({ errorCode: 0, resourceName: name });
    return results[0]!.configs;
  };

  test('tells every setting, read-only, under the name that Kafka has for it', async () => {
    const configs = await describeBroker(await withTopic({ 'num.partitions': '6', zone: 'eu-1a' }));
    const byName = new Map(configs.map((config) => [config.name, config]));
    expect(byName.size).toBe(configs.length);
    expect(byName.get('num.partitions')).toMatchObject({ value: '6', configSource: 4, readOnly: true });
    expect(byName.get('auto.create.topics.enable')).toMatchObject({ value: 'true', configSource: 5, configType: 1 });
    expect(byName.get('broker.rack')).toMatchObject({ value: 'eu-1a', readOnly: true });
    expect(byName.get('listeners')).toMatchObject({ value: '127.0.0.1:9092' });
    for (const { documentation } of configs) expect(documentation).toBeTruthy();
  });

  test('tells defaults of topics, which can be changed', async () => {
    const broker = await withTopic({ 'message.max.bytes': '2000000' });
    const byName = new Map((await describeBroker(broker)).map((config) => [config.name, config]));
    expect(byName.get('log.cleanup.policy')).toMatchObject({ value: 'delete', configSource: 5, readOnly: false });
    expect(byName.get('message.max.bytes')).toMatchObject({ value: '2000000', configSource: 4, readOnly: false });
  });

  test('tells what was set for it, for all brokers, by a setting and by default, nearest first', async () => {
    const broker = await withTopic({ 'log.retention.ms': '60000' });
    const set = (value: string) => () => [{ operation: 'SET' as const, name: 'log.retention.ms', value }];
    await broker.configs.brokers.alter('', set('70000'));
    expect(await describeBroker(broker, '')).toMatchObject([
      { name: 'log.retention.ms', value: '70000', configSource: 3, synonyms: [{ value: '70000', source: 3 }] },
    ]);
    await broker.configs.brokers.alter('7', set('80000'));
    const synonyms = ['80000', '70000', '60000', '604800000'].map((value, index) => ({
      name: 'log.retention.ms',
      value,
      source: 2 + index,
    }));
    const config = (await describeBroker(broker)).find(({ name }) => name === 'log.retention.ms');
    expect(config).toMatchObject({ value: '80000', configSource: 2, synonyms });
    await broker.topics.create({ name: 'plain', config: {} });
    const { results } = await ask(broker, 'DescribeConfigs', 4, one(TOPIC, 'plain', ['retention.ms']));
    expect(results[0]?.configs).toMatchObject([{ name: 'retention.ms', value: '80000', configSource: 2, synonyms }]);
  });

  test('has nothing for all brokers until something is set', async () => {
    expect(await describeBroker(await withTopic(), '')).toEqual([]);
  });
});

describe('a group', () => {
  test('has every configuration, whether it exists or not', async () => {
    const broker = await withTopic({ 'group.share.session.timeout.ms': '50000' });
    const set = { operation: 'SET', name: 'consumer.session.timeout.ms', value: '60000' } as const;
    await broker.configs.groups.alter('mine', () => [set]);
    const { results } = await ask(broker, 'DescribeConfigs', 4, one(GROUP, 'mine'));
    const configs = results[0]!.configs;
    expect(configs.map(({ name }) => name)).toEqual(Object.keys(GROUP_CONFIGS));
    const byName = new Map(configs.map((config) => [config.name, config]));
    expect(byName.get('consumer.session.timeout.ms')).toMatchObject({
      value: '60000',
      configSource: 8,
      readOnly: false,
      configType: 3,
      synonyms: [
        { name: 'consumer.session.timeout.ms', value: '60000', source: 8 },
        { name: 'group.consumer.session.timeout.ms', value: '45000', source: 5 },
      ],
    });
    expect(byName.get('share.session.timeout.ms')).toMatchObject({ value: '50000', configSource: 4 });
    expect(byName.get('share.auto.offset.reset')).toMatchObject({ value: 'latest', configSource: 5 });
  });
});

test('the broker has one logger, whose level is given at start', async () => {
  const { results } = await ask(await withTopic({ 'log.level': 'warn' }), 'DescribeConfigs', 4, one(8, '7'));
  expect(results[0]?.configs).toMatchObject([{ name: 'root', value: 'WARN', configSource: 6, readOnly: true }]);
});

test('more resources than are described at once are refused', async () => {
  const resources = Array.from({ length: 10_001 }, () => one(TOPIC, 'orders').resources[0]!);
  const { results } = await ask(await withTopic(), 'DescribeConfigs', 4, { ...one(TOPIC, ''), resources });
  expect(results).toHaveLength(10_001);
  expect(results[0]?.errorCode).toBe(ERRORS.POLICY_VIOLATION.code);
});

test('client metrics have no configurations', async () => {
  const { results } = await ask(await withTopic(), 'DescribeConfigs', 4, one(16, 'subscription'));
  expect(results[0]).toMatchObject({ errorCode: 0, configs: [] });
});

test.each([
  ['a topic that is missing', TOPIC, 'missing', ERRORS.UNKNOWN_TOPIC_OR_PARTITION.code],
  ['a topic that cannot be', TOPIC, 'a b', ERRORS.INVALID_TOPIC_EXCEPTION.code],
  ['another broker', BROKER, '9', ERRORS.INVALID_REQUEST.code],
  ['a group without a name', GROUP, '', ERRORS.INVALID_REQUEST.code],
  ['a logger of no broker', 8, '', ERRORS.INVALID_REQUEST.code],
])('%s is refused by itself', async (_what, resourceType, resourceName, errorCode) => {
  const request = one(resourceType, resourceName);
  request.resources.push(...one(TOPIC, 'orders').resources);
  const { results } = await ask(await withTopic(), 'DescribeConfigs', 4, request);
  expect(results[0]).toMatchObject({ errorCode, resourceType, resourceName, configs: [] });
  expect(results[1]?.errorCode).toBe(0);
});

test.each(versionsOf('DescribeConfigs'))('v%i tells that there is a secret, not which', async (version) => {
  const secret = 'sixteen letters!';
  const { results } = await ask(door({ 'cluster.secret': secret }), 'DescribeConfigs', version, one(BROKER, '7'));
  const config = results[0]!.configs.find(({ name }) => name === 'cluster.secret');
  expect(config).toMatchObject({ value: null, isSensitive: true, readOnly: true, configSource: 4 });
  expect(config?.synonyms.map(({ value }) => value)).toEqual([null, null]);
  if (version >= 3) expect(config?.configType).toBe(9);
  expect(JSON.stringify(results, (_, value) => (typeof value === 'bigint' ? String(value) : value))).not.toContain(
    secret,
  );
});
