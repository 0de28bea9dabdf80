/** The network between real processes can be cut and slowed in each direction, by proxies and by network namespaces. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ProxyLinks } from '../stand-ins/link-proxy.ts';
import type { Links } from '../stand-ins/links.ts';
import { NamespaceLinks, whyNoNamespaces } from '../stand-ins/namespaces.ts';

const SILENT_MS = 300;

/** `a` is connected to `b`: what each has heard of the other. */
interface Connected {
  readonly links: Links;
  send(from: 'a' | 'b', text: string): void;
  heard(by: 'a' | 'b'): string;
  close(): Promise<void>;
}

async function throughProxy(): Promise<Connected> {
  const heard = { a: '', b: '' };
  const accepted: Socket[] = [];
  const server: Server = createServer((socket) => {
    accepted.push(socket.setNoDelay(true));
    socket.on('data', (chunk) => {
      heard.b += chunk;
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const links = new ProxyLinks(
    new Map([
      ['b', { pid: () => 0, internal: () => address }],
      ['a', { pid: () => process.pid, internal: () => '' }],
    ]),
  );
  const [host, port] = (await links.front('b')).split(':');
  const socket = connect({ host: host!, port: Number(port), noDelay: true });
  socket.on('data', (chunk) => {
    heard.a += chunk;
  });
  await once(socket, 'connect');
  return {
    links,
    send: (from, text) => void (from === 'a' ? socket : accepted[0]!).write(text),
    heard: (by) => heard[by],
    async close() {
      socket.destroy();
      await links.close();
      server.close();
    },
  };
}

/** Two netcats, as it were: `a` in one namespace connects to `b` in another, lines of their input go across. */
const SPEAKER = `
const { connect, createServer } = require('node:net');
const [host, port, listens] = process.argv.slice(1);
const speak = (socket) => {
  socket.setNoDelay(true);
  process.stdin.on('data', (chunk) => socket.write(chunk));
  socket.on('data', (chunk) => process.stdout.write(chunk));
};
if (listens) createServer(speak).listen(Number(port), host, () => process.stderr.write('listening'));
else speak(connect(Number(port), host, () => process.stderr.write('connected')));
`;

async function throughNamespaces(): Promise<Connected> {
  const links = new NamespaceLinks();
  const heard = { a: '', b: '' };
  const speakers = { a: null, b: null } as Record<'a' | 'b', ReturnType<typeof spawn> | null>;
  const address = { a: links.add('a'), b: links.add('b') };
  for (const name of ['b', 'a'] as const) {
    const [command, ...rest] = links.wrapper(name);
    const parameters = [
      ...rest,
      process.execPath,
      '-e',
      SPEAKER,
      address.b,
      '7000',
      ...(name === 'b' ? ['listen'] : []),
    ];
    const speaker = spawn(command!, parameters, { stdio: ['pipe', 'pipe', 'pipe'] });
    speakers[name] = speaker;
    speaker.stdout.on('data', (chunk) => {
      heard[name] += chunk;
    });
    await once(speaker.stderr, 'data');
  }
  return {
    links,
    send: (from, text) => void speakers[from]!.stdin!.write(text),
    heard: (by) => heard[by],
    async close() {
      for (const speaker of Object.values(speakers)) {
        const ended = once(speaker!, 'exit');
        speaker!.kill('SIGKILL');
        await ended;
      }
      await links.close();
    },
  };
}

const why = whyNoNamespaces();

describe.each([
  ['a proxy', throughProxy, process.platform === 'linux' ? null : 'only Linux tells whose a connection is'],
  ['network namespaces', throughNamespaces, why],
] as const)('two brokers joined by %s', (_, open, missing) => {
  if (missing !== null) {
    test('are cut off', (context) => context.skip(missing));
    return;
  }
  let connected: Connected;
  beforeAll(async () => {
    connected = await open();
  });
  afterAll(async () => {
    await connected?.close();
  });
  const hears = (by: 'a' | 'b', text: string) =>
    expect.poll(() => connected.heard(by), { timeout: 10_000 }).toContain(text);

  test('hear each other', async () => {
    connected.send('a', 'hello');
    await hears('b', 'hello');
    connected.send('b', 'welcome');
    await hears('a', 'welcome');
  });

  test.each([
    ['a', 'b'],
    ['b', 'a'],
  ] as const)('a cut from %s to %s holds up that direction, and nothing is lost when it heals', async (from, to) => {
    connected.links.set(from, to, 'cut');
    const held = `held from ${from}`;
    connected.send(from, held);
    await pause(SILENT_MS);
    expect(connected.heard(to)).not.toContain(held);
    connected.links.heal();
    await hears(to, held);
    connected.send(to, `after ${held}`);
    await hears(from, `after ${held}`);
  });

  test('a slow link delivers late', async () => {
    connected.links.set('a', 'b', { delayMs: 50, bytesPerSecond: 100_000 });
    const began = performance.now();
    connected.send('a', `${'x'.repeat(60_000)}end`);
    await hears('b', 'end');
    expect(performance.now() - began).toBeGreaterThan(200);
    connected.links.heal();
    connected.send('a', 'fast again');
    await hears('b', 'fast again');
  });
});
