/**
 * `npm run simulate -- [--seed N] [--seeds COUNT] [--minutes M] [--journals J] [--trace FILE]`
 *
 * Runs one seed, or COUNT seeds one after the other beginning with N, for M simulated minutes each. Prints one line per
 * seed; a violation prints the last events and the command that replays it, and ends the program with status 1.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { SimulationFailure, type SimulationReport, simulate } from './simulation.ts';

const MINUTES_DEFAULT = 5;
const TRACE_BUFFER_LINES = 1_000;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    minutes: { type: 'string', default: String(MINUTES_DEFAULT) },
    journals: { type: 'string' },
    trace: { type: 'string' },
  },
});

const number = (name: string, text: string): number => {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  process.stderr.write(`--${name} is ${JSON.stringify(text)}: expected a number above 0\n`);
  process.exit(2);
};

const first = number('seed', values.seed);
const count = number('seeds', values.seeds);
const minutes = number('minutes', values.minutes);
const journals = values.journals === undefined ? {} : { journals: number('journals', values.journals) };

async function run(seed: number): Promise<void> {
  const startedAt = performance.now();
  const trace = values.trace === undefined ? null : new TraceFile(values.trace);
  try {
    const report = await simulate({
      seed,
      minutes,
      ...journals,
      ...(trace && { onTrace: (line: string) => trace.add(line) }),
      onProgress: (elapsedMs) => progress(`seed ${seed}: ${(elapsedMs / 60_000).toFixed(1)} of ${minutes} minutes`),
    });
    progress('');
    process.stdout.write(`${summary(report, performance.now() - startedAt)}\n`);
  } catch (cause) {
    progress('');
    if (!(cause instanceof SimulationFailure)) throw cause;
    process.stdout.write(`seed ${seed} FAILED\n${cause.message}\n`);
    process.exitCode = 1;
  } finally {
    trace?.close();
  }
}

function summary(report: SimulationReport, ms: number): string {
  const { scenario, trace, processes, batchesAppended, acknowledged, transactions, offsetsCommitted, faults } = report;
  const { assignments, deliveries } = report;
  const { seed, journals: count, pricing } = scenario;
  const told = `${acknowledged} acknowledgements, ${transactions} transactions, ${offsetsCommitted} offsets`;
  const groups = `${assignments} assignments, ${deliveries} deliveries`;
  const what = `${batchesAppended} batches, ${told}, ${groups}, ${faults} faults, ${processes} processes`;
  const seconds = (ms / 1_000).toFixed(1);
  return `seed ${seed} ok: ${minutes} min, ${count} journals, ${pricing}, ${what}, trace ${trace.hash.slice(0, 16)}, ${seconds} s`;
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

for (let seed = first; seed < first + count; seed++) await run(seed);
