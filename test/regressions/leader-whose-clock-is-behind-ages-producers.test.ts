/**
 * A leader whose clock was days behind stamped what idempotent producers appended. The next leader, whose clock was right, took
 * them for producers that had been idle for days and forgot them: their repeats were appended again.
 */
import { expect, test } from 'vitest';
import { parseConfig } from '../../src/config.ts';
import { buildBatch } from '../../src/record/records.ts';
import type { Transport } from '../../src/rpc/transport.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { openCore } from '../../src/server.ts';
import { MemoryMetadataStore } from '../../src/storage/memory/metadata-store.ts';
import { MemoryObjectStore } from '../../src/storage/memory/object-store.ts';
import { type WrongClock, wronglyTimed } from '../unit/coordinator/wrong-clock.ts';

const DAY_MS = 86_400_000;
const stores = { metadata: new MemoryMetadataStore(), objects: new MemoryObjectStore() };
/** Nobody else is there. */
const transport: Transport = {
  listen: async (address) => ({ address, close: async () => {} }),
  connect: () => new Promise(() => {}),
};

function open(brokerId: number, clock: WrongClock) {
  const runtime = wronglyTimed(clock);
  const config = parseConfig({ store: 's3://b', table: 't', 'broker.id': String(brokerId) });
  return openCore({ config, runtime, stores, sharing: { transport, incarnation: 'first', host: 'here' } });
}

test.each([
  ['is behind', -30 * DAY_MS, -30 * DAY_MS],
  ['is set back', 0, -30 * DAY_MS],
])('what a leader stamps whose clock %s the next one does not forget', async (_, firstMs, thenMs) => {
  const clock = { aheadMs: firstMs };
  const first = await open(1, clock);
  const name = `orders ${firstMs}`.replaceAll(' ', '.');
  const { topicId } = await first.topics.create({ name, partitions: 1, config: { 'retention.ms': '-1' } });
  const producer = { producerId: 1_000, producerEpoch: 0, baseSequence: 0 };
  const records = buildBatch([{ key: null, value: 'x' }], { timestamp: systemClock.now() - 40 * DAY_MS, ...producer });
  const produce = async ({ log }: typeof first) =>
    (await log.produce([{ topicId, partition: 0, records }], { origin: 'kafka' }))[0];
  clock.aheadMs = thenMs;
  expect(await produce(first)).toMatchObject({ error: 'NONE', baseOffset: 0 });
  await first.cluster.leave(async () => {});
  await first.close();

  const next = await open(2, { aheadMs: 0 });
  await next.lifecycle.retain(AbortSignal.timeout(10_000));
  expect(await produce(next)).toMatchObject({ error: 'NONE', baseOffset: 0, duplicate: true });
  await next.cluster.leave(async () => {});
  await next.close();
});
