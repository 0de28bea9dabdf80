import { describe, expect, test } from 'vitest';
import { GroupConfigs } from '../../../src/cluster/group-configs.ts';
import { durationMs } from '../../../src/cluster/iso-duration.ts';
import type { ConfigAlteration } from '../../../src/cluster/topics.ts';
import { type Given, parseConfig } from '../../../src/config.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import { systemRuntime } from '../../../src/runtime/runtime.ts';
import { MemoryMetadataStore } from '../../../src/storage/memory/metadata-store.ts';

async function opened(given: Given = {}, metadata = new MemoryMetadataStore()) {
  const runtime = systemRuntime(silentLogger);
  const configs = new GroupConfigs({ clusterId: 'test', metadata, runtime, config: parseConfig(given) });
  await configs.recover();
  const set = (groupId: string, name: string, value: string) =>
    configs.alter(groupId, () => [{ operation: 'SET', name, value }]);
  return { configs, set, metadata };
}

const defaults = {
  consumerSessionTimeoutMs: 45_000,
  consumerHeartbeatIntervalMs: 5_000,
  shareSessionTimeoutMs: 45_000,
  shareHeartbeatIntervalMs: 5_000,
  shareRecordLockDurationMs: 30_000,
  shareDeliveryCountLimit: 5,
  sharePartitionMaxRecordLocks: 2_000,
  shareAutoOffsetReset: { type: 'latest' },
  shareIsolationLevel: 'read_uncommitted',
};

describe('what holds for a group', () => {
  test('the defaults of Kafka, for a group that set nothing', async () => {
    expect((await opened()).configs.of('any')).toEqual(defaults);
  });

  test('settings of the broker are defaults, what a group sets wins', async () => {
    const { configs, set } = await opened({ 'group.consumer.session.timeout.ms': '50000' });
    await set('mine', 'consumer.session.timeout.ms', '55000');
    expect(configs.of('mine').consumerSessionTimeoutMs).toBe(55_000);
    expect(configs.of('other').consumerSessionTimeoutMs).toBe(50_000);
    await configs.alter('mine', () => [{ operation: 'DELETE', name: 'consumer.session.timeout.ms' }]);
    expect(configs.of('mine').consumerSessionTimeoutMs).toBe(50_000);
  });

  test('what was set is there after a restart, within the bounds of the broker then', async () => {
    const { set, metadata } = await opened();
    await set('mine', 'consumer.heartbeat.interval.ms', '15000');
    await set('mine', 'share.auto.offset.reset', 'by_duration:PT1H');
    expect((await opened({}, metadata)).configs.of('mine')).toEqual({
      ...defaults,
      consumerHeartbeatIntervalMs: 15_000,
      shareAutoOffsetReset: { type: 'byDuration', durationMs: 3_600_000 },
    });
    const narrow = { 'group.consumer.max.heartbeat.interval.ms': '10000' };
    expect((await opened(narrow, metadata)).configs.of('mine').consumerHeartbeatIntervalMs).toBe(10_000);
  });

  test('validateOnly changes nothing', async () => {
    const { configs } = await opened();
    const set: ConfigAlteration[] = [{ operation: 'SET', name: 'share.isolation.level', value: 'read_committed' }];
    await configs.alter('mine', () => set, { validateOnly: true });
    expect(configs.of('mine')).toEqual(defaults);
  });
});

describe('refused with INVALID_CONFIG', () => {
  test.each([
    ['no.such', '1', /Unknown group config name: no\.such/],
    [
      'consumer.session.timeout.ms',
      'long',
      /long for configuration consumer\.session\.timeout\.ms: Not a number of type INT/,
    ],
    ['consumer.session.timeout.ms', '44999', /44999.*greater than or equal to group\.consumer\.min\.session.*45000/],
    [
      'consumer.session.timeout.ms',
      '60001',
      /less than or equal to group\.consumer\.max\.session\.timeout\.ms \(60000/,
    ],
    ['share.record.lock.duration.ms', '60001', /group\.share\.max\.record\.lock\.duration\.ms/],
    ['share.delivery.count.limit', '11', /no more than 10/],
    ['share.auto.offset.reset', 'none', /one of: latest, earliest, by_duration:/],
    ['share.auto.offset.reset', 'by_duration:-PT1H', /ISO 8601/],
    ['share.isolation.level', 'dirty', /read_uncommitted, read_committed/],
  ])('%s=%s', async (name, value, message) => {
    const { configs, set } = await opened();
    await expect(set('mine', name, value)).rejects.toMatchObject({ error: 'INVALID_CONFIG' });
    await expect(set('mine', name, value)).rejects.toThrow(message);
    expect(configs.overridesOf('mine')).toEqual({});
  });

  test('a session that is not longer than the heartbeat interval', async () => {
    const { configs } = await opened({ 'group.share.max.heartbeat.interval.ms': '60000' });
    const alterations: ConfigAlteration[] = [
      { operation: 'SET', name: 'share.heartbeat.interval.ms', value: '45000' },
      { operation: 'SET', name: 'share.session.timeout.ms', value: '45000' },
    ];
    await expect(configs.alter('mine', () => alterations)).rejects.toThrow(/greater than share\.heartbeat\.interval/);
  });
});

test('settings of the broker that contradict each other stop it with the way out', () => {
  expect(() => parseConfig({ 'group.share.session.timeout.ms': '1000' })).toThrow(
    /group\.share\.session\.timeout\.ms is 1000: must lie between .* \(45000\) and .* \(60000\)/,
  );
});

test.each([
  ['PT1H', 3_600_000],
  ['P2DT3M', 2 * 86_400_000 + 180_000],
  ['PT0.5S', 500],
  ['PT0S', 0],
  ['P1D', 86_400_000],
])('%s is %d ms', (text, ms) => expect(durationMs(text)).toBe(ms));

test.each(['', 'P', 'PT', '1H', 'PT-1H', '-PT1H', 'P1M', 'PT1', 'P1DT'])('%j is no duration', (text) => {
  expect(durationMs(text)).toBeNull();
});
