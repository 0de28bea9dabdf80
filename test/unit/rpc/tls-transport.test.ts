import { once } from 'node:events';
import { connect as connectPlain, createServer as createPlainServer, type Server, type Socket } from 'node:net';
import {
  type ConnectionOptions,
  connect as connectTls,
  createServer as createTlsServer,
  type TLSSocket,
} from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Address } from '../../../src/config.ts';
import { StartupError } from '../../../src/errors.ts';
import { clusterKey } from '../../../src/rpc/secret.ts';
import { TlsTransport } from '../../../src/rpc/tls-transport.ts';
import type { Channel } from '../../../src/rpc/transport.ts';
import type { LogFields, Logger } from '../../../src/runtime/logger.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import { systemRuntime } from '../../../src/runtime/runtime.ts';
import { selfSigned } from './certificate.ts';
import { WireTap } from './wire-tap.ts';

const SECRET = 'sixteen letters!';
const LOOPBACK = { host: '127.0.0.1', port: 0 };
const closing: (() => unknown)[] = [];
const warnings: { readonly fields: LogFields; readonly message: string }[] = [];
const warn = (fields: LogFields, message: string) => void warnings.push({ fields, message });
const logger: Logger = { ...silentLogger, warn, error: warn };
const runtime = systemRuntime(logger);

beforeEach(() => {
  warnings.length = 0;
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

interface Echo {
  readonly address: Address;
  readonly accepted: Channel[];
  readonly frames: Buffer[];
  readonly closed: string[];
}

const transport = (secret = SECRET, clusterId = 'test', handshakeMs = 3_000) =>
  new TlsTransport({ secret, clusterId, runtime, handshakeMs });

/** A listener that sends every frame back. */
async function echo(of = transport()): Promise<Echo> {
  const heard: Omit<Echo, 'address'> = { accepted: [], frames: [], closed: [] };
  const listener = await of.listen(LOOPBACK, (channel) => {
    heard.accepted.push(channel);
    channel.onFrame = (frame) => {
      heard.frames.push(frame);
      channel.send([frame]);
    };
    channel.onClose = (why) => heard.closed.push(why);
  });
  closing.push(() => listener.close());
  return { address: listener.address, ...heard };
}

async function connected(address: Address, of = transport()): Promise<Channel> {
  const channel = await of.connect(address, AbortSignal.timeout(5_000));
  closing.push(() => channel.close('the test is over'));
  return channel;
}

const nextFrames = (channel: Channel, count: number) =>
  new Promise<Buffer[]>((resolve, reject) => {
    const frames: Buffer[] = [];
    channel.onFrame = (frame) => {
      frames.push(frame);
      if (frames.length === count) resolve(frames);
    };
    channel.onClose = (why) => reject(new Error(why));
  });

async function expectEcho(channel: Channel, text = 'still here'): Promise<void> {
  const frames = nextFrames(channel, 1);
  channel.send([Buffer.from(text)]);
  expect((await frames).toString()).toBe(text);
}

const closeOf = (channel: Channel) =>
  new Promise<string>((resolve) => {
    channel.onClose = resolve;
  });

async function listening(server: Server): Promise<Address> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => server.close());
  return { host: '127.0.0.1', port: (server.address() as { port: number }).port };
}

/** A stranger on a plain socket. Resolves when it was hung up on. */
async function plain(address: Address, bytes: Uint8Array | null): Promise<Buffer> {
  const socket: Socket = connectPlain(address.port, address.host);
  socket.on('error', () => {});
  const answer: Buffer[] = [];
  socket.on('data', (chunk) => answer.push(chunk));
  if (bytes !== null) socket.write(bytes);
  await new Promise<void>((resolve) => socket.on('close', () => resolve()));
  return Buffer.concat(answer);
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 2));
}

describe('frames', () => {
  test('of all sizes come back whole and in order', async () => {
    const { address } = await echo();
    const channel = await connected(address);
    const sizes = [1, 5, 100, 16_383, 16_384, 32_768, 40_000, 65_536, 70_000, 1_000_000, 2, 6_000_000, 3];
    const frames = nextFrames(channel, sizes.length);
    for (const [at, size] of sizes.entries()) {
      const half = Math.floor(size / 2);
      channel.send([Buffer.alloc(half, at), Buffer.alloc(size - half, at)]);
    }
    expect((await frames).map(({ length }) => length)).toEqual(sizes);
    expect((await frames).every((frame, at) => frame.every((byte) => byte === at))).toBe(true);
    expect(channel.waitingBytes).toBe(0);
    expect(channel.receivedBytes).toBe(sizes.reduce((sum, size) => sum + size + 4, 0));
  });

  test('that were sent before a close arrive', async () => {
    const { address, frames, closed } = await echo();
    const channel = await connected(address);
    channel.send([Buffer.alloc(3_000_000)]);
    channel.send([Buffer.from('goodbye')]);
    channel.close('enough');
    await until(() => closed.length > 0);
    expect(frames.map(({ length }) => length)).toEqual([3_000_000, 7]);
  });

  test('are released once each when the other end is gone', async () => {
    const { address, accepted } = await echo();
    const channel = await connected(address);
    await expectEcho(channel);
    accepted[0]!.onFrame = () => {};
    const taken: number[] = [];
    const gone = closeOf(channel);
    for (let at = 0; at < 50; at++) channel.send([Buffer.alloc(1_000_000)], () => taken.push(at), at % 2 === 0);
    accepted[0]!.close('over');
    await gone;
    channel.send([Buffer.alloc(1_000_000)], () => taken.push(50));
    await until(() => taken.length >= 51);
    expect(new Set(taken).size).toBe(51);
  });

  test('that are too long to be true close the channel', async () => {
    const { address, accepted, frames } = await echo();
    const { socket, proved } = rawPeer(address);
    await proved;
    socket.write(Buffer.from([0xff, 0xff, 0xff, 0xff, 1, 2, 3]));
    await once(socket, 'close');
    expect(accepted).toHaveLength(1);
    expect(frames).toEqual([]);
  });
});

/** TLS with the right key, and then whatever the test writes. */
function rawPeer(address: Address, options: ConnectionOptions = {}) {
  const psk = clusterKey(SECRET, 'test');
  const socket: TLSSocket = connectTls({
    ...address,
    ciphers: 'TLS_AES_128_GCM_SHA256',
    ca: [],
    checkServerIdentity: () => undefined,
    pskCallback: () => ({ psk, identity: 'millrace/test' }),
    ...options,
  });
  closing.push(() => socket.destroy());
  const proved = new Promise<void>((resolve, reject) => {
    socket.on('secureConnect', resolve);
    socket.on('error', reject);
  });
  return { socket, proved };
}

describe('the secret', () => {
  test('who does not know it is refused in clear words, and others notice nothing', async () => {
    const { address, accepted } = await echo();
    const channel = await connected(address);
    await expect(connected(address, transport('another secret..'))).rejects.toMatchObject({
      name: 'ConnectError',
      problem: 'secret',
      message: `127.0.0.1:${address.port} knows another secret (tlsv1 alert decrypt error): brokers of one cluster have the same MILLRACE_CLUSTER_SECRET`,
    });
    await until(() => warnings.length > 0);
    expect(warnings).toMatchObject([
      {
        message: 'a connection to the internal listener was refused',
        fields: {
          cause: `it does not know this cluster's secret (binder does not verify): brokers of one cluster have the same MILLRACE_CLUSTER_SECRET`,
        },
      },
    ]);
    await expectEcho(channel);
    expect(accepted).toHaveLength(1);
  });

  test('is changed from broker to broker, and at each step all of them reach each other', async () => {
    const [old, fresh] = [SECRET, 'another sixteen!!'];
    const rotating = (secret: string, previousSecret = '') =>
      new TlsTransport({ secret, previousSecret, clusterId: 'test', runtime });
    const brokers = [rotating(old), rotating(old), rotating(old)];
    const expectAllConnected = async () => {
      for (const listening of brokers) {
        const { address } = await echo(listening);
        for (const connecting of brokers) await expectEcho(await connected(address, connecting));
      }
    };
    await expectAllConnected();
    for (const next of [() => rotating(fresh, old), () => rotating(fresh)]) {
      for (const index of brokers.keys()) {
        brokers[index] = next();
        await expectAllConnected();
      }
    }
    const { address } = await echo(brokers[0]);
    await expect(rotating(old).connect(address, AbortSignal.timeout(5_000))).rejects.toMatchObject({
      problem: 'secret',
    });
    const stranger = rotating('a third one of 16', 'a fourth one of 16');
    await expect(stranger.connect(address, AbortSignal.timeout(5_000))).rejects.toMatchObject({ problem: 'secret' });
  });

  test('is counted: who proved it, and who was refused', async () => {
    const counted = async (outcome: string) => {
      const text = await runtime.metrics.expose();
      return Number(
        new RegExp(`^millrace_rpc_handshakes_total\\{outcome="${outcome}"\\} (\\d+)`, 'm').exec(text)?.[1] ?? 0,
      );
    };
    const { address } = await echo();
    const [proved, refused] = [await counted('proved'), await counted('refused')];
    await plain(address, Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'));
    await expect(connected(address, transport('another secret..'))).rejects.toThrow();
    await expectEcho(await connected(address));
    expect(await counted('refused')).toBe(refused + 2);
    expect(await counted('proved')).toBe(proved + 1);
  });

  test('nobody is warned of who hangs up before it has proved it or not', async () => {
    const { address, accepted } = await echo();
    const looks = connectPlain(address.port, address.host);
    await new Promise((resolve) => looks.once('connect', resolve));
    looks.destroy();
    const attempt = new AbortController();
    const left = transport().connect(address, attempt.signal);
    setImmediate(() => attempt.abort(new Error('not wanted any more')));
    await left.catch(() => {});
    await expectEcho(await connected(address));
    await until(async () => /rpc_handshakes_total\{outcome="left"\} [1-9]/.test(await runtime.metrics.expose()));
    expect(warnings).toEqual([]);
    expect(accepted.length).toBeGreaterThan(0);
  });

  test('without one, loopback works all the same', async () => {
    const { address } = await echo(transport(''));
    await expectEcho(await connected(address, transport('')));
    await expect(connected(address)).rejects.toMatchObject({ problem: 'secret' });
  });

  test('a broker of another cluster with the same secret gets through, to be told in words', async () => {
    const { address } = await echo();
    await expectEcho(await connected(address, transport(SECRET, 'other')));
  });

  test('an ephemeral key exchange makes each session its own', async () => {
    const { address } = await echo();
    const { socket, proved } = rawPeer(address);
    await proved;
    expect(socket.getCipher().name).toBe('TLS_AES_128_GCM_SHA256');
    expect(socket.getProtocol()).toBe('TLSv1.3');
    expect(socket.getEphemeralKeyInfo()).toHaveProperty('name');
  });

  test.each([
    ['TLS 1.2', { maxVersion: 'TLSv1.2', minVersion: 'TLSv1.2', ciphers: 'PSK-AES128-GCM-SHA256' } as const],
    ['an unknown identity', { pskCallback: () => ({ psk: clusterKey(SECRET, 'test'), identity: 'x' }) }],
    ['no key at all', { pskCallback: undefined, rejectUnauthorized: false }],
  ])('%s is refused', async (_, options) => {
    const { address, accepted } = await echo();
    await expect(rawPeer(address, options as ConnectionOptions).proved).rejects.toThrow();
    expect(accepted).toEqual([]);
  });

  test('a listener with a certificate and without the secret is not talked to', async () => {
    const server = createTlsServer({ ...selfSigned('127.0.0.1'), minVersion: 'TLSv1.3' });
    server.on('tlsClientError', () => {});
    const heard: Buffer[] = [];
    server.on('secureConnection', (socket) => socket.on('data', (bytes) => heard.push(bytes)));
    const address = await listening(server);
    await expect(connected(address)).rejects.toMatchObject({ name: 'ConnectError' });
    expect(heard).toEqual([]);
  });
});

describe('somebody on the wire', () => {
  test('reads nothing', async () => {
    const { address } = await echo();
    const tap = await WireTap.open(address);
    closing.push(() => tap.close());
    const channel = await connected(tap.address);
    await expectEcho(channel, 'a plain text that is long enough to be found');
    for (const heard of [tap.sent, tap.answered]) {
      expect(Buffer.concat(heard).length).toBeGreaterThan(100);
      expect(Buffer.concat(heard).includes('plain text')).toBe(false);
      expect(Buffer.concat(heard).includes(SECRET)).toBe(false);
    }
  });

  test('gets nowhere with what was recorded', async () => {
    const { address, accepted, frames } = await echo();
    const tap = await WireTap.open(address);
    closing.push(() => tap.close());
    await expectEcho(await connected(tap.address), 'pay 100');
    const [opening, ...rest] = tap.sent;
    await plain(address, Buffer.concat(tap.sent));
    const socket = connectPlain(address.port, address.host);
    socket.on('error', () => {});
    socket.write(opening!);
    await once(socket, 'data');
    socket.write(Buffer.concat(rest));
    await once(socket, 'close');
    expect(accepted).toHaveLength(1);
    expect(frames).toHaveLength(1);
  });

  test.each([
    [
      'changes a bit',
      (bytes: Buffer) => {
        bytes[bytes.length - 20]! ^= 1;
        return bytes;
      },
    ],
    ['repeats a record', (bytes: Buffer) => Buffer.concat([bytes, bytes])],
    ['drops a record', () => Buffer.alloc(0)],
    [
      'adds a record of its own',
      (bytes: Buffer) => Buffer.concat([bytes, Buffer.from('1703030020', 'hex'), Buffer.alloc(32)]),
    ],
  ])('who %s ends the channel, and is not listened to', async (_, change) => {
    const { address, frames, closed } = await echo();
    const tap = await WireTap.open(address);
    closing.push(() => tap.close());
    const channel = await connected(tap.address);
    await expectEcho(channel);
    tap.change = change;
    channel.send([Buffer.from('pay 100')]);
    await until(() => tap.sent.length > 2);
    await new Promise((resolve) => setTimeout(resolve, 20));
    tap.change = (bytes) => bytes;
    channel.send([Buffer.from('pay 200')]);
    await until(() => closed.length > 0);
    expect(frames.map(String).filter((frame) => frame === 'pay 200')).toEqual([]);
    expect(frames.map(String).filter((frame) => frame === 'pay 100').length).toBeLessThanOrEqual(1);
  });
});

describe('garbage on the port', () => {
  test.each([
    [
      'an HTTP request',
      Buffer.from('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n'),
      'it speaks HTTP; this is the listener for other brokers',
    ],
    [
      'a Kafka request',
      Buffer.from('000000140012000300000001000461646d696e', 'hex'),
      'it does not speak TLS; this is the listener for other brokers',
    ],
    [
      'plain frames',
      Buffer.concat([Buffer.of(0, 0, 0, 9, 1), Buffer.from('{"a":1}')]),
      'it does not speak TLS; this is the listener for other brokers',
    ],
    ['zeros', Buffer.alloc(4_000), 'it does not speak TLS; this is the listener for other brokers'],
    ['a broken handshake', Buffer.concat([Buffer.from('160301', 'hex'), Buffer.alloc(400, 0xff)]), null],
  ])('%s is hung up on', async (_, bytes, words) => {
    const { address, accepted } = await echo();
    const channel = await connected(address);
    await plain(address, bytes);
    if (words !== null) {
      await until(() => warnings.length > 0);
      expect(warnings[0]?.fields['cause']).toBe(words);
    }
    await expectEcho(channel);
    expect(accepted).toHaveLength(1);
  });

  test('who says nothing, or too slowly, is hung up on', async () => {
    const { address, accepted } = await echo(transport(SECRET, 'test', 200));
    const slow = connectPlain(address.port, address.host);
    slow.on('error', () => {});
    const hello = Buffer.from('16030100f6010000f20303', 'hex');
    let at = 0;
    const dripping = setInterval(() => at < hello.length && slow.write(hello.subarray(at, ++at)), 30);
    const began = performance.now();
    await Promise.all([plain(address, null), new Promise((resolve) => slow.once('close', resolve))]);
    clearInterval(dripping);
    expect(performance.now() - began).toBeLessThan(3_000);
    expect(accepted).toEqual([]);
  });

  test('a crowd that proves nothing leaves room for brokers, and goes', async () => {
    const { address, accepted } = await echo(transport(SECRET, 'test', 1_000));
    const channel = await connected(address);
    const crowd = Array.from({ length: 300 }, () => plain(address, null));
    await Promise.race(crowd);
    await expectEcho(channel);
    await expectEcho(await connected(address));
    expect(accepted).toHaveLength(2);
    await Promise.all(crowd);
    expect(warnings.map(({ message }) => message)).toContain(
      'too many connections to the internal listener that prove nothing',
    );
  });
});

describe('connecting', () => {
  test('to nobody is refused', async () => {
    const server = createPlainServer();
    const address = await listening(server);
    server.close();
    await expect(connected(address)).rejects.toMatchObject({
      problem: 'refused',
      message: expect.stringContaining('nobody listens'),
    });
  });

  test('to what is no broker fails', async () => {
    const server = createPlainServer((socket) => socket.on('error', () => {}).end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    await expect(connected(await listening(server))).rejects.toMatchObject({ problem: 'failed' });
  });

  test('to who never answers lasts until it is given up', async () => {
    const sockets: Socket[] = [];
    const server = createPlainServer((socket) => sockets.push(socket.on('error', () => {})));
    const address = await listening(server);
    closing.push(() => {
      for (const socket of sockets) socket.destroy();
    });
    const attempt = transport().connect(address, AbortSignal.timeout(50));
    await expect(attempt).rejects.toMatchObject({ problem: 'failed' });
    await expect(transport().connect(address, AbortSignal.abort(new Error('no')))).rejects.toMatchObject({
      problem: 'failed',
    });
  });

  test('a port that is taken is told as such', async () => {
    const { address } = await echo();
    await expect(transport().listen(address, () => {})).rejects.toThrow(StartupError);
  });

  test('a listener that is closed keeps its channels', async () => {
    const accepted: Channel[] = [];
    const listener = await transport().listen(LOOPBACK, (channel) => {
      accepted.push(channel);
      channel.onFrame = (frame) => channel.send([frame]);
    });
    const channel = await connected(listener.address);
    await expectEcho(channel);
    await listener.close();
    await expect(connected(listener.address)).rejects.toMatchObject({ problem: 'refused' });
    await expectEcho(channel);
  });
});
