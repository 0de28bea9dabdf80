/**
 * Programs that use Java's own Kafka clients (`java/`), each as a process of its own that can be killed, stopped and
 * continued, and that tells what it does in lines.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import kafkajs, { type Admin } from 'kafkajs';
import { test } from 'vitest';
import { endWithUs } from '../../stand-ins/children.ts';
import { missingClient } from '../../stand-ins/clients.ts';
import { Broker, type BrokerStores, makeStores, type StoresKind } from '../broker.ts';
import { compileJava, java } from '../clients/suites.ts';
import { SHORT_GROUP_TIMES } from '../group-timing.ts';
import { hasProgram, mustHaveEverything, run } from '../run.ts';

export type ProgramName = 'Member' | 'Chain' | 'Numbers' | 'Rival' | 'ShareWorker';

/** Why the programs cannot run here, or null. */
export const missingPrograms = (): string | null =>
  missingClient('kafka-tools') ??
  ['javac', 'kcat'].filter((name) => !hasProgram(name)).map((name) => `${name} is not installed`)[0] ??
  null;

/** In place of the tests of a scenario that cannot run here. */
export function skipWithReason(reason: string): void {
  test('runs', (context) => {
    if (mustHaveEverything) throw new Error(reason);
    context.skip(reason);
  });
}

const POLL_MS = 20;

/** Until `condition` holds. */
export async function until(what: string, condition: () => unknown, ms = 30_000): Promise<void> {
  for (const deadline = Date.now() + ms; !(await condition()); await pause(POLL_MS)) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${ms} ms`);
  }
}

export class Program {
  /** What it told, word by word. */
  readonly lines: string[][] = [];
  remarks = '';
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;

  constructor(command: readonly string[]) {
    this.#child = spawn(command[0]!, command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#ended = once(this.#child, 'close');
    createInterface({ input: this.#child.stdout! }).on('line', (line) => void this.lines.push(line.split(' ')));
    this.#child.stderr!.on('data', (chunk: Buffer) => {
      this.remarks = (this.remarks + chunk).slice(-10_000);
    });
    endWithUs(this.#child);
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  told(word: string): string[][] {
    return this.lines.filter(([first]) => first === word);
  }

  /** Of the last line that begins with this word: what follows it. */
  last(word: string): string | undefined {
    return this.lines.findLast(([first]) => first === word)?.[1];
  }

  freeze(): void {
    this.#child.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child.kill('SIGCONT');
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.#ended;
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  async ended(): Promise<void> {
    await this.#ended;
  }
}

/** A broker on stores of one kind, and programs that talk to it. */
export class Stage {
  readonly broker: Broker;
  readonly admin: Admin;
  readonly kafka: InstanceType<typeof kafkajs.Kafka>;
  readonly programs: Program[] = [];
  readonly #stores: BrokerStores;
  readonly #classes: string;

  private constructor(stores: BrokerStores, broker: Broker, classes: string) {
    this.#stores = stores;
    this.broker = broker;
    this.#classes = classes;
    const retry = { initialRetryTime: 50, maxRetryTime: 500, retries: 100 };
    this.kafka = new kafkajs.Kafka({ brokers: [broker.kafka], logLevel: kafkajs.logLevel.NOTHING, retry });
    this.admin = this.kafka.admin();
  }

  static async open(kind: StoresKind, environment: Readonly<Record<string, string>> = {}): Promise<Stage> {
    const classes = await mkdtemp(join(tmpdir(), 'millrace-scenario-'));
    const [stores] = await Promise.all([makeStores(kind), compileJava(classes, join(import.meta.dirname, 'java'))]);
    const broker = await Broker.start(stores, { environment: { ...SHORT_GROUP_TIMES, ...environment } });
    const stage = new Stage(stores, broker, classes);
    await stage.admin.connect();
    return stage;
  }

  start(name: ProgramName, ...rest: readonly (string | number)[]): Program {
    const program = new Program(java(this.#classes, name, this.broker.kafka, ...rest.map(String)));
    this.programs.push(program);
    return program;
  }

  async topic(name: string, numPartitions: number): Promise<string> {
    await this.admin.createTopics({ topics: [{ topic: name, numPartitions }] });
    return name;
  }

  /** As a power cut does it; up again after `downMs`. */
  async restartBroker(downMs = 300): Promise<void> {
    await this.broker.kill();
    await pause(downMs);
    await this.broker.start();
  }

  /** The values of a topic as kcat reads them, by partition, in order. */
  async read(topic: string, partitions: number, isolation = 'read_committed'): Promise<string[][]> {
    const command = [
      'kcat',
      '-b',
      this.broker.kafka,
      '-C',
      '-t',
      topic,
      '-o',
      'beginning',
      '-e',
      '-q',
      '-f',
      '%p %s\\n',
    ];
    const { stdout } = await run([...command, '-X', `isolation.level=${isolation}`]);
    const values: string[][] = Array.from({ length: partitions }, () => []);
    for (const line of stdout.toString().split('\n').filter(Boolean)) {
      const space = line.indexOf(' ');
      values[Number(line.slice(0, space))]!.push(line.slice(space + 1));
    }
    return values;
  }

  /** With TRACE=1 what the programs told goes to standard error. */
  async close(): Promise<void> {
    if (process.env['TRACE'] === '1') {
      for (const [index, { lines, remarks }] of this.programs.entries()) {
        for (const line of lines) process.stderr.write(`${index} ${line.join(' ')}\n`);
        process.stderr.write(remarks);
      }
    }
    await Promise.all(this.programs.map((program) => program.kill()));
    await this.admin.disconnect().catch(() => {});
    await this.broker.kill();
    await this.#stores.close();
    await rm(this.#classes, { recursive: true, force: true });
  }
}

/** Chance that a failure can repeat: the seed is told with each scenario. */
export function chances(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
