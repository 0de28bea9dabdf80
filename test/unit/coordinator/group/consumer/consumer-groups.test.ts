/** Consumer groups of a whole broker: durable before they are answered, back after a restart, sessions and deadlines. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Faults, faultyMetadataStore } from '../../../../../src/storage/faulty.ts';
import { memoryStores } from '../../../journal/harness.ts';
import { manualRuntime, turns } from '../../../log/manual-runtime.ts';
import { type BrokerWorld, errorName, openBroker } from './broker-world.ts';

let stores: ReturnType<typeof memoryStores>;
let world: BrokerWorld;
let orders: string;

beforeEach(async () => {
  stores = memoryStores();
  world = await openBroker({ stores });
  orders = await world.topic('orders', 4);
});
afterEach(() => world.close());

interface Member {
  memberId: string;
  memberEpoch: number;
  owned: readonly number[];
}

const V = 1;
type Fields = Parameters<typeof world.ask<'ConsumerGroupHeartbeat'>>[2];

async function send(fields: Partial<Fields> & { memberId: string; memberEpoch: number }, groupId = 'g') {
  const answer = await world.ask('ConsumerGroupHeartbeat', V, { groupId, ...fields });
  return { ...answer, error: errorName(answer.errorCode) };
}

const assigned = (answer: Awaited<ReturnType<typeof send>>, topicId = orders) =>
  answer.assignment && (answer.assignment.topicPartitions.find((one) => one.topicId === topicId)?.partitions ?? []);

async function join(memberId: string, more: Partial<Fields> = {}, groupId = 'g'): Promise<Member> {
  const subscription = { subscribedTopicNames: ['orders'], rebalanceTimeoutMs: 10_000, topicPartitions: [] };
  const answer = await send({ memberId, memberEpoch: 0, ...subscription, ...more }, groupId);
  expect(answer).toMatchObject({ error: 'NONE', memberId });
  return { memberId, memberEpoch: answer.memberEpoch, owned: assigned(answer)! };
}

/** A heartbeat as clients send it: what is owned only when something happened. */
async function beat(member: Member, more: Partial<Fields> = {}, groupId = 'g') {
  const topicPartitions = member.owned.length === 0 ? [] : [{ topicId: orders, partitions: [...member.owned] }];
  const { memberId, memberEpoch } = member;
  const answer = await send({ memberId, memberEpoch, topicPartitions, ...more }, groupId);
  if (answer.error !== 'NONE') return answer.error;
  member.memberEpoch = answer.memberEpoch;
  member.owned = assigned(answer) ?? member.owned;
  return 'NONE';
}

async function settle(...members: Member[]): Promise<void> {
  for (let round = 0; round < 4; round++) for (const member of members) expect(await beat(member)).toBe('NONE');
}

const describeGroup = async (groupId = 'g') =>
  (await world.ask('ConsumerGroupDescribe', 1, { groupIds: [groupId], includeAuthorizedOperations: false })).groups[0]!;

async function restart(given = {}): Promise<void> {
  await world.close();
  world = await openBroker({ stores, given });
}

test('a member is durable when its join is answered, and heartbeats that change nothing write nothing', async () => {
  const before = world.entries();
  const a = await join('a');
  expect(a).toEqual({ memberId: 'a', memberEpoch: 1, owned: [0, 1, 2, 3] });
  expect(world.entries()).toBe(before + 1);
  for (let round = 0; round < 20; round++) expect(await beat(a)).toBe('NONE');
  expect(world.entries()).toBe(before + 1);
  expect((await describeGroup()).groupState).toBe('Stable');
});

test('members that join together are one entry', async () => {
  await join('a');
  const before = world.entries();
  await Promise.all(['b', 'c', 'd'].map((id) => join(id)));
  expect(world.entries()).toBe(before + 1);
  expect((await describeGroup()).members.map(({ memberId }) => memberId)).toEqual(['a', 'b', 'c', 'd']);
});

test('members share the partitions, and get those of a member that leaves', async () => {
  const [a, b] = [await join('a'), await join('b')];
  await settle(a, b);
  expect([a.owned, b.owned]).toEqual([
    [0, 1],
    [2, 3],
  ]);
  expect((await send({ memberId: 'b', memberEpoch: -1 })).error).toBe('NONE');
  await settle(a);
  expect(a.owned).toEqual([0, 1, 2, 3]);
});

test.each([
  1, 4,
])('with %i journals members keep epochs and assignments over a restart, with fresh sessions', async (journals) => {
  await world.close();
  stores = memoryStores();
  world = await openBroker({ stores, given: { journals: String(journals) } });
  orders = await world.topic('orders', 4);
  const groups = ['g1', 'g2', 'g3', 'g4', 'g5', 'g6'];
  const members = new Map<string, Member[]>();
  for (const groupId of groups) {
    const both = [await join('a', {}, groupId), await join('b', {}, groupId)];
    for (let round = 0; round < 4; round++) for (const member of both) await beat(member, {}, groupId);
    members.set(groupId, both);
  }
  const described = await Promise.all(groups.map(describeGroup));
  await world.runtime.advance(40_000);
  await restart({ journals: String(journals) });
  const entries = world.entries();
  await world.runtime.advance(40_000);
  expect(await Promise.all(groups.map(describeGroup))).toEqual(described);
  for (const groupId of groups) {
    for (const member of members.get(groupId)!) {
      expect(await beat(member, {}, groupId)).toBe('NONE');
      expect([member.memberEpoch, member.owned.length]).toEqual([2, 2]);
    }
  }
  expect(world.entries()).toBe(entries);
});

test('a rebalance that a restart interrupts goes on', async () => {
  const [a, b] = [await join('a'), await join('b')];
  await beat(a);
  expect((await describeGroup()).groupState).toBe('Reconciling');
  await restart();
  await settle(a, b);
  expect([a.owned, b.owned]).toEqual([
    [0, 1],
    [2, 3],
  ]);
  expect((await describeGroup()).groupState).toBe('Stable');
});

describe('time', () => {
  test('a member that is silent for the session timeout is out', async () => {
    const [a, b] = [await join('a'), await join('b')];
    await settle(a, b);
    for (let second = 0; second < 50; second += 5) {
      await world.runtime.advance(5_000);
      await beat(a);
    }
    expect((await describeGroup()).members.map(({ memberId }) => memberId)).toEqual(['a']);
    expect(await beat(b)).toBe('UNKNOWN_MEMBER_ID');
    await settle(a);
    expect(a.owned).toEqual([0, 1, 2, 3]);
  });

  test('the session timeout of a restarted broker starts anew, and ends', async () => {
    await join('a');
    await restart();
    await world.runtime.advance(44_000);
    expect((await describeGroup()).members).toHaveLength(1);
    await world.runtime.advance(2_000);
    expect(await describeGroup()).toMatchObject({ groupState: 'Empty', members: [] });
  });

  test('a member that does not give partitions up within its rebalance timeout is out', async () => {
    const [a, b] = [await join('a'), await join('b')];
    const stalled = { ...a };
    for (let second = 0; second < 15; second += 3) {
      await world.runtime.advance(3_000);
      await beat(b);
      await beat({ ...stalled });
    }
    expect(await beat(stalled)).toBe('UNKNOWN_MEMBER_ID');
    await settle(b);
    expect(b.owned).toEqual([0, 1, 2, 3]);
  });

  test('a restarted broker also waits only so long for partitions to be given up', async () => {
    const [a, b] = [await join('a'), await join('b')];
    const stalled = { ...a };
    await beat(a);
    await restart();
    await world.runtime.advance(11_000);
    expect(await beat(stalled)).toBe('UNKNOWN_MEMBER_ID');
    await settle(b);
    expect(b.owned).toEqual([0, 1, 2, 3]);
  });

  test('a static member may be away for its session timeout', async () => {
    const a = await join('a', { instanceId: 'i' });
    await world.runtime.advance(40_000);
    await beat(a, { instanceId: 'i' });
    await send({ memberId: 'a', memberEpoch: -2, instanceId: 'i' });
    await world.runtime.advance(40_000);
    expect(await join('b', { instanceId: 'i' })).toEqual({ memberId: 'b', memberEpoch: 1, owned: [0, 1, 2, 3] });
    await send({ memberId: 'b', memberEpoch: -2, instanceId: 'i' });
    await world.runtime.advance(46_000);
    expect((await describeGroup()).groupState).toBe('Empty');
  });

  test('a group may have its own session timeout and heartbeat interval', async () => {
    await world.core.configs.groups.alter('g', () => [
      { operation: 'SET', name: 'consumer.session.timeout.ms', value: '60000' },
      { operation: 'SET', name: 'consumer.heartbeat.interval.ms', value: '6000' },
    ]);
    const member = await join('a');
    await world.runtime.advance(59_000);
    const { memberEpoch } = member;
    expect(await send({ memberId: 'a', memberEpoch })).toMatchObject({ error: 'NONE', heartbeatIntervalMs: 6_000 });
    await world.runtime.advance(61_000);
    expect((await describeGroup()).members).toEqual([]);
  });
});

test('topics that appear, grow or go are assigned with the next heartbeat', async () => {
  const a = await join('a', { subscribedTopicNames: null, subscribedTopicRegex: 'orders.*|payments' });
  await world.core.topics.createPartitions('orders', 6);
  await beat(a);
  expect(a.owned).toEqual([0, 1, 2, 3, 4, 5]);
  const eu = await world.topic('orders-eu', 2);
  const topicPartitions = [{ topicId: orders, partitions: [...a.owned] }];
  const answer = await send({ memberId: 'a', memberEpoch: a.memberEpoch, topicPartitions });
  expect([assigned(answer, orders), assigned(answer, eu)]).toEqual([
    [0, 1, 2, 3, 4, 5],
    [0, 1],
  ]);
  await world.core.topics.delete('orders');
  await restart();
  const after = await send({ memberId: 'a', memberEpoch: answer.memberEpoch, topicPartitions: [] });
  expect(after.assignment?.topicPartitions).toEqual([{ topicId: eu, partitions: [0, 1] }]);
});

describe('a broker that does not lead any more', () => {
  test('is no coordinator', async () => {
    const a = await join('a');
    const next = await openBroker({ stores, runtime: manualRuntime(2), given: { 'broker.id': '2' } });
    // It may be answered from what was durable, but nothing is changed.
    expect(
      (
        await send({
          memberId: 'b',
          memberEpoch: 0,
          subscribedTopicNames: ['orders'],
          rebalanceTimeoutMs: 1,
          topicPartitions: [],
        })
      ).error,
    ).toBe('NOT_COORDINATOR');
    expect(await beat(a)).toBe('NOT_COORDINATOR');
    expect((await describeGroup()).errorCode).toBe(16);
    const old = world;
    world = next;
    expect(await beat(a)).toBe('NONE');
    await old.close();
  });
});

describe('a store that misbehaves', () => {
  let faults: Faults;
  beforeEach(async () => {
    await world.close();
    const runtime = manualRuntime(3);
    faults = new Faults(runtime);
    world = await openBroker({
      stores: { ...stores, metadata: faultyMetadataStore(stores.metadata, faults) },
      runtime,
    });
  });

  test('nobody is answered before what was decided is durable, and what never was is not there after a restart', async () => {
    const a = await join('a');
    faults.script({ operation: 'put', fault: 'hang' });
    let answered = false;
    const joining = { memberId: 'b', memberEpoch: 0, subscribedTopicNames: ['orders'], rebalanceTimeoutMs: 1_000 };
    const lost = send({ ...joining, topicPartitions: [] }).then((answer) => {
      answered = true;
      return answer.error;
    });
    await turns(50);
    expect(answered).toBe(false);
    expect(await beat(a)).toBe('NONE'); // What is durable goes on.
    await world.close();
    expect(await lost).toBe('NOT_COORDINATOR');
    world = await openBroker({ stores });
    expect((await describeGroup()).members.map(({ memberId }) => memberId)).toEqual(['a']);
    expect(await beat(a)).toBe('NONE');
  });

  test('a join whose answer the store lost is there once', async () => {
    await join('a');
    faults.script({ operation: 'put', fault: 'answer-lost', times: 3 });
    const joining = join('b');
    await world.runtime.advance(10_000);
    const b = await joining;
    await restart();
    expect((await describeGroup()).members.map(({ memberId }) => memberId)).toEqual(['a', 'b']);
    expect(await beat(b)).toBe('NONE');
  });

  test('a join that fails because the store is away can be repeated', async () => {
    faults.script({ operation: 'put', fault: 'error-before' });
    const joining = { memberId: 'a', memberEpoch: 0, subscribedTopicNames: ['orders'], rebalanceTimeoutMs: 1_000 };
    expect((await send({ ...joining, topicPartitions: [] })).error).toBe('COORDINATOR_NOT_AVAILABLE');
    expect(await join('a')).toMatchObject({ memberEpoch: 1 });
  });
});

describe('what was there before', () => {
  const commit = (more: object) =>
    world.ask('OffsetCommit', 9, {
      groupId: 'g',
      topics: [{ name: 'orders', partitions: [{ index: 0, committedOffset: 5, committedMetadata: '' }] }],
      ...more,
    });
  const committed = async () => {
    const { groups } = await world.ask('OffsetFetch', 9, {
      groups: [{ groupId: 'g', memberId: null, memberEpoch: -1, topics: null }],
      requireStable: false,
    });
    return groups[0]!.topics[0]?.partitions[0]?.committedOffset;
  };

  test('offsets stay when a group of offsets alone becomes a consumer group', async () => {
    await commit({});
    expect(await join('a')).toMatchObject({ memberEpoch: 1 });
    expect(await committed()).toBe(5);
  });

  test('a classic group without members makes place', async () => {
    const classic = {
      groupId: 'g',
      memberId: '',
      groupInstanceId: null,
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 10_000,
      protocolType: 'connect',
      reason: null,
    };
    const joining = world.ask('JoinGroup', 3, { ...classic, protocols: [{ name: 'p', metadata: Buffer.of(1) }] });
    await world.runtime.advance(3_100);
    const { memberId } = await joining;
    expect(
      (
        await send({
          memberId: 'a',
          memberEpoch: 0,
          subscribedTopicNames: [],
          rebalanceTimeoutMs: 1,
          topicPartitions: [],
        })
      ).error,
    ).toBe('GROUP_ID_NOT_FOUND');
    await world.ask('LeaveGroup', 3, {
      groupId: 'g',
      memberId: '',
      members: [{ memberId, groupInstanceId: null, reason: null }],
    });
    expect(await join('a')).toMatchObject({ memberEpoch: 1 });
    await restart();
    expect(await describeGroup()).toMatchObject({ groupState: 'Stable', groupEpoch: 1 });
  });

  test('members commit with their epoch; stale ones, strangers and old versions may not', async () => {
    const a = await join('a');
    const error = async (answer: ReturnType<typeof commit>) =>
      errorName((await answer).topics[0]!.partitions[0]!.errorCode);
    expect(await error(commit({ memberId: 'a', generationIdOrMemberEpoch: 1 }))).toBe('NONE');
    expect(await committed()).toBe(5);
    expect(await error(commit({ memberId: 'a', generationIdOrMemberEpoch: 0 }))).toBe('STALE_MEMBER_EPOCH');
    expect(await error(commit({ memberId: 'b', generationIdOrMemberEpoch: 1 }))).toBe('UNKNOWN_MEMBER_ID');
    expect(await error(commit({}))).toBe('UNKNOWN_MEMBER_ID');
    await world.runtime.advance(46_000);
    expect(await error(commit({ memberId: 'a', generationIdOrMemberEpoch: a.memberEpoch }))).toBe('UNKNOWN_MEMBER_ID');
    expect(await error(commit({}))).toBe('NONE');
  });

  test('members fetch offsets with their epoch', async () => {
    await join('a');
    const fetch = async (memberId: string | null, memberEpoch: number) => {
      const { groups } = await world.ask('OffsetFetch', 9, {
        groups: [{ groupId: 'g', memberId, memberEpoch, topics: null }],
        requireStable: false,
      });
      return errorName(groups[0]!.errorCode);
    };
    expect(await fetch('a', 1)).toBe('NONE');
    expect(await fetch(null, -1)).toBe('NONE');
    expect(await fetch('a', 3)).toBe('STALE_MEMBER_EPOCH');
    expect(await fetch('x', 1)).toBe('UNKNOWN_MEMBER_ID');
  });

  test('a group is listed, cannot be deleted while it has members, and can when it is empty', async () => {
    await join('a');
    const list = async () =>
      (await world.ask('ListGroups', 5, { statesFilter: [], typesFilter: ['consumer'] })).groups.map((group) => ({
        ...group,
      }));
    const remove = async () =>
      errorName((await world.ask('DeleteGroups', 2, { groupsNames: ['g'] })).results[0]!.errorCode);
    expect(await list()).toEqual([
      { groupId: 'g', protocolType: 'consumer', groupState: 'Stable', groupType: 'consumer' },
    ]);
    expect(await remove()).toBe('NON_EMPTY_GROUP');
    await send({ memberId: 'a', memberEpoch: -1 });
    expect(await list()).toMatchObject([{ groupState: 'Empty' }]);
    expect(await remove()).toBe('NONE');
    expect(await list()).toEqual([]);
    expect((await describeGroup()).errorCode).toBe(69);
  });

  test('DescribeGroups knows nothing of it', async () => {
    await join('a');
    const describeClassic = async (version: number) =>
      (await world.ask('DescribeGroups', version, { groups: ['g'], includeAuthorizedOperations: false })).groups[0]!;
    expect(await describeClassic(5)).toMatchObject({ errorCode: 0, groupState: 'Dead' });
    expect(await describeClassic(6)).toMatchObject({ errorCode: 69, errorMessage: 'Group g is not a classic group.' });
  });
});

test('a member whose subscription does not fit an entry is refused, and nothing is left of the attempt', async () => {
  const names = Array.from({ length: 20_000 }, (_, index) => `a-topic-with-a-long-name-${index}`);
  const huge = {
    memberId: 'a',
    memberEpoch: 0,
    subscribedTopicNames: names,
    rebalanceTimeoutMs: 1,
    topicPartitions: [],
  };
  expect((await send(huge)).error).toBe('INVALID_REQUEST');
  expect((await describeGroup()).errorCode).toBe(69);
  expect(await join('a')).toMatchObject({ memberEpoch: 1 });
});
