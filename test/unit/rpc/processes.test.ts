/** Pools over TLS, one of them in a process of its own that is killed, stopped and frozen. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Address } from '../../../src/config.ts';
import type { RpcMethod } from '../../../src/rpc/method.ts';
import { PeerPool } from '../../../src/rpc/peer-pool.ts';
import { TlsTransport } from '../../../src/rpc/tls-transport.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import { systemRuntime } from '../../../src/runtime/runtime.ts';
import { ECHO, RecordedEvents, WAIT } from './brokers.ts';

const SECRET = 'sixteen letters!';
const BROKER = join(import.meta.dirname, 'broker-process.ts');
const LONG = { timeoutMs: 30_000 };
const runtime = systemRuntime(silentLogger);

let pool: PeerPool;
let events: RecordedEvents;
const children: ChildProcess[] = [];
const pools: PeerPool[] = [];

function open(brokerId: number): PeerPool {
  const opened = new PeerPool({
    transport: new TlsTransport({ secret: SECRET, clusterId: 'test', runtime }),
    runtime,
    clusterId: 'test',
    incarnation: 'first',
    brokerId,
    version: '0.1.0',
  });
  pools.push(opened);
  return opened;
}

beforeEach(() => {
  pool = open(1);
  events = new RecordedEvents();
  pool.start(1, events);
});

afterEach(async () => {
  for (const each of pools.splice(0)) await each.close();
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

async function run(brokerEpoch = 1, port = 0): Promise<{ child: ChildProcess; address: Address }> {
  const child = spawn(process.execPath, [BROKER, '2', String(brokerEpoch), String(port)], {
    env: { ...process.env, MILLRACE_CLUSTER_SECRET: SECRET, NODE_NO_WARNINGS: '1' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const [line] = (await once(child.stdout!, 'data')) as [Buffer];
  return { child, address: { host: '127.0.0.1', port: Number(line) } };
}

async function until(condition: () => boolean): Promise<number> {
  const began = performance.now();
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
  return performance.now() - began;
}

describe('a broker in another process', () => {
  test('that is killed is known to be gone at once, and met again when it is back', async () => {
    const { child, address } = await run();
    pool.want([{ brokerId: 2, address }]);
    await until(() => events.up.length === 1);
    expect(await pool.call(2, ECHO, 'there', LONG)).toBe('there');
    const error = pool.call(2, WAIT, '', LONG).catch((cause: unknown) => cause);
    child.kill('SIGKILL');
    await until(() => events.down.length > 0);
    // Known before silence could tell.
    expect(events.down).toMatchObject([{ brokerId: 2, why: 'refused' }]);
    expect(await error).toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER', sent: true });
    await run(2, address.port);
    await until(() => events.up.length === 2);
    expect(events.up[1]).toMatchObject({ brokerId: 2, brokerEpoch: 2 });
    expect(await pool.call(2, ECHO, 'again', LONG)).toBe('again');
  });

  test('that stops in order says so', async () => {
    const { child, address } = await run();
    pool.want([{ brokerId: 2, address }]);
    await until(() => events.up.length === 1);
    child.kill('SIGTERM');
    await until(() => events.down.length > 0);
    expect(events.down[0]).toMatchObject({ why: 'closed', sentence: 'broker 2 stops' });
  });

  test('that is frozen is silent, and is met again when it thaws', async () => {
    const { child, address } = await run();
    pool.want([{ brokerId: 2, address }]);
    await until(() => events.up.length === 1);
    child.kill('SIGSTOP');
    expect(await until(() => events.down.length > 0)).toBeGreaterThan(900);
    expect(events.down).toMatchObject([{ brokerId: 2, why: 'silent' }]);
    expect(await pool.probe(address, 300)).toMatchObject({ answer: 'silent' });
    child.kill('SIGCONT');
    await until(() => events.up.length === 2);
    expect(await pool.probe(address)).toMatchObject({ answer: 'hello', hello: { brokerId: 2 } });
  });
});

describe('answers of megabytes', () => {
  const BLOCK: RpcMethod<number, Buffer> = {
    id: 11,
    name: 'test.block',
    encodeRequest: (size) => [Buffer.from(String(size))],
    decodeRequest: (bytes) => Number(bytes.toString()),
    encodeResponse: (bytes) => [bytes],
    decodeResponse: (bytes) => bytes,
  };

  test('arrive whole, are released when they have left, and let small ones pass', async () => {
    const other = open(2);
    const address = await other.listen({ host: '127.0.0.1', port: 0 });
    other.start(1, new RecordedEvents());
    let held = 0;
    other.handle(BLOCK, (size, call) => {
      held++;
      call.onSent(() => held--);
      return Buffer.alloc(size, size % 251);
    });
    other.handle(ECHO, (text) => text);
    pool.want([{ brokerId: 2, address }]);
    await until(() => events.up.length === 1);
    const order: string[] = [];
    const sizes = Array.from({ length: 40 }, (_, at) => 1_000_000 + at);
    const blocks = sizes.map(async (size) => {
      const block = await pool.call(2, BLOCK, size, LONG);
      order.push('block');
      return block.length === size && block.every((byte) => byte === size % 251);
    });
    await pool.call(2, ECHO, '', LONG).then(() => order.push('small'));
    expect(await Promise.all(blocks)).toEqual(sizes.map(() => true));
    expect(order.indexOf('small')).toBeLessThan(10);
    await until(() => held === 0);
  });
});
