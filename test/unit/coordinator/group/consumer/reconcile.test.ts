/** Every state of a member against everything that can be true of it and its target. */
import { describe, expect, test } from 'vitest';
import type { Assignment } from '../../../../../src/coordinator/group/assignor/assignor.ts';
import {
  type ConsumerMember,
  type MemberState,
  newMember,
} from '../../../../../src/coordinator/group/consumer/consumer-group.ts';
import { reconcile } from '../../../../../src/coordinator/group/consumer/reconcile.ts';

const set = (...partitions: number[]): Assignment => new Map(partitions.length === 0 ? [] : [['t', partitions]]);
const numbers = (assignment: Assignment) => assignment.get('t') ?? [];

/** A member at epoch 3 that has 1 and 2; it is to give 9 up where its state says so. */
const members: Record<MemberState, ConsumerMember> = {
  STABLE: member('STABLE'),
  UNREVOKED_PARTITIONS: { ...member('UNREVOKED_PARTITIONS'), revoking: set(9) },
  UNRELEASED_PARTITIONS: member('UNRELEASED_PARTITIONS'),
  UNKNOWN: member('UNKNOWN'),
};

function member(state: MemberState): ConsumerMember {
  return { ...newMember('m'), state, memberEpoch: 3, previousMemberEpoch: 2, assigned: set(1, 2) };
}

const targets = {
  'the same': { target: set(1, 2), taken: set() },
  'more, all of it free': { target: set(1, 2, 3), taken: set() },
  'more, some of it taken': { target: set(1, 2, 3, 4), taken: set(4) },
  less: { target: set(1), taken: set() },
  'something else that is taken': { target: set(1, 5), taken: set(5) },
  nothing: { target: set(), taken: set() },
} as const;

const owns = {
  'does not say what it owns': null,
  'owns all it had': set(1, 2, 9),
  'owns what stays': set(1),
  'owns nothing': set(),
} as const;

type Row = Record<keyof typeof targets, string>;

/** `state@epoch assigned/revoking`, or `=` when the member stays as it is. */
const truth: Record<MemberState, Record<keyof typeof owns, Row>> = {
  STABLE: {
    'does not say what it owns': row('S@5 1,2/', 'S@5 1,2,3/', 'R@5 1,2,3/', 'U@3 1/2', 'U@3 1/2', 'U@3 /1,2'),
    'owns all it had': row('S@5 1,2/', 'S@5 1,2,3/', 'R@5 1,2,3/', 'U@3 1/2', 'U@3 1/2', 'U@3 /1,2'),
    'owns what stays': row('S@5 1,2/', 'S@5 1,2,3/', 'R@5 1,2,3/', 'S@5 1/', 'R@5 1/', 'U@3 /1,2'),
    'owns nothing': row('S@5 1,2/', 'S@5 1,2,3/', 'R@5 1,2,3/', 'S@5 1/', 'R@5 1/', 'S@5 /'),
  },
  UNREVOKED_PARTITIONS: {
    'does not say what it owns': row('=', '=', '=', '=', '=', '='),
    'owns all it had': row('=', '=', '=', '=', '=', '='),
    'owns what stays': row('S@5 1,2/', 'S@5 1,2,3/', 'R@5 1,2,3/', 'S@5 1/', 'R@5 1/', 'U@4 /1,2'),
    'owns nothing': row('S@5 1,2/', 'S@5 1,2,3/', 'R@5 1,2,3/', 'S@5 1/', 'R@5 1/', 'S@5 /'),
  },
  UNRELEASED_PARTITIONS: {
    'does not say what it owns': row('S@5 1,2/', 'S@5 1,2,3/', 'R@5 1,2,3/', 'U@3 1/2', 'U@3 1/2', 'U@3 /1,2'),
    'owns all it had': row('S@5 1,2/', 'S@5 1,2,3/', 'R@5 1,2,3/', 'U@3 1/2', 'U@3 1/2', 'U@3 /1,2'),
    'owns what stays': row('S@5 1,2/', 'S@5 1,2,3/', 'R@5 1,2,3/', 'S@5 1/', 'R@5 1/', 'U@3 /1,2'),
    'owns nothing': row('S@5 1,2/', 'S@5 1,2,3/', 'R@5 1,2,3/', 'S@5 1/', 'R@5 1/', 'S@5 /'),
  },
  UNKNOWN: {
    'does not say what it owns': row('fenced', 'fenced', 'fenced', 'fenced', 'fenced', 'fenced'),
    'owns all it had': row('fenced', 'fenced', 'fenced', 'fenced', 'fenced', 'fenced'),
    'owns what stays': row('fenced', 'fenced', 'fenced', 'fenced', 'fenced', 'fenced'),
    'owns nothing': row('S@5 1,2/', 'S@5 1,2,3/', 'R@5 1,2,3/', 'S@5 1/', 'R@5 1/', 'S@5 /'),
  },
};

function row(...cells: [string, string, string, string, string, string]): Row {
  return Object.fromEntries(Object.keys(targets).map((name, index) => [name, cells[index]!])) as Row;
}

const LETTERS: Record<MemberState, string> = {
  STABLE: 'S',
  UNREVOKED_PARTITIONS: 'U',
  UNRELEASED_PARTITIONS: 'R',
  UNKNOWN: '?',
};

function step(
  before: ConsumerMember,
  owned: Assignment | null,
  { target, taken }: { target: Assignment; taken: Assignment },
) {
  const isTaken = (topicId: string, partition: number) => taken.get(topicId)?.includes(partition) ?? false;
  try {
    const after = reconcile(before, { targetEpoch: 5, target, owned, isTaken });
    if (after === before) return '=';
    const { state, memberEpoch, assigned, revoking } = after;
    expect(after.previousMemberEpoch).toBe(memberEpoch === 3 ? 2 : 3);
    return `${LETTERS[state]}@${memberEpoch} ${numbers(assigned)}/${numbers(revoking)}`;
  } catch (cause) {
    expect(cause).toMatchObject({ error: 'FENCED_MEMBER_EPOCH' });
    return 'fenced';
  }
}

describe.each(Object.entries(truth) as [MemberState, (typeof truth)[MemberState]][])('%s', (state, rows) => {
  describe.each(Object.entries(rows) as [keyof typeof owns, Row][])('%s', (owned, cells) => {
    test.each(Object.entries(cells) as [keyof typeof targets, string][])('is to have %s: %s', (target, expected) => {
      expect(step(members[state], owns[owned], targets[target])).toBe(expected);
    });
  });
});

test('a member that is where it should be stays as it is', () => {
  const there = { ...members.STABLE, memberEpoch: 5 };
  expect(reconcile(there, { targetEpoch: 5, target: set(), owned: null, isTaken: () => false })).toBe(there);
});

test('a member that waits for what others have stays as it is while they have it', () => {
  const waiting = { ...members.UNRELEASED_PARTITIONS, memberEpoch: 5 };
  expect(reconcile(waiting, { targetEpoch: 5, target: set(1, 2, 3), owned: null, isTaken: () => true })).toBe(waiting);
});
