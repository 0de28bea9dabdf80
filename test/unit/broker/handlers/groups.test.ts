/** The classic group APIs at every version: what a member sees from its first join until the group is deleted. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ERRORS } from '../../../../src/errors.ts';
import { type SteppedRuntime, steppedRuntime } from '../../coordinator/stepped-runtime.ts';
import { type CoordinatorWorld, openCoordinatorWorld } from '../../coordinator/world.ts';
import { versionsOf } from '../door.ts';

let runtime: SteppedRuntime;
let world: CoordinatorWorld;

beforeEach(async () => {
  runtime = steppedRuntime();
  world = await openCoordinatorWorld(runtime);
});
afterEach(() => world.close());

const METADATA = Buffer.from('00030000000100066f726465727300000000', 'hex');

const joinOf = (groupId: string, memberId: string) => ({
  groupId,
  memberId,
  sessionTimeoutMs: 10_000,
  rebalanceTimeoutMs: 60_000,
  protocolType: 'consumer',
  protocols: [{ name: 'range', metadata: METADATA }],
});

async function joined(version = 9, groupId = 'g') {
  const first = world.ask('JoinGroup', version, joinOf(groupId, ''));
  await runtime.advance(0);
  const answer = await first;
  if (answer.errorCode !== ERRORS.MEMBER_ID_REQUIRED.code) return answer;
  const second = world.ask('JoinGroup', version, joinOf(groupId, answer.memberId));
  await runtime.advance(0);
  return second;
}

async function atWork(groupId = 'g') {
  const leader = await joined(9, groupId);
  const { memberId, generationId } = leader;
  const assignments = [{ memberId, assignment: Buffer.from('all') }];
  await world.ask('SyncGroup', 5, { groupId, generationId, memberId, assignments });
  return { memberId, generationId };
}

describe('JoinGroup', () => {
  test.each(versionsOf('JoinGroup'))('v%i makes a member, which leads when it is the first', async (version) => {
    const answer = await joined(version);
    expect(answer).toMatchObject({ errorCode: 0, generationId: 1, protocolName: 'range' });
    expect(answer.memberId).toMatch(/^test-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/);
    expect(answer.leader).toBe(answer.memberId);
    expect(answer.members).toMatchObject([{ memberId: answer.memberId, groupInstanceId: null, metadata: METADATA }]);
    if (version >= 7) expect(answer.protocolType).toBe('consumer');
  });

  test.each(versionsOf('JoinGroup'))('v%i tells a new member its id first since v4', async (version) => {
    const waiting = world.ask('JoinGroup', version, joinOf('g', ''));
    await runtime.advance(0);
    const answer = await waiting;
    expect(answer.errorCode).toBe(version >= 4 ? ERRORS.MEMBER_ID_REQUIRED.code : 0);
    expect(answer.memberId).not.toBe('');
    if (version >= 7 && version >= 4) expect(answer.protocolName).toBeNull();
    else if (version >= 4) expect(answer.protocolName).toBe('');
  });

  test.each(versionsOf('JoinGroup'))('v%i refuses a member that nobody knows', async (version) => {
    const answer = await world.ask('JoinGroup', version, joinOf('g', 'nobody'));
    expect(answer).toMatchObject({ errorCode: ERRORS.UNKNOWN_MEMBER_ID.code, memberId: 'nobody', generationId: -1 });
  });

  test('v0 has its session timeout for a rebalance timeout', async () => {
    await joined(0);
    const group = world.core.coordinators.groups.find('g');
    expect(group?.type === 'classic' && [...(group as any).snapshot.members.values()]).toMatchObject([
      { rebalanceTimeoutMs: 10_000 },
    ]);
  });
});

describe('SyncGroup', () => {
  test.each(versionsOf('SyncGroup'))('v%i gives the leader what it assigned to itself', async (version) => {
    const { memberId, generationId } = await joined();
    const assignments = [{ memberId, assignment: Buffer.from('all') }];
    const told = version >= 5 ? { protocolType: 'consumer', protocolName: 'range' } : {};
    const answer = await world.ask('SyncGroup', version, {
      groupId: 'g',
      generationId,
      memberId,
      assignments,
      ...told,
    });
    expect(answer).toMatchObject({ errorCode: 0, assignment: Buffer.from('all'), ...told });
  });

  test.each(versionsOf('SyncGroup'))('v%i refuses who is not known, and generations that are over', async (version) => {
    const { memberId, generationId } = await atWork();
    const error = async (named: { readonly memberId: string; readonly generationId: number }) =>
      (await world.ask('SyncGroup', version, { groupId: 'g', ...named, assignments: [] })).errorCode;
    expect(await error({ memberId: 'nobody', generationId })).toBe(ERRORS.UNKNOWN_MEMBER_ID.code);
    expect(await error({ memberId, generationId: generationId - 1 })).toBe(ERRORS.ILLEGAL_GENERATION.code);
  });
});

describe('Heartbeat', () => {
  test.each(versionsOf('Heartbeat'))('v%i is good in the generation, and refused elsewhere', async (version) => {
    const { memberId, generationId } = await atWork();
    const beat = async (more: object) =>
      (await world.ask('Heartbeat', version, { groupId: 'g', memberId, generationId, ...more })).errorCode;
    expect(await beat({})).toBe(0);
    expect(await beat({ generationId: 7 })).toBe(ERRORS.ILLEGAL_GENERATION.code);
    expect(await beat({ memberId: 'nobody' })).toBe(ERRORS.UNKNOWN_MEMBER_ID.code);
    expect(await beat({ groupId: 'none' })).toBe(ERRORS.UNKNOWN_MEMBER_ID.code);
    expect(await beat({ groupId: '' })).toBe(ERRORS.INVALID_GROUP_ID.code);
    if (version >= 3) expect(await beat({ groupInstanceId: 'i' })).toBe(ERRORS.UNKNOWN_MEMBER_ID.code);
  });
});

describe('LeaveGroup', () => {
  test.each(versionsOf('LeaveGroup'))('v%i ends a membership', async (version) => {
    const { memberId, generationId } = await atWork();
    const leave = (id: string, groupId = 'g') =>
      world.ask('LeaveGroup', version, { groupId, memberId: id, members: [{ memberId: id }] });
    const errorOf = ({ errorCode, members }: Awaited<ReturnType<typeof leave>>) =>
      version >= 3 ? members[0]!.errorCode : errorCode;
    expect(errorOf(await leave('nobody'))).toBe(ERRORS.UNKNOWN_MEMBER_ID.code);
    expect(errorOf(await leave(memberId, 'none'))).toBe(ERRORS.UNKNOWN_MEMBER_ID.code);
    const left = await leave(memberId);
    expect(left.errorCode).toBe(0);
    expect(errorOf(left)).toBe(0);
    const beat = await world.ask('Heartbeat', 4, { groupId: 'g', memberId, generationId });
    expect(beat.errorCode).toBe(ERRORS.UNKNOWN_MEMBER_ID.code);
  });
});

describe('DescribeGroups', () => {
  test.each(versionsOf('DescribeGroups'))('v%i shows members and their assignments', async (version) => {
    const { memberId } = await atWork();
    const { groups } = await world.ask('DescribeGroups', version, { groups: ['g'] });
    expect(groups).toMatchObject([
      {
        errorCode: 0,
        groupId: 'g',
        groupState: 'Stable',
        protocolType: 'consumer',
        protocolData: 'range',
        members: [
          {
            memberId,
            groupInstanceId: null,
            clientId: 'test',
            clientHost: '/127.0.0.1',
            memberMetadata: METADATA,
            memberAssignment: Buffer.from('all'),
          },
        ],
      },
    ]);
  });

  test.each(versionsOf('DescribeGroups'))('v%i says of an unknown group that it is dead', async (version) => {
    const { groups } = await world.ask('DescribeGroups', version, { groups: ['none'] });
    const errorCode = version >= 6 ? ERRORS.GROUP_ID_NOT_FOUND.code : 0;
    expect(groups).toMatchObject([{ groupId: 'none', groupState: 'Dead', errorCode, members: [] }]);
    if (version >= 6) expect(groups[0]!.errorMessage).toBe('Group none not found.');
  });

  test('shows neither metadata nor assignments while the group rebalances', async () => {
    const { memberId } = await atWork();
    void world.ask('JoinGroup', 3, joinOf('g', ''));
    await runtime.settle();
    const { groups } = await world.ask('DescribeGroups', 6, { groups: ['g'] });
    expect(groups[0]).toMatchObject({ groupState: 'PreparingRebalance', protocolData: '' });
    const empty = Buffer.alloc(0);
    expect(groups[0]!.members).toMatchObject([{ memberId, memberMetadata: empty, memberAssignment: empty }, {}]);
  });
});

describe('ListGroups', () => {
  test.each(
    versionsOf('ListGroups'),
  )('v%i lists groups, with their states and types when they are asked for', async (version) => {
    await atWork('busy');
    const { memberId } = await atWork('idle');
    await world.ask('LeaveGroup', 5, { groupId: 'idle', members: [{ memberId }] });
    await runtime.settle();
    const list = async (filters: object = {}) =>
      (await world.ask('ListGroups', version, filters)).groups.map(({ groupId }) => groupId).sort();
    expect(await list()).toEqual(['busy', 'idle']);
    const { groups } = await world.ask('ListGroups', version, {});
    const [busy] = groups.filter(({ groupId }) => groupId === 'busy');
    expect(busy).toMatchObject({ protocolType: 'consumer' });
    if (version >= 4) {
      expect(busy!.groupState).toBe('Stable');
      expect(await list({ statesFilter: ['stable'] })).toEqual(['busy']);
      expect(await list({ statesFilter: ['Empty', 'Dead'] })).toEqual(['idle']);
    }
    if (version >= 5) {
      expect(busy!.groupType).toBe('classic');
      expect(await list({ typesFilter: ['Classic'] })).toEqual(['busy', 'idle']);
      expect(await list({ typesFilter: ['consumer'] })).toEqual([]);
    }
  });
});

describe('DeleteGroups', () => {
  test.each(versionsOf('DeleteGroups'))('v%i deletes groups without members, and those alone', async (version) => {
    await atWork('busy');
    const { memberId } = await atWork('idle');
    await world.ask('LeaveGroup', 5, { groupId: 'idle', members: [{ memberId }] });
    await runtime.settle();
    const { results } = await world.ask('DeleteGroups', version, { groupsNames: ['busy', 'idle', 'none'] });
    expect(results).toEqual([
      { groupId: 'busy', errorCode: ERRORS.NON_EMPTY_GROUP.code },
      { groupId: 'idle', errorCode: 0 },
      { groupId: 'none', errorCode: ERRORS.GROUP_ID_NOT_FOUND.code },
    ]);
  });
});
