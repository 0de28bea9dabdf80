/** What brokers pay to talk to each other: encrypted, over loopback, both processes on the cores of this machine. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { RpcMethod } from '../../src/rpc/method.ts';
import type { PeerEvents } from '../../src/rpc/peer-events.ts';
import { PeerPool } from '../../src/rpc/peer-pool.ts';
import { TlsTransport } from '../../src/rpc/tls-transport.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { type Runtime, systemRuntime } from '../../src/runtime/runtime.ts';
import { percentile } from './percentile.ts';
import { fixed, type Line, print } from './report.ts';

const bytesMethod = (id: number, name: string): RpcMethod<Buffer, Buffer> => ({
  id,
  name,
  encodeRequest: (bytes) => [bytes],
  decodeRequest: (bytes) => bytes,
  encodeResponse: (bytes) => [bytes],
  decodeResponse: (bytes) => bytes,
});

export const SMALL = bytesMethod(1, 'bench.small');
export const BLOCK = bytesMethod(2, 'bench.block');
export const CPU = bytesMethod(3, 'bench.cpu');

const QUESTION = Buffer.alloc(1_024, 3);
const NOTHING = Buffer.alloc(0);
const TIMEOUT = { timeoutMs: 60_000 };

export const QUIET_EVENTS: PeerEvents = {
  onUp() {},
  onDown() {},
  onPing() {},
  onPong() {},
  onStall() {},
  pingPayload: () => [],
  onSuperseded() {},
};

export function openPool(brokerId: number, runtime: Runtime): PeerPool {
  const clusterId = 'bench';
  const transport = new TlsTransport({ secret: 'sixteen letters!', clusterId, runtime });
  return new PeerPool({ transport, runtime, clusterId, incarnation: 'bench', brokerId, version: '0' });
}

interface Run {
  readonly perSecond: number;
  /** CPU microseconds per call. */
  readonly caller: number;
  readonly answerer: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export async function measureRpc(share: number): Promise<void> {
  const child = fork(join(import.meta.dirname, 'rpc-answerer.ts'));
  const [port] = (await once(child, 'message')) as [number];
  const pool = openPool(1, systemRuntime(silentLogger));
  try {
    const { promise: connected, resolve } = Promise.withResolvers<void>();
    pool.start(1, { ...QUIET_EVENTS, onUp: () => resolve() });
    pool.want([{ brokerId: 2, address: { host: '127.0.0.1', port } }]);
    await connected;
    const measure = async (method: typeof SMALL, question: Buffer, count: number, inFlight: number) => {
      await run(pool, method, question, Math.ceil((count * share) / 4), inFlight);
      return run(pool, method, question, Math.ceil(count * share), inFlight);
    };
    const lines = [
      latencyLine(await measure(SMALL, QUESTION, 10_000, 1)),
      callsLine(await measure(SMALL, QUESTION, 300_000, 64)),
      blocksLine(await measure(BLOCK, NOTHING, 2_000, 4)),
    ];
    print('Calls between brokers: TLS over loopback', lines, share);
  } finally {
    await pool.close();
    child.disconnect();
  }
}

async function run(
  pool: PeerPool,
  method: typeof SMALL,
  question: Buffer,
  count: number,
  inFlight: number,
): Promise<Run> {
  const latencies: number[] = [];
  const [own, others] = [ownCpu(), await cpuOf(pool)];
  const beganAt = performance.now();
  let left = count;
  const call = async () => {
    while (left-- > 0) {
      const calledAt = performance.now();
      await pool.call(2, method, question, TIMEOUT);
      latencies.push(performance.now() - calledAt);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, call));
  const seconds = (performance.now() - beganAt) / 1_000;
  return {
    perSecond: count / seconds,
    caller: (ownCpu() - own) / count,
    answerer: ((await cpuOf(pool)) - others) / count,
    p50Ms: percentile(latencies, 50),
    p99Ms: percentile(latencies, 99),
  };
}

function ownCpu(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

const cpuOf = async (pool: PeerPool): Promise<number> => Number(await pool.call(2, CPU, NOTHING, TIMEOUT));

const latencyLine = ({ p50Ms, p99Ms }: Run): Line => ({
  what: '1 KB call, one at a time',
  measured: `p50 ${fixed(p50Ms, 2)} ms, p99 ${fixed(p99Ms, 2)} ms`,
  budget: 'p50 < 0.5 ms',
  aim: '0.1 ms',
  met: p50Ms < 0.5,
});

const callsLine = ({ perSecond, caller, answerer }: Run): Line => ({
  what: '1 KB calls, 64 in flight',
  measured: `${fixed(perSecond)}/s, ${fixed(caller, 1)} µs of CPU at the caller, ${fixed(answerer, 1)} µs at the other end`,
  budget: '< 10 µs together',
  aim: '4 µs',
  met: caller + answerer < 10,
});

const blocksLine = ({ perSecond, caller, answerer }: Run): Line => ({
  what: 'answers of 1 MiB, 4 in flight',
  measured: `${fixed(perSecond)} MiB/s, ${fixed(1_000_000 / caller)} MiB/CPU-s received, ${fixed(1_000_000 / answerer)} sent`,
  budget: '400 MiB/CPU-s received',
  aim: '1,000',
  met: 1_000_000 / caller > 400,
});
