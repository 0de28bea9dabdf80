/** Quotas over TCP: the answer comes at once and says how long to wait, and a client that does not wait is made to. */
import { describe, expect, test } from 'vitest';
import type { QuotaEntity, QuotaName } from '../../../../src/cluster/quota-entity.ts';
import { ERRORS } from '../../../../src/errors.ts';
import { KafkaClient } from '../../../integration/kafka-client.ts';
import { batch, expectHealthy, fetchOf, type Listening, listening, pause, produceOf, until } from '../sockets.ts';

/** A second's worth goes through at once. */
const WINDOW = { 'quota.window.num': '1' };
const CLIENT = { 'client-id': 'test' };

const limit = ({ broker }: Listening, name: QuotaName, value: number, entity: QuotaEntity = CLIENT) =>
  broker.configs.quotas.alter(entity, [{ name, value }]);

async function timed<T>(act: () => Promise<T>): Promise<{ answer: T; ms: number }> {
  const from = performance.now();
  const answer = await act();
  return { answer, ms: performance.now() - from };
}

describe('a producer over its quota', () => {
  test('is answered with the time to wait, and its next request is not read before', async () => {
    const on = await listening(WINDOW);
    await limit(on, 'producer_byte_rate', 10_000);
    const client = await on.connect();
    const first = await timed(() => client.call('Produce', 9, produceOf(batch('x'.repeat(13_000)))));
    expect(first.answer.topics[0]?.partitions[0]?.errorCode).toBe(0);
    expect(first.answer.throttleTimeMs).toBeGreaterThan(200);
    expect(first.answer.throttleTimeMs).toBeLessThanOrEqual(400);
    expect(first.ms).toBeLessThan(200);
    const next = await timed(() => client.call('Metadata', 9, { topics: [] }));
    expect(next.ms).toBeGreaterThan(first.answer.throttleTimeMs - first.ms - 50);
    await on.broker.configs.quotas.alter(CLIENT, [{ name: 'producer_byte_rate', value: null }]);
    await client.close();
    await expectHealthy(on);
  });

  test('waits as well when it asked for no answer', async () => {
    const on = await listening(WINDOW);
    await limit(on, 'producer_byte_rate', 10_000);
    const client = await on.connect();
    client.send('Produce', 9, produceOf(batch('x'.repeat(13_000)), 0));
    await until('the log has it', () => on.broker.log.produced.length === 1);
    await pause(20);
    const { ms } = await timed(() => client.call('Metadata', 9, { topics: [] }));
    expect(ms).toBeGreaterThan(150);
    await client.close();
  });

  test('holds up nobody else, and may go away meanwhile', async () => {
    const on = await listening(WINDOW);
    await limit(on, 'producer_byte_rate', 1_000);
    const client = await on.connect();
    expect((await client.call('Produce', 9, produceOf(batch('x'.repeat(5_000))))).throttleTimeMs).toBe(1_000);
    const other = await on.connect();
    const { ms } = await timed(() => other.call('Metadata', 9, { topics: [] }));
    expect(ms).toBeLessThan(300);
    await client.close();
    await other.close();
    await until('both are gone', () => on.listener.connectionCount === 0);
  });
});

test('a consumer gets no more at once than a window of its quota, and waits', async () => {
  const on = await listening(WINDOW);
  const client = await on.connect();
  for (let index = 0; index < 4; index++) await client.call('Produce', 9, produceOf(batch('x'.repeat(6_000))));
  await limit(on, 'consumer_byte_rate', 10_000);
  const answer = await client.call('Fetch', 12, fetchOf(0));
  const bytes = answer.topics[0]!.partitions[0]!.records!.length;
  expect(bytes).toBeLessThan(10_000);
  expect(answer.throttleTimeMs).toBe(0);
  const next = await client.call('Fetch', 12, fetchOf(1));
  expect(next.throttleTimeMs).toBeGreaterThan(0);
  await client.close();
});

test('mutations beyond the quota are refused to clients that know the error', async () => {
  const on = await listening(WINDOW);
  await limit(on, 'controller_mutation_rate', 1);
  const client = await on.connect();
  const create = (name: string, numPartitions: number) => ({ topics: [{ name, numPartitions, replicationFactor: 1 }] });
  const first = await client.call('CreateTopics', 7, create('a', 1));
  expect([first.topics[0]?.errorCode, first.throttleTimeMs]).toEqual([0, 0]);
  const second = await client.call('CreateTopics', 7, create('b', 1));
  expect(second.topics[0]?.errorCode).toBe(0);
  expect(second.throttleTimeMs).toBeGreaterThan(500);
  const other = await on.connect();
  const third = await other.call('CreateTopics', 7, create('c', 1));
  expect(third.topics[0]?.errorCode).toBe(ERRORS.THROTTLING_QUOTA_EXCEEDED.code);
  const old = await other.call('CreateTopics', 5, create('c', 1));
  expect(old.topics[0]?.errorCode).toBe(0);
  expect(old.throttleTimeMs).toBeGreaterThan(500);
  await client.close();
  await other.close();
});

test('an address that connects too often is kept waiting, then closed, and may come again', async () => {
  const on = await listening(WINDOW);
  await limit(on, 'connection_creation_rate', 2, { ip: '127.0.0.1' });
  const welcome = [await on.connect(), await on.connect()];
  const early = await KafkaClient.connect(on.listener.address);
  const closed = await timed(() => early.closed);
  expect(closed.ms).toBeGreaterThan(200);
  await pause(300);
  const late = await on.connect();
  expect((await late.call('Metadata', 9, { topics: [] })).brokers).toHaveLength(1);
  for (const client of [...welcome, late]) await client.close();
});
