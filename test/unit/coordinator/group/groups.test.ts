/** The directory of groups: kinds that meet, deletion against those who come meanwhile, what is left behind. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { GroupType, LiveGroup } from '../../../../src/coordinator/group/live-group.ts';
import { groupOwner } from '../../../../src/coordinator/owner.ts';
import { ERRORS } from '../../../../src/errors.ts';
import type { Journal, RecordChange } from '../../../../src/journal/journal.ts';
import { placementKey } from '../../../../src/storage/keys.ts';
import { type SteppedRuntime, steppedRuntime } from '../stepped-runtime.ts';
import { type CoordinatorWorld, openCoordinatorWorld } from '../world.ts';

const GROUP = 'orders';
const OWNER = groupOwner(GROUP);
const OFFSET = { key: 'o/AAAAAAAAQACAAAAAAAAAAA/0', value: '{"v":1}' };

let runtime: SteppedRuntime;
let world: CoordinatorWorld;

beforeEach(async () => {
  runtime = steppedRuntime();
  world = await openCoordinatorWorld(runtime);
});
afterEach(() => world.close());

const groupsOf = () => world.core.coordinators.groups;
const records = () => world.core.journals.flatMap((journal) => [...journal.state.records(OWNER).keys()]);
const placement = () => world.metadata.get(placementKey(world.broker.clusterId, OWNER), { cause: 'placements' });

async function write(...changes: RecordChange[]): Promise<void> {
  const journal = await groupsOf().place(GROUP, 'client');
  const command = { type: 'recordsChanged', owner: OWNER, changes } as const;
  await journal.coordinate(() => ({ commands: [command], answer: null }));
}

const join = async (memberId: string, protocolType = 'consumer') =>
  world.ask('JoinGroup', 3, {
    groupId: GROUP,
    memberId,
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 60_000,
    protocolType,
    protocols: [{ name: 'range', metadata: Buffer.alloc(0) }],
  });

/** A group of another kind. */
class OtherGroup implements LiveGroup {
  readonly groupId = GROUP;
  readonly type: GroupType;
  readonly journal: Journal;
  readonly memberCount: number;
  readonly state = 'Stable';
  readonly protocolType = 'consumer';
  readonly emptySince = null;
  closedWith: string | null = null;

  constructor(type: GroupType, memberCount: number, journal: Journal) {
    this.type = type;
    this.memberCount = memberCount;
    this.journal = journal;
  }

  subscribesTo = () => false;
  checkCommit = () => {};
  checkFetch = () => {};
  close(error: string): void {
    this.closedWith = error;
  }
}

async function other(type: GroupType, memberCount: number): Promise<OtherGroup> {
  const group = new OtherGroup(type, memberCount, await groupsOf().place(GROUP, 'client'));
  groupsOf().put(group);
  return group;
}

describe('a group that only has offsets', () => {
  test('appears with the first and goes with the last, and so does its placement', async () => {
    await write(OFFSET);
    expect(groupsOf().find(GROUP)).toMatchObject({ type: 'classic', state: 'Empty', protocolType: '', emptySince: 0 });
    expect(await placement()).not.toBeNull();
    await write({ key: OFFSET.key, value: null });
    await runtime.settle();
    expect(groupsOf().find(GROUP)).toBeUndefined();
    expect(await placement()).toBeNull();
  });

  test('is there after a restart', async () => {
    await write(OFFSET);
    await world.restart();
    expect(groupsOf().find(GROUP)).toMatchObject({ type: 'classic', state: 'Empty' });
  });
});

describe('a member that speaks the classic protocol', () => {
  test('is refused by a share group', async () => {
    await other('share', 0);
    expect((await join('')).errorCode).toBe(ERRORS.INCONSISTENT_GROUP_PROTOCOL.code);
  });

  test('is refused by a consumer group that does not take it', async () => {
    await other('consumer', 1);
    expect((await join('')).errorCode).toBe(ERRORS.INCONSISTENT_GROUP_PROTOCOL.code);
  });

  test('makes a classic group of a consumer group without members, whose records go and whose offsets stay', async () => {
    const empty = await other('consumer', 0);
    await write({ key: 'group', value: '{"v":1,"type":"consumer"}' }, { key: 'm/old', value: '{"v":1}' }, OFFSET);
    const joining = join('');
    await runtime.advance(0);
    const { memberId, generationId } = await joining;
    expect(empty.closedWith).toBe('REBALANCE_IN_PROGRESS');
    await world.ask('SyncGroup', 3, { groupId: GROUP, generationId, memberId, assignments: [] });
    expect(groupsOf().find(GROUP)).toMatchObject({ type: 'classic', state: 'Stable' });
    expect(records().sort()).toEqual(['group', `m/${memberId}`, OFFSET.key]);
  });
});

describe('deletion', () => {
  test('takes all records of a group, however many', async () => {
    const many = Array.from({ length: 2_000 }, (_, index) => ({
      key: `o/AAAAAAAAQACAAAAAAAAAAA/${index}`,
      value: '{}',
    }));
    await write(...many.slice(0, 1_000));
    await write(...many.slice(1_000));
    await groupsOf().delete(GROUP);
    expect(records()).toEqual([]);
    expect(await placement()).toBeNull();
  });

  test('is not overtaken by those who come meanwhile: they make another group', async () => {
    await write(OFFSET);
    const deletion = groupsOf().delete(GROUP);
    const joining = join('');
    const journal = groupsOf().place(GROUP, 'client');
    await deletion;
    expect(records()).toEqual([]);
    expect((await journal).role).toBe('leading');
    await runtime.advance(0);
    expect((await joining).generationId).toBe(1);
    expect(await placement()).not.toBeNull();
  });

  test('that fails leaves the group as it was', async () => {
    await write(OFFSET);
    const { coordinators } = await world.takeOver();
    const deletion = coordinators.groups.delete(GROUP).catch((cause) => cause.error);
    await runtime.advance(1_000);
    expect(await deletion).toBe('NOT_COORDINATOR');
    expect(records()).toEqual([OFFSET.key]);
    expect(groupsOf().find(GROUP)).toBeDefined();
  });

  test('of a group that is not used is refused while it has offsets or members', async () => {
    const joining = join('');
    await runtime.advance(0);
    const { memberId, generationId } = await joining;
    await world.ask('SyncGroup', 3, { groupId: GROUP, generationId, memberId, assignments: [] });
    expect(await groupsOf().deleteWhenUnused(GROUP)).toBe(false);
    await write(OFFSET);
    await world.ask('LeaveGroup', 1, { groupId: GROUP, memberId, members: [] });
    await runtime.settle();
    expect(await groupsOf().deleteWhenUnused(GROUP)).toBe(false);
    await write({ key: OFFSET.key, value: null });
    expect(groupsOf().find(GROUP)).toMatchObject({ state: 'Empty', protocolType: 'consumer' });
    expect(await groupsOf().deleteWhenUnused(GROUP)).toBe(true);
    expect(records()).toEqual([]);
    expect(groupsOf().find(GROUP)).toBeUndefined();
  });
});

test('a crash while a large group is written makes its members join again', async () => {
  const joins = Array.from({ length: 6 }, () => join(''));
  await runtime.advance(0);
  const members = await Promise.all(joins);
  const { memberId, generationId } = members.find(({ memberId, leader }) => memberId === leader)!;
  // Random bytes do not become shorter.
  const assignments = members.map((member) => ({
    memberId: member.memberId,
    assignment: runtime.random.bytes(25_000),
  }));
  const { state } = world.core.journals[0]!;
  const before = state.lastSeq;
  let hanging = true;
  const isSecond = () => hanging && world.core.journals[0]!.state.lastSeq > before;
  world.faults.script({ operation: 'put', fault: 'hang', times: 10, matches: isSecond });
  const synced = world.ask('SyncGroup', 3, { groupId: GROUP, generationId, memberId, assignments });
  await runtime.settle();
  expect(world.core.journals[0]!.state.record(OWNER, 'group')).toContain('"partial":true');

  hanging = false;
  await world.takeOver();
  world.faults.release();
  await runtime.advance(1_000);
  expect((await synced).errorCode).toBe(ERRORS.NOT_COORDINATOR.code);
  expect(groupsOf().find(GROUP)).toMatchObject({ state: 'PreparingRebalance' });
  const beat = await world.ask('Heartbeat', 3, { groupId: GROUP, generationId, memberId });
  expect(beat.errorCode).toBe(ERRORS.REBALANCE_IN_PROGRESS.code);
  // Those whose records were not written yet come as new ones.
  const again = await Promise.all(members.map((member) => join(member.memberId)));
  const known = again.filter(({ errorCode }) => errorCode === 0);
  expect(known.map((answer) => answer.generationId)).toEqual([2, 2]);
  const others = again.filter((answer) => !known.includes(answer));
  expect(new Set(others.map(({ errorCode }) => errorCode))).toEqual(new Set([ERRORS.UNKNOWN_MEMBER_ID.code]));
});
