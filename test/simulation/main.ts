/**
 * npm run simulate -- [--minutes M]                                fresh seeds until M minutes are over, 5 unless told
 * npm run simulate -- --seed N [--seeds COUNT] [--minutes M]       COUNT seeds from N on, M simulated minutes each
 * npm run simulate -- --mutations [--only NAME]                    deliberate faults in the broker: who notices?
 *
 * With `--journals J`, `--brokers B`: not what the seed decides. `--trace FILE`: every event. Prints one line per seed; a
 * violation prints the last events and the command that replays it, and the program ends with status 1.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { huntAll } from './mutation-table.ts';
import { BROKERS_MAX, SEED_OF_ALL } from './scenario.ts';
import { SimulationFailure, type SimulationReport, simulate } from './simulation.ts';

const MINUTES_DEFAULT = 5;
/** Simulated, of a fresh seed. */
const FRESH_MINUTES = [0.3, 0.5, 1, 2] as const;
const TRACE_BUFFER_LINES = 1_000;
const MS_PER_MINUTE = 60_000;

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string', default: '1' },
    minutes: { type: 'string', default: String(MINUTES_DEFAULT) },
    journals: { type: 'string' },
    brokers: { type: 'string' },
    trace: { type: 'string' },
    mutations: { type: 'boolean', default: false },
    only: { type: 'string' },
  },
});

const number = (name: string, text: string, max = Number.POSITIVE_INFINITY): number => {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0 && value <= max) return value;
  process.stderr.write(
    `--${name} is ${JSON.stringify(text)}: expected a number above 0${max < 100 ? `, ${max} at most` : ''}\n`,
  );
  process.exit(2);
};

const minutes = number('minutes', values.minutes);
const shape = {
  ...(values.journals !== undefined && { journals: number('journals', values.journals) }),
  ...(values.brokers !== undefined && { brokers: number('brokers', values.brokers, BROKERS_MAX) }),
};

/** What was run, for the last line. */
const sums = { seeds: 0, failed: 0, simulatedMs: 0, acknowledged: 0, processes: 0, faults: 0 };
const strikes = new Map<string, number>();

async function run(seed: number, simulatedMinutes: number): Promise<void> {
  const startedAt = performance.now();
  const trace = values.trace === undefined ? null : new TraceFile(values.trace);
  sums.seeds++;
  try {
    const report = await simulate({
      seed,
      minutes: simulatedMinutes,
      ...shape,
      ...(trace && { onTrace: (line: string) => trace.add(line) }),
      onProgress: (elapsedMs) =>
        progress(`seed ${seed}: ${(elapsedMs / MS_PER_MINUTE).toFixed(1)} of ${simulatedMinutes} minutes`),
    });
    count(report);
    progress('');
    process.stdout.write(`${summary(report, performance.now() - startedAt)}\n`);
  } catch (cause) {
    progress('');
    if (!(cause instanceof SimulationFailure)) throw cause;
    sums.failed++;
    sums.simulatedMs += cause.elapsedMs;
    process.stdout.write(`seed ${seed} FAILED\n${cause.message}\n`);
    process.exitCode = 1;
  } finally {
    trace?.close();
  }
}

function count(report: SimulationReport): void {
  sums.simulatedMs += report.elapsedMs;
  sums.acknowledged += report.acknowledged;
  sums.processes += report.processes;
  sums.faults += report.faults;
  for (const [name, times] of Object.entries(report.strikes)) strikes.set(name, (strikes.get(name) ?? 0) + times);
}

function summary(report: SimulationReport, ms: number): string {
  const { scenario, trace, processes, batchesAppended, acknowledged, transactions, offsetsCommitted, faults } = report;
  const { assignments, deliveries, frames } = report;
  const { seed, journals, brokers, pricing } = scenario;
  const told = `${acknowledged} acknowledgements, ${transactions} transactions, ${offsetsCommitted} offsets`;
  const groups = `${assignments} assignments, ${deliveries} deliveries`;
  const what = `${batchesAppended} batches, ${told}, ${groups}, ${faults} faults, ${processes} processes, ${frames} frames`;
  const seconds = (ms / 1_000).toFixed(1);
  const size = `${scenario.minutes} min, ${brokers} brokers, ${journals} journals, ${pricing}`;
  return `seed ${seed} ok: ${size}, ${what}, trace ${trace.hash.slice(0, 16)}, ${seconds} s`;
}

function total(): string {
  const { seeds, failed, simulatedMs, acknowledged, processes, faults } = sums;
  const kinds = [...strikes].sort().map(([name, times]) => `${times} ${name}`);
  const hours = (simulatedMs / MS_PER_MINUTE / 60).toFixed(1);
  const what = `${acknowledged} acknowledgements, ${processes} processes, ${faults} faults of stores, ${kinds.join(', ')}`;
  return `${seeds} seeds, ${failed} failed, ${hours} simulated hours: ${what}`;
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

class TraceFile {
  readonly #file: number;
  #lines: string[] = [];

  constructor(path: string) {
    this.#file = openSync(path, 'w');
  }

  add(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length === TRACE_BUFFER_LINES) this.#write();
  }

  close(): void {
    this.#write();
    closeSync(this.#file);
  }

  #write(): void {
    if (this.#lines.length > 0) writeSync(this.#file, `${this.#lines.join('\n')}\n`);
    this.#lines = [];
  }
}

async function runFresh(): Promise<void> {
  const until = performance.now() + minutes * MS_PER_MINUTE;
  while (performance.now() < until) {
    const simulatedMinutes = FRESH_MINUTES[Math.floor(Math.random() * FRESH_MINUTES.length)]!;
    await run(SEED_OF_ALL + Math.floor(Math.random() * SEED_OF_ALL), simulatedMinutes);
  }
  process.stdout.write(`${total()}\n`);
}

async function runSeeds(first: number): Promise<void> {
  const end = first + number('seeds', values.seeds);
  for (let seed = first; seed < end; seed++) await run(seed, minutes);
  if (sums.seeds > 1) process.stdout.write(`${total()}\n`);
}

if (values.mutations) {
  if (!(await huntAll(values.only ?? null, (line) => process.stdout.write(`${line}\n`)))) process.exitCode = 1;
} else if (values.seed === undefined) await runFresh();
else await runSeeds(number('seed', values.seed));
