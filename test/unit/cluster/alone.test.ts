import { afterEach, beforeEach, expect, test } from 'vitest';
import { AloneOperations, aloneLeaders, aloneMembers } from '../../../src/cluster/alone.ts';
import { agreeOnJournals } from '../../../src/cluster/registration.ts';
import { parseConfig } from '../../../src/config.ts';
import { JOURNALS_MAX } from '../../../src/limits.ts';
import { testRuntime } from '../journal/harness.ts';
import { memberOf } from './cluster-of.ts';
import { NEVER, type SeatedBroker, SeatsWorld } from './seats-world.ts';

const config = parseConfig({ cluster: 'c' });
let world: SeatsWorld;
let broker: SeatedBroker;
let operations: AloneOperations;

beforeEach(async () => {
  world = new SeatsWorld(2);
  broker = world.broker(1);
  const { seats, runtime } = broker;
  const { metadata } = world.stores;
  await agreeOnJournals(metadata, 'c', 2, testRuntime());
  for (const journal of [0, 1]) await seats.lead(journal, { signal: NEVER });
  const members = aloneMembers(() => memberOf(1, { zone: 'a' }));
  const leaders = aloneLeaders(1, seats);
  operations = new AloneOperations({ config, runtime, metadata, members, leaders, seats, signal: NEVER });
});
afterEach(() => world.close());

test('a broker alone is all of the cluster, and leads what is led', async () => {
  expect(operations.info()).toEqual({
    clusterId: 'c',
    shared: false,
    store: './millrace-data',
    table: '',
    brokerId: 1,
    controllerId: 1,
    brokers: { live: 1, draining: 0, gone: 0 },
    journals: { count: 2, led: 2 },
    versions: ['1.2.3'],
    zones: ['a'],
  });
  expect(operations.brokers()).toMatchObject([{ brokerId: 1, state: 'live', controller: true, journals: [0, 1] }]);
  await broker.seats.relinquish(1);
  expect(operations.journals()).toEqual([
    { journal: 0, leaderId: 1, epoch: 1, assignedTo: 1 },
    { journal: 1, leaderId: null, epoch: null, assignedTo: 1 },
  ]);
});

test('added journals are led, and there after the next start', async () => {
  expect(await operations.addJournals(3)).toEqual({ before: 2, count: 5 });
  expect(operations.info().journals).toEqual({ count: 5, led: 5 });
  expect(await agreeOnJournals(world.stores.metadata, 'c', 1, testRuntime())).toBe(5);
});

test('journals whose addition was heard of by nobody are led with those that are added next', async () => {
  await agreeOnJournals(world.stores.metadata, 'c', 4, testRuntime());
  expect(await operations.addJournals(1)).toEqual({ before: 4, count: 5 });
  expect(operations.info().journals).toEqual({ count: 5, led: 5 });
});

test('no more journals are added than there may be', async () => {
  await expect(operations.addJournals(JOURNALS_MAX)).rejects.toMatchObject({ error: 'INVALID_REQUEST' });
  expect(broker.seats.count).toBe(2);
});

test('who follows the leaders hears of each change', async () => {
  const heard: number[] = [];
  const stop = aloneLeaders(1, broker.seats).onChanged((journal) => heard.push(journal));
  await broker.seats.relinquish(1);
  expect(heard).toEqual([1]);
  await broker.seats.lead(1, { signal: NEVER });
  expect(heard).toEqual([1, 1]);
  stop();
  await broker.seats.relinquish(0);
  expect(heard).toEqual([1, 1]);
});
