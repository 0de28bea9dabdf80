/** The coordinator over real journals: who is answered what, and what participants see. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { TopicPartition } from '../../../../src/cluster/topics.ts';
import type { ProducerIdentity } from '../../../../src/coordinator/transaction/transaction-state.ts';
import { CLIENT, eventually, GROUP, partitionsOf, TIMEOUT_MS, World } from './world.ts';

const ID = 'tx';
const first = { timeoutMs: TIMEOUT_MS, expected: null };

describe.each([1, 4])('with %i journals', (journals) => {
  let world: World;
  let places: readonly TopicPartition[];

  beforeEach(async () => {
    world = await World.open({ journals });
    places = await world.topic();
  });
  afterEach(() => world.close());

  const init = (expected: ProducerIdentity | null = null) =>
    world.transactions.initProducerId(ID, { ...first, expected });
  const add = (producer: ProducerIdentity, ...to: readonly TopicPartition[]) =>
    world.transactions.addPartitions(ID, producer, partitionsOf(...to));
  const addGroup = (producer: ProducerIdentity) => world.transactions.addGroup(ID, producer, GROUP, CLIENT);
  const end = (producer: ProducerIdentity, committed: boolean, bumpsEpoch = true) =>
    world.transactions.end(ID, { producer, committed, bumpsEpoch });
  const next = ({ producerId, producerEpoch }: ProducerIdentity) => ({ producerId, producerEpoch: producerEpoch + 1 });
  const fates = () => places.map((place) => world.fate(place));

  /** A transaction over all partitions and a group, up to its end. */
  const open = async (producer: ProducerIdentity) => {
    await add(producer, ...places);
    await addGroup(producer);
    const outcomes = await Promise.all(places.map((place) => world.produce(place, producer, 0)));
    expect(outcomes.map(({ error }) => error)).toEqual(places.map(() => 'NONE'));
    await world.commitOffset(producer, places[0]!, 10);
  };

  test('a transaction that is committed is seen everywhere', async () => {
    const producer = await init();
    await open(producer);
    expect(fates()).toEqual(places.map(() => 'open'));
    expect(await world.offset(places[0]!)).toBe('unstable');
    expect(await end(producer, true)).toEqual(next(producer));
    await eventually(() => fates().every((fate) => fate === 'committed 2'));
    await eventually(async () => (await world.offset(places[0]!)) === 10);
  });

  test('a transaction that is aborted leaves nothing', async () => {
    const producer = await init();
    await open(producer);
    await end(producer, false);
    await eventually(() => fates().every((fate) => fate === 'aborted 2'));
    await eventually(async () => (await world.offset(places[0]!)) === -1);
  });

  test('one transaction follows the other, whether ends take an epoch or not', async () => {
    let producer = await init();
    for (let round = 0; round < 3; round++) {
      await add(producer, ...places);
      expect(await world.produce(places[0]!, producer, 0)).toMatchObject({ error: 'NONE' });
      producer = await end(producer, true);
    }
    for (let round = 0; round < 3; round++) {
      await add(producer, ...places);
      expect(await world.produce(places[0]!, producer, round)).toMatchObject({ error: 'NONE' });
      expect(await end(producer, true, false)).toEqual(producer);
    }
    await eventually(() => world.fate(places[0]!) === 'committed 12');
    expect(producer.producerEpoch).toBe(3);
  });

  test('what joins right after the end of the last transaction waits until that is complete', async () => {
    let producer = await init();
    for (const join of [() => addGroup(producer), () => add(producer, ...places)]) {
      await open(producer);
      producer = await end(producer, true);
      await join();
      expect(await world.transactions.describe(ID)).toMatchObject({ state: 'Ongoing' });
    }
  });

  test('batches come after their partition only', async () => {
    const producer = await init();
    expect(await world.produce(places[0]!, producer, 0)).toMatchObject({ error: 'INVALID_TXN_STATE' });
    await add(producer, places[0]!);
    expect(await world.produce(places[0]!, producer, 0)).toMatchObject({ error: 'NONE' });
    expect(await world.produce(places[1]!, producer, 0)).toMatchObject({ error: 'INVALID_TXN_STATE' });
    await end(producer, true, false);
    await eventually(() => world.fate(places[0]!) === 'committed 2');
    expect(await world.produce(places[0]!, producer, 1)).toMatchObject({ error: 'INVALID_TXN_STATE' });
  });

  test('batches whose partitions join with them go on in their order, until the end of the transaction', async () => {
    const producer = await init();
    const order: string[] = [];
    const enlist = async (name: string, ...to: readonly TopicPartition[]) => {
      const enlisted = world.transactions.enlist(ID, producer, to, 100);
      if (enlisted === null) return null;
      expect(enlisted.type === 'joining' ? enlisted.transaction : 1).toBe(1);
      await (enlisted.type === 'held' ? enlisted.until : enlisted.joined);
      return order.push(name);
    };
    const enlisted = [enlist('a', places[0]!), enlist('b', places[1]!, places[0]!), enlist('c', places[0]!)];
    expect(await Promise.all(enlisted)).not.toContain(null);
    expect(order).toEqual(['a', 'b', 'c']);
    expect(await enlist('d', places[1]!, places[0]!)).toBeNull();
    expect(await world.produce(places[1]!, producer, 0)).toMatchObject({ error: 'NONE' });
    const after = await end(producer, true);
    await expect(enlist('e', places[0]!)).rejects.toMatchObject({ error: 'PRODUCER_FENCED' });
    expect(world.transactions.enlist(ID, after, [places[0]!], 100)).not.toBeNull();
  });

  test('requests whose answers were lost get them again', async () => {
    const producer = await init();
    await open(producer);
    await open(producer).catch(() => {}); // Adding again changes nothing; the batches are duplicates.
    const after = await end(producer, true);
    expect(await end(producer, true)).toEqual(after);
    const bumped = await init(after);
    expect(bumped).toEqual(next(after));
    expect(await init(after)).toEqual(bumped);
    await eventually(() => fates().every((fate) => fate === 'committed 2'));
  });

  test('a second producer fences the first one, and aborts what it has open', async () => {
    const zombie = await init();
    await open(zombie);
    const heir = await init();
    expect(heir.producerEpoch).toBe(zombie.producerEpoch + 2);
    expect(fates()).toEqual(places.map(() => 'aborted 2'));
    await expect(end(zombie, true)).rejects.toMatchObject({ error: 'PRODUCER_FENCED' });
    await expect(add(zombie, places[0]!)).rejects.toMatchObject({ error: 'PRODUCER_FENCED' });
    await expect(addGroup(zombie)).rejects.toMatchObject({ error: 'PRODUCER_FENCED' });
    await expect(init(zombie)).rejects.toMatchObject({ error: 'PRODUCER_FENCED' });
    expect(await world.produce(places[0]!, zombie, 1)).toMatchObject({ error: 'INVALID_PRODUCER_EPOCH' });
    await open(heir);
    await end(heir, true);
    await eventually(async () => (await world.offset(places[0]!)) === 10);
  });

  test('of two producers that begin at the same time one has the last word', async () => {
    const [one, two] = await Promise.all([init(), init()]);
    expect(one.producerId).toBe(two.producerId);
    expect([one.producerEpoch, two.producerEpoch].sort()).toEqual([0, 1]);
  });

  test('a producer that begins anew in the middle of its transaction goes on', async () => {
    const producer = await init();
    await open(producer);
    const again = await init(producer);
    expect(fates()).toEqual(places.map(() => 'aborted 2'));
    await open(again);
    await end(again, true);
    await eventually(() => fates().every((fate) => fate === 'aborted 4'));
    await eventually(async () => (await world.offset(places[0]!)) === 10);
  });

  test('what nobody initialized is no transactional id', async () => {
    const producer = { producerId: 1, producerEpoch: 0 };
    for (const request of [add(producer, places[0]!), addGroup(producer), end(producer, true)]) {
      await expect(request).rejects.toMatchObject({ error: 'INVALID_PRODUCER_ID_MAPPING' });
    }
    await expect(world.transactions.describe(ID)).rejects.toMatchObject({ error: 'TRANSACTIONAL_ID_NOT_FOUND' });
    expect(world.core.coordinators.groups.count).toBe(0);
  });

  test.each([0, -1, 900_001])('a timeout of %i ms is refused', async (timeoutMs) => {
    const refused = world.transactions.initProducerId(ID, { timeoutMs, expected: null });
    await expect(refused).rejects.toMatchObject({ error: 'INVALID_TRANSACTION_TIMEOUT' });
  });

  test('the timeout is the one of the last producer', async () => {
    await init();
    await world.transactions.initProducerId(ID, { timeoutMs: 5, expected: null });
    expect(await world.transactions.describe(ID)).toMatchObject({ timeoutMs: 5, state: 'Empty' });
  });

  test.each(['', 'x'.repeat(600)])('an id of %# is refused', async (id) => {
    await expect(world.transactions.initProducerId(id, first)).rejects.toMatchObject({ error: 'INVALID_REQUEST' });
    await expect(world.transactions.describe(id)).rejects.toMatchObject({ error: 'INVALID_REQUEST' });
  });

  test('a transaction that is left open is aborted at its timeout, and its producer is out', async () => {
    const producer = await world.transactions.initProducerId(ID, { timeoutMs: 100, expected: null });
    await open(producer);
    const startedAt = performance.now();
    await eventually(() => fates().every((fate) => fate === 'aborted 2'));
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    await expect(end(producer, true)).rejects.toMatchObject({ error: 'PRODUCER_FENCED' });
    await eventually(async () => (await world.transactions.describe(ID)).state === 'CompleteAbort');
  });

  test('a deleted topic does not keep a transaction from ending', async () => {
    const producer = await init();
    await open(producer);
    await world.core.topics.delete('orders');
    await end(producer, true);
    await eventually(async () => (await world.transactions.describe(ID)).state === 'CompleteCommit');
  });

  test('a broker that starts again aborts what timed out meanwhile, and goes on with the rest', async () => {
    const producer = await init();
    await open(producer);
    await world.transactions.initProducerId('short', { timeoutMs: 50, expected: null }).then(async (other) => {
      await world.transactions.addPartitions('short', other, partitionsOf(places[0]!));
    });
    await world.restart();
    await eventually(async () => (await world.transactions.describe('short')).state === 'CompleteAbort');
    expect(await world.produce(places[1]!, producer, 1)).toMatchObject({ error: 'NONE' });
    expect(await end(producer, true)).toEqual(next(producer));
    await eventually(() =>
      fates()
        .slice(1)
        .every((fate) => fate.startsWith('committed')),
    );
  });

  test('transactions are listed and described', async () => {
    const producer = await init();
    await add(producer, places[0]!);
    expect([...world.transactions.list()].map(({ transactionalId }) => transactionalId)).toEqual([ID]);
    expect(await world.transactions.describe(ID)).toMatchObject({
      ...producer,
      state: 'Ongoing',
      timeoutMs: TIMEOUT_MS,
      partitions: partitionsOf(places[0]!),
    });
  });
});

test('where one journal keeps everything, each request is one entry', async () => {
  const world = await World.open();
  const places = await world.topic();
  const [journal] = world.core.journals;
  const entries = async <T>(act: () => Promise<T>) => {
    const before = journal!.state.lastSeq;
    return [await act(), journal!.state.lastSeq - before] as const;
  };
  const { transactions } = world;
  await transactions.initProducerId('warm up', first);
  const [producer, created] = await entries(() => transactions.initProducerId(ID, first));
  expect(created).toBe(1);
  expect((await entries(() => transactions.addPartitions(ID, producer, partitionsOf(...places))))[1]).toBe(1);
  expect((await entries(() => transactions.addPartitions(ID, producer, partitionsOf(...places))))[1]).toBe(0);
  expect((await entries(() => transactions.end(ID, { producer, committed: true, bumpsEpoch: true })))[1]).toBe(1);
  expect(await transactions.describe(ID)).toMatchObject({ state: 'CompleteCommit' });
  await world.close();
});

test('more batches than memory allows are not held', async () => {
  const world = await World.open({ journals: 4 });
  const places = await world.topic();
  const producer = await world.transactions.initProducerId(ID, first);
  const enlist = (mebibytes: number) => world.transactions.enlist(ID, producer, places, mebibytes * 1024 * 1024);
  expect(new Set(places.map(({ journal }) => journal)).size).toBeGreaterThan(1);
  expect(() => enlist(100)).toThrow('too many batches wait');
  const held = enlist(60);
  expect(() => enlist(60)).toThrow('too many batches wait');
  if (held?.type !== 'held') throw new Error('not held');
  await held.until;
  await new Promise((resolve) => setImmediate(resolve));
  expect(enlist(60)).toBeNull();
  await world.close();
});

test('where one journal keeps everything, batches do not wait for their partitions to join', async () => {
  const world = await World.open();
  const [place] = await world.topic();
  const producer = await world.transactions.initProducerId(ID, first);
  const joining = world.transactions.enlist(ID, producer, [place!], 100);
  if (joining?.type !== 'joining') throw new Error('it waits');
  const { transaction, joined } = joining;
  expect(await world.produce(place!, producer, 0, transaction)).toMatchObject({ error: 'NONE' });
  await joined;
  await world.transactions.end(ID, { producer, committed: true, bumpsEpoch: false });
  const again = world.transactions.enlist(ID, producer, [place!], 100);
  expect(again).toMatchObject({ type: 'joining', transaction: transaction + 1 });
  expect(await world.produce(place!, producer, 1, transaction)).toMatchObject({ error: 'INVALID_TXN_STATE' });
  await world.close();
});

test('a transaction of more partitions than an entry takes markers for', async () => {
  const world = await World.open();
  const places = await world.topic('wide', 2_500);
  const { transactions } = world;
  const producer = await transactions.initProducerId(ID, first);
  await transactions.addPartitions(ID, producer, partitionsOf(...places));
  expect(await world.produce(places.at(-1)!, producer, 0)).toMatchObject({ error: 'NONE' });
  await transactions.end(ID, { producer, committed: true, bumpsEpoch: true });
  await eventually(async () => (await transactions.describe(ID)).state === 'CompleteCommit');
  expect(world.fate(places.at(-1)!)).toBe('committed 2');
  await world.close();
});

test('an id that is idle for long is forgotten, and may come again', async () => {
  const world = await World.open({
    config: {
      'transactional.id.expiration.ms': '50',
      'transaction.remove.expired.transaction.cleanup.interval.ms': '20',
    },
  });
  const { transactions } = world;
  const before = await transactions.initProducerId(ID, first);
  await eventually(() => [...transactions.list()].length === 0);
  const after = await transactions.initProducerId(ID, { ...first, expected: before });
  expect(after.producerEpoch).toBe(0);
  expect(after.producerId).not.toBe(before.producerId);
  await world.close();
});

test('a broker takes so many transactional ids and no more, and known ones go on', async () => {
  const world = await World.open();
  const transactions = world.another({ idCountMax: 1 });
  await transactions.initProducerId(ID, first);
  await expect(transactions.initProducerId('one more', first)).rejects.toMatchObject({ error: 'POLICY_VIOLATION' });
  expect(await transactions.initProducerId(ID, first)).toMatchObject({ producerEpoch: 1 });
  transactions.close();
  await world.close();
});
