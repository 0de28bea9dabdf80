/** One end of a connection, with a channel that a test plays the other end of. */
import { beforeEach, describe, expect, test } from 'vitest';
import { KafkaError } from '../../../src/errors.ts';
import { RPC_CALLS_IN_FLIGHT_MAX, RPC_FRAME_BYTES_MAX, RPC_WAITING_BYTES_MAX } from '../../../src/limits.ts';
import { CallingConnection } from '../../../src/rpc/calling.ts';
import type { Hello } from '../../../src/rpc/hello.ts';
import type { RpcHandler, RpcMethod } from '../../../src/rpc/method.ts';
import { PeerUnavailableError } from '../../../src/rpc/peers.ts';
import { RpcMetrics } from '../../../src/rpc/rpc-metrics.ts';
import { type Served, ServingConnection } from '../../../src/rpc/serving.ts';
import type { Channel } from '../../../src/rpc/transport.ts';
import { callHead, errorFrame, errorOf, KIND, numbered, worded } from '../../../src/rpc/wire.ts';
import { type SteppedRuntime, steppedRuntime } from '../coordinator/stepped-runtime.ts';
import { textMethod } from './brokers.ts';

class HeldChannel implements Channel {
  readonly remote = 'other:1';
  readonly sent: Buffer[] = [];
  /** Releases of what was sent, where the test holds them. */
  readonly held: (() => void)[] = [];
  waitingBytes = 0;
  receivedBytes = 0;
  closedBecause: string | null = null;
  onFrame: (frame: Buffer) => void = () => {};
  onClose: (why: string) => void = () => {};

  send(parts: readonly Uint8Array[], onTaken?: () => void): void {
    if (this.closedBecause === null) this.sent.push(Buffer.concat(parts));
    if (onTaken) this.held.push(onTaken);
  }

  async close(why: string): Promise<void> {
    if (this.closedBecause !== null) return;
    this.closedBecause = why;
    this.onClose(why);
  }
}

const OTHER: Hello = {
  format: 1,
  minor: 0,
  clusterId: 'test',
  incarnation: 'first',
  brokerId: 2,
  brokerEpoch: 5,
  version: '0.1.0',
};
const METHOD = textMethod(7, 'test.method');
const RAW: RpcMethod<Buffer, Buffer> = {
  id: 8,
  name: 'test.raw',
  encodeRequest: (bytes) => [bytes],
  decodeRequest: (bytes) => bytes,
  encodeResponse: (bytes) => [bytes],
  decodeResponse: (bytes) => bytes,
};
const LONG = { timeoutMs: 60_000 };

let runtime: SteppedRuntime;
let channel: HeldChannel;
let closed: string[];
let pings: string[];
let pongs: string[];

beforeEach(() => {
  runtime = steppedRuntime();
  channel = new HeldChannel();
  closed = [];
  pings = [];
  pongs = [];
});

const calling = () =>
  new CallingConnection(channel, OTHER, {
    runtime,
    metrics: new RpcMetrics(runtime.metrics),
    onPong: (sentAt, payload) => pongs.push(`sent at ${sentAt}: ${payload}`),
    onClosed: (why, inOrder) => closed.push(inOrder ? `${why} (in order)` : why),
  });

function serving<Request, Response>(method: RpcMethod<Request, Response>, handler: RpcHandler<Request, Response>) {
  const handlers = new Map([[method.id, { method, handler } as unknown as Served]]);
  return new ServingConnection(channel, OTHER, {
    runtime,
    metrics: new RpcMetrics(runtime.metrics),
    handlers,
    onPing: ({ brokerId, brokerEpoch }, payload) => pings.push(`${brokerId}.${brokerEpoch}: ${payload}`),
    pongPayload: ({ brokerId, brokerEpoch }) => [Buffer.from(`answer to ${brokerId}.${brokerEpoch}`)],
    onClosed: (why) => closed.push(why),
  });
}

const question = (id: number, text = '', method = METHOD.id) =>
  Buffer.concat([callHead(id, method), Buffer.from(text)]);
const kinds = () => channel.sent.map((frame) => frame[0]);

describe('a caller', () => {
  test('has a bounded number of calls in flight', async () => {
    const connection = calling();
    const failed: unknown[] = [];
    for (let at = 0; at < RPC_CALLS_IN_FLIGHT_MAX; at++)
      connection.call(METHOD, '', LONG).catch((cause) => failed.push(cause));
    await expect(connection.call(METHOD, '', LONG)).rejects.toMatchObject({
      sent: false,
      message: `test.method was not sent to broker 2: ${RPC_CALLS_IN_FLIGHT_MAX} calls wait for their answers`,
    });
    expect(channel.sent).toHaveLength(RPC_CALLS_IN_FLIGHT_MAX);
    channel.onFrame(numbered(KIND.answer, 1));
    expect(connection.callsInFlight).toBe(RPC_CALLS_IN_FLIGHT_MAX - 1);
    channel.close('over');
    await runtime.settle();
    expect(failed).toHaveLength(RPC_CALLS_IN_FLIGHT_MAX - 1);
  });

  test('does not pile up bytes for a network that takes none', async () => {
    channel.waitingBytes = RPC_WAITING_BYTES_MAX + 1;
    await expect(calling().call(METHOD, '', LONG)).rejects.toMatchObject({ sent: false });
    expect(channel.sent).toEqual([]);
  });

  test('sends no question that is larger than a frame', async () => {
    const parts = new Array<Buffer>(96).fill(Buffer.alloc(RPC_FRAME_BYTES_MAX / 96));
    const huge = { ...RAW, encodeRequest: () => parts };
    await expect(calling().call(huge, Buffer.of(), LONG)).rejects.toMatchObject({ error: 'MESSAGE_TOO_LARGE' });
  });

  test('copies a question before it returns, whatever its size', () => {
    const bytes = Buffer.alloc(100_000, 1);
    let parts: readonly Uint8Array[] = [];
    channel.send = (sent) => {
      parts = sent;
    };
    void calling().call(RAW, bytes, LONG);
    bytes.fill(2);
    expect(
      Buffer.concat(parts)
        .subarray(7)
        .every((byte) => byte === 1),
    ).toBe(true);
  });

  test('rejects a malformed answer, and goes on', async () => {
    const connection = calling();
    const strict = {
      ...METHOD,
      decodeResponse: () => {
        throw new RangeError('cut short');
      },
    };
    const error = connection.call(strict, '', LONG).catch((cause: unknown) => cause);
    channel.onFrame(numbered(KIND.answer, 1));
    expect(await error).toMatchObject({ error: 'UNKNOWN_SERVER_ERROR', noSideEffects: false });
    const next = connection.call(METHOD, '', LONG);
    channel.onFrame(Buffer.concat([numbered(KIND.answer, 2), Buffer.from('fine')]));
    expect(await next).toBe('fine');
  });

  test.each([
    ['an answer without a number', Buffer.of(KIND.answer, 0, 0)],
    ['an error that is cut short', Buffer.of(KIND.error, 0, 0, 0, 1)],
    ['a pong without a number', Buffer.of(KIND.pong)],
  ])('ends the connection on %s', async (_, frame) => {
    const error = calling()
      .call(METHOD, '', LONG)
      .catch((cause: unknown) => cause);
    channel.onFrame(frame);
    expect(closed).toEqual(['broker 2 sent what was not understood']);
    expect(await error).toBeInstanceOf(PeerUnavailableError);
    expect(await error).toMatchObject({ sent: true });
  });

  test('leaves alone what it does not know, or nobody waits for', () => {
    const connection = calling();
    channel.onFrame(Buffer.of(200, 1, 2, 3));
    channel.onFrame(numbered(KIND.answer, 77));
    channel.onFrame(errorFrame(78, new KafkaError('INVALID_REQUEST', 'late')));
    channel.onFrame(numbered(KIND.pong, 79));
    expect(closed).toEqual([]);
    expect(connection.roundTripMs).toBeNull();
  });

  test('tells the other end once when it gives up, and not at all when it was answered', async () => {
    const connection = calling();
    const abort = new AbortController();
    const options = { timeoutMs: 100, signal: abort.signal };
    const answered = connection.call(METHOD, '', options);
    channel.onFrame(numbered(KIND.answer, 1));
    await answered;
    const given = connection.call(METHOD, '', options).catch((cause: unknown) => cause);
    abort.abort(new Error('enough'));
    await given;
    await runtime.advance(1_000);
    expect(kinds()).toEqual([KIND.call, KIND.call, KIND.cancel]);
    expect(channel.sent[2]).toEqual(numbered(KIND.cancel, 2));
    expect(runtime.timerCount).toBe(0);
  });

  test('keeps no timer once closed', async () => {
    const connection = calling();
    const error = connection.call(METHOD, '', LONG).catch((cause: unknown) => cause);
    connection.close('over', true);
    await error;
    expect(runtime.timerCount).toBe(0);
    expect(kinds()).toEqual([KIND.call, KIND.goodbye]);
    await expect(connection.call(METHOD, '', LONG)).rejects.toMatchObject({ sent: false });
  });

  test('measures the round trip of pings', async () => {
    const connection = calling();
    const sentAt = runtime.clock.monotonic();
    connection.ping([Buffer.from('news')]);
    expect(channel.sent).toEqual([Buffer.concat([numbered(KIND.ping, 1), Buffer.from('news')])]);
    await runtime.advance(30);
    channel.onFrame(Buffer.concat([numbered(KIND.pong, 1), Buffer.from('news there')]));
    expect(connection.roundTripMs).toBe(30);
    expect(pongs).toEqual([`sent at ${sentAt}: news there`]);
    channel.onFrame(worded(KIND.goodbye, 'it stops'));
    expect(closed).toEqual(['it stops (in order)']);
  });
});

describe('a server', () => {
  test('has a bounded number of calls in work, cancelled ones included', async () => {
    const ends: ((text: string) => void)[] = [];
    serving(METHOD, () => new Promise<string>((resolve) => ends.push(resolve)));
    for (let id = 1; id <= RPC_CALLS_IN_FLIGHT_MAX; id++) channel.onFrame(question(id));
    channel.onFrame(numbered(KIND.cancel, 1));
    channel.onFrame(question(9_000));
    expect(channel.sent).toHaveLength(1);
    expect(errorOf(channel.sent[0]!)).toBeInstanceOf(PeerUnavailableError);
    expect(errorOf(channel.sent[0]!)).toMatchObject({ sent: false });
    ends[0]!('');
    await runtime.settle();
    channel.onFrame(question(9_001));
    expect(ends).toHaveLength(RPC_CALLS_IN_FLIGHT_MAX + 1);
  });

  test('answers an error instead of what is too large, or what nobody reads', async () => {
    serving(RAW, (bytes) => (bytes.length === 0 ? Buffer.alloc(RPC_FRAME_BYTES_MAX) : bytes));
    channel.onFrame(question(1, '', RAW.id));
    channel.waitingBytes = RPC_WAITING_BYTES_MAX + RPC_FRAME_BYTES_MAX;
    channel.onFrame(question(2, 'x', RAW.id));
    expect(errorOf(channel.sent[0]!)).toMatchObject({ error: 'MESSAGE_TOO_LARGE', noSideEffects: false });
    expect(errorOf(channel.sent[1]!)).toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER', sent: true });
  });

  test('ends the connection of who asks on and takes no answers, errors and pongs included', () => {
    serving(METHOD, (text) => text);
    channel.waitingBytes = RPC_WAITING_BYTES_MAX + RPC_FRAME_BYTES_MAX + 1;
    channel.onFrame(question(1, '', 99));
    expect(closed).toEqual(['broker 2 asks and takes no answers']);
    expect(channel.sent).toEqual([]);
  });

  test('answers that a question is malformed, and goes on', () => {
    const strict = {
      ...METHOD,
      decodeRequest: () => {
        throw new RangeError('cut short');
      },
    };
    serving(strict, (text) => text);
    channel.onFrame(question(1));
    expect(errorOf(channel.sent[0]!)).toMatchObject({ error: 'UNKNOWN_SERVER_ERROR', noSideEffects: true });
    expect(closed).toEqual([]);
  });

  test.each([
    ['a call without a method', Buffer.of(KIND.call, 0, 0, 0, 1)],
    ['a cancel without a number', Buffer.of(KIND.cancel)],
    ['a ping without a number', Buffer.of(KIND.ping, 1)],
  ])('ends the connection on %s', (_, frame) => {
    serving(METHOD, (text) => text);
    channel.onFrame(frame);
    expect(closed).toEqual(['broker 2 sent what was not understood']);
  });

  test('leaves alone what it does not know', () => {
    serving(METHOD, (text) => text);
    channel.onFrame(Buffer.of(200, 1, 2, 3));
    channel.onFrame(numbered(KIND.cancel, 5));
    expect(closed).toEqual([]);
    expect(channel.sent).toEqual([]);
  });

  test('answers pings and hands on what they carry', () => {
    serving(METHOD, (text) => text);
    channel.onFrame(Buffer.concat([numbered(KIND.ping, 9), Buffer.from('news')]));
    expect(channel.sent).toEqual([Buffer.concat([numbered(KIND.pong, 9), Buffer.from('answer to 2.5')])]);
    expect(pings).toEqual(['2.5: news']);
  });

  test('a handler that never asks for its signal has none; one that asks late sees that the caller is gone', async () => {
    const signals: AbortSignal[] = [];
    const resume: (() => void)[] = [];
    serving(METHOD, async (_, call) => {
      await new Promise<void>((resolve) => resume.push(resolve));
      signals.push(call.signal);
      return '';
    });
    channel.onFrame(question(1));
    channel.onFrame(question(2));
    channel.onFrame(numbered(KIND.cancel, 1));
    for (const go of resume) go();
    await runtime.settle();
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
    expect(kinds()).toEqual([KIND.answer]);
  });

  test('when the connection ends all signals abort, and nothing is sent', async () => {
    const signals: AbortSignal[] = [];
    const ends: ((text: string) => void)[] = [];
    serving(METHOD, (_, { signal }) => {
      signals.push(signal);
      return new Promise<string>((resolve) => ends.push(resolve));
    });
    channel.onFrame(question(1));
    channel.onFrame(question(2));
    channel.close('cut');
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
    expect(closed).toEqual(['cut']);
    for (const end of ends) end('');
    await runtime.settle();
    expect(channel.sent).toEqual([]);
  });
});

describe('what an answer holds is released once', () => {
  const released: string[] = [];
  let end: (text: string) => void;
  let fail: (cause: Error) => void;

  beforeEach(() => {
    released.length = 0;
    serving(METHOD, (text, call) => {
      call.onSent(() => released.push(text));
      return new Promise<string>((resolve, reject) => {
        end = resolve;
        fail = reject;
      });
    });
    channel.onFrame(question(1, 'answer'));
  });

  test('after it was taken', async () => {
    end('');
    await runtime.settle();
    expect(released).toEqual([]);
    channel.held[0]!();
    expect(released).toEqual(['answer']);
    channel.close('over');
    expect(released).toEqual(['answer']);
  });

  test('when the caller gave up', async () => {
    channel.onFrame(numbered(KIND.cancel, 1));
    expect(released).toEqual([]);
    end('');
    await runtime.settle();
    expect(released).toEqual(['answer']);
  });

  test('when the handler failed', async () => {
    fail(new KafkaError('INVALID_REQUEST', 'no'));
    await runtime.settle();
    expect(released).toEqual(['answer']);
  });

  test('when the connection ended', async () => {
    channel.close('cut');
    end('');
    await runtime.settle();
    expect(released).toEqual(['answer']);
  });

  test('when the answer was dropped', async () => {
    channel.waitingBytes = RPC_WAITING_BYTES_MAX + RPC_FRAME_BYTES_MAX;
    end('');
    await runtime.settle();
    expect(released).toEqual(['answer']);
    expect(kinds()).toEqual([KIND.error]);
  });
});

describe('errors on the wire', () => {
  test.each([
    new KafkaError('OFFSET_OUT_OF_RANGE', 'offset 7 of 3', { noSideEffects: true }),
    new KafkaError('KAFKA_STORAGE_ERROR', 'storage is away: é', { noSideEffects: false }),
    new PeerUnavailableError('broker 3 is away', false),
    new PeerUnavailableError('broker 3 did not answer', true),
  ])('%s', (error) => {
    const arrived = errorOf(errorFrame(1, error));
    expect(arrived.constructor).toBe(error.constructor);
    expect({ ...arrived, message: arrived.message }).toEqual({ ...error, message: error.message });
  });

  test('an error of a later version is UNKNOWN_SERVER_ERROR, with its words', () => {
    const later = new KafkaError('SOMETHING_NEW' as 'NONE', 'you would not understand', { noSideEffects: false });
    expect(errorOf(errorFrame(1, later))).toMatchObject({
      error: 'UNKNOWN_SERVER_ERROR',
      message: 'you would not understand',
      noSideEffects: false,
    });
  });
});
