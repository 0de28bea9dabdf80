/** Runs suites against one broker, some at a time: they wait more than they work. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Client } from '../../../src/client/client.ts';
import { freePort } from '../../stand-ins/free-port.ts';
import { Broker, makeStores, type StoresKind } from '../broker.ts';
import { SHORT_GROUP_TIMES } from '../group-timing.ts';
import { run } from '../run.ts';
import { parseCaseLines, type SuiteResults } from './case-lines.ts';
import type { Suite } from './suites.ts';

export interface SuiteRun extends SuiteResults {
  /** The last of what it remarked, for whoever wants to know why. */
  readonly remarks: string;
}

export interface RunSuitesOptions {
  /** Passed on to the suites: run only cases with one of these in their names. */
  readonly only?: readonly string[];
  /** Of the cluster, on stores that they share; 1 unless given. Suites connect to the first. */
  readonly brokers?: number;
  readonly onSuite?: (suite: Suite, results: SuiteRun, ms: number) => void;
}

const SUITES_AT_ONCE = 3;
const SPREAD_MS = 30_000;
const SUITE_MS_MAX = 480_000;
const REMARKS_LENGTH_MAX = 20_000;

const ENVIRONMENT = { MILLRACE_JOURNALS: '3', ...SHORT_GROUP_TIMES };

export async function runSuites(
  kind: StoresKind,
  suites: readonly Suite[],
  options: RunSuitesOptions = {},
): Promise<ReadonlyMap<string, SuiteRun>> {
  const scratch = await mkdtemp(join(tmpdir(), 'millrace-clients-'));
  const stores = await makeStores(kind);
  const start = async (id: number) => {
    const listener = `127.0.0.1:${await freePort()}`;
    const environment = { ...ENVIRONMENT, MILLRACE_BROKER_ID: String(id) };
    const started = new Broker(stores, { environment, flags: ['--advertise-kafka', listener] });
    started.kafka = listener;
    await started.start();
    return started;
  };
  // Some suites want a broker with id 0.
  const broker = await start(0);
  const others: Broker[] = [];
  while (1 + others.length < (options.brokers ?? 1)) others.push(await start(1 + others.length));
  await evenly(broker, 1 + others.length);
  const results = new Map<string, SuiteRun>();
  const waiting = [...suites];
  const work = async () => {
    for (let suite = waiting.shift(); suite; suite = waiting.shift()) {
      const began = performance.now();
      const done = await runSuite(suite, broker, join(scratch, suite.name), options.only ?? []);
      results.set(suite.name, done);
      options.onSuite?.(suite, done, performance.now() - began);
    }
  };
  try {
    await Promise.all(Array.from({ length: SUITES_AT_ONCE }, work));
  } finally {
    await Promise.all([broker, ...others].map((each) => each.stop()));
    await stores.close();
    await rm(scratch, { recursive: true, force: true });
  }
  return results;
}

/** Waits until every broker leads a journal: moves are not what suites are about. */
async function evenly({ url }: Broker, brokers: number): Promise<void> {
  const { cluster } = new Client({ url });
  for (const deadline = Date.now() + SPREAD_MS; Date.now() < deadline; await pause(100)) {
    const leaders = new Set((await cluster.journals()).map(({ leaderId }) => leaderId));
    if (leaders.size === brokers && !leaders.has(null)) return;
  }
  throw new Error(`the journals are not spread over ${brokers} brokers after ${SPREAD_MS} ms`);
}

async function runSuite(suite: Suite, broker: Broker, scratch: string, only: readonly string[]): Promise<SuiteRun> {
  const output: string[] = [];
  try {
    await suite.prepare?.(scratch);
    const ran = await run([...suite.command(broker.kafka, scratch), ...only], {
      timeoutMs: SUITE_MS_MAX,
      anyStatus: true,
      onStdout: (text) => void output.push(text),
    });
    return { ...parseCaseLines(output.join('')), remarks: ran.stderr.slice(-REMARKS_LENGTH_MAX) };
  } catch (error) {
    // What it printed before it was stopped counts.
    return { ...parseCaseLines(output.join('')), remarks: String(error).slice(-REMARKS_LENGTH_MAX) };
  }
}
