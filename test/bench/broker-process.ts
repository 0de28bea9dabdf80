/** A broker of its own process, as a user starts it, with what the operating system says about its cost. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const root = join(import.meta.dirname, '..', '..');
/** Clock ticks per second of /proc/<pid>/stat on Linux. */
const TICKS_PER_SECOND = 100;

/** As `npm start` has it: a young generation of V8's default size costs a busy broker 100 MB and gains it nothing. */
const AS_NPM_START = ['--max-semi-space-size=8'];

export interface BrokerProcess {
  readonly kafka: string;
  readonly http: string;
  readonly pid: number;
  readonly directory: string;
  /** From spawn to the line `ready`, milliseconds. */
  readonly startMs: number;
  /** User and system time so far, seconds; NaN where /proc does not tell. */
  cpuSeconds(): number;
  /** Resident set now and at its highest, MB (10^6 bytes). */
  memory(): { readonly now: number; readonly peak: number };
  stop(): Promise<void>;
}

export interface BrokerProcessOptions {
  readonly directory?: string;
  readonly flags?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Keeps the data directory when stopped. */
  readonly keep?: boolean;
  readonly profile?: string;
}

export async function startBrokerProcess(options: BrokerProcessOptions = {}): Promise<BrokerProcess> {
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  const started = performance.now();
  const profile = options.profile ? ['--cpu-prof', `--cpu-prof-dir=${options.profile}`] : [];
  const child = spawn(
    process.execPath,
    [
      ...AS_NPM_START,
      ...profile,
      'src/cli/main.ts',
      'serve',
      '--data',
      directory,
      '--kafka',
      '127.0.0.1:0',
      '--http',
      '127.0.0.1:0',
      ...(options.flags ?? []),
    ],
    {
      cwd: root,
      env: { ...process.env, MILLRACE_LOG_LEVEL: 'warn', ...options.environment },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const addresses = await ready(child);
  const startMs = performance.now() - started;
  const pid = child.pid!;
  return {
    ...addresses,
    pid,
    directory,
    startMs,
    cpuSeconds: () => cpuSeconds(pid),
    memory: () => ({ now: statusMegabytes(pid, 'VmRSS'), peak: statusMegabytes(pid, 'VmHWM') }),
    async stop() {
      const exited = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await exited;
      if (!options.keep) rmSync(directory, { recursive: true, force: true });
    },
  };
}

function ready(child: ChildProcess): Promise<{ kafka: string; http: string }> {
  return new Promise((resolve, reject) => {
    let first: RegExpExecArray | null = null;
    child.once('exit', (code) => reject(new Error(`the broker ended with status ${code} before it was ready`)));
    createInterface({ input: child.stdout! }).on('line', (line) => {
      first ??= /^millrace \S+ kafka=(\S+) http=(\S+)$/.exec(line);
      if (line === 'ready' && first) resolve({ kafka: first[1]!, http: first[2]! });
    });
  });
}

function cpuSeconds(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  } catch {
    return Number.NaN;
  }
}

function statusMegabytes(pid: number, field: string): number {
  try {
    const match = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return (Number(match?.[1]) * 1024) / 1e6;
  } catch {
    return Number.NaN;
  }
}
