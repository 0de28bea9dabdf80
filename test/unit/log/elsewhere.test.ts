/** A broker that does not lead: what comes to it is ordered by the leader, and read wherever it is asked for. */
import { afterEach, describe, expect, test } from 'vitest';
import { OPEN_TRANSACTIONS } from '../../../src/log/log-methods.ts';
import { buildBatch } from '../../../src/record/records.ts';
import { sleep } from '../../../src/runtime/clock.ts';
import { virtualRuntime } from '../storage/virtual-runtime.ts';
import { type LogClusterOptions, openLogCluster, type TestLogCluster } from './log-cluster.ts';
import { Producer, shown } from './transactional-producer.ts';
import { decode, fetch, fetchPartition, offsetAt, produce, readAll } from './world.ts';

let cluster: TestLogCluster | null = null;
const open = async (options?: LogClusterOptions) => {
  cluster = await openLogCluster(options);
  return cluster;
};

afterEach(async () => {
  await cluster?.close();
  for (const { log } of cluster?.brokers ?? []) expect(log.leases).toBe(0);
  cluster = null;
});

/** By the clock of a virtual runtime. */
const produceThen: typeof produce = async (log, topic, partition, values) => {
  const records = buildBatch(
    values.map((value) => ({ key: null, value })),
    { timestamp: 1_000_000 },
  );
  const [outcome] = await log.produce([{ topicId: topic.topicId, partition, records }], { origin: 'kafka' });
  return outcome!;
};

const large = (name: string) => name.padEnd(200_000, '.');
const values = (records: readonly string[]) => records.map((record) => record.replace(/^\d+:|\.+$/g, ''));

test('records are taken in anywhere, ordered by the leader, and read anywhere', async () => {
  const { brokers, topics } = await open();
  const topic = await topics.create({ name: 'orders', partitions: 2, config: {} });
  for (const [index, { log }] of brokers.entries()) {
    expect(await produce(log, topic, 0, [`small ${index}`])).toMatchObject({ error: 'NONE', baseOffset: 2 * index });
    expect(await produce(log, topic, 0, [large(`large ${index}`)])).toMatchObject({ baseOffset: 2 * index + 1 });
  }
  const expected = ['small 0', 'large 0', 'small 1', 'large 1', 'small 2', 'large 2'];
  for (const { log } of brokers) expect(values(await readAll(log, topic, 0))).toEqual(expected);
});

test('a fetch waits at the leader for records that come by a third broker', async () => {
  const { brokers, topics } = await open();
  const topic = await topics.create({ name: 'orders', config: {} });
  const waiting = fetch(brokers[1]!.log, [fetchPartition(topic, 0, 0)], { maxWaitMs: 10_000 });
  await produce(brokers[2]!.log, topic, 0, ['a']);
  const answer = await waiting;
  expect((await decode(answer.partitions[0]!.records)).map(({ value }) => String(value))).toEqual(['a']);
  answer.release();
});

test('a planned hand-over delays what is produced and fails nothing', async () => {
  const { brokers, topics, lead } = await open();
  const topic = await topics.create({ name: 'orders', config: {} });
  const [first, second, third] = brokers;
  const outcomes: unknown[] = [];
  let stop = false;
  const producing = [first!, third!].map(async ({ log, brokerId }) => {
    for (let at = 0; !stop; at++) outcomes.push((await produce(log, topic, 0, [`${brokerId}/${at}`])).error);
  });
  for (const broker of [second!, third!, first!, second!]) await lead(broker);
  stop = true;
  await Promise.all(producing);
  expect(new Set(outcomes)).toEqual(new Set(['NONE']));
  const read = values(await readAll(first!.log, topic, 0));
  expect(read.length).toBe(outcomes.length);
  for (const id of [1, 3]) {
    const own = read.filter((value) => value.startsWith(`${id}/`));
    expect(own).toEqual(own.map((_, at) => `${id}/${at}`));
  }
});

test('what a broker took in for another leader, its own readers find in its memory', async () => {
  const { brokers, topics } = await open();
  const topic = await topics.create({ name: 'orders', config: {} });
  const [, follower] = brokers;
  for (const value of ['small', large('large')]) {
    const { log } = follower!;
    const end = (await log.watermarks({ topicId: topic.topicId, partition: 0 })).highWatermark;
    const waiting = fetch(log, [fetchPartition(topic, 0, end)], { maxWaitMs: 10_000 });
    await produce(log, topic, 0, [value]);
    const answer = await waiting;
    expect(values((await decode(answer.partitions[0]!.records)).map((record) => String(record.value)))).toEqual(
      values([value]),
    );
    answer.release();
  }
  const read = await follower!.runtime.metrics.expose();
  expect(read).toMatch(/fetch_bytes_total\{source="tail"\} [1-9]/);
  expect(read).not.toMatch(/fetch_bytes_total\{source="(store|near)"\} [1-9]/);
});

describe('questions about one partition', () => {
  test('are answered by its leader, at every broker', async () => {
    const { brokers, topics } = await open();
    const topic = await topics.create({ name: 'orders', config: {} });
    const id = { topicId: topic.topicId, partition: 0 };
    await produce(brokers[1]!.log, topic, 0, ['a', 'b']);
    await produce(brokers[2]!.log, topic, 0, ['c']);
    const epoch = brokers[0]!.seats.get(0)!.epoch;
    for (const { log } of brokers) {
      expect(await log.watermarks(id)).toEqual({
        logStartOffset: 0,
        highWatermark: 3,
        lastStableOffset: 3,
        leaderEpoch: epoch,
      });
      expect(await offsetAt(log, topic, 0, { type: 'earliest' })).toMatchObject({ offset: 0, leaderEpoch: epoch });
      const latest = { type: 'latest', isolation: 'read_committed' } as const;
      expect(await offsetAt(log, topic, 0, latest)).toMatchObject({ offset: 3 });
      expect(await offsetAt(log, topic, 0, { type: 'timestamp', timestamp: 1 })).toMatchObject({ offset: 0 });
      expect(await log.offsetForLeaderEpoch(id, epoch)).toEqual({ epoch, endOffset: 3 });
      expect(await log.producers(id)).toEqual([]);
    }
    expect(await brokers[1]!.log.deleteRecords(id, 2)).toBe(2);
    await expect(brokers[1]!.log.deleteRecords(id, 4)).rejects.toMatchObject({ error: 'OFFSET_OUT_OF_RANGE' });
    expect(values(await readAll(brokers[2]!.log, topic, 0, 2))).toEqual(['c']);
    const missing = { topicId: topic.topicId, partition: 1 };
    await expect(brokers[1]!.log.watermarks(missing)).rejects.toMatchObject({ error: 'UNKNOWN_TOPIC_OR_PARTITION' });
  });

  test('wait for the next leader, and are told after a while that there is none', async () => {
    const { brokers, topics, world, lead } = await open({ runtime: virtualRuntime() });
    const topic = await topics.create({ name: 'orders', config: {} });
    const id = { topicId: topic.topicId, partition: 0 };
    const [first, second, third] = brokers;
    await first!.seats.relinquish(0);
    const asking = third!.log.watermarks(id);
    await lead(second!);
    expect(await asking).toMatchObject({ highWatermark: 0 });
    world.network.cut.set(2, 'before');
    await expect(third!.log.watermarks(id)).rejects.toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER' });
  });

  test('an offset that is not in the partition, and another epoch, are refused with what is', async () => {
    const { brokers, topics } = await open();
    const topic = await topics.create({ name: 'orders', config: {} });
    await produce(brokers[0]!.log, topic, 0, ['a', 'b']);
    const leaderEpoch = brokers[0]!.seats.get(0)!.epoch;
    const told = async (fetchOffset: number, currentLeaderEpoch = -1) =>
      (await fetch(brokers[1]!.log, [fetchPartition(topic, 0, fetchOffset, { currentLeaderEpoch })])).partitions[0]!;
    expect(await told(3)).toMatchObject({ error: 'OFFSET_OUT_OF_RANGE', highWatermark: 2, leaderEpoch });
    expect(await told(0, leaderEpoch + 1)).toMatchObject({ error: 'UNKNOWN_LEADER_EPOCH' });
    expect(await told(0, leaderEpoch - 1)).toMatchObject({ error: 'FENCED_LEADER_EPOCH', leaderEpoch });
    expect(await told(2)).toMatchObject({ error: 'NONE', highWatermark: 2, bytes: 0 });
  });
});

describe('a fetch', () => {
  test('over several leaders is answered by the first that has something', async () => {
    const { brokers, topics, lead } = await open({ journals: 3 });
    const topic = await topics.create({ name: 'orders', partitions: 24, config: {} });
    await lead(brokers[1]!, 1);
    await lead(brokers[2]!, 2);
    const all = topic.partitions.map(({ partition }) => fetchPartition(topic, partition, 0));
    for (const journal of [0, 1, 2]) {
      const { partition } = topic.partitions.find((each) => each.journal === journal)!;
      for (const { log } of brokers) {
        const from = async ({ partition: index }: { readonly partition: number }) =>
          fetchPartition(
            topic,
            index,
            (await log.watermarks({ topicId: topic.topicId, partition: index })).highWatermark,
          );
        const waiting = fetch(log, await Promise.all(all.map(from)), { maxWaitMs: 30_000 });
        await sleep(log === brokers[0]!.log ? brokers[0]!.runtime.timers : brokers[1]!.runtime.timers, 10);
        await produce(brokers[0]!.log, topic, partition, ['a']);
        const { partitions, release } = await waiting;
        expect(partitions.filter(({ bytes }) => bytes > 0).length).toBe(1);
        expect(new Set(partitions.map(({ error }) => error))).toEqual(new Set(['NONE']));
        release();
      }
    }
    expect(await brokers[0]!.runtime.metrics.expose()).toMatch(/^millrace_fetch_waiters 0$/m);
  });

  test('takes what is there of others while one leader is away, and says so', async () => {
    const { brokers, topics, lead, world } = await open({ journals: 2 });
    const topic = await topics.create({ name: 'orders', partitions: 8, config: {} });
    await lead(brokers[1]!, 1);
    const [here, away] = [0, 1].map((journal) => topic.partitions.find((each) => each.journal === journal)!.partition);
    await produce(brokers[0]!.log, topic, here!, ['a']);
    world.network.cut.set(2, 'before');
    const wanted = [fetchPartition(topic, here!, 0), fetchPartition(topic, away!, 0)];
    const { partitions, release } = await fetch(brokers[2]!.log, wanted, { maxWaitMs: 60_000 });
    expect(partitions.map(({ error }) => error)).toEqual(['NONE', 'NOT_LEADER_OR_FOLLOWER']);
    release();
  });

  test('goes on at the next leader when the one that it waits at goes', async () => {
    const { brokers, topics, lead } = await open();
    const topic = await topics.create({ name: 'orders', config: {} });
    const waiting = brokers.map(({ log }) => fetch(log, [fetchPartition(topic, 0, 0)], { maxWaitMs: 30_000 }));
    await lead(brokers[1]!);
    await lead(brokers[2]!);
    await produce(brokers[0]!.log, topic, 0, ['a']);
    for (const answer of await Promise.all(waiting)) {
      expect(answer.partitions[0]).toMatchObject({ error: 'NONE', highWatermark: 1 });
      answer.release();
    }
  });

  test('goes on at the next leader when the one that it waits at is told of it', async () => {
    const { brokers, topics, usurp } = await open();
    const topic = await topics.create({ name: 'orders', config: {} });
    const waiting = brokers.map(({ log }) => fetch(log, [fetchPartition(topic, 0, 0)], { maxWaitMs: 30_000 }));
    await sleep(brokers[0]!.runtime.timers, 10);
    await usurp(brokers[1]!);
    expect(brokers[0]!.seats.get(0)!.role).toBe('leading');
    await produce(brokers[1]!.log, topic, 0, ['a']);
    for (const answer of await Promise.all(waiting)) {
      expect(answer.partitions[0]).toMatchObject({ error: 'NONE', highWatermark: 1 });
      answer.release();
    }
  });

  test('of a partition that nobody leads waits for its time and fails retriably', async () => {
    const { brokers, topics, world, runtime } = await open({ runtime: virtualRuntime() });
    const topic = await topics.create({ name: 'orders', config: {} });
    world.network.cut.set(1, 'before');
    const startedAt = runtime.clock.monotonic();
    const { partitions } = await fetch(brokers[1]!.log, [fetchPartition(topic, 0, 0)], { maxWaitMs: 500 });
    expect(partitions).toMatchObject([{ error: 'NOT_LEADER_OR_FOLLOWER' }]);
    expect(runtime.clock.monotonic() - startedAt).toBeGreaterThanOrEqual(500);
  });

  test('is ended by its client', async () => {
    const { brokers, topics } = await open();
    const topic = await topics.create({ name: 'orders', config: {} });
    const client = new AbortController();
    const wish = { maxWaitMs: 60_000, signal: client.signal };
    const waiting = fetch(brokers[1]!.log, [fetchPartition(topic, 0, 0)], wish);
    client.abort(new Error('gone'));
    await expect(waiting).rejects.toThrow('gone');
  });

  test('of everything, a little at a time, brings everything', async () => {
    const { brokers, topics } = await open({ config: { 'segment.bytes.max': '65536' } });
    const topic = await topics.create({ name: 'orders', config: {} });
    const sent = Array.from({ length: 700 }, (_, index) => `${index}`.padEnd(index % 7 === 0 ? 20_000 : 10, '.'));
    for (let at = 0; at < sent.length; at += 20) {
      await Promise.all(
        sent.slice(at, at + 20).map((value, index) => produce(brokers[index % 3]!.log, topic, 0, [value])),
      );
    }
    const [first] = await Promise.all(brokers.map(({ log }) => readAll(log, topic, 0, 0, 50_000)));
    expect(first!.length).toBe(700);
    for (const { log } of brokers) expect(await readAll(log, topic, 0, 0, 1_000_000)).toEqual(first);
  });
});

test('who waits for an arrival is told when records come by any broker', async () => {
  const { brokers, topics } = await open();
  const topic = await topics.create({ name: 'orders', config: {} });
  const signal = new AbortController().signal;
  const partitions = [fetchPartition(topic, 0, 0)];
  const arrivals = brokers.map(({ log }) =>
    log.arrival({ partitions, maxWaitMs: 60_000, isolation: 'read_uncommitted' }, signal),
  );
  await produce(brokers[1]!.log, topic, 0, ['a']);
  await Promise.all(arrivals);
});

describe('transactions', () => {
  test('records of a transaction that is open at the leader are taken in elsewhere, others are not', async () => {
    const { brokers, topics } = await open();
    const topic = await topics.create({ name: 'orders', config: {} });
    const leading = brokers[0]!.seats.get(0)!;
    const [a, b] = [new Producer(brokers[1]!.log, leading, topic, 7), new Producer(brokers[2]!.log, leading, topic, 8)];
    expect(await a!.send('too early')).toBe('INVALID_TXN_STATE');
    await a!.begin();
    await b!.begin();
    expect(await Promise.all([a!.send('a'), a!.send('a'), b!.send('b')].slice(0, 1))).toEqual([0]);
    await a!.end(false);
    expect(await a!.send('too late')).toBe('INVALID_TXN_STATE');
    await b!.end(true);
    for (const { log } of brokers) {
      const answer = await fetch(log, [fetchPartition(topic, 0, 0)], { isolation: 'read_committed' });
      expect(await shown(answer)).toContain('1:ABORT');
      expect(await shown(answer)).toContain('(0:a)');
      answer.release();
    }
  });

  test('records whose transaction the leader tells too late are in no other', async () => {
    let asked: (() => void) | null = null;
    const { brokers, topics } = await open({
      wrapPeers: (peers) => ({
        async call(brokerId, method, request, options) {
          if (method.id === OPEN_TRANSACTIONS.id) await new Promise<void>((resolve) => (asked = resolve));
          return peers.call(brokerId, method, request, options);
        },
      }),
    });
    const topic = await topics.create({ name: 'orders', config: {} });
    const leading = brokers[0]!.seats.get(0)!;
    const producer = new Producer(brokers[1]!.log, leading, topic, 7);
    await producer.begin();
    const batch = {
      timestamp: 1_763_683_200_000,
      producerId: 7,
      producerEpoch: 0,
      baseSequence: 0,
      transactional: true,
    };
    const records = buildBatch([{ key: null, value: 'of the first' }], batch);
    const sending = brokers[1]!.log.produce([{ topicId: topic.topicId, partition: 0, records }], {
      origin: 'kafka',
      clientWaitsMs: 100,
    });
    await new Promise((resolve) => setTimeout(resolve, 110));
    // The client has given the request up, aborted, and begun anew under the same epoch.
    await producer.end(false);
    await producer.begin();
    asked!();
    expect(await sending).toMatchObject([{ error: 'REQUEST_TIMED_OUT' }]);
    await producer.end(true);
    const answer = await fetch(brokers[0]!.log, [fetchPartition(topic, 0, 0)], { isolation: 'read_committed' });
    expect(await shown(answer)).not.toContain('of the first');
    answer.release();
  });

  test('records with and without a transaction stay in order although the leader is asked for some', async () => {
    const { brokers, topics } = await open();
    const topic = await topics.create({ name: 'orders', config: {} });
    const leading = brokers[0]!.seats.get(0)!;
    const producer = new Producer(brokers[1]!.log, leading, topic, 7);
    await producer.begin();
    const { log } = brokers[1]!;
    const sequenced = (baseSequence: number) =>
      buildBatch([{ key: null, value: `${baseSequence}` }], {
        timestamp: 1_763_683_200_000,
        producerId: 7,
        producerEpoch: 0,
        baseSequence,
        transactional: true,
      });
    const given = (records: Buffer) => [{ topicId: topic.topicId, partition: 0, records }];
    const plain = () => buildBatch([{ key: null, value: 'plain' }], { timestamp: 1_763_683_200_000 });
    const sending = Array.from({ length: 20 }, (_, index) => [given(sequenced(index)), given(plain())]).flat();
    const outcomes = await Promise.all(sending.map((batches) => log.produce(batches, { origin: 'kafka' })));
    expect(outcomes.map(([outcome]) => 'baseOffset' in outcome! && outcome.baseOffset)).toEqual(
      outcomes.map((_, index) => index),
    );
  });
});

test('producer ids are given out at every broker, none of them twice', async () => {
  const { brokers } = await open({ journals: 2 });
  const ids = await Promise.all(
    Array.from({ length: 3_000 }, (_, index) => brokers[index % 3]!.log.allocateProducerId()),
  );
  expect(new Set(ids).size).toBe(ids.length);
});

test.each([
  ['small', 'small'],
  ['large', large('large')],
])('records whose leader stays away fail in the end, and later ones come in order (%s)', async (_name, value) => {
  const { brokers, topics, world, runtime } = await open({ runtime: virtualRuntime() });
  const topic = await topics.create({ name: 'orders', config: {} });
  const { log } = brokers[1]!;
  expect(await produceThen(log, topic, 0, ['before'])).toMatchObject({ error: 'NONE', baseOffset: 0 });
  world.network.cut.set(1, 'before');
  const startedAt = runtime.clock.monotonic();
  expect(await produceThen(log, topic, 0, [value])).toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER' });
  expect(runtime.clock.monotonic() - startedAt).toBeGreaterThan(15_000);
  // While it is known to be away, nobody waits for it.
  const before = runtime.clock.monotonic();
  expect(await produceThen(log, topic, 0, [value])).toMatchObject({
    error: 'NOT_LEADER_OR_FOLLOWER',
    noSideEffects: true,
  });
  expect(runtime.clock.monotonic() - before).toBeLessThan(1_000);
  world.network.cut.clear();
  let outcome = await produceThen(log, topic, 0, ['after']);
  for (let attempt = 0; attempt < 5 && outcome.error !== 'NONE'; attempt++) {
    await sleep(runtime.timers, 10);
    outcome = await produceThen(log, topic, 0, ['after']);
  }
  expect(outcome).toMatchObject({ error: 'NONE', baseOffset: 1 });
  expect(values(await readAll(log, topic, 0))).toEqual(['before', 'after']);
});

test('when every answer is lost, what was appended is told as such once answers come again', async () => {
  const { brokers, topics, world, runtime } = await open({ runtime: virtualRuntime() });
  const topic = await topics.create({ name: 'orders', config: {} });
  const { log } = brokers[1]!;
  world.network.cut.set(1, 'after');
  const producing = ['a', large('b'), 'c', large('d')].map((value) => produceThen(log, topic, 0, [value]));
  await sleep(runtime.timers, 2_000);
  world.network.cut.clear();
  expect(await Promise.all(producing)).toMatchObject([0, 1, 2, 3].map((baseOffset) => ({ error: 'NONE', baseOffset })));
  expect(values(await readAll(log, topic, 0))).toEqual(['a', 'b', 'c', 'd']);
});

test('a leader that was told of its successor answers nothing from its old state', async () => {
  const { brokers, topics, usurp } = await open();
  const topic = await topics.create({ name: 'orders', config: {} });
  const [first, second] = brokers;
  await produce(first!.log, topic, 0, ['a']);
  await usurp(second!);
  await produce(second!.log, topic, 0, ['b']);
  expect(first!.seats.get(0)!.role).toBe('leading');
  expect(values(await readAll(first!.log, topic, 0))).toEqual(['a', 'b']);
  expect(await first!.log.watermarks({ topicId: topic.topicId, partition: 0 })).toMatchObject({ highWatermark: 2 });
});
