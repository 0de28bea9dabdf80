/** Brokers that call each other while connections are cut, delayed and reset, and processes die and come back. */
import { describe, expect, test } from 'vitest';
import { KafkaError } from '../../../src/errors.ts';
import { PeerUnavailableError } from '../../../src/rpc/peers.ts';
import { steppedRuntime } from '../coordinator/stepped-runtime.ts';
import { seededRandom } from '../storage/virtual-runtime.ts';
import { ECHO, type TestBroker, TestCluster, WAIT } from './brokers.ts';

const IDS = [1, 2, 3];
const STEPS = 150;

interface Made {
  readonly name: string;
  settled: number;
  outcome: unknown;
}

async function storm(seed: number) {
  const cluster = new TestCluster(steppedRuntime(seed));
  const random = seededRandom(seed);
  const pick = <T>(of: readonly T[]): T => of[Math.floor(random.float() * of.length)]!;
  const living = new Map<number, TestBroker>();
  const epochs = new Map<number, number>();
  const made: Made[] = [];
  const released: string[] = [];
  /** What each instance heard of each other instance, in order. */
  const heard = new Map<string, number[]>();

  const begin = async (brokerId: number) => {
    const brokerEpoch = (epochs.get(brokerId) ?? 0) + 1;
    epochs.set(brokerId, brokerEpoch);
    const broker = await cluster.broker(brokerId, { brokerEpoch });
    broker.pool.handle(WAIT, (text, call) => {
      const key = `${call.from.brokerId}.${call.from.brokerEpoch}>${brokerId}.${brokerEpoch}`;
      heard.set(key, [...(heard.get(key) ?? []), Number(text)]);
      call.onSent(() => released.push(text));
      const { timers } = cluster.runtime;
      if (random.float() < 0.1) throw new KafkaError('INVALID_REQUEST', text);
      return new Promise((resolve) => timers.after(random.float() * 200, () => resolve(text)));
    });
    living.set(brokerId, broker);
    for (const { pool } of living.values()) pool.want([...living.values()]);
  };
  for (const id of IDS) await begin(id);

  const pools = [...living.values()].map(({ pool }) => pool);
  let calls = 0;
  for (let step = 0; step < STEPS; step++) {
    const [from, to] = [pick([...living.values()]), pick(IDS)];
    const chance = random.float();
    const name = (id: number) => String.fromCharCode(96 + id);
    if (chance < 0.6) {
      for (let at = Math.floor(random.float() * 5); at >= 0; at--) {
        const text = String(++calls);
        const call: Made = { name: text, settled: 0, outcome: null };
        made.push(call);
        const abort = new AbortController();
        if (random.float() < 0.2)
          cluster.runtime.timers.after(random.float() * 300, () => abort.abort(new Error(text)));
        const settle = (outcome: unknown) => {
          call.settled++;
          call.outcome = outcome;
        };
        from.pool
          .call(to, WAIT, text, { timeoutMs: 50 + random.float() * 400, signal: abort.signal })
          .then(settle, settle);
      }
    } else if (chance < 0.68) cluster.network.cut(from.name, name(to));
    else if (chance < 0.8) cluster.network.heal(from.name, name(to));
    else if (chance < 0.85) cluster.network.reset();
    else if (chance < 0.9) cluster.network.delay(from.name, name(to), random.float() * 100);
    else if (chance < 0.95 && living.size > 1) {
      cluster.network.kill(from.name);
      await from.pool.close();
      living.delete(from.brokerId);
    } else {
      const dead = IDS.find((id) => !living.has(id));
      if (dead !== undefined) {
        await begin(dead);
        pools.push(living.get(dead)!.pool);
      }
    }
    await cluster.runtime.advance(random.float() * 120);
  }

  for (const from of IDS)
    for (const to of IDS) cluster.network.heal(String.fromCharCode(96 + from), String.fromCharCode(96 + to));
  for (const id of IDS) {
    if (living.has(id)) continue;
    await begin(id);
    pools.push(living.get(id)!.pool);
  }
  await cluster.runtime.advance(10_000);
  return { cluster, living, made, released, heard, pools };
}

describe.each([1, 2, 3, 4, 5, 6])('seed %d', (seed) => {
  test('every call is settled once, handlers hear calls in order, and all brokers find each other again', async () => {
    const { cluster, living, made, released, heard, pools } = await storm(seed);
    expect(made.filter(({ settled }) => settled !== 1)).toEqual([]);
    for (const { name, outcome } of made) {
      if (outcome === name) continue;
      expect(outcome).toBeInstanceOf(Error);
      if (outcome instanceof PeerUnavailableError || !(outcome instanceof KafkaError)) continue;
      expect(outcome.message).toBe(name);
    }
    const answered = made.filter(({ name, outcome }) => name === outcome);
    expect(answered.length).toBeGreaterThan(20);
    const carried = [...heard.values()].flat();
    expect(new Set(carried).size).toBe(carried.length);
    for (const numbers of heard.values()) expect(numbers).toEqual([...numbers].sort((left, right) => left - right));
    const unsent = made.filter(({ outcome }) => outcome instanceof PeerUnavailableError && !outcome.sent);
    expect(unsent.filter(({ name }) => carried.includes(Number(name)))).toEqual([]);
    expect(released.map(Number).sort((left, right) => left - right)).toEqual(
      carried.sort((left, right) => left - right),
    );

    for (const { pool } of living.values()) {
      for (const brokerId of IDS) {
        const echo = pool.call(brokerId, ECHO, 'hello', { timeoutMs: 1_000 });
        await cluster.runtime.advance(250);
        expect(await echo).toBe('hello');
      }
    }
    for (const pool of pools) await pool.close();
    await cluster.runtime.advance(5_000);
    expect(cluster.runtime.timerCount).toBe(0);
  });
});
