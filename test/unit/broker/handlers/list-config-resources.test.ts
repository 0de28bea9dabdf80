import { expect, test } from 'vitest';
import { ERRORS } from '../../../../src/errors.ts';
import { ask, door, versionsOf } from '../door.ts';

const [TOPIC, BROKER, LOGGER, METRICS, GROUP] = [2, 4, 8, 16, 32] as const;

async function cluster() {
  const broker = door();
  await broker.topics.create({ name: 'orders', config: {} });
  const set = { operation: 'SET', name: 'share.isolation.level', value: 'read_committed' } as const;
  await broker.configs.groups.alter('mine', () => [set]);
  return broker;
}

const all = [
  { name: 'mine', resourceType: GROUP },
  { name: '7', resourceType: LOGGER },
  { name: '7', resourceType: BROKER },
  { name: 'orders', resourceType: TOPIC },
];

test('there are no subscriptions to client metrics', async () => {
  for (const version of versionsOf('ListConfigResources')) {
    const request = { resourceTypes: [METRICS] };
    const answer = await ask(await cluster(), 'ListConfigResources', version, request);
    expect(answer).toMatchObject({ errorCode: 0, configResources: [] });
  }
});

test.each([
  ['all', [], all],
  ['groups that set anything', [GROUP], [all[0]]],
  ['topics and brokers', [TOPIC, BROKER], [all[3], all[2]]],
])('v1 lists %s', async (_what, resourceTypes, configResources) => {
  expect(await ask(await cluster(), 'ListConfigResources', 1, { resourceTypes })).toMatchObject({ configResources });
});

test('a type that does not exist is UNSUPPORTED_VERSION', async () => {
  const { errorCode } = await ask(door(), 'ListConfigResources', 1, { resourceTypes: [TOPIC, 3] });
  expect(errorCode).toBe(ERRORS.UNSUPPORTED_VERSION.code);
});
