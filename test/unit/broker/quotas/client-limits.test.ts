import { describe, expect, test } from 'vitest';
import { ClientLimits } from '../../../../src/broker/quotas/client-limits.ts';
import { ConnectionLimits } from '../../../../src/broker/quotas/connection-limits.ts';
import type { QuotaEntity } from '../../../../src/cluster/quota-entity.ts';
import { ClientQuotas } from '../../../../src/cluster/quotas.ts';
import { silentLogger } from '../../../../src/runtime/logger.ts';
import { systemRuntime } from '../../../../src/runtime/runtime.ts';
import { MemoryMetadataStore } from '../../../../src/storage/memory/metadata-store.ts';

function world() {
  const runtime = systemRuntime(silentLogger);
  const quotas = new ClientQuotas({ clusterId: 'test', metadata: new MemoryMetadataStore(), runtime });
  const time = { ms: 0 };
  const clock = { now: () => 0, monotonic: () => time.ms };
  const limits = new ClientLimits(quotas, clock, { seconds: 10, sampleSeconds: 1 });
  const set = (entity: QuotaEntity, name: string, value: number | null) => quotas.alter(entity, [{ name, value }]);
  return { quotas, limits, time, clock, set };
}

describe('which quota holds', () => {
  test('nobody has a limit until there is a quota', async () => {
    const { limits, set } = world();
    expect(limits.of('a')).toBeNull();
    await set({ 'client-id': 'a' }, 'producer_byte_rate', 1_000);
    expect(limits.of('a')?.produced(11_000)).toBe(1_000);
    expect(limits.of('b')).toBeNull();
    expect(limits.of(null)).toBeNull();
    await set({ 'client-id': 'a' }, 'producer_byte_rate', null);
    expect(limits.of('a')).toBeNull();
  });

  const ANONYMOUS = 'ANONYMOUS';
  const order: QuotaEntity[] = [
    { user: ANONYMOUS, 'client-id': 'a' },
    { user: ANONYMOUS, 'client-id': null },
    { user: ANONYMOUS },
    { user: null, 'client-id': 'a' },
    { user: null, 'client-id': null },
    { user: null },
    { 'client-id': 'a' },
    { 'client-id': null },
  ];

  test.each(
    order.map((entity, index) => [entity, index] as const),
  )('%j over those after it', async (_entity, index) => {
    const { limits, set } = world();
    for (const [rank, entity] of order.entries()) {
      if (rank >= index) await set(entity, 'consumer_byte_rate', 1_000 * (rank + 1));
    }
    expect(limits.of('a')?.answerBytesMax).toBe(10_000 * (index + 1));
  });

  test('quotas of other users and clients do not', async () => {
    const { limits, set } = world();
    await set({ user: 'alice' }, 'producer_byte_rate', 1);
    await set({ 'client-id': 'b' }, 'producer_byte_rate', 1);
    expect(limits.of('a')).toBeNull();
  });
});

describe('who shares it', () => {
  test('a default counts each client by itself', async () => {
    const { limits, set } = world();
    await set({ 'client-id': null }, 'producer_byte_rate', 1_000);
    expect(limits.of('a')?.produced(11_000)).toBe(1_000);
    expect(limits.of('b')?.produced(10_000)).toBe(0);
  });

  test('a quota of the user counts all clients', async () => {
    const { limits, set } = world();
    await set({ user: null }, 'producer_byte_rate', 1_000);
    expect(limits.of('a')?.produced(10_000)).toBe(0);
    expect(limits.of('b')?.produced(1_000)).toBe(1_000);
  });
});

describe('what is counted', () => {
  test('bytes come back with time', async () => {
    const { limits, set, time } = world();
    await set({ 'client-id': null }, 'consumer_byte_rate', 1_000);
    expect(limits.of('a')?.consumed(12_000)).toBe(2_000);
    time.ms = 1_500;
    expect(limits.of('a')?.consumed(0)).toBe(500);
  });

  test('work is a share of the event loop, and throttles for a second at most', async () => {
    const { limits, set } = world();
    await set({ 'client-id': null }, 'request_percentage', 10);
    expect(limits.of('a')?.worked(100)).toBe(0);
    expect(limits.of('a')?.worked(10)).toBe(100);
    expect(limits.of('a')?.worked(1e6)).toBe(1_000);
  });

  test('mutations of a client that does not know the error are done and throttled, others refused', async () => {
    const { limits, set, time } = world();
    await set({ 'client-id': null }, 'controller_mutation_rate', 1);
    expect(limits.of('a')?.mutate(12, true)).toBe(2_000);
    expect(() => limits.of('a')?.mutate(1, true)).toThrow(
      expect.objectContaining({ error: 'THROTTLING_QUOTA_EXCEEDED' }),
    );
    expect(limits.of('a')?.mutate(1, false)).toBe(3_000);
    time.ms = 3_000;
    expect(limits.of('a')?.mutate(1, true)).toBe(1_000);
  });
});

test('ten thousand clients and more are tracked in bounded memory', async () => {
  const { limits, set } = world();
  await set({ 'client-id': null }, 'producer_byte_rate', 1_000);
  limits.of('first')?.produced(15_000);
  for (let index = 0; index < 10_000; index++) limits.of(`client ${index}`)?.produced(1);
  expect(limits.of('client 9999')?.produced(0)).toBe(0);
  expect(limits.of('first')?.produced(0)).toBe(0); // Was pushed out and begins anew.
});

describe('connections', () => {
  test('an address opens a window of them, then as many as come', async () => {
    const { quotas, clock, time, set } = world();
    const limits = new ConnectionLimits(quotas, clock, 2);
    expect(limits.opened('10.0.0.1')).toBe(0);
    await set({ ip: null }, 'connection_creation_rate', 1);
    await set({ ip: '10.0.0.2' }, 'connection_creation_rate', 100);
    const opened = (address: string, count: number) => Array.from({ length: count }, () => limits.opened(address));
    expect(opened('10.0.0.1', 4)).toEqual([0, 0, 1_000, 1_000]);
    expect(opened('10.0.0.2', 4)).toEqual([0, 0, 0, 0]);
    time.ms = 1_000;
    expect(opened('10.0.0.1', 2)).toEqual([0, 1_000]);
  });
});
