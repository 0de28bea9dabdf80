/**
 * Hunts for the deliberate faults of `mutations.ts`, each in a process of its own, and tells who noticed:
 *
 *   | mutation | noticed by | seed | simulated minutes | seconds |
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { findMutation, MUTATIONS, type Mutation, type Verdict } from './mutations.ts';

const HOOKS = fileURLToPath(new URL('./mutation-hooks.ts', import.meta.url));
const MUTANT = fileURLToPath(new URL('./mutant.ts', import.meta.url));
/** A broken broker may never come to an end. */
const HUNT_MS_MAX = 150_000;

/** Rejects when the mutation cannot be made. */
export async function hunt({ name, hunt }: Mutation): Promise<Verdict> {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', HOOKS, MUTANT, JSON.stringify(hunt)], {
      env: { ...process.env, MUTATION: name },
      timeout: HUNT_MS_MAX,
      maxBuffer: 64 * 1024 * 1024,
    });
    return JSON.parse(stdout.trimEnd().split('\n').at(-1)!);
  } catch (cause) {
    const isOver = cause instanceof Error && 'killed' in cause && cause.killed === true;
    if (!isOver) throw cause;
    return { caught: false, seeds: hunt.seeds, simulatedMinutes: 0, wallSeconds: HUNT_MS_MAX / 1_000 };
  }
}

/** True when a checker noticed that is there for it. */
export const isNoticed = ({ checkers }: Mutation, verdict: Verdict): boolean =>
  verdict.caught && checkers.includes(verdict.checker);

/** True when all were noticed. One after the other: each keeps a core busy. */
export async function huntAll(only: string | null, print: (line: string) => void): Promise<boolean> {
  const mutations = only === null ? MUTATIONS : [findMutation(only)];
  let missed = 0;
  print('| mutation | what is wrong | noticed by | seed | simulated minutes | seconds |');
  print('|---|---|---|---|---|---|');
  for (const mutation of mutations) {
    const verdict = await hunt(mutation);
    const noticed = isNoticed(mutation, verdict);
    if (!noticed) missed++;
    print(row(mutation, verdict, noticed));
  }
  print(`\n${mutations.length - missed} of ${mutations.length} were noticed`);
  return missed === 0;
}

function row({ name, says, checkers }: Mutation, verdict: Verdict, noticed: boolean): string {
  const who = verdict.caught ? verdict.checker : `NOBODY in ${verdict.seeds} seeds`;
  const by = noticed || !verdict.caught ? who : `${who} INSTEAD of ${checkers.join(' or ')}: ${verdict.message}`;
  const seed = verdict.caught ? verdict.seed : '';
  return `| ${name} | ${says} | ${by} | ${seed} | ${verdict.simulatedMinutes.toFixed(2)} | ${verdict.wallSeconds.toFixed(1)} |`;
}
