import { expect, test } from 'vitest';
import type { LeadershipSeen } from '../history.ts';
import { see } from './events.ts';
import { leadership } from './leadership.ts';

const broker = (brokerId: number, leads: readonly number[]) => ({ process: `b${brokerId}.1`, brokerId, leads });

const atRest = (assigned: readonly number[], brokers: LeadershipSeen['brokers'], pinned: readonly number[] = []) =>
  see(leadership(), { type: 'leadershipAtRest', waitedMs: 1_000, assigned, pinned, brokers });

test('journals that are led where they are assigned, evenly, pass', () => {
  expect(atRest([1, 2, 1], [broker(1, [0, 2]), broker(2, [1])])).toBeNull();
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
  expect(atRest([1, 1], brokers, [1])).toBeNull();
});
