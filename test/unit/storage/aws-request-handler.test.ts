/** Against servers that behave badly in ways a well-behaved one cannot be asked for. */

import type { AddressInfo } from 'node:net';
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { StorageThrottledError, StorageUnavailableError } from '../../../src/errors.ts';
import { systemTimers, type Timers } from '../../../src/runtime/clock.ts';
import { AwsRequestHandler, collectedBytes, GatherBody } from '../../../src/storage/aws-request-handler.ts';
import { createDynamoDbClient } from '../../../src/storage/dynamodb/client.ts';
import { DynamoDbMetadataStore } from '../../../src/storage/dynamodb/metadata-store.ts';
import { ABSENT, type Item } from '../../../src/storage/metadata-store.ts';
import { standInEnvironment } from '../../stand-ins/environment.ts';

standInEnvironment();
const servers: Server[] = [];
const sockets = new Set<Socket>();
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
});

/** `answer` gets all that was received so far, whenever something comes. */
async function serve(answer: (received: string, socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    sockets.add(socket);
    let received = '';
    socket.on('error', () => {});
    socket.on('data', (data) => {
      received += data.toString('latin1');
      answer(received, socket);
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

const LIMITS = { socketsMax: 4, connectMs: 1_000, silenceMs: 100, answerBytesMax: 1_000 };

function send(
  port: number,
  body: unknown = undefined,
  abortSignal?: AbortSignal,
  limits = LIMITS,
  timers = systemTimers,
) {
  const handler = new AwsRequestHandler(limits, timers);
  const headers = body instanceof GatherBody ? { 'content-length': String(body.bytes) } : {};
  const request = { protocol: 'http:', hostname: '127.0.0.1', port, method: 'PUT', path: '/k', headers, body };
  const answered = handler.handle(request, abortSignal ? { abortSignal } : {});
  return answered.finally(() => handler.destroy());
}

const ok = (body: string, headers = '') => `HTTP/1.1 200 OK\r\n${headers}content-length: ${body.length}\r\n\r\n${body}`;

test('a gathered body arrives in order and the answer is collected whole', async () => {
  const port = await serve((received, socket) => {
    if (received.endsWith('onetwothree')) socket.write(ok('fine', 'x-a: 1\r\nx-a: 2\r\n'));
  });
  const parts = ['one', '', 'two', 'three'].map((part) => Buffer.from(part));
  const { response } = await send(port, new GatherBody(parts));
  expect(response.statusCode).toBe(200);
  expect(response.headers['x-a']).toBe('1, 2');
  expect(Buffer.from(await collectedBytes(response.body)).toString()).toBe('fine');
});

test('a store that falls silent is given up', async () => {
  const port = await serve(() => {});
  await expect(send(port)).rejects.toThrow('was silent for 100 ms');
});

test('a store that falls silent in the middle of an answer is given up', async () => {
  const port = await serve((_, socket) => void socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345'));
  await expect(send(port)).rejects.toThrow();
});

/** Writes a piece every few milliseconds, for as long as the connection stands. */
function trickle(socket: Socket, pieces: Iterator<string>): void {
  const next = () => {
    const { value, done } = pieces.next();
    if (done || socket.destroyed) return;
    socket.write(value);
    systemTimers.after(20, next);
  };
  next();
}

function* endlessly(piece: string): Generator<string> {
  for (;;) yield piece;
}

test('a store that answers a byte now and then is given up', async () => {
  const port = await serve((_, socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n');
    trickle(socket, endlessly('x'));
  });
  await expect(send(port)).rejects.toThrow(/^127\.0\.0\.1 answered \d bytes in 100 ms$/);
});

test('a store whose head comes a byte now and then is given up', async () => {
  const port = await serve((_, socket) => {
    socket.write('HTTP/1.1 200 OK\r\nx-long: ');
    trickle(socket, endlessly('x'));
  });
  await expect(send(port, new GatherBody([Buffer.from('body')]))).rejects.toThrow('answered 0 bytes in 100 ms');
});

test('an answer that comes slowly is collected whole, and no timer is left', async () => {
  const pieces = new Array<string>(50).fill('x'.repeat(100_000));
  const port = await serve((_, socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 5000000\r\n\r\n');
    trickle(socket, pieces.values());
  });
  const pending = new Set<object>();
  const counted: Timers = {
    ...systemTimers,
    after(delayMs, callback) {
      const mark = {};
      pending.add(mark);
      const timer = systemTimers.after(delayMs, () => {
        pending.delete(mark);
        callback();
      });
      return {
        cancel() {
          pending.delete(mark);
          timer.cancel();
        },
      };
    },
  };
  const limits = { ...LIMITS, silenceMs: 400, answerBytesMax: 10_000_000 };
  const { response } = await send(port, undefined, undefined, limits, counted);
  expect(response.body.bytes.length).toBe(5_000_000);
  await new Promise<void>((resolve) => systemTimers.soon(resolve));
  expect(pending.size).toBe(0);
});

test('an answer that is cut is no answer', async () => {
  const port = await serve((_, socket) => void socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345'));
  await expect(send(port)).rejects.toThrow();
});

test('an answer beyond the limit is no answer', async () => {
  const port = await serve((_, socket) => void socket.write(ok('x'.repeat(2_000))));
  await expect(send(port)).rejects.toThrow(StorageUnavailableError);
});

test('what is not HTTP is no answer', async () => {
  const port = await serve((_, socket) => void socket.write('220 smtp.example.org\r\n'));
  await expect(send(port)).rejects.toThrow();
});

test('the signal ends the wait for an answer', async () => {
  const port = await serve(() => {});
  const abort = new AbortController();
  const answer = send(port, undefined, abort.signal);
  setImmediate(() => abort.abort(new Error('enough')));
  await expect(answer).rejects.toThrow();
});

const item: Item = { partitionKey: 'p', sortKey: 's', body: Buffer.from('x'), attributes: {} };
const options = { cause: 'tool', once: true } as const;

async function dynamoAnswering(answer: (socket: Socket) => void) {
  let requests = 0;
  const port = await serve((received, socket) => {
    const [head, body] = received.split('\r\n\r\n');
    const length = Number(/content-length: (\d+)/i.exec(head!)?.[1] ?? 0);
    if (body === undefined || body.length < length) return;
    requests += 1;
    answer(socket);
  });
  const client = createDynamoDbClient(systemTimers, { endpoint: `http://127.0.0.1:${port}` });
  return { store: new DynamoDbMetadataStore({ client, table: 't' }), requestCount: () => requests };
}

const dynamoError = (status: number, type: string, more = {}) => {
  const body = JSON.stringify({ __type: `com.amazonaws.dynamodb.v20120810#${type}`, message: 'text', ...more });
  const head = `HTTP/1.1 ${status} X\r\ncontent-type: application/x-amz-json-1.0\r\n`;
  return `${head}content-length: ${body.length}\r\n\r\n${body}`;
};

test.each([
  ['a closed connection', (socket: Socket) => void socket.destroy(), StorageUnavailableError],
  ['500', (socket: Socket) => void socket.write(dynamoError(500, 'InternalServerError')), StorageUnavailableError],
  ['throttling', (socket: Socket) => void socket.write(dynamoError(400, 'ThrottlingException')), StorageThrottledError],
  [
    'exceeded throughput',
    (socket: Socket) => void socket.write(dynamoError(400, 'ProvisionedThroughputExceededException')),
    StorageThrottledError,
  ],
  [
    'a conflicting transaction',
    (socket: Socket) => void socket.write(dynamoError(400, 'TransactionConflictException')),
    StorageThrottledError,
  ],
])('a put that meets %s is one request and one error', async (_, answer, error) => {
  const { store, requestCount } = await dynamoAnswering(answer);
  await expect(store.put(item, ABSENT, options)).rejects.toThrow(error);
  expect(requestCount()).toBe(1);
  await store.close();
});

test.each([
  [['None', 'TransactionConflict'], 'throttled'],
  [['ThrottlingError', 'None'], 'throttled'],
  [['TransactionConflict', 'ConditionalCheckFailed'], 1],
  [['ConditionalCheckFailed', 'ConditionalCheckFailed'], 0],
] as const)('a transaction cancelled by %j is %s', async (codes, expected) => {
  const CancellationReasons = codes.map((Code) => ({ Code }));
  const cancelled = dynamoError(400, 'TransactionCanceledException', { CancellationReasons });
  const { store, requestCount } = await dynamoAnswering((socket) => void socket.write(cancelled));
  const writes = ['a', 'b'].map((sortKey) => ({ type: 'put', item: { ...item, sortKey }, condition: ABSENT }) as const);
  const outcome = store.transact(writes, options);
  if (expected === 'throttled') await expect(outcome).rejects.toThrow(StorageThrottledError);
  else expect(await outcome).toEqual({ ok: false, failed: expected, existing: null });
  expect(requestCount()).toBe(1);
  await store.close();
});

test('a table that is not there is a refusal', async () => {
  const missing = dynamoError(400, 'ResourceNotFoundException');
  const { store } = await dynamoAnswering((socket) => void socket.write(missing));
  await expect(store.get(item, options)).rejects.toMatchObject({ name: 'StorageRefusedError' });
  await store.close();
});
