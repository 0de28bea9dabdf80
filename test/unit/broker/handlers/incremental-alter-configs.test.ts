import { describe, expect, test } from 'vitest';
import { ERRORS } from '../../../../src/errors.ts';
import { ask, type Door, door, versionsOf } from '../door.ts';

const TOPIC = 2;
const BROKER = 4;
const GROUP = 32;
const [SET, DELETE, APPEND, SUBTRACT] = [0, 1, 2, 3];

const change = (name: string, configOperation: number, value: string | null) => ({ name, configOperation, value });
const of = (resourceName: string, ...configs: ReturnType<typeof change>[]) => ({
  resourceType: TOPIC,
  resourceName,
  configs,
});

async function withTopic() {
  const broker = door();
  await broker.topics.create({ name: 'orders', config: { 'retention.ms': '5000', 'cleanup.policy': 'delete' } });
  await broker.topics.create({ name: 'returns', config: {} });
  return broker;
}

test.each(versionsOf('IncrementalAlterConfigs'))('v%i sets, deletes, appends and subtracts', async (version) => {
  const broker = await withTopic();
  const alter = async (...configs: ReturnType<typeof change>[]) => {
    const request = { resources: [of('orders', ...configs)], validateOnly: false };
    const { responses } = await ask(broker, 'IncrementalAlterConfigs', version, request);
    expect(responses).toMatchObject([
      { errorCode: 0, errorMessage: null, resourceType: TOPIC, resourceName: 'orders' },
    ]);
    return broker.topics.byName('orders')!.overrides;
  };
  expect(await alter(change('segment.ms', SET!, '777'), change('retention.ms', DELETE!, null))).toEqual({
    'segment.ms': '777',
    'cleanup.policy': 'delete',
  });
  expect((await alter(change('cleanup.policy', APPEND!, 'compact')))['cleanup.policy']).toBe('delete,compact');
  expect((await alter(change('cleanup.policy', SUBTRACT!, 'delete')))['cleanup.policy']).toBe('compact');
});

test('a resource changes as a whole or not at all, and by itself', async () => {
  const broker = await withTopic();
  const resources = [
    of('orders', change('segment.ms', SET!, '777'), change('no.such', SET!, '1')),
    of('returns', change('segment.ms', SET!, '888')),
    of('missing', change('segment.ms', SET!, '888')),
  ];
  const { responses } = await ask(broker, 'IncrementalAlterConfigs', 1, { resources, validateOnly: false });
  expect(responses.map(({ errorCode }) => errorCode)).toEqual([
    ERRORS.INVALID_CONFIG.code,
    0,
    ERRORS.UNKNOWN_TOPIC_OR_PARTITION.code,
  ]);
  expect(broker.topics.byName('orders')?.overrides['segment.ms']).toBeUndefined();
  expect(broker.topics.byName('returns')?.overrides['segment.ms']).toBe('888');
});

test('validateOnly changes nothing', async () => {
  const broker = await withTopic();
  const resources = [of('orders', change('segment.ms', SET!, '777'))];
  const { responses } = await ask(broker, 'IncrementalAlterConfigs', 1, { resources, validateOnly: true });
  expect(responses[0]?.errorCode).toBe(0);
  expect(broker.topics.byName('orders')?.overrides['segment.ms']).toBeUndefined();
});

test.each([
  ['an unknown operation', [of('orders', change('segment.ms', 9, '1'))]],
  ['a null where a value is needed', [of('orders', change('segment.ms', SET!, null))]],
  [
    'a configuration that is named twice',
    [of('orders', change('segment.ms', SET!, '1'), change('segment.ms', SET!, '2'))],
  ],
  ['a resource that is named twice', [of('orders', change('segment.ms', SET!, '1')), of('orders')]],
  ['a broker', [{ ...of('7', change('num.partitions', SET!, '1')), resourceType: BROKER }]],
  ['another broker', [{ ...of('8', change('num.partitions', SET!, '1')), resourceType: BROKER }]],
  [
    'a setting of a broker that starts with it',
    [{ ...of('', change('num.partitions', SET!, '1')), resourceType: BROKER }],
  ],
  ['a topic without a name', [of('', change('segment.ms', SET!, '1'))]],
  ['a group without a name', [{ ...of(''), resourceType: GROUP }]],
  ['a logger', [{ ...of('7', change('ROOT', SET!, 'DEBUG')), resourceType: 8 }]],
  ['a subscription to client metrics', [{ ...of('x', change('interval.ms', SET!, '1000')), resourceType: 16 }]],
  ['a type of resource that does not exist', [{ ...of('x'), resourceType: 64 }]],
])('%s is INVALID_REQUEST', async (_what, resources) => {
  const broker = await withTopic();
  const { responses } = await ask(broker, 'IncrementalAlterConfigs', 1, { resources, validateOnly: false });
  expect(responses.map(({ errorCode }) => errorCode)).toEqual(resources.map(() => ERRORS.INVALID_REQUEST.code));
  expect(responses[0]?.errorMessage).toBeTruthy();
});

describe('a broker', () => {
  const alter = async (
    broker: Door,
    resourceName: string,
    validateOnly: boolean,
    ...configs: ReturnType<typeof change>[]
  ) => {
    const resources = [{ resourceType: BROKER, resourceName, configs }];
    const { responses } = await ask(broker, 'IncrementalAlterConfigs', 1, { resources, validateOnly });
    return responses[0]!;
  };

  test('topics follow a default that is changed while it runs, and its own over that of all brokers', async () => {
    const broker = await withTopic();
    const retention = () => [
      broker.topics.byName('orders')!.config.retentionMs,
      broker.topics.byName('returns')!.config.retentionMs,
    ];
    await alter(broker, '', true, change('log.retention.ms', SET!, '70000'));
    expect(retention()).toEqual([5000, 604_800_000]);
    await alter(broker, '', false, change('log.retention.ms', SET!, '70000'));
    expect(retention()).toEqual([5000, 70_000]);
    await alter(broker, '7', false, change('log.retention.ms', SET!, '80000'));
    expect(retention()).toEqual([5000, 80_000]);
    await alter(broker, '7', false, change('log.retention.ms', DELETE!, null));
    expect(retention()).toEqual([5000, 70_000]);
    await broker.topics.create({ name: 'later', config: {} });
    expect(broker.topics.byName('later')?.config.retentionMs).toBe(70_000);
  });

  test.each([
    ['log.retention.ms', 'soon', ERRORS.INVALID_CONFIG.code, /Invalid value soon for configuration log\.retention\.ms/],
    ['message.max.bytes', '1', ERRORS.INVALID_CONFIG.code, /Value must be at least 61/],
    ['no.such', '1', ERRORS.INVALID_CONFIG.code, /Unknown broker config name: no\.such/],
    [
      'num.partitions',
      '3',
      ERRORS.INVALID_REQUEST.code,
      /Cannot update these configs dynamically: Set\(num\.partitions\)/,
    ],
  ])('%s=%s is refused', async (name, value, errorCode, errorMessage) => {
    expect(await alter(await withTopic(), '7', false, change(name, SET!, value))).toMatchObject({
      errorCode,
      errorMessage: expect.stringMatching(errorMessage),
    });
  });

  test('rates that throttle replicas are kept and have no effect', async () => {
    const broker = await withTopic();
    expect(await alter(broker, '', false, change('leader.replication.throttled.rate', SET!, '1000'))).toMatchObject({
      errorCode: 0,
    });
    expect(broker.configs.brokers.overridesOf('')).toEqual({ 'leader.replication.throttled.rate': '1000' });
  });
});

test('a group is given configurations of its own', async () => {
  const broker = await withTopic();
  const configs = [
    change('share.isolation.level', SET!, 'read_committed'),
    change('consumer.session.timeout.ms', SET!, '50000'),
  ];
  const alter = async (resources: { resourceType: number; resourceName: string; configs: typeof configs }[]) =>
    (await ask(broker, 'IncrementalAlterConfigs', 1, { resources, validateOnly: false })).responses[0]!;
  expect(await alter([{ resourceType: GROUP, resourceName: 'mine', configs }])).toMatchObject({ errorCode: 0 });
  expect(broker.configs.groups.of('mine')).toMatchObject({
    shareIsolationLevel: 'read_committed',
    consumerSessionTimeoutMs: 50_000,
  });
  const wrong = [change('consumer.session.timeout.ms', SET!, '1')];
  expect(await alter([{ resourceType: GROUP, resourceName: 'mine', configs: wrong }])).toMatchObject({
    errorCode: ERRORS.INVALID_CONFIG.code,
    errorMessage: expect.stringContaining('group.consumer.min.session.timeout.ms'),
  });
});
