import { describe, expect, test } from 'vitest';
import { emptyGroup, selectProtocol } from '../../../../../src/coordinator/group/classic/group-state.ts';
import { join } from '../../../../../src/coordinator/group/classic/join.ts';
import { leave } from '../../../../../src/coordinator/group/classic/leave.ts';
import { expire, passDeadline } from '../../../../../src/coordinator/group/classic/rebalance.ts';
import { NEW_MEMBER_JOIN_TIMEOUT_MS } from '../../../../../src/limits.ts';
import { answers, brief, groupOf, joinAll, joinOf, member, newcomer, protocols, settings, stable } from './states.ts';

const armed = (effects: readonly { readonly type: string }[]) =>
  effects.flatMap((effect) => (effect.type === 'arm' ? [(effect as unknown as { delayMs: number }).delayMs] : []));

describe('the first rebalance of a group', () => {
  test('waits for its delay, and again while members come, up to the rebalance timeout', () => {
    const first = joinAll(emptyGroup, newcomer('a', { rebalanceTimeoutMs: 7_000 }));
    expect(armed(first.effects)).toEqual([3_000]);
    const second = passDeadline(joinAll(first.group, newcomer('b', { rebalanceTimeoutMs: 7_000 })).group, settings);
    expect(armed(second.effects)).toEqual([3_000]);
    const third = passDeadline(joinAll(second.group, newcomer('c', { rebalanceTimeoutMs: 7_000 })).group, settings);
    expect(armed(third.effects)).toEqual([1_000]);
    const fourth = passDeadline(joinAll(third.group, newcomer('d', { rebalanceTimeoutMs: 7_000 })).group, settings);
    expect(answers(fourth)).toEqual(['join a: joined 1', 'join b: joined 1', 'join c: joined 1', 'join d: joined 1']);
  });

  test('is over after one delay when nobody else comes', () => {
    const { group } = joinAll(emptyGroup, newcomer('a'));
    expect(answers(passDeadline(group, settings))).toEqual(['join a: joined 1']);
  });

  test('leaves an empty group when its members are gone by then', () => {
    const joined = joinAll(emptyGroup, newcomer('a'));
    const left = leave(joined.group, [{ memberId: 'a', groupInstanceId: null }]);
    expect(answers(left)).toEqual(['join a: UNKNOWN_MEMBER_ID']);
    const { group } = passDeadline(left.group, settings);
    expect(group).toMatchObject({ state: 'Empty', generationId: 1 });
  });
});

describe('a new member', () => {
  test('is pending until it joins with the id that it got', () => {
    const asked = joinAll(stable(), newcomer('c', { asksForId: true }));
    expect(asked.reply.map(brief)).toEqual(['MEMBER_ID_REQUIRED']);
    expect([...asked.group.pending]).toEqual(['c']);
    const joined = joinAll(asked.group, joinOf('c', { asksForId: true }));
    expect(joined.group.pending.size).toBe(0);
    expect(joined.group.state).toBe('PreparingRebalance');
  });

  test('that is pending holds up the others until it joins or its session ends', () => {
    const rebalancing = joinAll(stable(), newcomer('c', { asksForId: true }), joinOf('a'), joinOf('b'));
    expect(rebalancing.group.state).toBe('PreparingRebalance');
    expect(answers(expire(rebalancing.group, 'c'))).toEqual(['join a: joined 5', 'join b: joined 5']);
  });

  test('has longer than its session timeout for its first join, since it sends no heartbeats yet', () => {
    const { effects, group } = joinAll(stable(), newcomer('c'));
    const session = { type: 'startSession', memberId: 'c', timeoutMs: NEW_MEMBER_JOIN_TIMEOUT_MS };
    expect(effects).toContainEqual(session);
    expect(answers(expire(group, 'c'))).toEqual(['join c: UNKNOWN_MEMBER_ID']);
  });

  test('of a protocol that not all support is refused, one that shares a protocol is not', () => {
    const group = groupOf('Stable', [member('a', { protocols: protocols('range', 'sticky') })]);
    const refused = join(group, newcomer('b', { protocols: protocols('roundrobin') }), settings);
    expect(brief(refused.reply)).toBe('INCONSISTENT_GROUP_PROTOCOL');
    expect(brief(join(group, newcomer('b', { protocols: protocols('sticky') }), settings).reply)).toBe('wait');
    expect(brief(join(group, newcomer('b', { protocols: [] }), settings).reply)).toBe('INCONSISTENT_GROUP_PROTOCOL');
    expect(brief(join(emptyGroup, newcomer('b', { protocolType: '' }), settings).reply)).toBe(
      'INCONSISTENT_GROUP_PROTOCOL',
    );
  });

  test('beyond the size of the group is refused, also when the members join again', () => {
    const small = { ...settings, groupSizeMax: 2 };
    expect(brief(join(stable(), newcomer('c'), small).reply)).toBe('GROUP_MAX_SIZE_REACHED');
    const members = [member('a', { waiting: 'join' }), member('b', { waiting: 'join' }), member('c'), member('d')];
    const shrunk = groupOf('PreparingRebalance', members);
    const turnedAway = join(shrunk, joinOf('c'), small);
    expect(brief(turnedAway.reply)).toBe('GROUP_MAX_SIZE_REACHED');
    expect(turnedAway.group.members.has('c')).toBe(false);
    expect(brief(join(shrunk, joinOf('b'), small).reply)).toBe('wait');
  });
});

describe('protocols', () => {
  test('the one that most members prefer is chosen, of those that all support', () => {
    const members = [
      member('a', { protocols: protocols('range', 'sticky') }),
      member('b', { protocols: protocols('sticky', 'range') }),
      member('c', { protocols: protocols('roundrobin', 'sticky', 'range') }),
    ];
    expect(selectProtocol(groupOf('Stable', members).members)).toBe('sticky');
  });

  test('the leader gets the metadata of the one that was chosen', () => {
    const request = { protocols: protocols('sticky', 'range') };
    const { group } = joinAll(emptyGroup, newcomer('a', request), newcomer('b', { protocols: protocols('range') }));
    const step = passDeadline(passDeadline(group, settings).group, settings);
    const joined = step.effects.flatMap((effect) => (effect.type === 'answerJoin' ? [effect.answer] : []));
    expect(joined).toMatchObject([
      { protocolName: 'range', leaderId: 'a', members: [{ metadata: 'range of it' }, { metadata: 'range of it' }] },
      { protocolName: 'range', leaderId: 'a', members: [] },
    ]);
  });
});

describe('a rebalance', () => {
  test('ends when all joined again; the leader leads on', () => {
    const step = joinAll(stable(), newcomer('c'), joinOf('b'), joinOf('a'));
    expect(answers(step)).toEqual(['join a: joined 5', 'join b: joined 5', 'join c: joined 5']);
    expect(step.group).toMatchObject({ state: 'CompletingRebalance', leaderId: 'a' });
  });

  test('ends without dynamic members that did not join again, and with another leader when it was one of them', () => {
    const step = passDeadline(joinAll(stable(), newcomer('c'), joinOf('b')).group, settings);
    expect(answers(step)).toEqual(['join b: joined 5', 'join c: joined 5']);
    expect(step.group.leaderId).toBe('b');
    expect(step.effects).toContainEqual({ type: 'endSession', memberId: 'a' });
  });

  test('keeps static members that did not join again until their sessions end', () => {
    const absent = member('s', { groupInstanceId: 'i' });
    const { group } = joinAll(groupOf('Stable', [member('a'), absent]), joinOf('a'));
    const step = passDeadline(group, settings);
    expect(answers(step)).toEqual(['join a: joined 5']);
    expect([...step.group.members.keys()]).toEqual(['a', 's']);
    expect(expire(step.group, 's').group.members.has('s')).toBe(false);
  });

  test('goes on while only static members are left and none of them joined', () => {
    const group = groupOf('PreparingRebalance', [member('s', { groupInstanceId: 'i' })]);
    const step = passDeadline(group, settings);
    expect(step.group.state).toBe('PreparingRebalance');
    expect(armed(step.effects)).toEqual([60_000]);
  });

  test('has the longest rebalance timeout of all members', () => {
    expect(armed(joinAll(stable(), newcomer('c', { rebalanceTimeoutMs: 90_000 })).effects)).toEqual([90_000]);
  });
});

describe('a static member that comes back without its id', () => {
  const members = [
    member('a', { groupInstanceId: 'i', synced: true, assignment: 'for a' }),
    member('b', { groupInstanceId: 'j', synced: true, assignment: 'for b' }),
  ];
  const group = groupOf('Stable', members);

  test('takes its place in a group at work without a rebalance, once that is durable', () => {
    const step = join(group, newcomer('b2', { groupInstanceId: 'j' }), settings);
    expect(step.group.state).toBe('Stable');
    expect(step.reply).toMatchObject({
      type: 'whenDurable',
      answer: { type: 'joined', memberId: 'b2', generationId: 4 },
    });
    expect(step.group.members.get('b2')).toMatchObject({ assignment: 'for b', waiting: null });
    expect([...step.group.members.keys()]).toEqual(['a', 'b2']);
    expect(step.effects).toContainEqual({ type: 'persist' });
    expect(step.effects).toContainEqual({ type: 'endSession', memberId: 'b' });
  });

  test('leads on, and is told to skip the assignment when it understands that', () => {
    const step = join(group, newcomer('a2', { groupInstanceId: 'i', skipsAssignment: true }), settings);
    expect(step.group.leaderId).toBe('a2');
    expect(step.reply).toMatchObject({ answer: { leaderId: 'a2', skipAssignment: true } });
    expect(step.reply.type === 'whenDurable' && step.reply.answer).toMatchObject({
      members: [{ memberId: 'a2' }, { memberId: 'b' }],
    });
  });

  test('is not called the leader when it does not, so that it assigns nothing', () => {
    const step = join(group, newcomer('a2', { groupInstanceId: 'i' }), settings);
    expect(step.group.leaderId).toBe('a2');
    expect(step.reply).toMatchObject({ answer: { leaderId: 'a', skipAssignment: false, members: [] } });
  });

  test('causes a rebalance when the group would choose another protocol', () => {
    const step = join(
      group,
      newcomer('b2', { groupInstanceId: 'j', protocols: protocols('sticky', 'range') }),
      settings,
    );
    expect(step.group.state).toBe('Stable');
    const both = members.map((each) => ({ ...each, protocols: protocols('range', 'sticky') }));
    const request = newcomer('b2', { groupInstanceId: 'j', protocols: protocols('sticky') });
    expect(join(groupOf('Stable', both), request, settings).group.state).toBe('PreparingRebalance');
  });

  test('causes a rebalance while the leader assigns: the old id may have been given partitions', () => {
    const completing = { ...group, state: 'CompletingRebalance' as const };
    const step = join(completing, newcomer('b2', { groupInstanceId: 'j' }), settings);
    expect(step.group.state).toBe('PreparingRebalance');
  });

  test('fences the one that was there, also while that one waits', () => {
    const waiting = groupOf('PreparingRebalance', [
      member('a', { groupInstanceId: 'i', waiting: 'join' }),
      member('b'),
    ]);
    const step = join(waiting, newcomer('a2', { groupInstanceId: 'i' }), settings);
    expect(answers(step)).toEqual(['join a: FENCED_INSTANCE_ID']);
    expect(brief(step.reply)).toBe('wait');
    const fenced = join(step.group, joinOf('a', { groupInstanceId: 'i' }), settings);
    expect(brief(fenced.reply)).toBe('FENCED_INSTANCE_ID');
    expect(brief(join(step.group, joinOf('x', { groupInstanceId: 'z' }), settings).reply)).toBe('UNKNOWN_MEMBER_ID');
  });
});
