/**
 * Each fetch that waited for several leaders, each share fetch that was passed on and each read over HTTP that waited left
 * something behind in the signal of its connection, or of the broker: `AbortSignal.any` keeps it for as long as one of its
 * sources lives.
 */
import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { LeaderCalls } from '../../src/cluster/leader-calls.ts';
import { jsonMethod } from '../../src/rpc/method.ts';
import { linkSignals } from '../../src/runtime/linked-signals.ts';
import { KnownLeaders } from '../unit/cluster/seats-world.ts';

/** What a signal holds on to: listeners, and what Node made of it. */
function heldBy(signal: AbortSignal): number {
  const made = Object.getOwnPropertySymbols(signal).find(({ description }) => description === 'kDependantSignals');
  const dependants = made === undefined ? undefined : (signal as unknown as Record<symbol, { size: number }>)[made];
  return getEventListeners(signal, 'abort').length + (dependants?.size ?? 0);
}

test('calls of a connection leave nothing behind in its signal', async () => {
  const leaders = new KnownLeaders();
  leaders.set(0, { brokerId: 2, epoch: 1 });
  const peers = { call: async () => 'answer' as never };
  const calls = new LeaderCalls({ brokerId: 1, leaders: () => leaders, peers });
  const connection = new AbortController();
  const method = jsonMethod<null, string>(99, 'test.ask');
  for (let call = 0; call < 100; call++) {
    await calls.ask(0, method, null, { timeoutMs: 1_000, signal: connection.signal });
  }
  expect(heldBy(connection.signal)).toBe(0);
});

test('a linked signal is aborted with the first of its sources, for the same reason, until it is unlinked', () => {
  const [one, two, three] = [new AbortController(), new AbortController(), new AbortController()];
  const first = linkSignals(one.signal, two.signal);
  const unlinked = linkSignals(two.signal);
  unlinked.unlink();
  two.abort(new Error('enough'));
  one.abort(new Error('later'));
  expect(first.signal.reason).toMatchObject({ message: 'enough' });
  expect(unlinked.signal.aborted).toBe(false);
  expect(linkSignals(three.signal, two.signal).signal.reason).toMatchObject({ message: 'enough' });
});
