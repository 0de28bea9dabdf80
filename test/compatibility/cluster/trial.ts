/**
 * A trial: a cluster of real processes, real clients, faults by a seed, and at the end a verdict on everything that the clients
 * were told. The history and the brokers' logs stay in a directory when something is wrong.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { whyNoNamespaces } from '../../stand-ins/namespaces.ts';
import type { Verdict } from './checker/checker.ts';
import { Cluster, type ClusterOptions } from './cluster.ts';
import { HistoryLog } from './history-log.ts';
import { type Program, Workers, whyNot } from './workers.ts';

export const TOPICS = { plain: 4, txn: 4, out: 2 } as const;
export const JOURNALS = 4;

type Roles = Readonly<Record<Program, readonly string[]>>;

const ROLES: Roles = {
  librdkafka: [
    'idempotent',
    'transactional',
    'assigned',
    'assigned',
    'classic',
    'consumer',
    'consumer',
    'chain',
    'chain',
  ],
  KafkaJS: ['idempotent', 'transactional', 'group'],
  HTTP: ['producer', 'producer', 'reader'],
};

/** How long a healed cluster may take until every kind of client is served again. */
const RECOVERY_MS_MAX = 60_000;
const RECOVERY_SENDS = 200;

export interface TrialOptions {
  readonly seed: number;
  readonly brokers: number;
  readonly pauseMs?: number;
  /** What clients there are: some of each unless given. */
  readonly roles?: Partial<Roles>;
  readonly cluster?: Partial<ClusterOptions>;
  readonly say: (what: string) => void;
  /** What happens while the clients work. */
  readonly meanwhile: (cluster: Cluster, say: (what: string) => void, history: HistoryLog) => Promise<void>;
}

export interface TrialResult {
  readonly verdict: Verdict;
  readonly network: string;
  /** Why a program did not take part. */
  readonly missing: readonly string[];
}

/** Namespaces where they can be had. */
export function bestNetwork(say: (what: string) => void): 'namespaces' | 'proxies' {
  const why = whyNoNamespaces();
  if (why !== null) say(`links go through proxies: ${why}`);
  return why === null ? 'namespaces' : 'proxies';
}

/** Throws when something is wrong, naming what, and where history and logs are. */
export async function runTrial(options: TrialOptions): Promise<TrialResult> {
  const { seed, pauseMs = 40, say } = options;
  const directory = await mkdtemp(join(tmpdir(), 'millrace-trial-'));
  const history = new HistoryLog(join(directory, 'history.ndjson'));
  const workers = new Workers(history);
  const network = options.cluster?.network ?? bestNetwork(say);
  let cluster: Cluster | null = null;
  let verdict: Verdict | null = null;
  const note = (what: string) => {
    history.note(what);
    say(what);
  };
  try {
    const environment = { MILLRACE_JOURNALS: String(JOURNALS), ...options.cluster?.environment };
    cluster = await Cluster.start({ brokers: options.brokers, seed, network, ...options.cluster, environment });
    for (const [topic, partitions] of Object.entries(TOPICS)) await cluster.createTopic(topic, partitions);
    const roles: Partial<Roles> = options.roles ?? ROLES;
    const wanted = Object.keys(roles) as Program[];
    const missing = wanted.flatMap((program) => whyNot(program) ?? []);
    const programs = wanted.filter((program) => whyNot(program) === null);
    const shared = { topics: TOPICS, seed, pauseMs };
    for (const program of programs) workers.start(program, cluster.reachable, { roles: roles[program]!, ...shared });
    await options.meanwhile(cluster, note, history);
    cluster.heal();
    await recovered(history, note);
    await workers.stop();
    for (const program of programs.filter((each) => each !== 'KafkaJS')) {
      await workers.start(program, cluster.reachable, { roles: ['final'], ...shared }).ended;
    }
    verdict = history.finish();
    if (verdict.anomalies.size > 0) throw new Error(`the history is not that of a log:\n${verdict.anomalies}`);
    await rm(directory, { recursive: true });
    return { verdict, network, missing };
  } catch (cause) {
    workers.kill();
    verdict ??= history.finish();
    const logs = cluster?.members.map(({ name, broker }) => `== ${name}\n${broker.log}`).join('\n') ?? '';
    await writeFile(join(directory, 'brokers.log'), logs);
    const found = verdict.anomalies.size > 0 ? `\nso far:\n${verdict.anomalies}` : '';
    const what = cause instanceof Error ? cause.message : String(cause);
    throw new Error(
      `seed ${seed}: ${what}${what.includes('not that of a log') ? '' : found}\nhistory and logs: ${directory}`,
      { cause },
    );
  } finally {
    await cluster?.close();
  }
}

async function recovered(history: HistoryLog, say: (what: string) => void): Promise<void> {
  const began = performance.now();
  const before = history.acknowledged;
  while (history.acknowledged < before + RECOVERY_SENDS) {
    const waited = performance.now() - began;
    if (waited > RECOVERY_MS_MAX) {
      throw new Error(
        `only ${history.acknowledged - before} acknowledgements in ${waited} ms after everything was healed`,
      );
    }
    await pause(100);
  }
  say(`${RECOVERY_SENDS} acknowledgements ${Math.round(performance.now() - began)} ms after everything was healed`);
}
