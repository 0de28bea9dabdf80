import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { freePort } from '../stand-ins/free-port.ts';

const OUTGOING_FROM = 32_768;

test('a free port is given once, can be listened on, and is none that an outgoing connection may get', async () => {
  const ports = new Set<number>();
  for (let count = 0; count < 100; count++) ports.add(await freePort());
  expect(ports.size).toBe(100);
  expect(Math.max(...ports)).toBeLessThan(OUTGOING_FROM);
  const servers = [...ports].map((port) => createServer().listen(port, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  for (const server of servers) server.close();
});
