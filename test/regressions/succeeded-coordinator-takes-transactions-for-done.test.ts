/**
 * A coordinator that had not heard of its successor said that what it was asked for was done already, by what it remembered
 * of the last transaction: a producer that had begun its next one at the successor, with the same epoch, was told that it was
 * committed, and it was aborted when its time was over. So did leaders of participants and administrators' requests.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Place } from '../../src/coordinator/transaction/participants.ts';
import { TRANSACTIONS_GUARD } from '../../src/coordinator/transaction/transaction-methods.ts';
import type { ProducerIdentity } from '../../src/coordinator/transaction/transaction-state.ts';
import { type ClusterWorld, openClusterWorld } from '../unit/coordinator/cluster-world.ts';

const FIRST = 1;
const SECOND = 2;
const CLIENT = 'client';
const ID = 't';
const GROUP = 'g';

let world: ClusterWorld;
let place: Place;
let producer: ProducerIdentity;

beforeEach(async () => {
  world = await openClusterWorld({ brokers: 2, journals: 1, untold: true });
  await world.lead(FIRST, 0);
  place = (await world.topics.create({ name: 'orders', config: {} })).partitions[0]!;
  producer = await transactions(FIRST).initProducerId(ID, { timeoutMs: 60_000, expected: null });
});
afterEach(() => world.close());

const transactions = (brokerId: number) => world.of(brokerId).coordinators.transactions;
const add = (brokerId: number) => transactions(brokerId).addPartitions(ID, producer, { [place.topicId]: [0] });
const addGroup = (brokerId: number) => transactions(brokerId).addGroup(ID, producer, GROUP, CLIENT);
const end = (brokerId: number) => transactions(brokerId).end(ID, { producer, committed: true, bumpsEpoch: false });
/** Of which FIRST hears nothing. */
const succeed = () => world.of(SECOND).seats.lead(0, { signal: new AbortController().signal });

const elsewhere = { error: 'NOT_COORDINATOR' };

test('an end is not taken for that of the last transaction', async () => {
  await add(FIRST);
  await end(FIRST);
  await succeed();
  await add(SECOND);
  await expect(end(FIRST)).rejects.toMatchObject(elsewhere);
  await end(SECOND);
  expect((await transactions(SECOND).describe(ID)).transaction).toBe(2);
});

test.each(Object.entries({ add, addGroup }))('a participant is not taken for one of the last (%s)', async (_, join) => {
  await join(FIRST);
  await succeed();
  await end(SECOND);
  await expect(join(FIRST)).rejects.toMatchObject(elsewhere);
  await join(SECOND);
  expect((await transactions(SECOND).describe(ID)).transaction).toBe(2);
});

test('nobody is told that a partition may not be written', async () => {
  await succeed();
  await add(SECOND);
  await expect(transactions(FIRST).verify(ID, producer)).rejects.toMatchObject(elsewhere);
  expect((await transactions(SECOND).verify(ID, producer))(place.topicId, 0)).toBeNull();
});

test('nobody is told that there is no such id', async () => {
  await succeed();
  await transactions(SECOND).initProducerId('later', { timeoutMs: 60_000, expected: null });
  await expect(transactions(FIRST).describe('later')).rejects.toMatchObject(elsewhere);
});

test('a transaction that hangs is not taken for ended', async () => {
  await succeed();
  await add(SECOND);
  const marker = { ...producer, coordinatorEpoch: 9, committed: false };
  const force = (brokerId: number) => transactions(brokerId).forceMarker({ ...place, journal: 0 }, marker);
  await expect(force(FIRST)).rejects.toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER' });
  await force(SECOND);
  expect(world.of(SECOND).seats.get(0)!.state.openTransaction(place.topicId, 0, producer.producerId)).toBeUndefined();
});

test('a partition that came later is not taken for guarded', async () => {
  await succeed();
  const { topicId } = (await world.registryOf(SECOND).create({ name: 'later', config: {} })).partitions[0]!;
  const peers = world.network.peers({ brokerId: SECOND, brokerEpoch: 1 });
  const participants = { partitions: { [topicId]: [0] }, groups: [] };
  const wish = { journal: 0, guarded: { ...producer, transaction: 1 }, participants, client: CLIENT };
  const guard = (brokerId: number) => peers.call(brokerId, TRANSACTIONS_GUARD, wish, { timeoutMs: 1_000 });
  await expect(guard(FIRST)).rejects.toMatchObject(elsewhere);
  await guard(SECOND);
  expect(world.of(SECOND).seats.get(0)!.state.openTransaction(topicId, 0, producer.producerId)).toBeDefined();
});
