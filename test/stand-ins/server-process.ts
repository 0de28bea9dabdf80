/** A server of somebody else as a child process: started on a free port, waited for, and gone with the test run. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { endWithUs } from './children.ts';
import { freePort } from './free-port.ts';

export interface ServerProcess {
  /** `http://127.0.0.1:PORT` */
  readonly endpoint: string;
  readonly pid: number;
  close(): Promise<void>;
}

const START_MS = 20_000;
const POLL_MS = 20;

export interface ServerCommand {
  readonly binary: string;
  readonly arguments: (port: number) => readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** A free one unless given. */
  readonly port?: number;
  /** Ctrl-C in the terminal does not end it: whoever started it needs it until the end. */
  readonly apart?: boolean;
}

export async function startServerProcess(command: ServerCommand): Promise<ServerProcess> {
  const port = command.port ?? (await freePort());
  const env = { ...process.env, ...command.environment };
  const child = spawn(command.binary, command.arguments(port), {
    stdio: 'ignore',
    env,
    detached: command.apart ?? false,
  });
  const exited = once(child, 'exit');
  endWithUs(child);
  await listening(command.binary, port, () => child.exitCode);
  return {
    endpoint: `http://127.0.0.1:${port}`,
    pid: child.pid!,
    async close() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

async function listening(binary: string, port: number, exitCode: () => number | null): Promise<void> {
  for (const deadline = Date.now() + START_MS; Date.now() < deadline; ) {
    if (exitCode() !== null) throw new Error(`${binary} ended with status ${exitCode()}`);
    const socket = connect(port, '127.0.0.1');
    const open = await new Promise((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    });
    socket.destroy();
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  throw new Error(`${binary} does not listen after ${START_MS} ms`);
}
