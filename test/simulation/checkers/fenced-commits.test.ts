import { expect, test } from 'vitest';
import type { HistoryEvent } from '../history.ts';
import { NAME, see, TOPIC } from './events.ts';
import { FencedCommits } from './fenced-commits.ts';

const member = (memberId: string, instanceId: string | null = null) => ({
  process: 'p1',
  groupId: 'g',
  memberId,
  instanceId,
});

const sent = (
  commitId: string,
  memberId: string,
  generation: number,
  instanceId: string | null = null,
): HistoryEvent => ({
  type: 'commitSent',
  ...member(memberId, instanceId),
  generation,
  commitId,
});

const changed = (commitId: string, offset: number): HistoryEvent => ({
  type: 'recordsChanged',
  owner: 'group/g',
  changes: [
    { key: `o/${TOPIC}/${NAME.partition}`, value: JSON.stringify({ v: 1, offset, metadata: commitId, at: 0 }) },
  ],
});

const group = (
  type: 'classic' | 'consumer',
  generation: number,
  members: Readonly<Record<string, { readonly epoch?: number; readonly instance?: string }>>,
): HistoryEvent => ({
  type: 'recordsChanged',
  owner: 'group/g',
  changes: [
    { key: 'group', value: JSON.stringify({ v: 1, type, generation, epoch: generation }) },
    ...Object.entries(members).map(([id, said]) => ({ key: `m/${id}`, value: JSON.stringify({ v: 1, ...said }) })),
  ],
});

const classic = group('classic', 3, { a: {}, s: { instance: 'i' } });
const consumer = group('consumer', 7, { a: { epoch: 6 } });

test('members of the generation that stands change offsets', () => {
  const events = [classic, sent('c1', 'a', 3), changed('c1', 5), sent('c2', 's', 3, 'i'), changed('c2', 9)];
  expect(see(new FencedCommits(), ...events)).toBeNull();
});

test('an older generation, an unknown member and another instance do not', () => {
  expect(see(new FencedCommits(), classic, sent('c1', 'a', 2), changed('c1', 5))).toMatch(/the generation is 3/);
  expect(see(new FencedCommits(), classic, sent('c1', 'b', 3), changed('c1', 5))).toMatch(/no member/);
  expect(see(new FencedCommits(), classic, sent('c1', 'a', 3, 'i'), changed('c1', 5))).toMatch(/its instance is null/);
});

test('a generation that is not written yet counts for those who were told of it', () => {
  const joined: HistoryEvent = { type: 'memberJoined', ...member('b'), generation: 4 };
  expect(see(new FencedCommits(), classic, joined, sent('c1', 'b', 4), changed('c1', 5))).toBeNull();
  expect(see(new FencedCommits(), classic, sent('c1', 'b', 4), changed('c1', 5))).toMatch(/nobody was told/);
});

test('a member of a consumer group changes offsets at its epoch alone', () => {
  expect(see(new FencedCommits(), consumer, sent('c1', 'a', 6), changed('c1', 5))).toBeNull();
  expect(see(new FencedCommits(), consumer, sent('c1', 'a', 5), changed('c1', 5))).toMatch(/its epoch is 6/);
  expect(see(new FencedCommits(), consumer, sent('c1', 'a', 7), changed('c1', 5))).toMatch(/its epoch is 6/);
  expect(see(new FencedCommits(), consumer, sent('c1', 'b', 7), changed('c1', 5))).toMatch(/no member/);
});

test('who is no member changes offsets of a group that has none, in any direction', () => {
  expect(see(new FencedCommits(), classic, sent('c1', '', -1), changed('c1', 5))).toMatch(/has 2 members/);
  const empty = group('classic', 3, {});
  const back = [empty, sent('c1', '', -1), changed('c1', 5), sent('c2', '', -1), changed('c2', 1)];
  expect(see(new FencedCommits(), ...back)).toBeNull();
});

test('who was told that it left changes nothing there any more', () => {
  const left: HistoryEvent = { type: 'memberLeft', ...member('a') };
  expect(see(new FencedCommits(), classic, sent('c1', 'a', 3), left, changed('c1', 5))).toBeNull();
  expect(see(new FencedCommits(), classic, left, sent('c1', 'a', 3), changed('c1', 5))).toMatch(/told that it left/);
});

test('members do not send a partition back', () => {
  const events = [classic, sent('c1', 'a', 3), changed('c1', 5), sent('c2', 'a', 3)];
  expect(see(new FencedCommits(), ...events, changed('c2', 4))).toMatch(/from 5 back to 4/);
});
