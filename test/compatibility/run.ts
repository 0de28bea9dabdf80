/** Programs that others wrote, run to their end. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Writable } from 'node:stream';

export interface RunOptions {
  readonly environment?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly input?: string | Uint8Array | ((stdin: Writable) => Promise<void>);
  readonly timeoutMs?: number;
  /** Answers whatever the exit status is. */
  readonly anyStatus?: boolean;
  /** Told of what it writes as it comes. */
  readonly onStdout?: (text: string) => void;
}

export interface Ran {
  readonly status: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

const TIMEOUT_MS = 120_000;

/** Throws, with what it wrote to standard error, when it fails or takes too long. */
export async function run(command: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const { environment, cwd, input, timeoutMs = TIMEOUT_MS } = options;
  const child = spawn(command[0]!, command.slice(1), {
    ...(cwd !== undefined && { cwd }),
    env: { ...process.env, ...environment },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => {
    stdout.push(chunk);
    options.onStdout?.(chunk.toString());
  });
  child.stderr.on('data', (chunk: Buffer) => void stderr.push(chunk));
  child.stdin.on('error', () => {}); // It may end before it has read everything.
  const ended = once(child, 'close');
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill('SIGKILL');
  }, timeoutMs);
  try {
    if (typeof input === 'function') await input(child.stdin);
    else child.stdin.end(input);
    await ended;
  } finally {
    clearTimeout(timer);
    if (child.exitCode === null) child.kill('SIGKILL');
  }
  const ran = { status: child.exitCode, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() };
  if (late) throw new Error(`${command.join(' ')} took more than ${timeoutMs} ms: ${ran.stderr}`);
  if (ran.status !== 0 && options.anyStatus !== true) {
    throw new Error(`${command.join(' ')} ended with ${child.signalCode ?? `status ${ran.status}`}: ${ran.stderr}`);
  }
  return ran;
}

/** Whether a program of this name is in the PATH. */
export const hasProgram = (name: string): boolean =>
  (process.env['PATH'] ?? '').split(delimiter).some((directory) => existsSync(join(directory, name)));

/** With REQUIRE_STAND_INS=1 nothing that is missing may go unnoticed. */
export const mustHaveEverything = process.env['REQUIRE_STAND_INS'] === '1';
