import { expect, test } from 'vitest';
import type { LeadershipSeen } from '../history.ts';
import { see } from './events.ts';
import { leadership } from './leadership.ts';

const broker = (brokerId: number, leads: readonly number[], knows = 0) => ({
  ...{ process: `b${brokerId}.1`, brokerId, leads, knows },
});

/** Brokers that know 0 journals know all. */
const atRest = (
  assigned: readonly number[],
  brokers: LeadershipSeen['brokers'],
  { pinned = [], drained = [], journals = assigned.length }: Partial<Omit<LeadershipSeen, 'assigned' | 'brokers'>> = {},
) => {
  const all = brokers.map((each) => ({ ...each, knows: each.knows || journals }));
  const seen = { assigned, pinned, drained, journals, brokers: all };
  return see(leadership(), { type: 'leadershipAtRest', waitedMs: 1_000, ...seen });
};

test('journals that are led where they are assigned, evenly, pass', () => {
  expect(atRest([1, 2, 1], [broker(1, [0, 2]), broker(2, [1])])).toBeNull();
});

test('journals that were added and not assigned, or that a broker has not heard of, are a violation', () => {
  expect(atRest([1], [broker(1, [0])], { journals: 2 })).toMatch(/1 of 2 journals are assigned/);
  expect(atRest([1, 2], [broker(1, [0]), broker(2, [1], 1)])).toMatch(/b2\.1 has heard of 1 of 2 journals/);
});

test('a journal that nobody leads, that two lead, or another one, is a violation', () => {
  expect(atRest([1, 2], [broker(1, [0]), broker(2, [])])).toMatch(/journal 1 .* led by nobody, after 1000 ms/);
  expect(atRest([1, 2], [broker(1, [0, 1]), broker(2, [1])])).toMatch(/journal 1 .* led by b1\.1 and b2\.1/);
  expect(atRest([1, 2], [broker(1, [1]), broker(2, [0])])).toMatch(/journal 0 .* led by b2\.1/);
});

test('a journal of a broker that is gone is a violation', () => {
  expect(atRest([1, 3], [broker(1, [0, 1])])).toMatch(/assigned to broker 3, which is not there/);
});

test('a journal that was never assigned is led by nobody', () => {
  expect(atRest([1], [broker(1, [0, 5])])).toMatch(/leads journal 5, which nobody assigned/);
});

test('journals that are spread unevenly are a violation, unless somebody wanted it so', () => {
  const brokers = [broker(1, [0, 1]), broker(2, [])];
  expect(atRest([1, 1], brokers)).toMatch(/2 to b1\.1, 0 to b2\.1/);
  expect(atRest([1, 1], brokers, { pinned: [1] })).toBeNull();
});

test('who was drained has no share, all others have', () => {
  const brokers = [broker(1, [0, 2]), broker(2, [1, 3]), broker(3, [])];
  expect(atRest([1, 2, 1, 2], brokers)).toMatch(/spread as/);
  expect(atRest([1, 2, 1, 2], brokers, { drained: [3] })).toBeNull();
  expect(atRest([1, 2, 1, 2], [...brokers, broker(4, [])], { drained: [3] })).toMatch(/0 to b4\.1/);
});
