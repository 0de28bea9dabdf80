/** Programs in `programs/` that play clients of a cluster and write a history. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { endWithUs } from '../../stand-ins/children.ts';
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

  /** Asks all to finish what they are at. */
  async stop(): Promise<void> {
    await Promise.all([...this.#running].map((worker) => worker.stop()));
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
    lines.on('line', (line) => history.addLine(line));
    endWithUs(child);
    this.ended = Promise.all([once(child, 'close'), once(lines, 'close')]).then(() => {
      if (child.exitCode !== 0) {
        throw new Error(`${program} workers ended with ${child.signalCode ?? `status ${child.exitCode}`}: ${stderr}`);
      }
    });
    this.ended.catch(() => {}); // Whoever waits for it is told.
  }

  get pid(): number {
    return this.#child.pid!;
  }

  async stop(): Promise<void> {
    this.#child.stdin!.end();
    const timer = setTimeout(() => {
      if (this.#program === 'librdkafka') this.#child.kill('SIGUSR1');
      setTimeout(this.#killNow, TELL_MS);
    }, KILL_AFTER_MS);
    try {
      await this.ended;
    } finally {
      clearTimeout(timer);
    }
  }

  kill(): void {
    this.#killNow();
  }

  readonly #killNow = (): void => void this.#child.kill('SIGKILL');
}
