import { expect, test } from 'vitest';
import { Purgatory } from '../../../src/log/purgatory.ts';
import { manualRuntime, turns } from './manual-runtime.ts';

const id = (partition: number) => ({ topicId: 't', partition });

function setUp(options: { waitersMax?: number; hooksMax?: number } = {}) {
  const runtime = manualRuntime();
  const purgatory = new Purgatory({ timers: runtime.timers, waitersMax: 10, hooksMax: 10, ...options });
  const never = new AbortController().signal;
  return { runtime, purgatory, never };
}

test('a change of a partition that satisfies the waiter ends its wait', async () => {
  const { purgatory, never } = setUp();
  const looked: number[] = [];
  const satisfied = (index: number) => looked.push(index) > 1;
  const wait = purgatory.wait({ partitions: [id(0), id(1)], maxWaitMs: 5_000, signal: never, satisfied });
  purgatory.changed('t', 1);
  await turns(2);
  purgatory.changed('t', 0);
  purgatory.changed('t', 7);
  await wait;
  expect(looked).toEqual([1, 0]);
  expect([purgatory.waiterCount, purgatory.hookCount]).toEqual([0, 0]);
});

test('a waiter that is never satisfied ends after its time', async () => {
  const { runtime, purgatory, never } = setUp();
  let ended = false;
  const wish = { partitions: [id(0)], maxWaitMs: 5_000, signal: never, satisfied: () => false };
  purgatory.wait(wish).then(() => {
    ended = true;
  });
  await runtime.advance(4_999);
  expect(ended).toBe(false);
  await runtime.advance(1);
  expect(ended).toBe(true);
});

test('aborting ends the wait and leaves nothing behind', async () => {
  const { purgatory } = setUp();
  const abort = new AbortController();
  const wait = purgatory.wait({ partitions: [id(0)], maxWaitMs: 1e9, signal: abort.signal, satisfied: () => false });
  abort.abort();
  await wait;
  expect([purgatory.waiterCount, purgatory.hookCount]).toEqual([0, 0]);
});

test('closing ends every wait, and nobody waits afterwards', async () => {
  const { purgatory, never } = setUp();
  const wish = { partitions: [id(0)], maxWaitMs: 1e9, signal: never, satisfied: () => false };
  const waits = [purgatory.wait(wish), purgatory.wait(wish)];
  purgatory.close();
  expect(await Promise.all(waits)).toEqual(['closed', 'closed']);
  expect(await purgatory.wait(wish)).toBe('closed');
});

test.each([{ waitersMax: 1 }, { hooksMax: 1 }])('beyond %o a fetch does not wait', async (options) => {
  const { purgatory, never, runtime } = setUp(options);
  const wish = { partitions: [id(0)], maxWaitMs: 1_000, signal: never, satisfied: () => false };
  const first = purgatory.wait(wish);
  expect(await purgatory.wait(wish)).toBe('full');
  await runtime.advance(1_000);
  expect(await first).toBe('waited');
});

test('changes of one turn are looked at together', async () => {
  const { purgatory, never } = setUp();
  const looks: number[] = [];
  let microtasks = 0;
  const wait = purgatory.wait({
    partitions: [id(0), id(1)],
    maxWaitMs: 5_000,
    signal: never,
    satisfied: (index) => {
      looks.push(index, microtasks);
      queueMicrotask(() => microtasks++);
      return index === 1;
    },
  });
  purgatory.changed('t', 0);
  purgatory.changed('t', 1);
  expect(looks).toEqual([]);
  await wait;
  expect(looks).toEqual([0, 0, 1, 0]);
});
