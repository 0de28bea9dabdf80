/** More than the door has memory for: what waits is bounded, and everybody is served in the end. */
import { expect, test } from 'vitest';
import { systemClock, systemTimers } from '../../../src/runtime/clock.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import type { Runtime } from '../../../src/runtime/runtime.ts';
import { systemRuntime } from '../../../src/runtime/runtime.ts';
import { batch, expectHealthy, fetchOf, listening, metric, pause, produceOf, until } from './sockets.ts';

const MIB = 1024 * 1024;

/** Time that runs `factor` times as fast. */
function hurried(factor: number): Runtime {
  const runtime = systemRuntime(silentLogger);
  return {
    ...runtime,
    clock: { now: systemClock.now, monotonic: () => systemClock.monotonic() * factor },
    timers: {
      soon: systemTimers.soon,
      after: (delayMs, callback, options) => systemTimers.after(delayMs / factor, callback, options),
    },
  };
}

test('producers that find the log full are not read beyond the memory for their requests', async () => {
  const on = await listening();
  const producers = await Promise.all(Array.from({ length: 40 }, () => on.connect()));
  await Promise.all(producers.map((client) => client.call('Produce', 9, produceOf(batch('known')))));
  on.broker.log.gate.add(10);
  const large = batch('x'.repeat(3 * MIB));
  const early = producers.slice(0, 24).map((client) => ({ client, id: client.send('Produce', 9, produceOf(large)) }));
  await until('the memory is full', () => early.every(({ client }) => client.socket.writableLength === 0));
  await until('producers wait', async () => (await metric(on.broker, 'kafka_frame_bytes')) > 64 * MIB);
  const late = producers.slice(24).map((client) => ({ client, id: client.send('Produce', 9, produceOf(large)) }));
  await pause(100);
  expect(await metric(on.broker, 'kafka_frame_bytes')).toBeLessThan(90 * MIB);
  // Others are served meanwhile.
  const consumer = await on.connect();
  expect((await consumer.call('Fetch', 12, fetchOf(0))).topics[0]?.partitions[0]?.highWatermark).toBe(40);
  on.broker.log.gate.remove(10);
  for (const { client, id } of [...early, ...late]) {
    expect((await client.receive('Produce', 9, id)).topics[0]?.partitions[0]?.errorCode).toBe(0);
  }
  await Promise.all([...producers, consumer].map((client) => client.close()));
  await expectHealthy(on);
});

test('clients that do not read make answers smaller for others, and are cut off until less waits', async () => {
  const on = await listening({}, { runtime: hurried(50) });
  const producer = await on.connect();
  for (let index = 0; index < 6; index++) {
    await producer.call('Produce', 9, produceOf(batch('x'.repeat(8 * MIB))));
  }
  const stuck = await Promise.all(Array.from({ length: 3 }, () => on.connect()));
  for (const client of stuck) {
    client.socket.pause();
    client.send('Fetch', 12, fetchOf(0));
  }
  await until('too much waits', async () => (await metric(on.broker, 'kafka_unsent_bytes')) > 64 * MIB);
  // Less than asked for, but always a batch.
  const answer = await producer.call('Fetch', 12, fetchOf(0));
  expect(answer.topics[0]?.partitions[0]?.records).toHaveLength(batch('x'.repeat(8 * MIB)).length);
  await until('less waits', async () => (await metric(on.broker, 'kafka_unsent_bytes')) <= 64 * MIB);
  expect(on.listener.connectionCount).toBeLessThan(4);
  expect((await producer.call('Metadata', 9, { topics: [] })).brokers).toHaveLength(1);
  await Promise.all([...stuck, producer].map((client) => client.close()));
  await expectHealthy(on);
});
