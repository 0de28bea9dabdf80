/** Groups of every kind whose coordinator is another broker all of a sudden: they go on where they were. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { groupOwner, transactionOwner } from '../../../src/coordinator/owner.ts';
import { subscription } from '../../bench/member.ts';
import { type ClusterWorld, openClusterWorld } from './cluster-world.ts';
import { errorName } from './share/share-world.ts';
import { type SteppedRuntime, steppedRuntime } from './stepped-runtime.ts';

const SESSION_MS = 10_000;

let runtime: SteppedRuntime;
let world: ClusterWorld;

/** Broker 1 leads journal 0, broker 2 journal 1. */
beforeEach(async () => {
  runtime = steppedRuntime();
  world = await openClusterWorld({ runtime, brokers: 3 });
  await world.lead(1, 0);
  await world.lead(2, 1);
  await world.topics.create({ name: 'orders', partitions: 4, config: {} });
});
afterEach(() => world.close());

/** A name that the journal of this broker would keep. */
async function nameAt(brokerId: number, owner: (name: string) => string = groupOwner): Promise<string> {
  for (let number = 0; ; number++) {
    const name = `name-${number}`;
    if ((await world.of(3).coordinators.whoCoordinates(owner(name))) === brokerId) return name;
  }
}

const askToJoin = (brokerId: number, groupId: string) =>
  world.of(brokerId).ask('JoinGroup', 3, {
    groupId,
    memberId: '',
    sessionTimeoutMs: SESSION_MS,
    rebalanceTimeoutMs: 60_000,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: subscription('orders') }],
  });

async function join(brokerId: number, groupId: string) {
  const joining = askToJoin(brokerId, groupId);
  await runtime.advance(0);
  return joining;
}

const sync = (brokerId: number, groupId: string, generationId: number, memberId: string, mine: Buffer | null) =>
  world.of(brokerId).ask('SyncGroup', 3, {
    groupId,
    generationId,
    memberId,
    groupInstanceId: null,
    assignments: mine === null ? [] : [{ memberId, assignment: mine }],
  });

const heartbeat = async (brokerId: number, groupId: string, generationId: number, memberId: string) => {
  const body = { groupId, generationId, memberId, groupInstanceId: null };
  return errorName((await world.of(brokerId).ask('Heartbeat', 3, body)).errorCode);
};

describe('a classic group', () => {
  const ASSIGNMENT = Buffer.from('what the leader sent');

  test('keeps generation and assignment, and its members their sessions from the beginning', async () => {
    const groupId = await nameAt(1);
    const { memberId, generationId } = await join(1, groupId);
    expect(errorName((await sync(1, groupId, generationId, memberId, ASSIGNMENT)).errorCode)).toBe('NONE');
    await runtime.advance(SESSION_MS - 1);
    await world.lead(2, 0);
    expect(await heartbeat(1, groupId, generationId, memberId)).toBe('NOT_COORDINATOR');
    await runtime.advance(SESSION_MS - 1);
    expect(await heartbeat(2, groupId, generationId, memberId)).toBe('NONE');
    const synced = await sync(2, groupId, generationId, memberId, null);
    expect(synced.assignment).toEqual(ASSIGNMENT);
    expect([world.of(1).coordinators.groups.count, world.of(2).coordinators.groups.count]).toEqual([0, 1]);
    await world.lead(1, 0);
    expect(await heartbeat(2, groupId, generationId, memberId)).toBe('NOT_COORDINATOR');
    expect(await heartbeat(1, groupId, generationId, memberId)).toBe('NONE');
  });

  test('whoever waits for others is sent to the next coordinator', async () => {
    const groupId = await nameAt(1);
    const first = await join(1, groupId);
    await sync(1, groupId, first.generationId, first.memberId, ASSIGNMENT);
    const waiting = askToJoin(1, groupId);
    await runtime.settle();
    await world.lead(2, 0);
    expect(errorName((await waiting).errorCode)).toBe('NOT_COORDINATOR');
    expect(await heartbeat(2, groupId, first.generationId, first.memberId)).toBe('NONE');
  });

  test('a member that the next coordinator never hears of falls out there', async () => {
    const groupId = await nameAt(1);
    const { memberId, generationId } = await join(1, groupId);
    await sync(1, groupId, generationId, memberId, ASSIGNMENT);
    await world.lead(2, 0);
    await runtime.advance(SESSION_MS + 1);
    expect(await heartbeat(2, groupId, generationId, memberId)).toBe('UNKNOWN_MEMBER_ID');
  });
});

describe('a consumer group', () => {
  const beat = async (brokerId: number, groupId: string, memberEpoch: number, more = {}) =>
    world.of(brokerId).ask('ConsumerGroupHeartbeat', 1, {
      groupId,
      memberId: 'm',
      memberEpoch,
      instanceId: null,
      rackId: null,
      rebalanceTimeoutMs: memberEpoch === 0 ? 10_000 : -1,
      subscribedTopicNames: memberEpoch === 0 ? ['orders'] : null,
      subscribedTopicRegex: null,
      serverAssignor: null,
      topicPartitions: memberEpoch === 0 ? [] : null,
      ...more,
    });

  test('keeps members, epochs and assignment', async () => {
    const groupId = await nameAt(1);
    const joined = await beat(1, groupId, 0);
    expect(joined.assignment?.topicPartitions[0]?.partitions).toEqual([0, 1, 2, 3]);
    await world.lead(2, 0);
    expect(errorName((await beat(1, groupId, joined.memberEpoch)).errorCode)).toBe('NOT_COORDINATOR');
    expect(await beat(2, groupId, joined.memberEpoch)).toMatchObject({ errorCode: 0, memberEpoch: joined.memberEpoch });
    const owns = { topicPartitions: joined.assignment!.topicPartitions };
    const told = await beat(2, groupId, joined.memberEpoch, { ...owns, rebalanceTimeoutMs: 10_000 });
    expect(told).toMatchObject({ errorCode: 0, memberEpoch: joined.memberEpoch });
  });

  test('a coordinator that does not know of its successor changes nothing', async () => {
    const groupId = await nameAt(1);
    const { memberEpoch } = await beat(1, groupId, 0);
    await world.usurp(2, 0);
    expect(errorName((await beat(1, groupId, -1)).errorCode)).toBe('NOT_COORDINATOR');
    expect(await beat(2, groupId, memberEpoch)).toMatchObject({ errorCode: 0 });
    expect(world.of(1).coordinators.groups.count).toBe(0);
  });
});

test('members of a share group go on at the next coordinator', async () => {
  const groupId = await nameAt(1);
  const beat = (brokerId: number, memberEpoch: number) =>
    world.of(brokerId).ask('ShareGroupHeartbeat', 1, {
      groupId,
      memberId: 'm',
      memberEpoch,
      subscribedTopicNames: memberEpoch === 0 ? ['orders'] : null,
    });
  const { memberEpoch } = await beat(1, 0);
  await world.lead(2, 0);
  expect(errorName((await beat(1, memberEpoch)).errorCode)).toBe('NOT_COORDINATOR');
  expect(await beat(2, memberEpoch)).toMatchObject({ errorCode: 0, memberEpoch });
});

describe('committed offsets', () => {
  const commit = async (brokerId: number, groupId: string, offset: number) => {
    const partitions = [{ index: 0, committedOffset: offset, committedLeaderEpoch: -1, committedMetadata: '' }];
    const topics = [{ name: 'orders', partitions }];
    const body = { groupId, generationIdOrMemberEpoch: -1, memberId: '', groupInstanceId: null, topics };
    const answer = await world.of(brokerId).ask('OffsetCommit', 7, body);
    return errorName(answer.topics[0]!.partitions[0]!.errorCode);
  };
  const fetch = async (brokerId: number, groupId: string) => {
    const groups = [{ groupId, memberId: null, memberEpoch: -1, topics: [{ name: 'orders', partitionIndexes: [0] }] }];
    const [group] = (await world.of(brokerId).ask('OffsetFetch', 9, { groups, requireStable: false })).groups;
    if (group!.errorCode !== 0) return errorName(group!.errorCode);
    return group!.topics[0]!.partitions[0]!.committedOffset;
  };

  test('are read and written where the group is coordinated, and nowhere else', async () => {
    const groupId = await nameAt(1);
    expect(await commit(2, groupId, 1)).toBe('NOT_COORDINATOR');
    expect(await fetch(2, groupId)).toBe('NOT_COORDINATOR');
    expect(await fetch(1, groupId)).toBe(-1);
    expect(await commit(1, groupId, 1)).toBe('NONE');
    expect(await fetch(2, groupId)).toBe('NOT_COORDINATOR');
    await world.lead(2, 0);
    expect(await fetch(1, groupId)).toBe('NOT_COORDINATOR');
    expect(await commit(1, groupId, 2)).toBe('NOT_COORDINATOR');
    expect(await fetch(2, groupId)).toBe(1);
    expect(await commit(2, groupId, 3)).toBe('NONE');
    expect(await fetch(2, groupId)).toBe(3);
  });

  test('a group that is deleted by the next coordinator is nowhere afterwards', async () => {
    const groupId = await nameAt(1);
    await commit(1, groupId, 1);
    await world.lead(2, 0);
    await world.of(2).coordinators.groups.delete(groupId);
    await world.lead(1, 0);
    expect(await fetch(1, groupId)).toBe(-1);
    expect(world.of(1).coordinators.groups.count).toBe(0);
    expect(await commit(1, groupId, 2)).toBe('NONE');
    expect(await fetch(1, groupId)).toBe(2);
  });
});

describe('FindCoordinator', () => {
  const find = async (brokerId: number, key: string, keyType: number) => {
    const answer = await world.of(brokerId).ask('FindCoordinator', 6, { keyType, coordinatorKeys: [key] });
    const [{ errorCode, nodeId, host }] = answer.coordinators as [(typeof answer.coordinators)[number]];
    return errorCode === 0 ? `${nodeId} ${host}` : errorName(errorCode);
  };

  test.each([
    ['group', 0, groupOwner],
    ['transactional id', 1, transactionOwner],
  ] as const)('names the broker that leads the journal of a %s, at any broker', async (_, type, owner) => {
    const name = await nameAt(2, owner);
    expect(await Promise.all([1, 2, 3].map((brokerId) => find(brokerId, name, type)))).toEqual(
      // The broker that is asked tells the address that the client came by.
      ['2 broker-2', '2 127.0.0.1', '2 broker-2'],
    );
    await world.lead(1, 1);
    expect(await find(3, name, type)).toBe('1 broker-1');
  });

  test('a share partition is where its group is', async () => {
    const groupId = await nameAt(2);
    expect(await find(3, `${groupId}:AAAAAAAAQACAAAAAAAAAAA:0`, 2)).toBe('2 broker-2');
  });

  test('nobody is named while nobody leads', async () => {
    const groupId = await nameAt(2);
    world.leaders.forget(1);
    expect(await find(3, groupId, 0)).toBe('COORDINATOR_NOT_AVAILABLE');
  });
});

test('a broker that does not coordinate a group says so, whatever it is asked', async () => {
  const groupId = await nameAt(1);
  const { memberId, generationId } = await join(1, groupId);
  await sync(1, groupId, generationId, memberId, Buffer.from('x'));
  const { ask } = world.of(2);
  const place = { name: 'orders', partitions: [{ index: 0 }] };
  const codes = {
    join: (await join(2, groupId)).errorCode,
    sync: (await sync(2, groupId, generationId, memberId, null)).errorCode,
    // Not of each member: Java's admin client asks no other broker then.
    leave: (await ask('LeaveGroup', 3, { groupId, members: [{ memberId, groupInstanceId: null }] })).errorCode,
    describe: (await ask('DescribeGroups', 5, { groups: [groupId] })).groups[0]!.errorCode,
    describeConsumers: (
      await ask('ConsumerGroupDescribe', 1, { groupIds: [groupId], includeAuthorizedOperations: false })
    ).groups[0]!.errorCode,
    describeShare: (await ask('ShareGroupDescribe', 1, { groupIds: [groupId], includeAuthorizedOperations: false }))
      .groups[0]!.errorCode,
    delete: (await ask('DeleteGroups', 2, { groupsNames: [groupId] })).results[0]!.errorCode,
    deleteOffsets: (await ask('OffsetDelete', 0, { groupId, topics: [place] })).errorCode,
    shareOffsets: (await ask('DescribeShareGroupOffsets', 0, { groups: [{ groupId, topics: null }] })).groups[0]!
      .errorCode,
    alterShareOffsets: (await ask('AlterShareGroupOffsets', 0, { groupId, topics: [] })).errorCode,
    deleteShareOffsets: (await ask('DeleteShareGroupOffsets', 0, { groupId, topics: [] })).errorCode,
  };
  expect(Object.fromEntries(Object.entries(codes).map(([api, code]) => [api, errorName(code)]))).toEqual(
    Object.fromEntries(Object.keys(codes).map((api) => [api, 'NOT_COORDINATOR'])),
  );
  expect((await ask('ListGroups', 5, { statesFilter: [], typesFilter: [] })).groups).toEqual([]);
  expect((await world.of(1).ask('ListGroups', 5, { statesFilter: [], typesFilter: [] })).groups).toHaveLength(1);
});

test('journals that are added keep new groups; groups stay where they are', async () => {
  const before = await nameAt(1);
  await join(1, before);
  for (const { seats } of world.brokers) seats.grow(3);
  await world.lead(3, 2);
  const groupId = await nameAt(3);
  const { memberId, generationId } = await join(3, groupId);
  expect(errorName((await sync(3, groupId, generationId, memberId, Buffer.from('x'))).errorCode)).toBe('NONE');
  expect(await world.of(1).coordinators.whoCoordinates(groupOwner(before))).toBe(1);
  await world.lead(1, 2);
  expect(await heartbeat(3, groupId, generationId, memberId)).toBe('NOT_COORDINATOR');
  expect(await heartbeat(1, groupId, generationId, memberId)).toBe('NONE');
});

test('a broker that leads no longer keeps nothing of it: neither groups nor timers', async () => {
  const idle = runtime.timerCount;
  const groupId = await nameAt(1);
  const { memberId, generationId } = await join(1, groupId);
  await sync(1, groupId, generationId, memberId, Buffer.from('x'));
  expect(runtime.timerCount).toBeGreaterThan(idle);
  await world.lead(3, 0);
  await world.of(3).coordinators.classicGroups.leave(groupId, [{ memberId, groupInstanceId: null }]);
  await runtime.advance(SESSION_MS); // The timer of a session that ended is let pass.
  expect(runtime.timerCount).toBeLessThanOrEqual(idle);
});

describe('a journal that changes hands while a request is answered', () => {
  /** Its look whether it leads says yes, and the next moment it does not. */
  const loseAfterLook = (journal: number) => {
    const seat = world.of(1).seats.get(journal)!;
    seat.confirmLeadership = async () => {
      await world.lead(2, journal);
      return true;
    };
  };

  test('takes no committed offsets with it', async () => {
    const groupId = await nameAt(1);
    const { offsets } = world.of(1).coordinators;
    const place = { topicId: world.topics.byName('orders')!.topicId, partition: 0 };
    await offsets.write({ groupId, client: 'c' }, [{ ...place, offset: 5, leaderEpoch: -1, metadata: '' }]);
    loseAfterLook(0);
    const query = { groupId, memberId: null, memberEpoch: -1, places: [place] };
    await expect(offsets.fetch(query)).rejects.toMatchObject({ error: 'NOT_COORDINATOR' });
  });

  test('does not make the group unknown to the coordinator before', async () => {
    const groupId = await nameAt(1);
    const beat = (memberEpoch: number) =>
      world.of(1).ask('ConsumerGroupHeartbeat', 1, {
        ...{ groupId, memberId: 'm', memberEpoch, instanceId: null, rackId: null, rebalanceTimeoutMs: 10_000 },
        ...{ subscribedTopicNames: ['orders'], subscribedTopicRegex: null, serverAssignor: null, topicPartitions: [] },
      });
    const { memberEpoch } = await beat(0);
    loseAfterLook(0);
    // A full request is told what to own, which takes a look.
    expect(errorName((await beat(memberEpoch)).errorCode)).toBe('NOT_COORDINATOR');
  });

  test('does not make members unknown to the next coordinator', async () => {
    const groupId = await nameAt(1);
    const { memberId, generationId } = await join(1, groupId);
    await sync(1, groupId, generationId, memberId, Buffer.from('x'));
    const { store } = world.of(2);
    const { get } = store;
    Object.assign(store, {
      get: async (...asked: Parameters<typeof get>) => {
        Object.assign(store, { get });
        await world.lead(2, 0);
        return get(...asked);
      },
    });
    expect(await heartbeat(2, groupId, generationId, memberId)).toBe('NOT_COORDINATOR');
    expect(await heartbeat(2, groupId, generationId, memberId)).toBe('NONE');
  });
});
