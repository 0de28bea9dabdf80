/** Every state of a classic group against everything that can happen to it, and what no history of events may break. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Effect,
  emptyGroup,
  type Group,
  type GroupState,
  heartbeatError,
  type Step,
} from '../../../../../src/coordinator/group/classic/group-state.ts';
import { type JoinReply, join } from '../../../../../src/coordinator/group/classic/join.ts';
import { leave } from '../../../../../src/coordinator/group/classic/leave.ts';
import { close, expire, passDeadline } from '../../../../../src/coordinator/group/classic/rebalance.ts';
import { persisted, persistFailed, type SyncReply, sync } from '../../../../../src/coordinator/group/classic/sync.ts';
import { brief, groupOf, joinOf, member, newcomer, settings, stable, syncOf } from './states.ts';

const groups: Record<GroupState, Group> = {
  Empty: groupOf('Empty', []),
  PreparingRebalance: groupOf('PreparingRebalance', [member('a', { waiting: 'join' }), member('b')]),
  CompletingRebalance: groupOf('CompletingRebalance', [member('a'), member('b', { waiting: 'sync', synced: true })]),
  Stable: stable(),
  Dead: close(stable(), 'NOT_COORDINATOR').group,
};

const settled = (step: Step<JoinReply | SyncReply>) => `${step.group.state}, ${brief(step.reply)}`;
const plain = (step: Step) => step.group.state;

const events = {
  'a new member joins': (group) => settled(join(group, newcomer('c'), settings)),
  'a new member asks for its id': (group) => settled(join(group, newcomer('c', { asksForId: true }), settings)),
  'a stranger joins': (group) => settled(join(group, joinOf('x'), settings)),
  'the leader joins again': (group) => settled(join(group, joinOf('a'), settings)),
  'a follower joins again': (group) => settled(join(group, joinOf('b'), settings)),
  'a follower joins with another subscription': (group) =>
    settled(join(group, joinOf('b', { protocols: [{ name: 'range', metadata: 'changed' }] }), settings)),
  'someone of another protocol joins': (group) =>
    settled(join(group, newcomer('c', { protocolType: 'connect' }), settings)),
  'the leader syncs': (group) => settled(sync(group, syncOf('a', 4))),
  'a follower syncs': (group) => settled(sync(group, syncOf('b', 4))),
  'someone syncs in an old generation': (group) => settled(sync(group, syncOf('b', 3))),
  'a follower heartbeats': (group) => heartbeatError(group, { memberId: 'b', groupInstanceId: null }, 4) ?? 'NONE',
  'a member leaves': (group) => {
    const step = leave(group, [{ memberId: 'b', groupInstanceId: null }]);
    return `${step.group.state}, ${step.reply[0]}`;
  },
  'a session ends': (group) => plain(expire(group, 'b')),
  'the deadline passes': (group) => plain(passDeadline(group, settings)),
  'a write is durable': (group) => plain(persisted(group, 4)),
  'a write fails': (group) => plain(persistFailed(group, 4, 'COORDINATOR_NOT_AVAILABLE')),
  'it is closed': (group) => plain(close(group, 'NOT_COORDINATOR')),
} satisfies Record<string, (group: Group) => string>;

// Without Partial, a new state or event breaks the build.
const truth: Record<GroupState, Record<keyof typeof events, string>> = {
  Empty: {
    'a new member joins': 'PreparingRebalance, wait',
    'a new member asks for its id': 'Empty, MEMBER_ID_REQUIRED',
    'a stranger joins': 'Empty, UNKNOWN_MEMBER_ID',
    'the leader joins again': 'Empty, UNKNOWN_MEMBER_ID',
    'a follower joins again': 'Empty, UNKNOWN_MEMBER_ID',
    'a follower joins with another subscription': 'Empty, UNKNOWN_MEMBER_ID',
    'someone of another protocol joins': 'PreparingRebalance, wait',
    'the leader syncs': 'Empty, UNKNOWN_MEMBER_ID',
    'a follower syncs': 'Empty, UNKNOWN_MEMBER_ID',
    'someone syncs in an old generation': 'Empty, UNKNOWN_MEMBER_ID',
    'a follower heartbeats': 'UNKNOWN_MEMBER_ID',
    'a member leaves': 'Empty, UNKNOWN_MEMBER_ID',
    'a session ends': 'Empty',
    'the deadline passes': 'Empty',
    'a write is durable': 'Empty',
    'a write fails': 'Empty',
    'it is closed': 'Dead',
  },
  PreparingRebalance: {
    'a new member joins': 'PreparingRebalance, wait',
    'a new member asks for its id': 'PreparingRebalance, MEMBER_ID_REQUIRED',
    'a stranger joins': 'PreparingRebalance, UNKNOWN_MEMBER_ID',
    'the leader joins again': 'PreparingRebalance, wait',
    'a follower joins again': 'CompletingRebalance, wait',
    'a follower joins with another subscription': 'CompletingRebalance, wait',
    'someone of another protocol joins': 'PreparingRebalance, INCONSISTENT_GROUP_PROTOCOL',
    'the leader syncs': 'PreparingRebalance, REBALANCE_IN_PROGRESS',
    'a follower syncs': 'PreparingRebalance, REBALANCE_IN_PROGRESS',
    'someone syncs in an old generation': 'PreparingRebalance, ILLEGAL_GENERATION',
    'a follower heartbeats': 'REBALANCE_IN_PROGRESS',
    'a member leaves': 'CompletingRebalance, NONE',
    'a session ends': 'CompletingRebalance',
    'the deadline passes': 'CompletingRebalance',
    'a write is durable': 'PreparingRebalance',
    'a write fails': 'PreparingRebalance',
    'it is closed': 'Dead',
  },
  CompletingRebalance: {
    'a new member joins': 'PreparingRebalance, wait',
    'a new member asks for its id': 'CompletingRebalance, MEMBER_ID_REQUIRED',
    'a stranger joins': 'CompletingRebalance, UNKNOWN_MEMBER_ID',
    'the leader joins again': 'CompletingRebalance, joined 4',
    'a follower joins again': 'CompletingRebalance, joined 4',
    'a follower joins with another subscription': 'PreparingRebalance, wait',
    'someone of another protocol joins': 'CompletingRebalance, INCONSISTENT_GROUP_PROTOCOL',
    'the leader syncs': 'CompletingRebalance, wait',
    'a follower syncs': 'CompletingRebalance, wait',
    'someone syncs in an old generation': 'CompletingRebalance, ILLEGAL_GENERATION',
    'a follower heartbeats': 'NONE',
    'a member leaves': 'PreparingRebalance, NONE',
    'a session ends': 'CompletingRebalance', // It waits for its assignment, so it is alive.
    'the deadline passes': 'PreparingRebalance',
    'a write is durable': 'CompletingRebalance', // Nothing was proposed.
    'a write fails': 'CompletingRebalance',
    'it is closed': 'Dead',
  },
  Stable: {
    'a new member joins': 'PreparingRebalance, wait',
    'a new member asks for its id': 'Stable, MEMBER_ID_REQUIRED',
    'a stranger joins': 'Stable, UNKNOWN_MEMBER_ID',
    'the leader joins again': 'PreparingRebalance, wait',
    'a follower joins again': 'Stable, joined 4',
    'a follower joins with another subscription': 'PreparingRebalance, wait',
    'someone of another protocol joins': 'Stable, INCONSISTENT_GROUP_PROTOCOL',
    'the leader syncs': 'Stable, synced for a',
    'a follower syncs': 'Stable, synced ',
    'someone syncs in an old generation': 'Stable, ILLEGAL_GENERATION',
    'a follower heartbeats': 'NONE',
    'a member leaves': 'PreparingRebalance, NONE',
    'a session ends': 'PreparingRebalance',
    'the deadline passes': 'Stable',
    'a write is durable': 'Stable',
    'a write fails': 'Stable',
    'it is closed': 'Dead',
  },
  Dead: {
    'a new member joins': 'Dead, COORDINATOR_NOT_AVAILABLE',
    'a new member asks for its id': 'Dead, COORDINATOR_NOT_AVAILABLE',
    'a stranger joins': 'Dead, COORDINATOR_NOT_AVAILABLE',
    'the leader joins again': 'Dead, COORDINATOR_NOT_AVAILABLE',
    'a follower joins again': 'Dead, COORDINATOR_NOT_AVAILABLE',
    'a follower joins with another subscription': 'Dead, COORDINATOR_NOT_AVAILABLE',
    'someone of another protocol joins': 'Dead, COORDINATOR_NOT_AVAILABLE',
    'the leader syncs': 'Dead, COORDINATOR_NOT_AVAILABLE',
    'a follower syncs': 'Dead, COORDINATOR_NOT_AVAILABLE',
    'someone syncs in an old generation': 'Dead, COORDINATOR_NOT_AVAILABLE',
    'a follower heartbeats': 'COORDINATOR_NOT_AVAILABLE',
    'a member leaves': 'Dead, COORDINATOR_NOT_AVAILABLE',
    'a session ends': 'Dead',
    'the deadline passes': 'Dead',
    'a write is durable': 'Dead',
    'a write fails': 'Dead',
    'it is closed': 'Dead',
  },
};

describe.each(Object.keys(truth) as GroupState[])('%s', (state) => {
  test.each(Object.entries(truth[state]))('%s: %s', (event, expected) => {
    expect(events[event as keyof typeof events](groups[state])).toBe(expected);
  });
});

/** What the live group keeps: who waits, whose session runs, which deadline. */
class Follower {
  group = emptyGroup;
  readonly waiting = new Set<string>();
  readonly sessions = new Set<string>();
  armed = false;
  /** Generations that members were told that they are in, while they are in it. */
  readonly generationOf = new Map<string, number>();
  persisting: number | null = null;

  step(step: Step<JoinReply | SyncReply | unknown>, kind?: 'join' | 'sync', memberId?: string): void {
    const before = this.group;
    this.group = step.group;
    expect(this.group.generationId).toBeGreaterThanOrEqual(before.generationId);
    const reply = step.reply as JoinReply | SyncReply | undefined;
    if (kind !== undefined && reply?.type === 'wait') {
      this.waiting.add(`${kind} ${kind === 'join' ? (reply as { memberId: string }).memberId : memberId}`);
    }
    for (const effect of step.effects) this.carryOut(effect);
    this.check();
  }

  carryOut(effect: Effect): void {
    switch (effect.type) {
      case 'answerJoin':
        expect(this.waiting.delete(`join ${effect.memberId}`), `join of ${effect.memberId} waits`).toBe(true);
        if (effect.answer.type === 'joined') this.generationOf.set(effect.memberId, effect.answer.generationId);
        return;
      case 'answerSync':
        expect(this.waiting.delete(`sync ${effect.memberId}`), `sync of ${effect.memberId} waits`).toBe(true);
        return;
      case 'arm':
        this.armed = true;
        return;
      case 'disarm':
        this.armed = false;
        return;
      case 'startSession':
        this.sessions.add(effect.memberId);
        return;
      case 'endSession':
        this.sessions.delete(effect.memberId);
        return;
      case 'persist':
        this.persisting = this.group.generationId;
    }
  }

  check(): void {
    const { state, members, pending, leaderId, staticMembers } = this.group;
    const waiting = [...members.values()].flatMap((each) => (each.waiting ? [`${each.waiting} ${each.memberId}`] : []));
    expect(waiting.sort()).toEqual([...this.waiting].sort());
    expect([...this.sessions].sort()).toEqual([...members.keys(), ...pending].sort());
    for (const [instanceId, memberId] of staticMembers) {
      expect(members.get(memberId)?.groupInstanceId).toBe(instanceId);
    }
    if (leaderId !== null && members.size > 0) expect(members.has(leaderId)).toBe(true);
    if (state === 'Empty' || state === 'Dead') expect(members.size).toBe(0);
    if (state === 'Stable' || state === 'CompletingRebalance') {
      expect(members.size).toBeGreaterThan(0);
      expect(this.waiting.size === 0 || [...this.waiting].every((each) => each.startsWith('sync'))).toBe(true);
      // Nobody is in two generations: whoever may speak in this one was told of it, or keeps the place of one who was.
      for (const [memberId, generationId] of this.generationOf) {
        if (members.has(memberId)) expect(generationId).toBeLessThanOrEqual(this.group.generationId);
      }
    }
    if (state === 'Stable') expect(this.waiting.size).toBe(0);
    // Whoever waits does so until a deadline, or until a write ends.
    if (this.waiting.size > 0) expect(this.armed || this.persisting !== null).toBe(true);
  }
}

type Act = (follower: Follower) => void;

const memberId = fc.constantFrom('a', 'b', 'c', 'd');
const instanceId = fc.constantFrom('i', 'j');
const names = fc.constantFrom(['range'], ['range', 'sticky'], ['sticky'], ['sticky', 'range']);
const asked = (names: readonly string[]) => names.map((name) => ({ name, metadata: name }));
let nextId = 0;

const act: fc.Arbitrary<Act> = fc.oneof(
  fc.record({ memberId: fc.option(memberId, { nil: '' }), names, asksForId: fc.boolean() }).map(
    ({ memberId, names, asksForId }): Act =>
      (follower) => {
        const known = [...follower.group.members.keys(), ...follower.group.pending];
        const chosen = memberId === '' ? '' : (known['abcd'.indexOf(memberId)] ?? memberId);
        const groupInstanceId = follower.group.members.get(chosen)?.groupInstanceId ?? null;
        const request = joinOf(chosen, {
          newMemberId: `m${nextId++}`,
          protocols: asked(names),
          asksForId,
          groupInstanceId,
        });
        follower.step(join(follower.group, request, { ...settings, groupSizeMax: 4 }), 'join');
      },
  ),
  fc.record({ groupInstanceId: instanceId, names, skipsAssignment: fc.boolean() }).map(
    ({ groupInstanceId, names, skipsAssignment }): Act =>
      (follower) => {
        const request = newcomer(`s${nextId++}`, { groupInstanceId, protocols: asked(names), skipsAssignment });
        follower.step(join(follower.group, request, settings), 'join');
      },
  ),
  fc.record({ index: fc.nat(3), old: fc.boolean() }).map(
    ({ index, old }): Act =>
      (follower) => {
        const memberId = [...follower.group.members.keys()][index] ?? 'x';
        const groupInstanceId = follower.group.members.get(memberId)?.groupInstanceId ?? null;
        const request = syncOf(memberId, follower.group.generationId - (old ? 1 : 0), { groupInstanceId });
        follower.step(sync(follower.group, request), 'sync', memberId);
      },
  ),
  fc.array(fc.nat(3), { maxLength: 3 }).map(
    (indexes): Act =>
      (follower) => {
        const known = [...follower.group.members.keys(), ...follower.group.pending];
        const leaving = indexes.map((index) => ({ memberId: known[index] ?? 'x', groupInstanceId: null }));
        follower.step(leave(follower.group, leaving));
      },
  ),
  fc.nat(3).map(
    (index): Act =>
      (follower) => {
        const memberId = [...follower.sessions][index];
        if (memberId !== undefined) follower.step(expire(follower.group, memberId));
      },
  ),
  fc.constant<Act>((follower) => {
    if (!follower.armed) return;
    follower.armed = false;
    follower.step(passDeadline(follower.group, settings));
  }),
  fc.boolean().map(
    (fails): Act =>
      (follower) => {
        const { persisting, group } = follower;
        if (persisting === null) return;
        follower.persisting = null;
        follower.step(
          fails ? persistFailed(group, persisting, 'COORDINATOR_NOT_AVAILABLE') : persisted(group, persisting),
        );
      },
  ),
);

test('no history breaks an invariant, and whoever waits is answered exactly once', () => {
  fc.assert(
    fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
      const follower = new Follower();
      for (const each of acts) each(follower);
      follower.step(close(follower.group, 'NOT_COORDINATOR'));
      expect([...follower.waiting]).toEqual([]);
    }),
    { numRuns: 2_000 },
  );
});
