import { expect, test } from 'vitest';
import { MemberDeadlines, type Missed } from '../../../../src/coordinator/group/member-deadlines.ts';
import { manualRuntime } from '../../log/manual-runtime.ts';

function deadlines() {
  const runtime = manualRuntime();
  const missed: string[] = [];
  const onMissed = (all: readonly Missed[]) => {
    missed.push(all.map(({ memberId, kind, memberEpoch }) => `${memberId} ${kind} ${memberEpoch}`).join(', '));
  };
  return { runtime, missed, of: new MemberDeadlines(runtime, onMissed) };
}

test('a deadline that is moved again and again is never missed, one that is left is, once', async () => {
  const { runtime, missed, of } = deadlines();
  of.set('b', 'session', 100, 7);
  for (let time = 0; time < 90; time += 10) {
    of.set('a', 'session', 50);
    await runtime.advance(10);
  }
  expect(missed).toEqual([]);
  await runtime.advance(10);
  expect(missed).toEqual(['b session 7']);
  await runtime.advance(1_000);
  expect(missed).toEqual(['b session 7', 'a session 0']);
});

test('deadlines that pass together are told together', async () => {
  const { runtime, missed, of } = deadlines();
  of.set('a', 'session', 10);
  of.set('b', 'rebalance', 10, 3);
  await runtime.advance(20);
  expect(missed).toEqual(['a session 0, b rebalance 3']);
});

test('an earlier deadline comes in time although a later one was set first', async () => {
  const { runtime, missed, of } = deadlines();
  of.set('a', 'session', 1_000);
  of.set('b', 'sync', 10);
  await runtime.advance(11);
  expect(missed).toEqual(['b sync 0']);
});

test('one that was set at the same epoch stays, one at another epoch does not', async () => {
  const { runtime, missed, of } = deadlines();
  of.setOnce('a', 'rebalance', 100, 1);
  await runtime.advance(60);
  of.setOnce('a', 'rebalance', 100, 1);
  await runtime.advance(50);
  expect(missed).toEqual(['a rebalance 1']);
  of.setOnce('a', 'rebalance', 100, 1);
  of.setOnce('a', 'rebalance', 200, 2);
  await runtime.advance(150);
  expect(missed).toHaveLength(1);
});

test('what is cleared, forgotten or closed is not missed', async () => {
  const { runtime, missed, of } = deadlines();
  for (const memberId of ['a', 'b', 'c']) of.set(memberId, 'session', 10);
  of.clear('a', 'session');
  of.clear('x', 'session');
  of.keep((memberId) => memberId !== 'b');
  await runtime.advance(20);
  expect(missed).toEqual(['c session 0']);
  of.set('d', 'session', 10);
  of.close();
  of.set('e', 'session', 10);
  await runtime.advance(100);
  expect(missed).toHaveLength(1);
});

test('after a while in which the process did not run sessions begin anew, and other deadlines come as much later', () => {
  let now = 0;
  const pending: { at: number; callback: () => void }[] = [];
  const missed: string[] = [];
  const of = new MemberDeadlines(
    {
      clock: { now: () => now, monotonic: () => now },
      timers: {
        soon: () => {},
        after: (delayMs, callback) => {
          pending.push({ at: now + delayMs, callback });
          return { cancel: () => {} };
        },
      },
    },
    (all) => missed.push(...all.map(({ memberId }) => memberId)),
  );
  of.set('a', 'session', 10_000);
  of.set('b', 'rebalance', 12_000);
  const fire = () => {
    const next = pending.shift()!;
    now = Math.max(now, next.at);
    next.callback();
  };
  now = 60_000; // The timer comes 50 seconds late, before any heartbeat that waits is read.
  fire();
  expect(missed).toEqual([]);
  fire();
  expect([now, missed]).toEqual([63_000, ['b']]);
  fire();
  expect([now, missed]).toEqual([70_000, ['b', 'a']]);
});
