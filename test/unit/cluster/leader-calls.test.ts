import { expect, test } from 'vitest';
import { LeaderCalls } from '../../../src/cluster/leader-calls.ts';
import { jsonMethod } from '../../../src/rpc/method.ts';
import type { Peers } from '../../../src/rpc/peers.ts';
import { KnownLeaders } from './seats-world.ts';

const METHOD = jsonMethod<string, string>(99, 'test.ask');
const OPTIONS = { timeoutMs: 1_000 };

/** Brokers that answer nothing, and what they were asked. */
function silent() {
  const asked: number[] = [];
  const peers: Peers = {
    call: (brokerId, _method, _request, { signal }) => {
      asked.push(brokerId);
      return new Promise((_, reject) => signal!.addEventListener('abort', () => reject(signal!.reason)));
    },
  };
  const leaders = new KnownLeaders();
  return { asked, leaders, calls: new LeaderCalls({ brokerId: 1, peers, leaders: () => leaders }) };
}

test('a call ends when its leader has a successor, and those to other leaders go on', async () => {
  const { asked, leaders, calls } = silent();
  leaders.set(0, { brokerId: 2, epoch: 1 });
  leaders.set(1, { brokerId: 2, epoch: 1 });
  let ended = 0;
  const one = calls.ask(0, METHOD, 'a', OPTIONS).finally(() => ended++);
  const other = calls.ask(1, METHOD, 'b', OPTIONS).finally(() => ended++);
  leaders.set(0, { brokerId: 2, epoch: 2 });
  leaders.set(0, { brokerId: 3, epoch: 3 });
  await expect(one).rejects.toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER', sent: true });
  expect(ended).toBe(1);
  const next = calls.ask(0, METHOD, 'a', OPTIONS);
  expect(asked).toEqual([2, 2, 3]);
  calls.close();
  await expect(other).rejects.toMatchObject({ sent: true });
  await expect(next).rejects.toMatchObject({ sent: true });
});

test('a call ends when the next one goes to a successor of which nobody was told yet', async () => {
  const { leaders, calls } = silent();
  leaders.set(0, { brokerId: 2, epoch: 1 });
  const one = calls.ask(0, METHOD, 'a', OPTIONS);
  const of = leaders.of.bind(leaders);
  leaders.of = () => ({ brokerId: 3, epoch: 2 });
  const next = calls.ask(0, METHOD, 'b', OPTIONS);
  leaders.of = of;
  leaders.set(0, { brokerId: 3, epoch: 2 });
  await expect(one).rejects.toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER', sent: true });
  calls.close();
  await expect(next).rejects.toThrow('the broker stops');
});

test('a call ends when its caller gives up, for the reason that the caller gives', async () => {
  const { leaders, calls } = silent();
  leaders.set(0, { brokerId: 2, epoch: 1 });
  const caller = new AbortController();
  const asked = calls.ask(0, METHOD, 'a', { ...OPTIONS, signal: caller.signal });
  caller.abort(new Error('enough'));
  await expect(asked).rejects.toThrow('enough');
});

test('who listens hears of each change until it stops, and of nothing where this broker is alone', () => {
  const { leaders, calls } = silent();
  let heard = 0;
  const stop = calls.onChanged(() => heard++);
  leaders.set(0, { brokerId: 2, epoch: 1 });
  leaders.set(1, { brokerId: 1, epoch: 1 });
  expect(heard).toBe(2);
  stop();
  leaders.set(0, { brokerId: 3, epoch: 2 });
  expect(heard).toBe(2);
  new LeaderCalls(null).onChanged(() => heard++)();
});

test('nobody is asked when this broker leads, nobody does, there is no other broker, or this one stops', async () => {
  const { asked, leaders, calls } = silent();
  const nobody = { error: 'NOT_LEADER_OR_FOLLOWER', noSideEffects: true };
  await expect(calls.ask(0, METHOD, 'a', OPTIONS)).rejects.toMatchObject(nobody);
  leaders.set(0, { brokerId: 1, epoch: 1 });
  await expect(calls.ask(0, METHOD, 'a', OPTIONS)).rejects.toMatchObject(nobody);
  await expect(new LeaderCalls(null).ask(0, METHOD, 'a', OPTIONS)).rejects.toMatchObject(nobody);
  leaders.set(0, { brokerId: 2, epoch: 2 });
  calls.close();
  await expect(calls.ask(0, METHOD, 'a', OPTIONS)).rejects.toMatchObject({ ...nobody, sent: false });
  expect(asked).toEqual([]);
});
