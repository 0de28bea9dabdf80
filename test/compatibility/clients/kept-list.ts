/**
 * What is known of a client: `CLIENT.json` beside this file lists the cases that pass, and those that do not with the
 * reason in one line. A case that passed once may not fall out; what is new asks to be recorded, with
 * `npm run clients -- --write`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SuiteResults } from './case-lines.ts';

export interface KeptList {
  /** As its authors call it. */
  readonly client: string;
  readonly version: string;
  /** One sentence for the README: what was run. */
  readonly ran: string;
  readonly passed: readonly string[];
  /** Case to reason: the broker does not, or not yet, do what the case asks. */
  readonly notPassed: Readonly<Record<string, string>>;
  /** Case to the client's own reason not to run it. */
  readonly skipped: Readonly<Record<string, string>>;
}

export interface Comparison {
  /** Passed once, and does not now. */
  readonly fallenOut: readonly string[];
  /** Fails, and the list does not say why. */
  readonly unexplained: readonly string[];
  /** Asks to be recorded. */
  readonly unrecorded: readonly string[];
}

/** In the README's order. */
export const CLIENTS = ['kafka-tools', 'confluent-kafka', 'kcat', 'kafkajs', 'platformatic', 'kafka-python'] as const;

const path = (name: string): string => join(import.meta.dirname, `${name}.json`);

export const readKeptList = (name: string): KeptList => JSON.parse(readFileSync(path(name), 'utf8'));
export const writeKeptList = (name: string, list: KeptList): void =>
  writeFileSync(path(name), `${JSON.stringify(list, null, 2)}\n`);

/** `runs` are of the same suite, on each kind of stores: what passes must pass on all. */
export function compareWithKept(kept: KeptList, runs: readonly SuiteResults[]): Comparison {
  const found = together(runs);
  const fallenOut: string[] = [];
  const unexplained: string[] = [];
  const unrecorded: string[] = [];
  for (const name of kept.passed) {
    const is = found.get(name);
    if (is?.outcome === 'pass') continue;
    fallenOut.push(`${name}: passed once, and now ${is ? `${is.outcome}s: ${is.reason}` : 'is not run'}`);
  }
  const known = new Set([...kept.passed, ...Object.keys(kept.notPassed), ...Object.keys(kept.skipped)]);
  for (const [name, { outcome, reason }] of found) {
    if (outcome === 'fail' && !known.has(name)) unexplained.push(`${name}: fails: ${reason}`);
    if (outcome === 'pass' && !kept.passed.includes(name)) unrecorded.push(`${name}: passes`);
    if (outcome === 'skip' && !known.has(name)) unrecorded.push(`${name}: skips: ${reason}`);
  }
  for (const { version } of runs.slice(0, 1)) {
    if (version !== kept.version) unrecorded.push(`version ${version} instead of ${kept.version}`);
  }
  return { fallenOut, unexplained, unrecorded };
}

/** The list with what `runs` found; reasons that are there already stay. */
export function recorded(kept: KeptList, runs: readonly SuiteResults[]): KeptList {
  const found = [...together(runs)].sort(([a], [b]) => (a < b ? -1 : 1));
  const reasons = (wanted: string, before: Readonly<Record<string, string>>) =>
    Object.fromEntries(
      found.filter(([, { outcome }]) => outcome === wanted).map(([name, { reason }]) => [name, before[name] ?? reason]),
    );
  return {
    client: kept.client,
    version: runs[0]?.version ?? kept.version,
    ran: kept.ran,
    passed: found.filter(([, { outcome }]) => outcome === 'pass').map(([name]) => name),
    notPassed: reasons('fail', kept.notPassed),
    skipped: reasons('skip', kept.skipped),
  };
}

type Outcome = Pick<SuiteResults['cases'][number], 'outcome' | 'reason'>;
const RANK = { pass: 0, skip: 1, fail: 2 } as const;

/** The worst of each case. */
function together(runs: readonly SuiteResults[]): Map<string, Outcome> {
  const found = new Map<string, Outcome>();
  for (const { cases } of runs) {
    for (const { name, outcome, reason } of cases) {
      const before = found.get(name);
      if (!before || RANK[before.outcome] < RANK[outcome]) found.set(name, { outcome, reason });
    }
  }
  return found;
}
