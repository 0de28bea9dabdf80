import { describe, expect, test } from 'vitest';
import { ERRORS } from '../../../src/errors.ts';
import { requestBytes } from '../../integration/kafka-client.ts';
import { batch, expectHealthy, fetchOf, listening, metric, pause, produceOf, until } from './sockets.ts';

const MIB = 1024 * 1024;

describe.each([true, false])('a Kafka listener (reads directly: %s)', (directReads) => {
  const listen = (given = {}) => listening(given, { directReads });

  test('answers in the order of the requests, whatever is ready first', async () => {
    const on = await listen();
    const client = await on.connect();
    on.broker.log.hold();
    const produced = client.send('Produce', 9, produceOf(batch('a')));
    const asked = client.send('Metadata', 9, { topics: [] });
    const polled = client.send('Fetch', 12, fetchOf(0));
    await until('all three are taken in', () => on.listener.requestsInFlight === 1);
    on.broker.log.letGo();
    expect((await client.receive('Produce', 9, produced)).topics[0]?.partitions[0]?.baseOffset).toBe(0);
    expect((await client.receive('Metadata', 9, asked)).brokers).toHaveLength(1);
    expect((await client.receive('Fetch', 12, polled)).topics[0]?.partitions[0]?.highWatermark).toBe(1);
    await client.close();
    await expectHealthy(on);
  });

  test('gives the log the produce requests of a connection in order, however they are cut on the way', async () => {
    const on = await listen();
    const client = await on.connect();
    const sizes = Array.from({ length: 60 }, (_, index) => 1 + ((index * 7919) % 3_000) * (index % 7 === 0 ? 100 : 1));
    const batches = sizes.map((size) => batch('x'.repeat(size)));
    const bytes = Buffer.concat(batches.map((records, index) => requestBytes('Produce', 9, produceOf(records), index)));
    let step = 1;
    for (let at = 0; at < bytes.length; at += step) {
      step = 1 + ((step * 31_337) % 90_000);
      client.socket.write(bytes.subarray(at, at + step));
      if (step % 3 === 0) await pause(1);
    }
    for (const index of sizes.keys()) {
      const answer = await client.receive('Produce', 9, index);
      expect(answer.topics[0]?.partitions[0]).toMatchObject({ errorCode: 0, baseOffset: index });
    }
    expect(on.broker.log.produced).toEqual(batches.map(({ length }) => length));
    await client.close();
    await expectHealthy(on);
  });

  test('takes frames of many megabytes and gives them back unchanged', async () => {
    const on = await listen();
    const client = await on.connect();
    const large = ['a', 'b', 'c'].map((letter) => batch(letter.repeat(5 * MIB)));
    for (const records of large) {
      expect((await client.call('Produce', 9, produceOf(records))).topics[0]?.partitions[0]?.errorCode).toBe(0);
    }
    const fetched = (await client.call('Fetch', 12, fetchOf(0))).topics[0]!.partitions[0]!.records!;
    let at = 0;
    for (const records of large) {
      // Offset and leader epoch are the broker's.
      expect(fetched.subarray(at + 16, at + records.length).equals(records.subarray(16))).toBe(true);
      at += records.length;
    }
    expect(fetched).toHaveLength(at);
    await client.close();
    await expectHealthy(on);
  });

  test('does not answer acks 0, and closes when such a batch is refused', async () => {
    const on = await listen();
    const client = await on.connect();
    client.send('Produce', 9, produceOf(batch('quiet'), 0));
    expect((await client.call('Metadata', 9, { topics: [] })).brokers).toHaveLength(1);
    expect(on.broker.log.produced).toHaveLength(1);
    client.send('Produce', 9, produceOf(Buffer.from('no batch at all'), 0));
    await client.closed;
    await expectHealthy(on);
  });

  test('stops reading a connection that has too many requests in work', async () => {
    const on = await listen({ 'socket.requests.in.flight.max': '4' });
    const client = await on.connect();
    on.broker.log.hold();
    const sent = Array.from({ length: 10 }, (_, index) => client.send('Produce', 9, produceOf(batch(`${index}`))));
    await until('four are in work', () => on.listener.requestsInFlight === 4);
    await pause(30);
    expect(on.listener.requestsInFlight).toBe(4);
    on.broker.log.letGo();
    for (const [index, id] of sent.entries()) {
      expect((await client.receive('Produce', 9, id)).topics[0]?.partitions[0]?.baseOffset).toBe(index);
    }
    await client.close();
    await expectHealthy(on);
  });

  test('holds producers back while the log is full, and nobody else', async () => {
    const on = await listen();
    const [producer, consumer] = [await on.connect(), await on.connect()];
    await producer.call('Produce', 9, produceOf(batch('before')));
    on.broker.log.gate.add(10);
    const sent = Array.from({ length: 5 }, (_, index) => producer.send('Produce', 9, produceOf(batch(`${index}`))));
    expect((await consumer.call('Fetch', 12, fetchOf(0))).topics[0]?.partitions[0]?.highWatermark).toBe(1);
    await pause(30);
    expect(on.broker.log.produced).toHaveLength(1);
    on.broker.log.gate.remove(10);
    for (const [index, id] of sent.entries()) {
      expect((await producer.receive('Produce', 9, id)).topics[0]?.partitions[0]?.baseOffset).toBe(index + 1);
    }
    await producer.close();
    await consumer.close();
    await expectHealthy(on);
  });

  test('stops reading a client that does not read its answers, and goes on when it does', async () => {
    const on = await listen();
    const client = await on.connect();
    await client.call('Produce', 9, produceOf(batch('z'.repeat(4 * MIB))));
    client.socket.pause();
    const sent = Array.from({ length: 12 }, () => client.send('Fetch', 12, fetchOf(0)));
    await until('answers wait for the client', () => on.broker.log.unreleased > 0);
    await pause(50);
    expect(on.broker.log.unreleased).toBeLessThan(4);
    expect(await metric(on.broker, 'kafka_unsent_bytes')).toBeGreaterThan(MIB);
    client.socket.resume();
    for (const id of sent) {
      const records = (await client.receive('Fetch', 12, id)).topics[0]?.partitions[0]?.records;
      expect(records?.length).toBeGreaterThan(4 * MIB);
    }
    await until('all is released', () => on.broker.log.unreleased === 0);
    await client.close();
    await expectHealthy(on);
  });

  test('releases the answers of a client that vanishes without reading them', async () => {
    const on = await listen();
    const client = await on.connect();
    await client.call('Produce', 9, produceOf(batch('z'.repeat(8 * MIB))));
    client.socket.pause();
    for (let index = 0; index < 3; index++) client.send('Fetch', 12, fetchOf(0));
    await until('an answer waits for the client', () => on.broker.log.unreleased > 0);
    client.socket.resetAndDestroy();
    await expectHealthy(on);
  });

  test('ends the long poll of a client that vanishes', async () => {
    const on = await listen();
    const client = await on.connect();
    client.send('Fetch', 12, fetchOf(0, { maxWaitMs: 60_000 }));
    await until('the poll waits', () => on.broker.log.fetchesWaiting === 1);
    client.socket.destroy();
    await until('nobody waits', () => on.broker.log.fetchesWaiting === 0);
    await expectHealthy(on);
  });

  test('answers a client that has ended its side, then closes', async () => {
    const on = await listen();
    const client = await on.connect();
    on.broker.log.hold();
    const id = client.send('Produce', 9, produceOf(batch('last words')));
    client.socket.end();
    await until('it is in work', () => on.broker.log.produced.length === 1);
    await pause(20);
    on.broker.log.letGo();
    expect((await client.receive('Produce', 9, id)).topics[0]?.partitions[0]?.errorCode).toBe(0);
    await client.closed;
    await expectHealthy(on);
  });

  test('reads the requests behind a change of topics only when that is done', async () => {
    const on = await listen();
    const client = await on.connect();
    const topics = [{ name: 'new', numPartitions: 3, replicationFactor: 1 }];
    const created = client.send('CreateTopics', 7, { topics });
    const described = client.send('Metadata', 9, { topics: [{ name: 'new' }], allowAutoTopicCreation: false });
    expect((await client.receive('CreateTopics', 7, created)).topics[0]?.errorCode).toBe(0);
    expect((await client.receive('Metadata', 9, described)).topics[0]?.partitions).toHaveLength(3);
  });

  test('runs one fetch of a connection at a time', async () => {
    const on = await listen();
    const client = await on.connect();
    const sent = [1, 2, 3].map(() => client.send('Fetch', 12, fetchOf(0, { maxWaitMs: 60_000 })));
    await until('the first waits', () => on.broker.log.fetchesWaiting === 1);
    await pause(20);
    expect(on.listener.requestsInFlight).toBe(1);
    const producer = await on.connect();
    await producer.call('Produce', 9, produceOf(batch('for all')));
    for (const id of sent) {
      expect((await client.receive('Fetch', 12, id)).topics[0]?.partitions[0]?.highWatermark).toBe(1);
    }
  });

  test('closes idle connections, and not those that wait for records', async () => {
    const on = await listen({ 'connections.max.idle.ms': '1000' });
    const idle = await on.connect();
    const waiting = await on.connect();
    const id = waiting.send('Fetch', 12, fetchOf(0, { maxWaitMs: 1_800 }));
    await idle.closed;
    expect((await waiting.receive('Fetch', 12, id)).topics[0]?.partitions[0]?.errorCode).toBe(0);
    await waiting.close();
  });

  test('closes connections beyond the limit at once', async () => {
    const on = await listen({ 'connections.max': '3' });
    const inside = [await on.connect(), await on.connect(), await on.connect()];
    for (const client of inside) await client.call('Metadata', 9, { topics: [] });
    const outside = await on.connect();
    await outside.closed;
    await inside[0]?.close();
    await until('one has gone', () => on.listener.connectionCount === 2);
    expect((await (await on.connect()).call('Metadata', 9, { topics: [] })).brokers).toHaveLength(1);
  });

  test('stops by answering what is in work, ending long polls, and closing', async () => {
    const on = await listen();
    const [producer, consumer, idle] = [await on.connect(), await on.connect(), await on.connect()];
    await idle.call('Metadata', 9, { topics: [] });
    on.broker.log.hold();
    const polled = consumer.send('Fetch', 12, fetchOf(0, { maxWaitMs: 60_000 }));
    await until('the poll waits', () => on.broker.log.fetchesWaiting === 1);
    const produced = producer.send('Produce', 9, produceOf(batch('in time')));
    await until('the record is in work', () => on.broker.log.produced.length === 1);
    const closing = on.listener.close();
    const refused = (await consumer.receive('Fetch', 12, polled)).topics[0]?.partitions[0];
    // The record came meanwhile: either its arrival or the end of the broker has ended the poll.
    expect([0, ERRORS.NOT_LEADER_OR_FOLLOWER.code]).toContain(refused?.errorCode);
    on.broker.log.letGo();
    expect((await producer.receive('Produce', 9, produced)).topics[0]?.partitions[0]?.errorCode).toBe(0);
    await closing;
    expect(on.listener.connectionCount).toBe(0);
    await expect(on.connect()).rejects.toThrow(/ECONNREFUSED/);
  });

  test('stops in bounded time when a request is never answered', async () => {
    const on = await listen();
    const client = await on.connect();
    on.broker.log.hold();
    client.send('Produce', 9, produceOf(batch('stuck')));
    await until('it is in work', () => on.broker.log.produced.length === 1);
    await on.listener.close({ drainMs: 50 });
    expect(on.listener.connectionCount).toBe(0);
  });

  test('serves hundreds of idle connections and closes them all', async () => {
    const on = await listen();
    const clients = await Promise.all(Array.from({ length: 400 }, () => on.connect()));
    await until('all are accepted', () => on.listener.connectionCount === 400);
    expect((await clients[399]!.call('Metadata', 9, { topics: [] })).brokers).toHaveLength(1);
    await Promise.all(clients.map((client) => client.close()));
    await expectHealthy(on);
  });
});

test('answers nothing behind a request that it cannot answer', async () => {
  const on = await listening();
  const client = await on.connect();
  const unknown = Buffer.from('0000000a' + '03e7' + '0000' + '00000001' + 'ffff', 'hex');
  client.socket.write(Buffer.concat([unknown, requestBytes('Metadata', 9, { topics: [] })]));
  expect(await client.frame()).toBeNull();
  await expectHealthy(on);
});

test('releases the answer of a fetch that was ready behind a slow request when its client vanished', async () => {
  const on = await listening();
  const client = await on.connect();
  await client.call('Produce', 9, produceOf(batch('to be read')));
  on.broker.log.hold();
  client.send('Produce', 9, produceOf(batch('slow')));
  client.send('Fetch', 12, fetchOf(0));
  await until('the fetch is answered', () => on.broker.log.unreleased === 1);
  client.socket.resetAndDestroy();
  await until('it is released', () => on.broker.log.unreleased === 0);
  on.broker.log.letGo();
  await expectHealthy(on);
});

test('starts no second fetch while the answer of the first waits behind a slow request', async () => {
  const on = await listening();
  const client = await on.connect();
  await client.call('Produce', 9, produceOf(batch('to be read')));
  on.broker.log.hold();
  const slow = client.send('Produce', 9, produceOf(batch('slow')));
  const fetches = [1, 2, 3].map(() => client.send('Fetch', 12, fetchOf(0)));
  await until('the first is answered', () => on.broker.log.unreleased === 1);
  await pause(20);
  expect(on.broker.log.unreleased).toBe(1);
  on.broker.log.letGo();
  await client.receive('Produce', 9, slow);
  for (const id of fetches) expect((await client.receive('Fetch', 12, id)).errorCode).toBe(0);
  await client.close();
  await expectHealthy(on);
});

test('counts requests, and bytes in and out', async () => {
  const on = await listening();
  const client = await on.connect();
  for (let index = 0; index < 3; index++) await client.call('Metadata', 9, { topics: [] });
  await client.call('Produce', 9, produceOf(batch('counted')));
  const exposed = await on.broker.runtime.metrics.expose();
  expect(exposed).toContain('millrace_kafka_requests_total{api="Metadata"} 3');
  expect(exposed).toContain('millrace_kafka_requests_total{api="Produce"} 1');
  expect(exposed).toContain('millrace_kafka_connections 1');
  expect(await metric(on.broker, 'kafka_received_bytes_total')).toBe(client.socket.bytesWritten);
  expect(await metric(on.broker, 'kafka_sent_bytes_total')).toBe(client.socket.bytesRead);
});

test('advertises the address that a client came to where it listens on all', async () => {
  const on = await listening({}, { address: { host: '0.0.0.0', port: 0 } });
  expect(on.listener.advertised).toBeNull();
  const client = await on.connect();
  const { brokers } = await client.call('Metadata', 9, { topics: [] });
  expect(brokers).toEqual([{ nodeId: 7, host: '127.0.0.1', port: on.listener.address.port, rack: 'zone-a' }]);
});

test('advertises the bound IPv4 address and port, which every client resolves alike', async () => {
  const on = await listening();
  const { brokers } = await (await on.connect()).call('Metadata', 9, { topics: [] });
  expect(brokers[0]).toMatchObject({ host: '127.0.0.1', port: on.listener.address.port });
});

test('an address in use is named in the refusal to start', async () => {
  const on = await listening();
  await expect(listening({}, { address: on.listener.address })).rejects.toThrow(
    `cannot listen for Kafka clients on 127.0.0.1:${on.listener.address.port}`,
  );
});

describe('localhost means 127.0.0.1, since clients would try ::1 first', () => {
  test.each([
    ['as the address to listen on', { address: { host: 'localhost', port: 0 } }, null],
    ['as what clients are told', { advertised: { host: 'localhost', port: 9 } }, 9],
  ])('%s', async (_what, options, advertisedPort) => {
    const on = await listening({}, options);
    expect(on.listener.address.host).toBe('127.0.0.1');
    const client = await on.connect();
    const [node] = (await client.call('Metadata', 9, { topics: [] })).brokers;
    expect(node).toMatchObject({ host: '127.0.0.1', port: advertisedPort ?? on.listener.address.port });
    await client.close();
  });
});
