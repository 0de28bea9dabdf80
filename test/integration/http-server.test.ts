/** The HTTP door on a real socket: what clients do to it that no Request can show. */
import { once } from 'node:events';
import { type Agent, Agent as HttpAgent, request as httpRequest } from 'node:http';
import { connect, Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Given } from '../../src/config.ts';
import { type HttpServer, type HttpServerOptions, listenHttp } from '../../src/http/server.ts';
import { type HttpDoor, openDoor } from '../unit/http/http-door.ts';

const BODY_BYTES_MAX = 4 * 1024 * 1024;

interface Served {
  readonly door: HttpDoor;
  readonly server: HttpServer;
  readonly url: string;
  close(): Promise<void>;
}

/** A broker of its own on a socket, with a topic `orders` of one partition. */
async function serve(given: Given, options: Partial<HttpServerOptions> = {}): Promise<Served> {
  const door = await openDoor({ given });
  const server = await listenHttp({ ...door.context, listen: { host: '127.0.0.1', port: 0 }, ...options });
  await door.createTopic('orders');
  return {
    door,
    server,
    url: `http://127.0.0.1:${server.address.port}`,
    async close() {
      await server.close();
      await door.close();
    },
  };
}

let served: Served;
beforeAll(async () => {
  served = await serve({ 'http.body.bytes.max': String(BODY_BYTES_MAX), 'connections.max': '2000' });
});
afterAll(() => served.close());

const eventually = (check: () => unknown) => vi.waitFor(check, { timeout: 15_000, interval: 20 });

const HASTY = { head: 200, request: 400, silence: 300, keepAlive: 100, check: 50 };

const RECORDS = '/v1/topics/orders/partitions/0/records';
const json = { 'content-type': 'application/json' };

const produce = (records: unknown[], { url } = served) =>
  fetch(url + RECORDS, { method: 'POST', headers: json, body: JSON.stringify({ records }) });

async function stillServes(by = served): Promise<void> {
  const answer = await produce([{ value: 'still here' }], by);
  expect(answer.status).toBe(200);
  await answer.arrayBuffer();
}

const metrics = async ({ url } = served) => (await fetch(`${url}/metrics`)).text();
const heldBytes = async (by = served) => Number(/^millrace_http_held_bytes (\d+)$/m.exec(await metrics(by))![1]);

/** A raw connection that collects what the broker says. */
async function raw({ server } = served): Promise<Socket & { said(): string }> {
  const socket = connect(server.address.port, '127.0.0.1');
  let said = '';
  socket.on('data', (chunk) => {
    said += chunk.toString('latin1');
  });
  socket.on('error', () => {});
  await once(socket, 'connect');
  return Object.assign(socket, { said: () => said });
}

const head = (method: string, path: string, headers: Readonly<Record<string, string | number>> = {}) =>
  [`${method} ${path} HTTP/1.1`, 'Host: broker', ...Object.entries(headers).map(([n, v]) => `${n}: ${v}`), '', ''].join(
    '\r\n',
  );

describe('bodies', () => {
  test('of chunks are read as they come', async () => {
    const socket = await raw();
    socket.write(head('POST', RECORDS, { 'Content-Type': 'application/json', 'Transfer-Encoding': 'chunked' }));
    for (const part of ['{"records":[{"va', 'lue":"in ', 'parts"}]}']) {
      socket.write(`${part.length.toString(16)}\r\n${part}\r\n`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    socket.write('0\r\n\r\n');
    await eventually(() => expect(socket.said()).toMatch(/^HTTP\/1\.1 200 [\s\S]*"results":\[\{"partition":0/));
    socket.destroy();
  });

  test('over the limit are refused while they come, and never held', async () => {
    const socket = await raw();
    socket.write(head('POST', RECORDS, { 'Content-Type': 'application/json', 'Transfer-Encoding': 'chunked' }));
    const chunk = Buffer.alloc(64 * 1024, 0x20);
    let sent = 0;
    while (!socket.said() && !socket.destroyed && sent < 4 * BODY_BYTES_MAX) {
      socket.write(`${chunk.length.toString(16)}\r\n`);
      socket.write(chunk);
      socket.write('\r\n');
      sent += chunk.length;
      await new Promise((resolve) => setImmediate(resolve));
    }
    await eventually(() => expect(socket.said()).toMatch(/^HTTP\/1\.1 413 [\s\S]*MESSAGE_TOO_LARGE/));
    socket.destroy();
    await stillServes();
    await eventually(async () => expect(await heldBytes()).toBe(0));
  });

  test('announced over the limit are refused before they come', async () => {
    const socket = await raw();
    const expecting = {
      'Content-Type': 'application/json',
      'Content-Length': BODY_BYTES_MAX + 1,
      Expect: '100-continue',
    };
    socket.write(head('POST', RECORDS, expecting));
    await eventually(() => expect(socket.said()).toMatch(/^HTTP\/1\.1 413 /));
    socket.destroy();
    await stillServes();
  });

  test('that a client asks to send are asked for', async () => {
    const socket = await raw();
    const body = '{"records":[{"value":"asked"}]}';
    socket.write(head('POST', RECORDS, { ...json, 'Content-Length': body.length, Expect: '100-continue' }));
    await eventually(() => expect(socket.said()).toMatch(/^HTTP\/1\.1 100 Continue/));
    socket.write(body);
    await eventually(() => expect(socket.said()).toMatch(/HTTP\/1\.1 200 /));
    socket.destroy();
  });

  test('cut short leave nothing behind', async () => {
    const before = await served.door.core.log.watermarks({
      topicId: served.door.core.topics.byName('orders')!.topicId,
      partition: 0,
    });
    for (const part of ['', '{"records":[{"value":"half', '{"records":[{"value":"all but one"}]']) {
      const socket = await raw();
      socket.write(head('POST', RECORDS, { ...json, 'Content-Length': 1_000 }) + part);
      await new Promise((resolve) => setTimeout(resolve, 10));
      socket.destroy();
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
    const after = await served.door.core.log.watermarks({
      topicId: served.door.core.topics.byName('orders')!.topicId,
      partition: 0,
    });
    expect(after).toEqual(before);
    await stillServes();
  });
});

describe('what is not HTTP', () => {
  test.each([
    ['a Kafka request', Buffer.from('00000014001200030000000100046b6361740000', 'hex')],
    ['a TLS hello', Buffer.from('16030100c8010000c40303', 'hex')],
    ['random bytes', Buffer.from(Array.from({ length: 500 }, (_, index) => (index * 7919) % 256))],
    ['a head that is too large', Buffer.from(head('GET', '/healthz', { 'X-Long': 'x'.repeat(20_000) }))],
    ['a request line without a path', Buffer.from('GET\r\n\r\n')],
    [
      'two lengths',
      Buffer.from(`POST ${RECORDS} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab`),
    ],
    ['a host that is none', Buffer.from('GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n')],
  ])('%s is refused and the connection ends', async (_, bytes) => {
    const socket = await raw();
    socket.end(bytes);
    await once(socket, 'close');
    expect(socket.said()).toMatch(/^HTTP\/1\.1 4\d\d /);
    await stillServes();
  });
});

describe('clients', () => {
  test('that send byte by byte are served, and others meanwhile', async () => {
    const socket = await raw();
    const body = '{"records":[{"value":"slow"}]}';
    for (const byte of head('POST', RECORDS, { ...json, 'Content-Length': body.length }) + body) {
      socket.write(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await stillServes();
    await eventually(() => expect(socket.said()).toMatch(/^HTTP\/1\.1 200 /));
    socket.destroy();
  });

  test('that leave during a long poll end it', async () => {
    const socket = await raw();
    socket.write(head('GET', `${RECORDS}?from=latest&wait=25000`));
    await new Promise((resolve) => setTimeout(resolve, 50));
    socket.destroy();
    await eventually(async () => expect(await metrics()).toMatch(/records",status="499"} 1$/m));
    await stillServes();
  });

  test('a thousand that say nothing keep nobody from being served', async () => {
    const sockets = await Promise.all(Array.from({ length: 1_000 }, () => raw()));
    await stillServes();
    for (const socket of sockets) socket.destroy();
    await stillServes();
  });

  test('send requests one behind the other and get answers in order', async () => {
    const socket = await raw();
    socket.write(head('GET', '/healthz') + head('GET', '/nope') + head('GET', '/readyz'));
    await eventually(() => {
      expect([...socket.said().matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status)).toEqual([
        '200',
        '404',
        '200',
      ]);
    });
    socket.destroy();
  });
});

describe('a client that does not read its answers', () => {
  const HELD_BYTES_MAX = 24 * 1024 * 1024;
  /** The kernel takes tens of megabytes for a client that does not. */
  const ANSWERS = 12;

  async function stuck(options: Partial<HttpServerOptions>) {
    const by = await serve({}, { heldBytesMax: HELD_BYTES_MAX, ...options });
    const records = Array(10).fill({ value: 'x'.repeat(90_000) });
    for (let batch = 0; batch < 8; batch++) await (await produce(records, by)).arrayBuffer();
    const sockets = await Promise.all([raw(by), raw(by), raw(by)]);
    for (const socket of sockets) {
      socket.pause();
      socket.write(head('GET', `${RECORDS}?max_bytes=8000000&limit=10000`).repeat(ANSWERS));
    }
    return { by, sockets };
  }

  test('holds a bounded amount of memory, which is free when it leaves', { timeout: 60_000 }, async () => {
    const { by, sockets } = await stuck({});
    await eventually(async () => expect(await metrics(by)).toMatch(/route="[^"]*records",status="429"}/));
    expect(await heldBytes(by)).toBeGreaterThan(HELD_BYTES_MAX / 2);
    expect(await heldBytes(by)).toBeLessThanOrEqual(HELD_BYTES_MAX);
    expect((await fetch(`${by.url}/v1/topics`)).status).toBe(200);
    for (const socket of sockets) socket.destroy();
    await eventually(async () => expect(await heldBytes(by)).toBe(0));
    await stillServes(by);
    await by.close();
  });

  test('is hung up on after a silence', { timeout: 60_000 }, async () => {
    const { by, sockets } = await stuck({ patience: { ...HASTY, silence: 500 } });
    await eventually(async () => expect(await heldBytes(by)).toBeGreaterThan(HELD_BYTES_MAX / 2));
    await eventually(async () => expect(await heldBytes(by)).toBe(0));
    await stillServes(by);
    for (const socket of sockets) socket.destroy();
    await by.close();
  });
});

describe('patience ends with a client that sends', () => {
  test.each([
    ['half a head', 'GET /healthz HTTP/1.1\r\nHost: a\r\nX-Half: ', /^HTTP\/1\.1 408 /],
    ['half a body', `${head('POST', RECORDS, { ...json, 'Content-Length': 100 })}{"rec`, /^$/],
    ['nothing after an answer', head('GET', '/healthz'), /^HTTP\/1\.1 200 /],
  ])('%s', async (_, bytes, said) => {
    const hasty = await serve({}, { patience: HASTY });
    const socket = await raw(hasty);
    socket.write(bytes);
    await once(socket, 'close');
    expect(socket.said()).toMatch(said);
    await stillServes(hasty);
    await hasty.close();
  });
});

test('closing answers long polls, lets requests finish and ends idle connections', async () => {
  const closing = await listenHttp({ ...served.door.context, listen: { host: '127.0.0.1', port: 0 } });
  const agent: Agent = new HttpAgent({ keepAlive: true });
  const get = (path: string) =>
    new Promise<number>((resolve, reject) => {
      httpRequest({ port: closing.address.port, path, agent }, (answer) => {
        answer.resume().on('end', () => resolve(answer.statusCode!));
      })
        .on('error', reject)
        .end();
    });
  expect(await get('/healthz')).toBe(200); // Leaves an idle connection.
  const waiting = get(`${RECORDS}?from=latest&wait=25000`);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const before = performance.now();
  await closing.close();
  expect(performance.now() - before).toBeLessThan(4_000);
  expect(await waiting).toBe(503);
  await expect(get('/healthz')).rejects.toThrow();
  agent.destroy();
});

test('an address that is taken is named', async () => {
  await expect(listenHttp({ ...served.door.context, listen: served.server.address })).rejects.toThrow(
    new RegExp(`^cannot listen for HTTP on 127\\.0\\.0\\.1:${served.server.address.port}: .*EADDRINUSE`),
  );
});

test('connections that cannot be accepted, as with too many open files, end nothing', async () => {
  const listen = vi.spyOn(Server.prototype, 'listen');
  const one = await serve({});
  const server = listen.mock.contexts[0] as Server;
  listen.mockRestore();
  for (let count = 0; count < 3; count++) server.emit('error', new Error('accept EMFILE'));
  await stillServes(one);
  await one.close();
});
