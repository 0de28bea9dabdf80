/** A broker that begins to lead a journal with very many groups brings them back a few at a time. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { groupOwner } from '../../../../src/coordinator/owner.ts';
import { type ClusterWorld, openClusterWorld } from '../cluster-world.ts';
import { errorName } from '../share/share-world.ts';
import { type SteppedRuntime, steppedRuntime } from '../stepped-runtime.ts';

const GROUP_COUNT = 3_000;
const SESSION_MS = 10_000;
const LAST = `g${GROUP_COUNT - 1}`;

let runtime: SteppedRuntime;
let world: ClusterWorld;
/** How many groups broker 2 brought back in each turn of the event loop. */
let turns: number[];

const MEMBER = {
  ...{ v: 1, instance: null, client: 'c', host: '/127.0.0.1', session: SESSION_MS, rebalance: 60_000 },
  ...{ subscription: '', assignment: '' },
};
const RECORD = { v: 1, type: 'classic', generation: 1, protocolType: 'consumer', protocol: 'range', leader: 'm' };

/** Broker 1 coordinates groups of one member each. */
beforeEach(async () => {
  runtime = steppedRuntime();
  world = await openClusterWorld({ runtime, journals: 1 });
  await world.lead(1, 0);
  const journal = world.stateOf(0);
  const changes = [
    { key: 'group', value: JSON.stringify(RECORD) },
    { key: 'm/m', value: JSON.stringify(MEMBER) },
  ];
  const written = Array.from({ length: GROUP_COUNT }, (_, number) =>
    journal.coordinate(() => ({
      commands: [{ type: 'recordsChanged', owner: groupOwner(`g${number}`), changes }],
      answer: null,
    })),
  );
  await Promise.all(written);
  const mine: number[] = [];
  turns = mine;
  const { classicGroups } = world.of(2).coordinators;
  const load = classicGroups.load.bind(classicGroups);
  let inTurn = 0;
  classicGroups.load = (...of) => {
    if (inTurn++ === 0) {
      setImmediate(() => {
        mine.push(inTurn);
        inTurn = 0;
      });
    }
    return load(...of);
  };
});
afterEach(() => world.close());

const heartbeat = async (brokerId: number, groupId: string) => {
  const body = { groupId, generationId: 1, memberId: 'm', groupInstanceId: null };
  return errorName((await world.of(brokerId).ask('Heartbeat', 3, body)).errorCode);
};

test('a few in each turn, and all in the end', async () => {
  await world.lead(2, 0);
  await runtime.settle();
  expect(Math.max(...turns)).toBeLessThanOrEqual(1_000);
  expect(turns.reduce((sum, count) => sum + count, 0)).toBe(GROUP_COUNT);
  expect([world.of(1), world.of(2)].map(({ coordinators }) => coordinators.groups.count)).toEqual([0, GROUP_COUNT]);
  // Members whom nobody hears of fall out everywhere.
  await runtime.advance(SESSION_MS + 1);
  await runtime.settle();
  const inhabited = [...world.of(2).coordinators.groups.list()].filter(({ memberCount }) => memberCount > 0);
  expect(inhabited).toHaveLength(0);
});

test('one that somebody looks for is there at once, and so are all for who wants to see all', async () => {
  await world.lead(2, 0);
  const { groups } = world.of(2).coordinators;
  expect(groups.count).toBe(GROUP_COUNT);
  expect(groups.find(LAST)?.memberCount).toBe(1);
  expect(await heartbeat(2, LAST)).toBe('NONE');
  const { groups: listed } = await world.of(2).ask('ListGroups', 5, { statesFilter: [], typesFilter: [] });
  expect(listed).toHaveLength(GROUP_COUNT);
});

test('a journal that goes on to another broker meanwhile leaves none behind', async () => {
  await world.lead(2, 0);
  await world.of(2).seats.relinquish(0);
  await runtime.settle();
  expect(world.of(2).coordinators.groups.count).toBe(0);
  expect(turns.reduce((sum, count) => sum + count, 0)).toBeLessThan(GROUP_COUNT);
  expect(await heartbeat(2, LAST)).toBe('NOT_COORDINATOR');
  await world.lead(1, 0);
  expect(await heartbeat(1, LAST)).toBe('NONE');
});

test('a group that is deleted, or changes, before its turn came is as its records say', async () => {
  await world.lead(2, 0);
  const journal = world.stateOf(0);
  const remove = (...keys: string[]) => keys.map((key) => ({ key, value: null }));
  const change = (owner: string, changes: { key: string; value: string | null }[]) =>
    journal.coordinate(() => ({ commands: [{ type: 'recordsChanged', owner, changes }], answer: null }));
  await change(groupOwner(LAST), remove('group', 'm/m'));
  await change(groupOwner(`g${GROUP_COUNT - 2}`), remove('m/m'));
  await runtime.settle();
  const { groups } = world.of(2).coordinators;
  expect(groups.find(LAST)).toBeUndefined();
  expect(groups.find(`g${GROUP_COUNT - 2}`)?.memberCount).toBe(0);
  expect(groups.count).toBe(GROUP_COUNT - 1);
});

test('one that cannot be read is refused to who asks for it, and hinders no other', async () => {
  const changes = [{ key: 'group', value: 'what no version wrote' }];
  const owner = groupOwner(LAST);
  const { coordinators, seats } = world.of(1);
  coordinators.groups.close(); // It would not lead on with this.
  await seats.get(0)!.coordinate(() => ({ commands: [{ type: 'recordsChanged', owner, changes }], answer: null }));
  await world.lead(2, 0);
  await runtime.settle();
  expect(await heartbeat(2, LAST)).toBe('KAFKA_STORAGE_ERROR');
  expect(await heartbeat(2, `g${GROUP_COUNT - 2}`)).toBe('NONE');
  expect([...world.of(2).coordinators.groups.list()]).toHaveLength(GROUP_COUNT - 1);
  await world.lead(1, 0);
  await runtime.settle();
  expect(world.of(2).coordinators.groups.count).toBe(0);
  expect(await heartbeat(2, LAST)).toBe('NOT_COORDINATOR');
});
