/**
 * The process dies at each of its writes, before or after the write takes effect, and another one starts: a transaction is
 * committed everywhere or nowhere, an end that was answered stands, and the next producer finds everything at rest.
 */
import { describe, expect, test } from 'vitest';
import type { TopicPartition } from '../../../../src/cluster/topics.ts';
import type { ProducerIdentity } from '../../../../src/coordinator/transaction/transaction-state.ts';
import { CLIENT, eventually, GROUP, partitionsOf, TIMEOUT_MS, World } from './world.ts';

const ID = 'tx';
const WRITES_MAX = 60;

/** What the producer was told before the process died. */
interface Told {
  producer?: ProducerIdentity;
  produced?: boolean;
  ended?: boolean;
}

async function run(world: World, places: readonly TopicPartition[], committed: boolean, told: Told): Promise<void> {
  const { transactions } = world;
  const producer = await transactions.initProducerId(ID, { timeoutMs: TIMEOUT_MS, expected: null });
  told.producer = producer;
  await transactions.addPartitions(ID, producer, partitionsOf(...places));
  await transactions.addGroup(ID, producer, GROUP, CLIENT);
  const outcomes = await Promise.all(places.map((place) => world.produce(place, producer, 0)));
  if (outcomes.some(({ error }) => error !== 'NONE')) throw new Error('the process is dead');
  await world.commitOffset(producer, places[0]!, 10);
  told.produced = true;
  await transactions.end(ID, { producer, committed, bumpsEpoch: true });
  told.ended = true;
  await eventually(async () => world.dead || (await transactions.describe(ID)).state.startsWith('Complete'));
}

describe.each([1, 4])('with %i journals', (journals) => {
  describe.each(['commits', 'aborts'])('a producer that %s', (what) => {
    test.each(['before', 'after'])('survives a death %s any write', { timeout: 15_000 }, async (when) => {
      let writes = 0;
      for (; writes < WRITES_MAX; writes++) {
        const world = await World.open({ journals });
        const places = await world.topic('orders', 4);
        const told: Told = {};
        world.dieAfter(writes, when === 'after');
        const running = run(world, places, what === 'commits', told).catch(() => {});
        await Promise.race([
          running,
          eventually(() => world.dead).then(() => new Promise((done) => setTimeout(done, 5))),
        ]);
        const survived = !world.dead;
        await world.restart();
        await running;
        await check(world, places, what === 'commits', told);
        await world.close();
        if (survived) break;
      }
      expect(writes, 'writes of the whole run').toBeGreaterThan(5);
      expect(writes).toBeLessThan(WRITES_MAX);
    });
  });
});

async function check(world: World, places: readonly TopicPartition[], committed: boolean, told: Told): Promise<void> {
  const { transactions } = world;
  // The producer asks again, as clients do.
  if (told.produced && !told.ended) {
    await transactions.end(ID, { producer: told.producer!, committed, bumpsEpoch: true });
    told.ended = true;
  }
  const heir = await transactions.initProducerId(ID, { timeoutMs: TIMEOUT_MS, expected: null });
  if (told.producer) expect(heir.producerEpoch).toBeGreaterThan(told.producer.producerEpoch);
  const fates = new Set(places.map((place) => world.fate(place)));
  const offset = await world.offset(places[0]!);
  if (told.ended) {
    expect([...fates]).toEqual([committed ? 'committed 2' : 'aborted 2']);
    expect(offset).toBe(committed ? 10 : -1);
  } else {
    // It had not come to its end: some partitions may have records, all of them aborted. A marker may stand alone.
    for (const fate of fates) expect(['empty', 'aborted 2', 'committed 1']).toContain(fate);
    expect(offset).toBe(-1);
  }
  // The next transaction finds everything at rest.
  await transactions.addPartitions(ID, heir, partitionsOf(...places));
  for (const place of places) expect(await world.produce(place, heir, 0)).toMatchObject({ error: 'NONE' });
  await transactions.end(ID, { producer: heir, committed: true, bumpsEpoch: true });
  await eventually(() => places.every((place) => world.fate(place) !== 'open'));
}
