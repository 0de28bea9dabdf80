import { beforeEach, describe, expect, test } from 'vitest';
import type { Address } from '../../../src/config.ts';
import { KafkaError } from '../../../src/errors.ts';
import { PeerPool } from '../../../src/rpc/peer-pool.ts';
import { PeerUnavailableError } from '../../../src/rpc/peers.ts';
import type { Channel } from '../../../src/rpc/transport.ts';
import { callHead, KIND, worded } from '../../../src/rpc/wire.ts';
import { ECHO, RecordedEvents, type TestBroker, TestCluster, textMethod, WAIT } from './brokers.ts';

let cluster: TestCluster;
beforeEach(() => {
  cluster = new TestCluster();
});

const LONG = { timeoutMs: 60_000 };

/** Settles time until the promise is, too. */
async function outcome(promise: Promise<unknown>): Promise<unknown> {
  const settled = promise.catch((cause: unknown) => cause);
  await cluster.runtime.advance(10);
  return settled;
}

/** Has a broker answer nothing. The signals of what it is asked. */
function silentAt({ pool }: TestBroker): AbortSignal[] {
  const signals: AbortSignal[] = [];
  pool.handle(WAIT, (_, { signal }) => {
    signals.push(signal);
    return new Promise(() => {});
  });
  return signals;
}

describe('calls', () => {
  test('are answered, both ways', async () => {
    const [a, b] = [await cluster.broker(1), await cluster.broker(2)];
    await cluster.meet(a, b);
    expect(await outcome(a.pool.call(2, ECHO, 'to b', LONG))).toBe('to b');
    expect(await outcome(b.pool.call(1, ECHO, 'to a', LONG))).toBe('to a');
  });

  test('a broker may call itself', async () => {
    const a = await cluster.broker(1);
    expect(await outcome(a.pool.call(1, ECHO, 'me', LONG))).toBe('me');
  });

  test('reach their handlers in the order in which they were made', async () => {
    const [a, b] = [await cluster.broker(1), await cluster.broker(2)];
    const came: string[] = [];
    b.pool.handle(WAIT, async (text) => {
      came.push(text);
      return '';
    });
    await cluster.meet(a, b);
    const wanted = Array.from({ length: 100 }, (_, at) => `call ${at}`);
    await outcome(Promise.all(wanted.map((text) => a.pool.call(2, WAIT, text, LONG))));
    expect(came).toEqual(wanted);
  });

  test('tell the handler who calls', async () => {
    const [a, b] = [await cluster.broker(1, { brokerEpoch: 7 }), await cluster.broker(2)];
    b.pool.handle(WAIT, (_, { from }) => JSON.stringify(from));
    await cluster.meet(a, b);
    expect(await outcome(a.pool.call(2, WAIT, '', LONG))).toBe('{"brokerId":1,"brokerEpoch":7}');
  });

  test.each([
    true,
    false,
  ])('an error of the handler arrives with its name, message and noSideEffects %s', async (noSideEffects) => {
    const [a, b] = [await cluster.broker(1), await cluster.broker(2)];
    b.pool.handle(WAIT, () => {
      throw new KafkaError('INVALID_TXN_STATE', 'not now', { noSideEffects });
    });
    await cluster.meet(a, b);
    const error = await outcome(a.pool.call(2, WAIT, '', LONG));
    expect(error).toBeInstanceOf(KafkaError);
    expect(error).toMatchObject({ error: 'INVALID_TXN_STATE', message: 'not now', noSideEffects });
  });

  test('a bug of the handler is UNKNOWN_SERVER_ERROR, and tells nothing', async () => {
    const [a, b] = [await cluster.broker(1), await cluster.broker(2)];
    b.pool.handle(WAIT, async () => {
      throw new TypeError('x is undefined');
    });
    await cluster.meet(a, b);
    const error = await outcome(a.pool.call(2, WAIT, '', LONG));
    expect(error).toMatchObject({ error: 'UNKNOWN_SERVER_ERROR', message: 'test.wait failed', noSideEffects: false });
  });

  test('a handler that has no connection to a third broker says so as such', async () => {
    const [a, b] = [await cluster.broker(1), await cluster.broker(2)];
    b.pool.handle(WAIT, () => b.pool.call(3, ECHO, '', LONG));
    await cluster.meet(a, b);
    const error = await outcome(a.pool.call(2, WAIT, '', LONG));
    expect(error).toBeInstanceOf(PeerUnavailableError);
    expect(error).toMatchObject({ sent: false });
  });

  test('a method that the other end does not know is UNSUPPORTED_VERSION', async () => {
    const [a, b] = [await cluster.broker(1), await cluster.broker(2)];
    await cluster.meet(a, b);
    const error = await outcome(a.pool.call(2, WAIT, '', LONG));
    expect(error).toMatchObject({ error: 'UNSUPPORTED_VERSION', noSideEffects: true });
  });

  test('to a broker that is not connected are refused at once, unsent', async () => {
    const a = await cluster.broker(1);
    a.pool.want([{ brokerId: 2, address: { host: 'b', port: 1 } }]);
    await expect(a.pool.call(2, ECHO, '', LONG)).rejects.toMatchObject({
      error: 'NOT_LEADER_OR_FOLLOWER',
      sent: false,
    });
    await expect(a.pool.call(3, ECHO, '', LONG)).rejects.toMatchObject({
      error: 'NOT_LEADER_OR_FOLLOWER',
      sent: false,
    });
  });

  test('that take too long are given up, and the handler is told', async () => {
    const [a, b] = [await cluster.broker(1), await cluster.broker(2)];
    const signals = silentAt(b);
    await cluster.meet(a, b);
    const error = a.pool.call(2, WAIT, '', { timeoutMs: 300 }).catch((cause: unknown) => cause);
    await cluster.runtime.advance(299);
    expect(signals[0]?.aborted).toBe(false);
    await cluster.runtime.advance(10);
    expect(await error).toBeInstanceOf(PeerUnavailableError);
    expect(await error).toMatchObject({ sent: true, message: 'broker 2 did not answer test.wait in 300 ms' });
    expect(signals[0]?.aborted).toBe(true);
  });

  test('each has its own deadline, whatever the order', async () => {
    const [a, b] = [await cluster.broker(1), await cluster.broker(2)];
    b.pool.handle(WAIT, () => new Promise(() => {}));
    await cluster.meet(a, b);
    const gone: number[] = [];
    for (const timeoutMs of [400, 200, 300, 100]) {
      a.pool.call(2, WAIT, '', { timeoutMs }).catch(() => gone.push(timeoutMs));
    }
    await cluster.runtime.advance(250);
    expect(gone).toEqual([100, 200]);
    await cluster.runtime.advance(250);
    expect(gone).toEqual([100, 200, 300, 400]);
  });

  test('that are aborted reject with the reason, and the handler is told', async () => {
    const [a, b] = [await cluster.broker(1), await cluster.broker(2)];
    const signals = silentAt(b);
    await cluster.meet(a, b);
    const abort = new AbortController();
    const error = a.pool.call(2, WAIT, '', { ...LONG, signal: abort.signal }).catch((cause: unknown) => cause);
    await cluster.runtime.advance(10);
    const reason = new Error('enough');
    abort.abort(reason);
    expect(await error).toBe(reason);
    await cluster.runtime.advance(10);
    expect(signals[0]?.aborted).toBe(true);
    await expect(a.pool.call(2, ECHO, '', { ...LONG, signal: abort.signal })).rejects.toBe(reason);
  });
});

describe('connections', () => {
  test('pings carry what each wants to tell, at once and every 500 ms', async () => {
    const [a, b] = [await cluster.broker(1), await cluster.broker(2)];
    a.events.payload = 'from a';
    b.events.payload = 'from b';
    await cluster.meet(a, b);
    expect(b.events.pings).toEqual([{ from: { brokerId: 1, brokerEpoch: 1 }, payload: 'from a' }]);
    expect(a.events.pings).toEqual([{ from: { brokerId: 2, brokerEpoch: 1 }, payload: 'from b' }]);
    expect(a.events.freshPings).toEqual([2]);
    await cluster.runtime.advance(5_000);
    expect(b.events.pings).toHaveLength(11);
    expect(a.events.freshPings).toEqual([2]);
  });

  test('a broker that is killed is known to be gone within milliseconds, and its calls are rejected', async () => {
    const [a, b] = [await cluster.broker(1), await cluster.broker(2)];
    b.pool.handle(WAIT, () => new Promise(() => {}));
    await cluster.meet(a, b);
    const error = a.pool.call(2, WAIT, '', LONG).catch((cause: unknown) => cause);
    await cluster.runtime.advance(1);
    cluster.network.kill('b');
    await cluster.runtime.advance(5);
    expect(await error).toMatchObject({ sent: true });
    expect(a.events.down).toMatchObject([{ brokerId: 2, why: 'refused' }]);
  });

  test('a broker that becomes silent is known to be after 1.5 s', async () => {
    const [a, b] = [await cluster.broker(1), await cluster.broker(2)];
    await cluster.meet(a, b);
    cluster.network.cut('b', 'a');
    await cluster.runtime.advance(1_400);
    expect(a.events.down).toEqual([]);
    await cluster.runtime.advance(700);
    expect(a.events.down).toMatchObject([{ brokerId: 2, why: 'silent' }]);
  });

  test('a broker that never answered is silent after 1.5 s', async () => {
    const a = await cluster.broker(1);
    cluster.network.cut('a', 'b');
    a.pool.want([{ brokerId: 2, address: { host: 'b', port: 1 } }]);
    await cluster.runtime.advance(1_400);
    expect(a.events.down).toEqual([]);
    await cluster.runtime.advance(400);
    expect(a.events.down).toMatchObject([{ brokerId: 2, why: 'silent' }]);
  });

  test('a connection that is cut and made again is no death', async () => {
    const [a, b] = [await cluster.broker(1), await cluster.broker(2)];
    await cluster.meet(a, b);
    cluster.network.reset();
    await cluster.runtime.advance(10);
    expect(a.events.down).toEqual([]);
    expect(a.events.up).toHaveLength(2);
    expect(a.events.freshPings).toEqual([2, 2]);
    expect(await outcome(a.pool.call(2, ECHO, 'again', LONG))).toBe('again');
  });

  test('a broker that stops in order says goodbye', async () => {
    const [a, b] = [await cluster.broker(1), await cluster.broker(2)];
    await cluster.meet(a, b);
    await b.pool.close();
    await cluster.runtime.advance(5);
    expect(a.events.down).toMatchObject([{ brokerId: 2, why: 'closed', sentence: 'broker 2 stops' }]);
    await cluster.runtime.advance(100);
    expect(a.events.down.at(-1)).toMatchObject({ why: 'refused' });
  });

  test('a process that did not run for a while blames nobody', async () => {
    const [a, b] = [await cluster.broker(1), await cluster.broker(2)];
    await cluster.meet(a, b);
    cluster.runtime.stall(10_000);
    await cluster.runtime.advance(2_000);
    expect(a.events.down).toEqual([]);
    expect(b.events.down).toEqual([]);
  });

  test('a new instance at the same address is met, also when it was not known', async () => {
    const [a, b] = [await cluster.broker(1), await cluster.broker(2)];
    await cluster.meet(a, b);
    cluster.network.kill('b');
    await cluster.runtime.advance(5);
    await cluster.broker(2, { brokerEpoch: 2, port: b.address.port });
    await cluster.runtime.advance(1_000);
    expect(a.events.up.map(({ brokerEpoch }) => brokerEpoch)).toEqual([1, 2]);
    expect(a.pool.connected(2)).toMatchObject({ brokerEpoch: 2 });
  });

  test('another broker at the address of one is not that one', async () => {
    const [a, c] = [await cluster.broker(1), await cluster.broker(3)];
    a.pool.want([{ brokerId: 2, address: c.address }]);
    await cluster.runtime.advance(10);
    expect(a.events.up).toEqual([]);
    expect(a.events.down).toMatchObject([{ brokerId: 2, why: 'refused' }]);
    expect(a.events.down[0]?.sentence).toContain('is epoch 1 of broker 3, not epoch 0 of broker 2');
  });

  test('an old instance learns from others that it was succeeded', async () => {
    const [a, old] = [await cluster.broker(1), await cluster.broker(2)];
    a.pool.want([{ brokerId: 2, brokerEpoch: 2, address: old.address }]);
    await cluster.runtime.advance(10);
    expect(old.events.superseded).toEqual([2]);
    expect(a.events.up).toEqual([]);
  });

  test('of two instances with one id the newer is served', async () => {
    const [a, first] = [await cluster.broker(1), await cluster.broker(2)];
    const second = await cluster.broker(2, { brokerEpoch: 2, name: 'x' });
    await cluster.meet(a, first);
    second.pool.want([a]);
    await cluster.runtime.advance(10);
    expect(second.events.up).toHaveLength(1);
    await cluster.runtime.advance(3_000);
    expect(second.pool.connected(1)).not.toBeNull();
    expect(first.pool.connected(1)).toBeNull();
    expect(first.events.down.at(-1)?.sentence).toContain('epoch 1 of broker 2 was succeeded by epoch 2');
  });

  test('the older of two instances learns that it was succeeded', async () => {
    const [a, first] = [await cluster.broker(1), await cluster.broker(2)];
    a.pool.want([{ brokerId: 2, brokerEpoch: 3, address: { host: 'x', port: 1 } }]);
    first.pool.want([a]);
    await cluster.runtime.advance(10);
    expect(first.events.superseded).toEqual([3]);
    expect(first.events.up).toEqual([]);
  });

  test('two processes with one id do not serve each other, and the older one stops', async () => {
    const first = await cluster.broker(2);
    const second = await cluster.broker(2, { brokerEpoch: 2, name: 'x' });
    const hello = { format: 1, minor: 0, clusterId: 'test', incarnation: 'first', version: '' };
    const channel = await knock(cluster, first.address);
    channel.send([worded(KIND.hello, JSON.stringify({ ...hello, brokerId: 2, brokerEpoch: 2 }))]);
    await cluster.runtime.advance(1);
    expect(first.events.superseded).toEqual([2]);
    expect(second.events.superseded).toEqual([]);
  });

  test('a broker that is starting is met as soon as it has started, and nobody is warned of it', async () => {
    const warned: string[] = [];
    const { runtime } = cluster;
    const warn = (_: unknown, message: string) => void warned.push(message);
    const a = await cluster.broker(1, { runtime: { ...runtime, logger: { ...runtime.logger, warn } } });
    const pool = new PeerPool({
      transport: cluster.network.transport('b'),
      runtime: cluster.runtime,
      clusterId: 'test',
      incarnation: 'first',
      brokerId: 2,
      version: '0.1.0',
    });
    const address = await pool.listen({ host: 'b', port: 0 });
    a.pool.want([{ brokerId: 2, address }]);
    await cluster.runtime.advance(500);
    expect(a.events.down).toMatchObject([{ why: 'closed', sentence: 'broker 2 is starting' }]);
    expect(await outcome(a.pool.probe(address))).toMatchObject({ answer: 'hello', hello: { brokerEpoch: 0 } });
    pool.start(1, new RecordedEvents());
    await cluster.runtime.advance(1_000);
    expect(a.events.up).toHaveLength(1);
    expect(warned).toEqual([]);
  });

  test('is tried again in growing pauses of at most a second', async () => {
    const a = await cluster.broker(1);
    const at: number[] = [];
    const transport = cluster.network.transport('c');
    const counting = {
      ...transport,
      connect: (address: Address, signal: AbortSignal) => {
        at.push(cluster.runtime.clock.monotonic());
        return transport.connect(address, signal);
      },
    };
    const c = await cluster.broker(3, { transport: counting });
    c.pool.want([{ brokerId: 2, address: { host: 'b', port: 1 } }]);
    await cluster.runtime.advance(20_000);
    expect(at[1]! - at[0]!).toBeLessThanOrEqual(50);
    expect(at.length).toBeGreaterThan(20);
    expect(at.length).toBeLessThan(50);
    expect(c.events.down).toMatchObject([{ why: 'refused' }]);
    await a.pool.close();
  });

  test('is made anew with pauses when the other end ends each at once', async () => {
    const [a, b] = [await cluster.broker(1), await cluster.broker(2)];
    b.events.onPing = () => {
      throw new RangeError('a ping that this version does not understand');
    };
    a.pool.want([b]);
    await cluster.runtime.advance(2_000);
    expect(a.events.up.length).toBeGreaterThan(5);
    expect(a.events.up.length).toBeLessThan(100);
  });

  test('is tried at once when the other end makes one', async () => {
    const a = await cluster.broker(1);
    a.pool.want([{ brokerId: 2, address: { host: 'b', port: 77 } }]);
    await cluster.runtime.advance(20_000);
    const b = await cluster.broker(2, { port: 77 });
    b.pool.want([a]);
    await cluster.runtime.advance(5);
    expect(b.events.up).toHaveLength(1);
    expect(a.events.up).toHaveLength(1);
  });

  test('is made anew when its keys are used up', async () => {
    const [a, b] = [await cluster.broker(1), await cluster.broker(2)];
    await cluster.meet(a, b);
    for (const channel of cluster.network.channels) channel.receivedBytes += 2 ** 38;
    await cluster.runtime.advance(1_000);
    expect(a.events.up.length).toBeGreaterThan(1);
    expect(a.events.down).toEqual([]);
    expect(await outcome(a.pool.call(2, ECHO, 'x', LONG))).toBe('x');
  });

  test('what other brokers say is told, in metrics too', async () => {
    const [a, b] = [await cluster.broker(1), await cluster.broker(2)];
    await cluster.meet(a, b);
    await outcome(a.pool.call(2, ECHO, 'four', LONG));
    await outcome(a.pool.call(2, WAIT, '', LONG));
    await cluster.runtime.advance(500);
    const text = await cluster.runtime.metrics.expose();
    expect(text).toContain('millrace_rpc_calls_total{method="test.echo",outcome="answered"} 1');
    expect(text).toContain('millrace_rpc_calls_total{method="test.wait",outcome="failed"} 1');
    expect(text).toContain('millrace_rpc_served_total{method="test.echo"} 1');
    expect(text).toMatch(/millrace_rpc_sent_bytes_total\{method="test.echo"\} 20/);
    expect(text).toMatch(/millrace_rpc_received_bytes_total\{method="test.echo"\} 20/);
    expect(text).toMatch(/millrace_rpc_round_trip_seconds_count [1-9]/);
  });

  test('who is not wanted any more is left alone', async () => {
    const [a, b] = [await cluster.broker(1), await cluster.broker(2)];
    await cluster.meet(a, b);
    a.pool.want([]);
    await cluster.runtime.advance(3_000);
    expect(a.events.down).toEqual([]);
    expect(a.pool.connected(2)).toBeNull();
    await expect(a.pool.call(2, ECHO, '', LONG)).rejects.toMatchObject({ sent: false });
  });
});

/** Somebody who knows the secret and is no broker. */
async function knock({ network, runtime }: TestCluster, address: Address): Promise<Channel> {
  const connecting = network.transport('stranger').connect(address, new AbortController().signal);
  await runtime.advance(1);
  return connecting;
}

describe('who knows the secret and', () => {
  test.each([
    ['says nothing', null, 'the other end closed the connection'],
    ['says what is no frame of ours', Buffer.from([99, 1, 2, 3]), 'the other end closed the connection'],
    ['calls before a hello', callHead(1, ECHO.id), 'the other end closed the connection'],
    ['sends a hello that is no JSON', worded(KIND.hello, '{"format":'), 'the other end closed the connection'],
    ['sends a hello of null', worded(KIND.hello, 'null'), 'the other end closed the connection'],
    ['sends a hello that lacks something', worded(KIND.hello, '{"format":1}'), 'the other end closed the connection'],
  ])('%s is hung up on', async (_, frame, why) => {
    const a = await cluster.broker(1);
    const channel = await knock(cluster, a.address);
    const closed: string[] = [];
    channel.onClose = (cause) => closed.push(cause);
    if (frame !== null) channel.send([frame]);
    await cluster.runtime.advance(3_100);
    expect(closed).toEqual([why]);
    expect(a.events.pings).toEqual([]);
  });

  test.each([
    ['nothing', null],
    ['no hello', Buffer.from([99, 1, 2, 3])],
    ['a hello that is no JSON', worded(KIND.hello, '{"format":')],
    ['a refusal that is no JSON', worded(KIND.refused, '{')],
  ])('answers %s is not taken for a broker', async (_, frame) => {
    const a = await cluster.broker(1);
    const { address } = await cluster.network.transport('x').listen({ host: 'x', port: 0 }, (channel) => {
      if (frame !== null) channel.send([frame]);
    });
    a.pool.want([{ brokerId: 2, address }]);
    await cluster.runtime.advance(4_000);
    expect(a.events.up).toEqual([]);
    expect(a.events.down).toMatchObject([{ brokerId: 2, why: 'silent' }]);
    expect(await outcome(a.pool.probe({ host: 'x', port: 77 }))).toMatchObject({ answer: 'nobody' });
  });
});

describe('a call of a broker to itself', () => {
  test('has the errors, the deadline and the signal of any other', async () => {
    const a = await cluster.broker(1);
    const signals: AbortSignal[] = [];
    const released: string[] = [];
    a.pool.handle(WAIT, (text, call) => {
      signals.push(call.signal);
      call.onSent(() => released.push(text));
      if (text === 'refuse') throw new KafkaError('INVALID_REQUEST', 'no');
      if (text === 'bug') throw new TypeError('x is undefined');
      return text === 'now'
        ? text
        : new Promise<string>((resolve) => cluster.runtime.timers.after(1_000, () => resolve('')));
    });
    expect(await outcome(a.pool.call(1, WAIT, 'now', LONG))).toBe('now');
    expect(await outcome(a.pool.call(1, WAIT, 'refuse', LONG))).toMatchObject({
      error: 'INVALID_REQUEST',
      message: 'no',
    });
    expect(await outcome(a.pool.call(1, WAIT, 'bug', LONG))).toMatchObject({ error: 'UNKNOWN_SERVER_ERROR' });
    expect(await outcome(a.pool.call(1, textMethod(9, 'test.none'), '', LONG))).toMatchObject({
      error: 'UNSUPPORTED_VERSION',
    });
    const late = a.pool.call(1, WAIT, 'late', { timeoutMs: 100 }).catch((cause: unknown) => cause);
    const abort = new AbortController();
    const given = a.pool.call(1, WAIT, 'given up', { ...LONG, signal: abort.signal }).catch((cause: unknown) => cause);
    await cluster.runtime.advance(150);
    const reason = new Error('enough');
    abort.abort(reason);
    expect(await late).toMatchObject({ sent: true });
    expect(await given).toBe(reason);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, false, false, true, true]);
    await cluster.runtime.advance(2_000);
    expect(released.sort()).toEqual(['bug', 'given up', 'late', 'now', 'refuse']);
  });
});

describe('meeting', () => {
  test.each([
    [
      { format: 2 },
      'broker 2 (version 0.1.0) speaks format 2 of the internal protocol, broker 1 (version 0.1.0) format 1',
    ],
    [{ clusterId: 'other' }, 'broker 2 belongs to cluster other, broker 1 to cluster test'],
    [{ incarnation: 'second' }, 'broker 2 works on stores of incarnation second, broker 1 on first'],
  ])('%j is refused in words that both ends hear', async (options, sentence) => {
    const [a, b] = [await cluster.broker(1), await cluster.broker(2, options)];
    b.pool.want([a]);
    await cluster.runtime.advance(10);
    expect(b.events.up).toEqual([]);
    expect(b.events.down).toMatchObject([{ brokerId: 1, why: 'closed' }]);
    expect(b.events.down[0]?.sentence).toContain(sentence);
  });

  test('another minor is fine', async () => {
    const [a, b] = [await cluster.broker(1), await cluster.broker(2, { minor: 3 })];
    await cluster.meet(a, b);
    expect(await outcome(a.pool.call(2, ECHO, 'x', LONG))).toBe('x');
    expect(await outcome(b.pool.call(1, ECHO, 'y', LONG))).toBe('y');
    expect(a.pool.connected(2)?.minor).toBe(3);
  });

  test('a probe learns who is there and leaves no trace', async () => {
    const [a, b] = [await cluster.broker(1), await cluster.broker(2, { brokerEpoch: 5, incarnation: 'second' })];
    expect(await outcome(a.pool.probe(b.address))).toMatchObject({
      answer: 'hello',
      hello: { brokerId: 2, brokerEpoch: 5, incarnation: 'second' },
    });
    expect(await outcome(a.pool.probe({ host: 'b', port: 999 }))).toMatchObject({ answer: 'nobody' });
    cluster.network.cut('b', 'a');
    const silent = a.pool.probe(b.address);
    await cluster.runtime.advance(1_600);
    expect(await silent).toMatchObject({ answer: 'silent' });
    expect(b.events.pings).toEqual([]);
  });

  test.each([
    [{}, { answer: 'hello' }],
    [{ minor: 3 }, { answer: 'hello' }],
    [
      { format: 99 },
      { answer: 'unfit', why: expect.stringMatching(/^broker 2 .* speaks format 99 .* share a format$/) },
    ],
    [{ incarnation: 'second' }, { answer: 'unfit', why: expect.stringContaining('the same --store and --table') }],
  ])('one that tries %j out learns whether it fits', async (options, expected) => {
    const [a, b] = [await cluster.broker(1), await cluster.broker(2, options)];
    expect(await outcome(a.pool.tryOut(b.address))).toMatchObject(expected);
    expect(await outcome(a.pool.tryOut({ host: 'b', port: 999 }))).toMatchObject({ answer: 'nobody' });
  });
});
