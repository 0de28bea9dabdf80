import { afterEach, describe, expect, test } from 'vitest';
import {
  decode,
  fetch,
  fetchPartition,
  openWorld,
  produce,
  produceBatch,
  readAll,
  type World,
  type WorldOptions,
} from './world.ts';

let world: World | null = null;
const open = async (options?: WorldOptions) => {
  world = await openWorld(options);
  return world;
};

afterEach(async () => {
  await world?.close();
  expect(world?.log.leases ?? 0).toBe(0);
  world = null;
});

describe.each([1, 4])('with %i journals', (journals) => {
  test('what was produced is read back in order, at the offsets that were answered', async () => {
    const { log, topics } = await open({ journals });
    const topic = await topics.create({ name: 'orders', partitions: 3, config: {} });
    const first = await log.produce(
      [produceBatch(topic, 0, ['a', 'b']), produceBatch(topic, 1, ['c']), produceBatch(topic, 2, ['d'])],
      { origin: 'kafka' },
    );
    expect(first).toMatchObject([
      { error: 'NONE', baseOffset: 0 },
      { error: 'NONE', baseOffset: 0 },
      { error: 'NONE', baseOffset: 0 },
    ]);
    expect(await produce(log, topic, 0, ['e'])).toMatchObject({ error: 'NONE', baseOffset: 2, duplicate: false });
    expect(await readAll(log, topic, 0)).toEqual(['0:a', '1:b', '2:e']);
    expect(await readAll(log, topic, 1)).toEqual(['0:c']);
  });

  test('large records go through segments and survive a restart', async () => {
    const { log, topics, metadata, objects } = await open({ journals });
    const topic = await topics.create({ name: 'orders', partitions: 4, config: {} });
    const values = Array.from({ length: 40 }, (_, index) => `${index}`.padEnd(100_000, 'x'));
    const outcomes = await Promise.all(values.map((value, index) => produce(log, topic, index % 4, [value])));
    expect(outcomes.map(({ error }) => error)).toEqual(values.map(() => 'NONE'));
    await world!.close();
    const again = await open({ journals, metadata, objects });
    const read = await Promise.all([0, 1, 2, 3].map((partition) => readAll(again.log, topic, partition)));
    for (const [partition, records] of read.entries()) {
      const expected = values.filter((_, index) => index % 4 === partition);
      expect(records).toEqual(expected.map((value, offset) => `${offset}:${value}`));
    }
  });
});

test('a fetch waits for records and is answered as soon as they are durable', async () => {
  const { log, topics } = await open();
  const topic = await topics.create({ name: 'orders', config: {} });
  const waiting = fetch(log, [fetchPartition(topic, 0, 0)], { maxWaitMs: 10_000 });
  await produce(log, topic, 0, ['a']);
  const answer = await waiting;
  expect((await decode(answer.partitions[0]!.records)).map(({ value }) => String(value))).toEqual(['a']);
  answer.release();
});
