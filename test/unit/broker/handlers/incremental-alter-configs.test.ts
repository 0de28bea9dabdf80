import { expect, test } from 'vitest';
import { ERRORS } from '../../../../src/errors.ts';
import { ask, door, versionsOf } from '../door.ts';

const TOPIC = 2;
const BROKER = 4;
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
  ['a type of resource that has none here', [{ ...of('x'), resourceType: 32 }]],
])('%s is INVALID_REQUEST', async (_what, resources) => {
  const broker = await withTopic();
  const { responses } = await ask(broker, 'IncrementalAlterConfigs', 1, { resources, validateOnly: false });
  expect(responses.map(({ errorCode }) => errorCode)).toEqual(resources.map(() => ERRORS.INVALID_REQUEST.code));
  expect(responses[0]?.errorMessage).toBeTruthy();
});
