/** What heartbeats do to a group: joins, leaves, fences, static members, topics that change. */
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { type Assignment, NO_PARTITIONS } from '../../../../../src/coordinator/group/assignor/assignor.ts';
import { LEAVES, LEFT_STATICALLY } from '../../../../../src/coordinator/group/consumer/consumer-group.ts';
import { ClusterTopics } from './cluster-topics.ts';
import { Client, GroupWorld, heartbeat, joining } from './group-world.ts';

let topics: ClusterTopics;
let world: GroupWorld;
beforeEach(() => {
  topics = new ClusterTopics({ orders: 4, payments: 2 });
  world = new GroupWorld(topics);
});

const plain = (assignment: Assignment | null) => assignment && Object.fromEntries(assignment);
const orders = (...partitions: number[]): Assignment => new Map([['id-orders', partitions]]);
const error = (name: string, message?: string) =>
  expect.objectContaining({ error: name, ...(message !== undefined && { message: expect.stringContaining(message) }) });

test('the first member gets everything at once', () => {
  const answer = world.send(joining('a', ['orders']));
  expect(answer).toEqual({ memberId: 'a', memberEpoch: 1, assignment: orders(0, 1, 2, 3) });
  expect(world.state).toBe('Stable');
});

test('a heartbeat that changes nothing changes nothing', () => {
  world.send(joining('a', ['orders']));
  const { group, entries } = world;
  const answer = world.send(heartbeat('a', { memberEpoch: 1, owned: orders(0, 1, 2, 3) }));
  expect(answer).toEqual({ memberId: 'a', memberEpoch: 1, assignment: null });
  expect(world.group).toBe(group);
  expect(world.entries).toBe(entries);
});

test('a second member gets its part when the first has given it up', () => {
  world.send(joining('a', ['orders']));
  expect(world.send(joining('b', ['orders']))).toEqual({ memberId: 'b', memberEpoch: 2, assignment: NO_PARTITIONS });
  expect(world.state).toBe('Reconciling');
  const revoke = world.send(heartbeat('a', { memberEpoch: 1, owned: orders(0, 1, 2, 3) }));
  expect([revoke.memberEpoch, plain(revoke.assignment)]).toEqual([1, { 'id-orders': [0, 1] }]);
  expect(world.send(heartbeat('b', { memberEpoch: 2, owned: NO_PARTITIONS })).assignment).toBeNull();
  expect(world.send(heartbeat('a', { memberEpoch: 1, owned: orders(0, 1) }))).toEqual({
    memberId: 'a',
    memberEpoch: 2,
    assignment: null,
  });
  expect(plain(world.send(heartbeat('b', { memberEpoch: 2, owned: NO_PARTITIONS })).assignment)).toEqual({
    'id-orders': [2, 3],
  });
  expect(world.state).toBe('Stable');
});

test('a full request is told its assignment although that is the same', () => {
  world.send(joining('a', ['orders']));
  const again = joining('a', ['orders'], { memberEpoch: 1, owned: orders(0, 1, 2, 3) });
  expect(plain(world.send(again).assignment)).toEqual({ 'id-orders': [0, 1, 2, 3] });
});

test('a join that is repeated because its answer was lost is answered the same', () => {
  const first = world.send(joining('a', ['orders']));
  const { group } = world;
  expect(world.send(joining('a', ['orders']))).toEqual(first);
  expect(world.group).toBe(group);
});

test('a member whose answer was lost may come with its epoch before while it owns no more than its part', () => {
  world.send(joining('a', ['orders']));
  world.send(joining('a', ['orders', 'payments'], { memberEpoch: 1, owned: orders(0) }));
  expect(world.group.members.get('a')?.memberEpoch).toBe(2);
  expect(world.send(heartbeat('a', { memberEpoch: 1, owned: orders(0) })).memberEpoch).toBe(2);
  const more = heartbeat('a', { memberEpoch: 1, owned: orders(0, 9) });
  expect(() => world.send(more)).toThrow(error('FENCED_MEMBER_EPOCH', 'smaller member epoch (1)'));
  const silent = heartbeat('a', { memberEpoch: 1 });
  expect(() => world.send(silent)).toThrow(error('FENCED_MEMBER_EPOCH'));
});

test('an epoch from the future is fenced, and a fenced member may join again', () => {
  world.send(joining('a', ['orders']));
  expect(() => world.send(heartbeat('a', { memberEpoch: 7 }))).toThrow(error('FENCED_MEMBER_EPOCH', 'greater'));
  expect(world.send(joining('a', ['orders']))).toMatchObject({ memberEpoch: 1, assignment: orders(0, 1, 2, 3) });
});

test('an unknown member is told so', () => {
  world.send(joining('a', ['orders']));
  expect(() => world.send(heartbeat('b', { memberEpoch: 1 }))).toThrow(error('UNKNOWN_MEMBER_ID'));
  expect(() => world.send(heartbeat('b', { memberEpoch: LEAVES }))).toThrow(error('UNKNOWN_MEMBER_ID'));
});

test('a member that leaves makes the others be assigned anew', () => {
  for (const id of ['a', 'b']) world.send(joining(id, ['orders']));
  world.send(heartbeat('a', { memberEpoch: 1, owned: orders(0, 1) }));
  expect(world.send(heartbeat('b', { memberEpoch: LEAVES }))).toEqual({
    memberId: 'b',
    memberEpoch: LEAVES,
    assignment: null,
  });
  expect(world.state).toBe('Assigning');
  const { memberEpoch } = world.group.members.get('a')!;
  const answer = world.send(heartbeat('a', { memberEpoch, owned: orders(0, 1) }));
  expect([answer.memberEpoch, plain(answer.assignment)]).toEqual([3, { 'id-orders': [0, 1, 2, 3] }]);
});

test('a group that the last member left is empty since then, and keeps its epoch', () => {
  world.send(joining('a', ['orders']));
  expect(world.group.emptySince).toBeNull();
  world.timestamp = 5_000;
  world.send(heartbeat('a', { memberEpoch: LEAVES }));
  expect([world.state, world.group.emptySince, world.group.epoch]).toEqual(['Empty', 5_000, 2]);
  expect(world.send(joining('b', ['orders'])).memberEpoch).toBe(3);
});

test('a group that is full takes no other member, and lets its own join again', () => {
  world = new GroupWorld(topics, { sizeMax: 1 });
  world.send(joining('a', ['orders']));
  expect(() => world.send(joining('b', ['orders']))).toThrow(error('GROUP_MAX_SIZE_REACHED'));
  expect(world.send(joining('a', ['orders'])).memberEpoch).toBe(1);
});

test('the assignor that most members ask for is used', () => {
  topics = new ClusterTopics({ t1: 3, t2: 3 });
  world = new GroupWorld(topics);
  const ask = (id: string, serverAssignor: string | null) => world.send(joining(id, ['t1', 't2'], { serverAssignor }));
  ask('a', 'range');
  ask('b', 'range');
  ask('c', 'uniform');
  expect([...world.group.targets].map(([id, target]) => [id, plain(target)])).toEqual([
    ['a', { 'id-t1': [0], 'id-t2': [0] }],
    ['b', { 'id-t1': [1], 'id-t2': [1] }],
    ['c', { 'id-t1': [2], 'id-t2': [2] }],
  ]);
});

describe('topics that change', () => {
  const all = (id: string) => joining(id, [], { subscribedTopicRegex: 'orders.*' });

  test('a topic that grows, appears or goes makes the next heartbeat assign anew', () => {
    world.send(all('a'));
    const beat = (epoch: number) =>
      plain(world.send(heartbeat('a', { memberEpoch: epoch, owned: NO_PARTITIONS })).assignment);
    topics.set('orders', 5);
    expect(beat(1)).toEqual({ 'id-orders': [0, 1, 2, 3, 4] });
    topics.set('orders-eu', 1);
    expect(beat(2)).toEqual({ 'id-orders': [0, 1, 2, 3, 4], 'id-orders-eu': [0] });
    topics.delete('orders');
    expect(beat(3)).toEqual({ 'id-orders-eu': [0] });
    expect(world.group.epoch).toBe(4);
  });

  test('topics that nobody subscribes to change nothing', () => {
    world.send(all('a'));
    topics.set('other', 3);
    world.send(heartbeat('a', { memberEpoch: 1 }));
    expect(world.group.epoch).toBe(1);
  });

  test('a subscription to a topic that does not exist yet gets it when it does', () => {
    expect(world.send(joining('a', ['later'])).assignment).toEqual(NO_PARTITIONS);
    topics.set('later', 1);
    expect(plain(world.send(heartbeat('a', { memberEpoch: 1 })).assignment)).toEqual({ 'id-later': [0] });
  });

  test('names and an expression are both subscribed to; an empty expression ends that one', () => {
    const both = joining('a', ['payments'], { subscribedTopicRegex: 'orders.*' });
    expect(plain(world.send(both).assignment)).toEqual({ 'id-orders': [0, 1, 2, 3], 'id-payments': [0, 1] });
    const less = heartbeat('a', {
      memberEpoch: 1,
      subscribedTopicRegex: '',
      owned: new Map([['id-payments', [0, 1]]]),
    });
    expect(plain(world.send(less).assignment)).toEqual({ 'id-payments': [0, 1] });
  });

  test('a member may subscribe to nothing', () => {
    expect(world.send(joining('a', []))).toEqual({ memberId: 'a', memberEpoch: 1, assignment: NO_PARTITIONS });
    expect(world.state).toBe('Stable');
  });
});

describe('static members', () => {
  const stay = (memberId: string, more = {}) => joining(memberId, ['orders'], { instanceId: 'i', ...more });

  test('one that left to be back takes its assignment over under another member id', () => {
    world.send(stay('a'));
    world.send(heartbeat('a', { memberEpoch: LEFT_STATICALLY, instanceId: 'i' }));
    expect(world.group.members.get('a')?.memberEpoch).toBe(LEFT_STATICALLY);
    const { epoch } = world.group;
    expect(world.send(stay('b'))).toEqual({ memberId: 'b', memberEpoch: 1, assignment: orders(0, 1, 2, 3) });
    expect([...world.group.members.keys()]).toEqual(['b']);
    expect([world.group.epoch, world.state]).toEqual([epoch, 'Stable']);
  });

  test('what it has is nobody else’s while it is away', () => {
    world.send(stay('a'));
    world.send(heartbeat('a', { memberEpoch: LEFT_STATICALLY, instanceId: 'i' }));
    expect(world.send(joining('c', ['orders'])).assignment).toEqual(NO_PARTITIONS);
    world.fence('a');
    expect(plain(world.send(heartbeat('c', { memberEpoch: 2, owned: NO_PARTITIONS })).assignment)).toEqual({
      'id-orders': [0, 1, 2, 3],
    });
  });

  test('an instance id that is in use is not released', () => {
    world.send(stay('a'));
    expect(() => world.send(stay('b'))).toThrow(error('UNRELEASED_INSTANCE_ID', 'owned by a member'));
    expect(world.send(stay('a')).memberEpoch).toBe(1);
  });

  test('the member before is fenced', () => {
    world.send(stay('a'));
    world.send(heartbeat('a', { memberEpoch: LEFT_STATICALLY, instanceId: 'i' }));
    world.send(stay('b'));
    const late = { instanceId: 'i', memberEpoch: 1 };
    expect(() => world.send(heartbeat('a', late))).toThrow(error('FENCED_INSTANCE_ID'));
    expect(() => world.send(heartbeat('a', { ...late, memberEpoch: LEAVES }))).toThrow(error('FENCED_INSTANCE_ID'));
    expect(() => world.send(heartbeat('x', { ...late, instanceId: 'other' }))).toThrow(error('UNKNOWN_MEMBER_ID'));
  });

  test('one that leaves for good is gone', () => {
    world.send(stay('a'));
    world.send(heartbeat('a', { memberEpoch: LEAVES, instanceId: 'i' }));
    expect(world.state).toBe('Empty');
  });

  test('an answer to a temporary leave that was lost does no harm', () => {
    world.send(stay('a'));
    const left = heartbeat('a', { memberEpoch: LEFT_STATICALLY, instanceId: 'i' });
    expect(world.send(left)).toEqual(world.send(left));
  });
});

test('a target that is larger than an entry is written in several, and reached', () => {
  topics = new ClusterTopics(Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`topic-${index}`, 5])));
  world = new GroupWorld(topics, { targetBytesMax: 600 });
  const names = topics.matching('.*');
  const clients = Array.from(
    { length: 8 },
    (_, index) => new Client(world, `m${index}`, { subscribedTopicNames: names }),
  );
  for (let round = 0; round < 40; round++) for (const client of clients) client.beat();
  expect(world.state).toBe('Stable');
  expect(clients.flatMap((client) => client.partitions()).sort()).toEqual(topics.partitions().sort());
  expect(clients.map((client) => client.partitions().length)).toEqual(Array(8).fill(25));
  const longestMember = 1_500; // Its own record is written whole.
  expect(world.largestEntryBytes).toBeLessThan(600 + 2 * longestMember);
});

type Event =
  | { readonly type: 'beat' | 'lose' | 'leave' | 'crash' | 'expire'; readonly client: number }
  | { readonly type: 'topic'; readonly name: string; readonly partitionCount: number };

const NAMES = ['t1', 't2', 't3'];
const client = fc.nat({ max: 3 });
const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant('beat' as const), client }) },
  fc.record({ type: fc.constantFrom('lose' as const, 'leave' as const, 'crash' as const, 'expire' as const), client }),
  fc.record({
    type: fc.constant('topic' as const),
    name: fc.constantFrom(...NAMES),
    partitionCount: fc.nat({ max: 5 }),
  }),
);

describe.each([
  'uniform',
  'range',
] as const)('whatever happens to a group that is assigned by %s', (assignorDefault) => {
  test.each([
    100_000, 60,
  ])('no partition is with two members, and all come to rest (targets of %i bytes)', (targetBytesMax) => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        const changing = new ClusterTopics({ t1: 4, t2: 3 });
        const group = new GroupWorld(changing, { assignorDefault, targetBytesMax });
        const clients = [
          new Client(group, 'a', { subscribedTopicNames: NAMES }),
          new Client(group, 'b', { subscribedTopicNames: ['t1'] }),
          new Client(group, 'c', { subscribedTopicNames: [], subscribedTopicRegex: 't[12]' }),
          new Client(group, 'd', { subscribedTopicNames: NAMES, instanceId: 'i' }),
        ];
        const expectOneOwner = () => {
          const owned = clients.flatMap((each) => each.partitions());
          expect(new Set(owned).size, `${owned}`).toBe(owned.length);
        };
        for (const next of events) {
          apply(next, group, changing, clients);
          expectOneOwner();
        }
        for (let round = 0; round < 60; round++) {
          for (const each of clients) {
            each.beat();
            expectOneOwner();
          }
        }
        expect(group.state).toBe('Stable');
        expect(clients.flatMap((each) => each.partitions()).sort()).toEqual(changing.partitions().sort());
      }),
      { numRuns: 50 },
    );
  });
});

function apply(next: Event, group: GroupWorld, changing: ClusterTopics, clients: readonly Client[]): void {
  if (next.type === 'topic') {
    if (next.partitionCount === 0) changing.delete(next.name);
    else changing.set(next.name, Math.max(next.partitionCount, changing.byName(next.name)?.partitionCount ?? 0));
    return;
  }
  const one = clients[next.client]!;
  if (next.type === 'beat') one.beat();
  else if (next.type === 'lose') one.beat(true);
  else if (next.type === 'leave') one.leave(one.memberId === 'd' ? LEFT_STATICALLY : LEAVES);
  else if (next.type === 'crash') one.drop();
  else {
    // Its session is over: a client notices that it was not heard for so long before the coordinator gives up.
    one.drop();
    group.fence(one.memberId);
  }
}
