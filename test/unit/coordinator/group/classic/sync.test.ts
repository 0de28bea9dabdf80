import { describe, expect, test } from 'vitest';
import { checkClassicCommit } from '../../../../../src/coordinator/group/classic/commit-check.ts';
import { leave } from '../../../../../src/coordinator/group/classic/leave.ts';
import { passDeadline } from '../../../../../src/coordinator/group/classic/rebalance.ts';
import { persisted, persistFailed, sync } from '../../../../../src/coordinator/group/classic/sync.ts';
import { answers, brief, groupOf, joinAll, member, newcomer, settings, stable, syncOf } from './states.ts';

const completing = groupOf('CompletingRebalance', [member('a'), member('b'), member('c')]);
const assignments = new Map([
  ['a', 'for a'],
  ['b', 'for b'],
]);

/** `b` asked before the leader brought the assignments. */
const proposed = () => {
  const followed = sync(completing, syncOf('b', 4));
  return sync(followed.group, syncOf('a', 4, { assignments }));
};

describe('an assignment', () => {
  test('is given to those who wait once it is durable; who was left out has an empty one', () => {
    const step = proposed();
    expect(step.effects).toEqual([{ type: 'persist' }]);
    const done = persisted(step.group, 4);
    expect(answers(done)).toEqual(['sync a: synced for a', 'sync b: synced for b']);
    expect(done.group.state).toBe('Stable');
    expect(brief(sync(done.group, syncOf('c', 4)).reply)).toBe('synced ');
  });

  test('that was written for an older generation is nobody’s any more', () => {
    const overtaken = joinAll(proposed().group, newcomer('d'));
    expect(answers(overtaken)).toEqual(['sync a: REBALANCE_IN_PROGRESS', 'sync b: REBALANCE_IN_PROGRESS']);
    expect(persisted(overtaken.group, 4).group).toBe(overtaken.group);
  });

  test('that was not written sends everybody back to join', () => {
    const failed = persistFailed(proposed().group, 4, 'COORDINATOR_NOT_AVAILABLE');
    expect(answers(failed)).toEqual(['sync a: COORDINATOR_NOT_AVAILABLE', 'sync b: COORDINATOR_NOT_AVAILABLE']);
    expect(failed.group.state).toBe('PreparingRebalance');
  });

  test('is written once when the leader repeats its request', () => {
    const again = sync(proposed().group, syncOf('a', 4, { assignments: new Map([['a', 'other']]) }));
    expect(again.effects).toEqual([]);
    expect(again.group.proposed).toBe(assignments);
  });
});

test('protocol type and name are checked where they are told', () => {
  const told = (more: object) => brief(sync(completing, syncOf('b', 4, more)).reply);
  expect(told({ protocolType: 'consumer', protocolName: 'range' })).toBe('wait');
  expect(told({ protocolType: 'connect' })).toBe('INCONSISTENT_GROUP_PROTOCOL');
  expect(told({ protocolName: 'sticky' })).toBe('INCONSISTENT_GROUP_PROTOCOL');
});

test('members that never ask for their assignment are out after the rebalance timeout', () => {
  const step = passDeadline(persisted(proposed().group, 4).group, settings);
  expect([...step.group.members.keys()]).toEqual(['a', 'b']);
  expect(step.group.state).toBe('PreparingRebalance');
  const all = groupOf('Stable', [member('a', { synced: true })]);
  expect(passDeadline(all, settings).group).toBe(all);
});

describe('leaving', () => {
  const name = (memberId: string, groupInstanceId: string | null = null) => ({ memberId, groupInstanceId });

  test('the last member leaves an empty group of the next generation', () => {
    const step = leave(stable(), [name('a'), name('b')]);
    expect(step.reply).toEqual(['NONE', 'NONE']);
    expect(step.group).toMatchObject({ state: 'Empty', generationId: 5, protocolName: null, leaderId: null });
    expect(step.effects).toContainEqual({ type: 'persist' });
  });

  test('an administrator removes static members by instance id alone', () => {
    const group = groupOf('Stable', [member('a', { groupInstanceId: 'i' }), member('b')]);
    const step = leave(group, [name('', 'i'), name('', 'unknown'), name('b', 'i'), name('')]);
    expect(step.reply).toEqual(['NONE', 'UNKNOWN_MEMBER_ID', 'FENCED_INSTANCE_ID', 'UNKNOWN_MEMBER_ID']);
    expect([...step.group.members.keys()]).toEqual(['b']);
  });

  test('a pending member leaves without a rebalance', () => {
    const group = stable({ pending: new Set(['p']) });
    const step = leave(group, [name('p')]);
    expect(step.reply).toEqual(['NONE']);
    expect(step.group).toMatchObject({ state: 'Stable', pending: new Set() });
  });
});

describe('a commit of offsets', () => {
  const by = (memberId: string, generationIdOrMemberEpoch: number, more: object = {}) => ({
    memberId,
    groupInstanceId: null,
    generationIdOrMemberEpoch,
    transactional: false,
    apiVersion: 8,
    ...more,
  });

  test('is a member’s of the generation that stands', () => {
    expect(checkClassicCommit(stable(), by('a', 4))).toBeNull();
    expect(checkClassicCommit(stable(), by('a', 3))).toBe('ILLEGAL_GENERATION');
    expect(checkClassicCommit(stable(), by('x', 4))).toBe('UNKNOWN_MEMBER_ID');
    expect(checkClassicCommit(stable(), by('a', 4, { groupInstanceId: 'i' }))).toBe('UNKNOWN_MEMBER_ID');
  });

  test('is anybody’s while the group is empty, and nobody else’s while it is not', () => {
    expect(checkClassicCommit(groupOf('Empty', []), by('', -1))).toBeNull();
    expect(checkClassicCommit(stable(), by('', -1))).toBe('UNKNOWN_MEMBER_ID');
    expect(checkClassicCommit(stable(), by('', -1, { transactional: true }))).toBeNull();
  });

  test('waits for the assignment, except in a transaction', () => {
    expect(checkClassicCommit(completing, by('a', 4))).toBe('REBALANCE_IN_PROGRESS');
    expect(checkClassicCommit(completing, by('a', 4, { transactional: true }))).toBeNull();
    expect(checkClassicCommit({ ...stable(), state: 'PreparingRebalance' }, by('a', 4))).toBeNull();
  });
});
