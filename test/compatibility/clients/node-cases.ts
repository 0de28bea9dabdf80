/** Runs the cases of a suite that is written in TypeScript, one after the other, each in a bounded time. */
import { randomInt } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { printCaseLine } from './case-lines.ts';

const CASE_MS_MAX = 45_000;
const POLL_MS = 50;

export class Skip extends Error {}

/** What is open and must be closed when the case ends, whichever way. */
export type Cleanup = (close: () => unknown) => void;
export type Cases = Readonly<Record<string, (cleanup: Cleanup) => Promise<void>>>;

/** Ends the process: some clients keep it alive with timers. `only` names the cases to run, all when empty. */
export async function runCases(version: string, cases: Cases, only: readonly string[] = []): Promise<never> {
  process.on('unhandledRejection', (error) => process.stderr.write(`unhandled: ${error}\n`));
  printCaseLine('version', version);
  for (const [name, body] of Object.entries(cases)) {
    if (only.length > 0 && !only.some((part) => name.includes(part))) continue;
    const closing: (() => unknown)[] = [];
    const began = performance.now();
    try {
      await within(
        CASE_MS_MAX,
        body((close) => void closing.push(close)),
      );
      printCaseLine('pass', name);
    } catch (error) {
      printCaseLine(error instanceof Skip ? 'skip' : 'fail', name, describe(error));
      process.stderr.write(`${name}: ${(error as Error).stack}\n`);
    }
    await within(10_000, Promise.allSettled(closing.reverse().map(async (close) => close()))).catch(() => {});
    process.stderr.write(`${(performance.now() - began).toFixed(0)} ms ${name}\n`);
  }
  process.exit(0);
}

function describe(error: unknown): string {
  const { message, errors, cause } = error as { message: string; errors?: unknown[]; cause?: unknown };
  const inner = [...(errors ?? []), ...(cause === undefined ? [] : [cause])].map(describe);
  return [message, ...inner].join(': ');
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const ending = new AbortController();
  const late = pause(ms, undefined, { signal: ending.signal, ref: true }).then(() => {
    throw new Error(`takes more than ${ms} ms`);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    late.catch(() => {});
    ending.abort();
  }
}

/** Until `condition` holds. */
export async function until(what: string, condition: () => unknown, ms = 30_000): Promise<void> {
  for (const deadline = Date.now() + ms; !(await condition()); await pause(POLL_MS)) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${ms} ms`);
  }
}

/** A name that no other case and no earlier run has. */
export const unique = (what: string): string => `${what}-${randomInt(2 ** 40).toString(36)}`;
