/** Programs in `programs/` that play clients of a cluster and write a history. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { missingClient, pythonOf } from '../../stand-ins/clients.ts';
import { CLIENTS_MAX } from './checker/history.ts';
import type { HistoryLog } from './history-log.ts';

export type Program = 'librdkafka' | 'KafkaJS' | 'HTTP';

const programs = join(import.meta.dirname, 'programs');

const COMMANDS: Record<Program, () => readonly string[]> = {
  librdkafka: () => [pythonOf('confluent-kafka'), join(programs, 'rdkafka_clients.py')],
  KafkaJS: () => [process.execPath, join(programs, 'kafkajs-clients.ts')],
  HTTP: () => [process.execPath, join(programs, 'http-clients.ts')],
};

/** Null when it can run here, else what to do about it. */
export const whyNot = (program: Program): string | null =>
  program === 'librdkafka' ? missingClient('confluent-kafka') : null;

export interface Reachable {
  readonly bootstrap: string;
  readonly urls: readonly string[];
}

export interface WorkerOptions {
  readonly roles: readonly string[];
  readonly topics: Readonly<Record<string, number>>;
  readonly seed: number;
  readonly pauseMs: number;
}

/** How many clients one program may make in its life. */
const CLIENTS_EACH = 2_048;
const KILL_AFTER_MS = 120_000;
const TELL_MS = 1_000;
const SILENT_MS = 60_000;
/** Of 100 in a second: also where others want the core. */
const TICKS_OF_A_LOOP = 20;

/** What a process has used, in hundredths of a second: proc(5). NaN where the system does not say. */
function cpuTicks(pid: number): number {
  if (process.platform !== 'linux') return Number.NaN;
  const [, rest] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ');
  const fields = rest!.split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

/** Hands out client numbers and keeps the processes of one history. */
export class Workers {
  readonly #history: HistoryLog;
  readonly #running = new Set<Worker>();
  #bases = 0;

  constructor(history: HistoryLog) {
    this.#history = history;
  }

  start(program: Program, { bootstrap, urls }: Reachable, options: WorkerOptions): Worker {
    const base = this.#bases++ * CLIENTS_EACH;
    if (base + CLIENTS_EACH > CLIENTS_MAX) throw new Error('too many client programs for one history');
    const worker = new Worker(program, { bootstrap, urls, base, ...options }, this.#history);
    this.#running.add(worker);
    worker.ended.finally(() => this.#running.delete(worker)).catch(() => {});
    return worker;
  }

  /** Asks all to finish what they are at. Answers what has to be known of those that could not. */
  async stop(): Promise<string[]> {
    const told = await Promise.all([...this.#running].map((worker) => worker.stop()));
    return told.filter((what) => what !== null);
  }

  kill(): void {
    for (const worker of this.#running) worker.kill();
  }
}

export class Worker {
  /** Rejects when it ended with an error. */
  readonly ended: Promise<void>;
  readonly #child: ChildProcess;
  readonly #program: Program;
  /** What it did instead of ending: then that it was ended is no failure. */
  #spun: string | null = null;
  #toldAt = performance.now();

  constructor(program: Program, config: object, history: HistoryLog) {
    const [command, ...rest] = COMMANDS[program]();
    const child = spawn(command!, [...rest, JSON.stringify(config)], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child = child;
    this.#program = program;
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => {
      stderr = (stderr + chunk).slice(-16_384);
    });
    child.stdin.on('error', () => {}); // It may be gone already.
    const lines = createInterface({ input: child.stdout });
    lines.on('line', (line) => {
      this.#toldAt = performance.now();
      history.addLine(line);
    });
    process.once('exit', this.#killNow);
    this.ended = Promise.all([once(child, 'close'), once(lines, 'close')]).then(() => {
      process.removeListener('exit', this.#killNow);
      if (child.exitCode !== 0 && this.#spun === null) {
        throw new Error(`${program} workers ended with ${child.signalCode ?? `status ${child.exitCode}`}: ${stderr}`);
      }
    });
    this.ended.catch(() => {}); // Whoever waits for it is told.
  }

  get pid(): number {
    return this.#child.pid!;
  }

  async stop(): Promise<string | null> {
    this.#child.stdin!.end();
    const timer = setTimeout(() => void this.#endIt(), KILL_AFTER_MS);
    try {
      await this.ended;
      return this.#spun;
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * A program with KafkaJS 2.2.4 was seen to stand still as a whole, all its clients in the moment after a member had joined. One
   * that tells nothing and uses the CPU all the same is ended with a word; one that waits for a broker is a failure.
   */
  async #endIt(): Promise<void> {
    if (this.#program === 'librdkafka') this.#child.kill('SIGUSR1');
    const before = cpuTicks(this.pid);
    await pause(TELL_MS);
    const ticks = cpuTicks(this.pid) - before;
    const isSilent = performance.now() - this.#toldAt > SILENT_MS;
    const spins = this.#program === 'KafkaJS' && isSilent && ticks > TICKS_OF_A_LOOP;
    if (spins)
      this.#spun = `KafkaJS workers stood still and were ended (${ticks} ticks of CPU in a second) and were ended`;
    this.#killNow();
  }

  kill(): void {
    this.#killNow();
  }

  readonly #killNow = (): void => void this.#child.kill('SIGKILL');
}
