/** Classic groups at work: timers, waiting requests and records, in stepped time. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { emptyGroup as EMPTY } from '../../../../../src/coordinator/group/classic/group-state.ts';
import { ERRORS, type ErrorName } from '../../../../../src/errors.ts';
import { type SteppedRuntime, steppedRuntime } from '../../stepped-runtime.ts';
import { type CoordinatorWorld, openCoordinatorWorld } from '../../world.ts';

const GROUP = 'orders';
const SESSION_MS = 10_000;

let runtime: SteppedRuntime;
let world: CoordinatorWorld;

beforeEach(async () => {
  runtime = steppedRuntime();
  world = await openCoordinatorWorld(runtime);
});
afterEach(() => world.close());

const names = new Map<number, ErrorName>();
for (const [name, { code }] of Object.entries(ERRORS)) if (!names.has(code)) names.set(code, name as ErrorName);
const nameOf = (code: number) => names.get(code)!;

interface JoinWish {
  readonly version?: number;
  readonly memberId?: string;
  readonly groupId?: string;
  readonly instance?: string;
  readonly sessionTimeoutMs?: number;
  readonly metadata?: Buffer;
  readonly protocol?: string;
}

async function join(wish: JoinWish = {}) {
  const { groupId = GROUP, memberId = '', instance = null, version = 9, protocol = 'range' } = wish;
  const answer = await world.ask('JoinGroup', version, {
    groupId,
    memberId,
    groupInstanceId: instance,
    sessionTimeoutMs: wish.sessionTimeoutMs ?? SESSION_MS,
    rebalanceTimeoutMs: 60_000,
    protocolType: 'consumer',
    protocols: [{ name: protocol, metadata: wish.metadata ?? Buffer.from([0, 3, 0, 0, 0, 0]) }],
  });
  return { ...answer, error: nameOf(answer.errorCode) };
}

/** Both steps of a dynamic member. */
async function joinNew(wish: JoinWish = {}) {
  const asked = await join(wish);
  expect(asked.error).toBe('MEMBER_ID_REQUIRED');
  return join({ ...wish, memberId: asked.memberId });
}

interface Member {
  readonly memberId: string;
  readonly generationId: number;
}

async function sync(
  { memberId, generationId }: Member,
  assignments: Readonly<Record<string, string>> = {},
  groupId = GROUP,
) {
  const brought = Object.entries(assignments).map(([id, text]) => ({ memberId: id, assignment: Buffer.from(text) }));
  const request = { groupId, generationId, memberId, protocolType: 'consumer', assignments: brought };
  const answer = await world.ask('SyncGroup', 5, request);
  return { error: nameOf(answer.errorCode), assignment: Buffer.from(answer.assignment).toString() };
}

async function heartbeat({ memberId, generationId }: Member, instance: string | null = null) {
  const request = { groupId: GROUP, generationId, memberId, groupInstanceId: instance };
  return nameOf((await world.ask('Heartbeat', 4, request)).errorCode);
}

async function describeGroup(groupId = GROUP) {
  const { groups } = await world.ask('DescribeGroups', 6, { groups: [groupId] });
  return groups[0]!;
}

/** A member that leads, alone, at work. */
async function atWork(wish: JoinWish = {}) {
  const joining = joinNew(wish);
  await runtime.advance(0);
  const leader = await joining;
  expect(await sync(leader, { [leader.memberId]: 'all' }, wish.groupId)).toEqual({ error: 'NONE', assignment: 'all' });
  return leader;
}

test('a member whose heartbeats stop is out after its session timeout, not before', async () => {
  const leader = await atWork();
  for (let beat = 0; beat < 5; beat++) {
    await runtime.advance(SESSION_MS - 1_000);
    expect(await heartbeat(leader)).toBe('NONE');
  }
  await runtime.advance(SESSION_MS + 1);
  expect(await heartbeat(leader)).toBe('UNKNOWN_MEMBER_ID');
  expect(await describeGroup()).toMatchObject({ groupState: 'Empty', members: [] });
});

test('a broker that did not run for a while does not hold that against its members', async () => {
  const leader = await atWork();
  await runtime.advance(SESSION_MS - 1_000);
  runtime.stall(60_000);
  await runtime.advance(0);
  expect(await heartbeat(leader)).toBe('NONE');
  await runtime.advance(SESSION_MS + 1);
  expect(await heartbeat(leader)).toBe('UNKNOWN_MEMBER_ID');
});

test('heartbeats write nothing', async () => {
  const leader = await atWork();
  const [journal] = world.core.journals;
  const before = journal!.state.lastSeq;
  for (let beat = 0; beat < 50; beat++) {
    await runtime.advance(1_000);
    await heartbeat(leader);
  }
  expect(journal!.state.lastSeq).toBe(before);
});

test('an id that nobody joins with is forgotten, and with it a group that was never more', async () => {
  const asked = await join();
  expect(asked.error).toBe('MEMBER_ID_REQUIRED');
  expect(world.core.coordinators.groups.count).toBe(1);
  await runtime.advance(SESSION_MS + 1);
  expect(world.core.coordinators.groups.count).toBe(0);
  expect((await join({ memberId: asked.memberId })).error).toBe('UNKNOWN_MEMBER_ID');
  expect([...world.core.journals[0]!.state.owners()]).toEqual([]);
});

test('a member that joined and never syncs is out after the rebalance timeout', async () => {
  const joining = joinNew();
  await runtime.advance(0);
  const leader = await joining;
  for (let waited = 0; waited < 60_000; waited += 5_000) {
    expect(await heartbeat(leader)).toBe('NONE');
    await runtime.advance(5_000);
  }
  expect(await heartbeat(leader)).toBe('UNKNOWN_MEMBER_ID');
});

test('a repeated join takes the place of the one that waits', async () => {
  const leader = await atWork();
  const second = await join();
  const first = join({ memberId: second.memberId });
  const again = join({ memberId: second.memberId });
  expect((await first).error).toBe('REBALANCE_IN_PROGRESS');
  expect(await heartbeat(leader)).toBe('REBALANCE_IN_PROGRESS');
  const rejoined = await join({ memberId: leader.memberId });
  expect(rejoined).toMatchObject({ generationId: 2, leader: leader.memberId });
  expect(await again).toMatchObject({ generationId: 2, members: [] });
});

describe.each([1, 4])('with %i journals', (journals) => {
  beforeEach(async () => {
    await world.close();
    world = await openCoordinatorWorld(runtime, { journals: String(journals) });
  });

  test('groups live through a crash: members go on in their generation, with fresh sessions', async () => {
    const ids = ['a', 'b', 'c', 'd', 'e', 'f'];
    const leaders = new Map<string, Member>();
    for (const groupId of ids) leaders.set(groupId, await atWork({ groupId }));
    await runtime.advance(SESSION_MS - 1_000);
    await world.restart();
    await runtime.advance(SESSION_MS - 1_000);
    for (const groupId of ids) {
      const { memberId, generationId } = leaders.get(groupId)!;
      const beat = await world.ask('Heartbeat', 4, { groupId, memberId, generationId });
      expect(nameOf(beat.errorCode)).toBe('NONE');
      expect(await sync({ memberId, generationId }, {}, groupId)).toEqual({ error: 'NONE', assignment: 'all' });
    }
    const { groups } = await world.ask('ListGroups', 5, {});
    expect(groups.map(({ groupId }) => groupId).sort()).toEqual(ids);
  });

  test('groups that are deleted stay away', async () => {
    const leader = await atWork();
    expect(await deleted(GROUP)).toBe('NON_EMPTY_GROUP');
    await world.ask('LeaveGroup', 5, { groupId: GROUP, members: [{ memberId: leader.memberId }] });
    await runtime.settle();
    expect(await deleted(GROUP)).toBe('NONE');
    expect(await deleted(GROUP)).toBe('GROUP_ID_NOT_FOUND');
    await world.restart();
    expect(await describeGroup()).toMatchObject({ groupState: 'Dead', errorCode: ERRORS.GROUP_ID_NOT_FOUND.code });
    const owners = world.core.journals.flatMap((journal) => [...journal.state.owners()]);
    expect(owners).toEqual([]);
    expect((await atWork()).generationId).toBe(1);
  });
});

async function deleted(groupId: string) {
  const { results } = await world.ask('DeleteGroups', 2, { groupsNames: [groupId] });
  return nameOf(results[0]!.errorCode);
}

test('an empty group keeps its generation through a crash', async () => {
  const leader = await atWork();
  await world.ask('LeaveGroup', 5, { groupId: GROUP, members: [{ memberId: leader.memberId }] });
  await runtime.settle();
  await world.restart();
  expect(await describeGroup()).toMatchObject({ groupState: 'Empty', protocolType: 'consumer', members: [] });
  expect((await atWork()).generationId).toBe(3);
});

test('a static member keeps its assignment through a crash and its own restart', async () => {
  const joining = join({ instance: 'i' });
  await runtime.advance(0);
  const first = await joining;
  await sync(first, { [first.memberId]: 'all' });
  await world.restart();
  expect(await heartbeat(first, 'i')).toBe('NONE');
  const second = await join({ instance: 'i' });
  expect(second).toMatchObject({ error: 'NONE', generationId: 1, leader: second.memberId, skipAssignment: true });
  expect(await heartbeat(first, 'i')).toBe('FENCED_INSTANCE_ID');
  await world.restart();
  expect(await heartbeat(second, 'i')).toBe('NONE');
  expect(await sync(second)).toEqual({ error: 'NONE', assignment: 'all' });
});

test('a member in a generation that was not durable has to join again', async () => {
  const leader = await atWork();
  const rejoined = await join({ memberId: leader.memberId });
  expect(rejoined.generationId).toBe(2);
  await world.restart();
  expect(await heartbeat(rejoined)).toBe('ILLEGAL_GENERATION');
  expect((await join({ memberId: leader.memberId })).generationId).toBe(2);
});

test('an assignment larger than an entry is durable, whole', async () => {
  // Random bytes do not become shorter.
  const texts = Array.from({ length: 5 }, (_, index) => runtime.random.bytes(20_000).toString('hex') + index);
  const leader = await atWork();
  const others = await Promise.all(texts.slice(1).map(() => join()));
  const waiting = others.map(({ memberId }) => join({ memberId }));
  await runtime.settle();
  const led = await join({ memberId: leader.memberId });
  const members = [led, ...(await Promise.all(waiting))];
  const assignments = Object.fromEntries(members.map(({ memberId }, index) => [memberId, texts[index]!]));
  const answers = members.slice(1).map((member) => sync(member));
  expect((await sync(led, assignments)).assignment).toBe(texts[0]);
  expect((await Promise.all(answers)).map(({ assignment }) => assignment)).toEqual(texts.slice(1));
  await world.restart();
  const found = await Promise.all(members.map((member) => sync(member)));
  expect(found.map(({ assignment }) => assignment)).toEqual(texts);
});

describe('a store that misbehaves', () => {
  const puts = (fault: 'answer-lost' | 'error-before' | 'hang', times = 1) => {
    world.faults.script({ operation: 'put', fault, times });
  };

  test('and loses the answer of a write delays the assignment, no more', async () => {
    const joining = joinNew();
    await runtime.advance(0);
    const leader = await joining;
    puts('answer-lost');
    const synced = sync(leader, { [leader.memberId]: 'all' });
    await runtime.advance(1_000);
    expect(await synced).toEqual({ error: 'NONE', assignment: 'all' });
  });

  test('and does not answer keeps members waiting; none falls out for it', async () => {
    const joining = joinNew();
    await runtime.advance(0);
    const leader = await joining;
    puts('hang', 100);
    const synced = sync(leader, { [leader.memberId]: 'all' });
    await runtime.advance(SESSION_MS * 3);
    world.faults.release();
    await runtime.advance(SESSION_MS - 1);
    expect(await synced).toEqual({ error: 'NONE', assignment: 'all' });
    expect(await heartbeat(leader)).toBe('NONE');
  });
});

test('a broker that was deposed sends its members elsewhere as soon as it knows', async () => {
  const joining = joinNew();
  await runtime.advance(0);
  const { memberId, generationId } = await joining;
  const { coordinators } = await world.takeOver();
  const name = { memberId, groupInstanceId: null };
  expect(await coordinators.classicGroups.heartbeat(GROUP, name, generationId)).toBe('NONE');
  const told = { ...name, generationId, protocolType: null, protocolName: null, assignments: new Map() };
  const synced = coordinators.classicGroups.sync(GROUP, told);
  await runtime.advance(1_000);
  expect(await synced).toMatchObject({ error: 'NOT_COORDINATOR' });
  expect(await coordinators.classicGroups.heartbeat(GROUP, name, generationId)).toBe('NOT_COORDINATOR');
  // What was not durable is not known to the next, which takes the members as new ones.
  expect(await heartbeat({ memberId, generationId })).toBe('UNKNOWN_MEMBER_ID');
});

test('a broker that stops answers those who wait', async () => {
  await atWork();
  const second = await join();
  const waiting = join({ memberId: second.memberId });
  await runtime.settle();
  await world.restart();
  expect((await waiting).error).toBe('NOT_COORDINATOR');
});

describe('limits', () => {
  test('a group id is neither empty nor too long', async () => {
    expect((await join({ groupId: '' })).error).toBe('INVALID_GROUP_ID');
    expect((await join({ groupId: 'g'.repeat(600), version: 3 })).error).toBe('INVALID_GROUP_ID');
    expect(nameOf((await world.ask('LeaveGroup', 5, { groupId: '', members: [] })).errorCode)).toBe('INVALID_GROUP_ID');
  });

  test('a session timeout lies between the bounds', async () => {
    expect((await join({ sessionTimeoutMs: 5_999 })).error).toBe('INVALID_SESSION_TIMEOUT');
    expect((await join({ sessionTimeoutMs: 1_800_001 })).error).toBe('INVALID_SESSION_TIMEOUT');
  });

  test('a megabyte of metadata is refused, much that repeats itself is not', async () => {
    expect((await join({ metadata: runtime.random.bytes(1024 * 1024) })).error).toBe('MESSAGE_TOO_LARGE');
    expect((await join({ metadata: Buffer.alloc(1024 * 1024) })).error).toBe('MESSAGE_TOO_LARGE');
    expect((await join({ metadata: runtime.random.bytes(100_000) })).error).toBe('MESSAGE_TOO_LARGE');
    expect((await join({ metadata: Buffer.alloc(200_000) })).error).toBe('MEMBER_ID_REQUIRED');
    expect((await join({ instance: 'i'.repeat(250) })).error).toBe('INVALID_REQUEST');
  });

  test('an assignment of a megabyte is refused, and the group goes on', async () => {
    const leader = await atWork();
    const large = { [leader.memberId]: runtime.random.bytes(1024 * 1024).toString('latin1') };
    expect((await sync(leader, large)).error).toBe('MESSAGE_TOO_LARGE');
    expect(await heartbeat(leader)).toBe('NONE');
  });

  test('one client does not make groups without end; another one still may', async () => {
    const { groups } = world.core.coordinators;
    const outcomes = [];
    for (let index = 0; index < 10_000; index++) {
      try {
        const journal = await groups.place(`g${index}`, 'busy');
        world.core.coordinators.classicGroups.adopt(`g${index}`, journal, EMPTY);
        outcomes.push('made');
      } catch (cause) {
        outcomes.push((cause as { error: string }).error);
      }
    }
    expect(outcomes.filter((each) => each === 'made')).toHaveLength(8_000);
    expect(outcomes.at(-1)).toBe('POLICY_VIOLATION');
    expect(await join({ groupId: 'of-another' })).toMatchObject({ error: 'MEMBER_ID_REQUIRED' });
  });
});
