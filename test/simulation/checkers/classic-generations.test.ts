import { expect, test } from 'vitest';
import type { HistoryEvent } from '../history.ts';
import { ClassicGenerations } from './classic-generations.ts';
import { see } from './events.ts';

const checker = () => new ClassicGenerations((assignment) => assignment.split(' ').filter((name) => name !== ''));

type Members = Readonly<Record<string, string>>;

const member = (memberId: string, instanceId: string | null = null) => ({
  process: 'p1',
  groupId: 'g',
  memberId,
  instanceId,
});

const sent = (generation: number, assignments: Members, leader = 'a'): HistoryEvent => ({
  type: 'assignmentsSent',
  ...member(leader),
  generation,
  assignments: new Map(Object.entries(assignments)),
});

const groupRecord = (generation: number, leader: string | null) => ({
  key: 'group',
  value: JSON.stringify({ v: 1, type: 'classic', generation, leader }),
});

const memberRecord = (memberId: string, assignment: string, instance: string | null = null) => ({
  key: `m/${memberId}`,
  value: JSON.stringify({ v: 1, instance, assignment }),
});

const written = (generation: number, members: Members, leader: string | null = 'a'): HistoryEvent => ({
  type: 'recordsChanged',
  owner: 'group/g',
  changes: [
    groupRecord(generation, leader),
    ...Object.entries(members).map(([memberId, assignment]) => memberRecord(memberId, assignment)),
  ],
});

const assigned = (memberId: string, generation: number, assignment: string): HistoryEvent => ({
  type: 'memberAssigned',
  ...member(memberId),
  generation,
  assignment,
});

test('a generation that assigns what its leader sent passes, and the next one', () => {
  const first = { a: 't-0', b: 't-1' };
  const second = { a: 't-0 t-1', b: '' };
  const events = [sent(1, first), written(1, first), assigned('a', 1, 't-0'), assigned('b', 1, 't-1')];
  expect(see(checker(), ...events, sent(2, second), written(2, second), assigned('a', 2, 't-0 t-1'))).toBeNull();
});

test('a leader that heard nothing may send something else: one of both counts', () => {
  const first = { a: 't-0', b: 't-1' };
  const other = { a: 't-1', b: 't-0' };
  expect(see(checker(), sent(1, first), sent(1, other), written(1, other), assigned('a', 1, 't-1'))).toBeNull();
  expect(see(checker(), sent(1, first), sent(1, other), written(1, { a: 't-0', b: 't-0' }))).toMatch(/never sent/);
});

test('what another member than the leader sent does not count', () => {
  expect(see(checker(), sent(1, { a: 't-0' }, 'b'), written(1, { a: 't-0' }))).toMatch(/its leader a never sent/);
});

test('an older generation is a violation, one without members is none', () => {
  const events = [sent(4, { a: 't-0' }), written(4, { a: 't-0' })];
  expect(see(checker(), ...events, written(3, { a: 't-0' }))).toMatch(/goes from generation 4 back to 3/);
  const empty: HistoryEvent = {
    type: 'recordsChanged',
    owner: 'group/g',
    changes: [groupRecord(5, null), { key: 'm/a', value: null }],
  };
  expect(see(checker(), ...events, empty)).toBeNull();
});

test('an answer that is not what the journal has is a violation', () => {
  const events = [sent(1, { a: 't-0', b: 't-1' }), written(1, { a: 't-0', b: 't-1' })];
  expect(see(checker(), ...events, assigned('a', 1, 't-1'))).toMatch(/something else than its leader sent/);
  expect(see(checker(), ...events, assigned('c', 1, 't-1'))).toMatch(/no such member/);
  expect(see(checker(), ...events, assigned('a', 2, 't-0'))).toMatch(/not in its journal/);
});

test('two members of one generation with one partition are a violation', () => {
  const both = { a: 't-0', b: 't-0' };
  expect(see(checker(), sent(1, both), written(1, both), assigned('a', 1, 't-0'), assigned('b', 1, 't-0'))).toMatch(
    /t-0, which a has/,
  );
});

test('a static member under another id has what it had, and nothing new', () => {
  const before: HistoryEvent = {
    type: 'recordsChanged',
    owner: 'group/g',
    changes: [groupRecord(1, 'a'), memberRecord('a', 't-0', 'i')],
  };
  const replaced = (assignment: string): HistoryEvent => ({
    type: 'recordsChanged',
    owner: 'group/g',
    changes: [groupRecord(1, 'b'), { key: 'm/a', value: null }, memberRecord('b', assignment, 'i')],
  });
  const events = [sent(1, { a: 't-0' }), before];
  const told = { type: 'memberAssigned', generation: 1, assignment: 't-0' } as const;
  expect(
    see(checker(), ...events, { ...told, ...member('a', 'i') }, replaced('t-0'), { ...told, ...member('b', 'i') }),
  ).toBeNull();
  expect(see(checker(), ...events, replaced('t-1'))).toMatch(/something new to b/);
});

test('a generation that changes what it assigns is a violation', () => {
  const events = [sent(1, { a: 't-0' }), sent(1, { a: 't-1' }), written(1, { a: 't-0' })];
  expect(see(checker(), ...events, written(1, { a: 't-1' }))).toMatch(/changes what it assigns to a/);
});
