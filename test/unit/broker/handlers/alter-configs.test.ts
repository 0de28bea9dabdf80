import { expect, test } from 'vitest';
import { ERRORS } from '../../../../src/errors.ts';
import { ask, door, versionsOf } from '../door.ts';

const TOPIC = 2;
const of = (...configs: { name: string; value: string | null }[]) => ({
  resources: [{ resourceType: TOPIC, resourceName: 'orders', configs }],
  validateOnly: false,
});

async function withTopic() {
  const broker = door();
  await broker.topics.create({ name: 'orders', config: { 'retention.ms': '5000', 'segment.ms': '9' } });
  return broker;
}

test.each(versionsOf('AlterConfigs'))('v%i replaces everything that was set', async (version) => {
  const broker = await withTopic();
  const request = of({ name: 'segment.ms', value: '10' }, { name: 'cleanup.policy', value: 'compact' });
  const { responses } = await ask(broker, 'AlterConfigs', version, request);
  expect(responses).toMatchObject([{ errorCode: 0, errorMessage: null, resourceName: 'orders' }]);
  expect(broker.topics.byName('orders')?.overrides).toEqual({ 'segment.ms': '10', 'cleanup.policy': 'compact' });
});

test('an empty list takes everything back to its default', async () => {
  const broker = await withTopic();
  await ask(broker, 'AlterConfigs', 2, of());
  expect(broker.topics.byName('orders')?.overrides).toEqual({});
});

test('validateOnly changes nothing', async () => {
  const broker = await withTopic();
  const { responses } = await ask(broker, 'AlterConfigs', 2, { ...of(), validateOnly: true });
  expect(responses[0]?.errorCode).toBe(0);
  expect(broker.topics.byName('orders')?.overrides).toEqual({ 'retention.ms': '5000', 'segment.ms': '9' });
});

test.each([
  ['a null value', of({ name: 'segment.ms', value: null }), ERRORS.INVALID_REQUEST.code],
  ['an unknown name', of({ name: 'no.such', value: '1' }), ERRORS.INVALID_CONFIG.code],
])('%s changes nothing', async (_what, request, errorCode) => {
  const broker = await withTopic();
  const { responses } = await ask(broker, 'AlterConfigs', 2, request);
  expect(responses[0]?.errorCode).toBe(errorCode);
  expect(broker.topics.byName('orders')?.overrides).toEqual({ 'retention.ms': '5000', 'segment.ms': '9' });
});

test.each([
  ['a group', 32, 'mine', 'consumer.session.timeout.ms', '50000'],
  ['all brokers', 4, '', 'log.retention.ms', '50000'],
  ['this broker', 4, '7', 'log.retention.ms', '50000'],
])('everything that was set for %s is replaced', async (_what, resourceType, resourceName, name, value) => {
  const { configs, ...broker } = door();
  const kept = resourceType === 32 ? configs.groups : configs.brokers;
  const alter = (altered: { name: string; value: string }[]) =>
    ask({ configs, ...broker }, 'AlterConfigs', 2, {
      resources: [{ resourceType, resourceName, configs: altered }],
      validateOnly: false,
    });
  expect((await alter([{ name, value }])).responses[0]?.errorCode).toBe(0);
  expect(kept.overridesOf(resourceName)).toEqual({ [name]: value });
  expect((await alter([])).responses[0]?.errorCode).toBe(0);
  expect(kept.overridesOf(resourceName)).toEqual({});
});
