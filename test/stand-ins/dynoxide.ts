/**
 * DynamoDB for tests: the dynoxide binary, which npm installs where a build of it exists. It keeps tables in memory and
 * never throttles, never conflicts and never forgets an answer: the fault decorators do that.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { type AddressInfo, connect, createServer } from 'node:net';
import { dirname, join } from 'node:path';

export interface Dynoxide {
  /** `http://127.0.0.1:PORT` */
  readonly endpoint: string;
  readonly pid: number;
  close(): Promise<void>;
}

const PACKAGE = `@dynoxide/${process.platform}-${process.arch}`;
const START_MS = 10_000;

/** The binary's path, or null when npm has none for this platform. */
export function dynoxideBinary(): string | null {
  try {
    return join(dirname(createRequire(import.meta.url).resolve(`${PACKAGE}/package.json`)), 'dynoxide');
  } catch {
    return null;
  }
}

export const DYNOXIDE_MISSING = `the npm package ${PACKAGE} is not installed, so there is no DynamoDB to test against`;

/** Starts one on a free port, or on `port`. */
export async function startDynoxide(port?: number): Promise<Dynoxide> {
  const binary = dynoxideBinary();
  if (binary === null) throw new Error(DYNOXIDE_MISSING);
  const listen = port ?? (await freePort());
  const child = spawn(binary, ['serve', '--host', '127.0.0.1', '--port', String(listen)], { stdio: 'ignore' });
  const exited = once(child, 'exit');
  const stop = () => void child.kill('SIGKILL');
  process.once('exit', stop); // A test run that is cut leaves no process behind.
  await listening(listen, () => child.exitCode);
  return {
    endpoint: `http://127.0.0.1:${listen}`,
    pid: child.pid!,
    async close() {
      process.removeListener('exit', stop);
      stop();
      await exited;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function listening(port: number, exitCode: () => number | null): Promise<void> {
  for (const deadline = Date.now() + START_MS; Date.now() < deadline; ) {
    if (exitCode() !== null) throw new Error(`dynoxide ended with status ${exitCode()}`);
    const socket = connect(port, '127.0.0.1');
    const open = await new Promise((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    });
    socket.destroy();
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`dynoxide does not listen after ${START_MS} ms`);
}
