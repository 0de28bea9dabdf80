/**
 * A cluster to try: `npm run cluster` starts three brokers on this machine, each a process of its own and in a zone of its own,
 * over stand-ins of S3 and DynamoDB that keep everything in memory. Tells a line per broker and `ready`; Ctrl-C ends all.
 *
 * | | broker 1 | broker 2 | broker 3 |
 * |---|---|---|---|
 * | Kafka, HTTP, internal | 9101, 8101, 7101 | 9102, 8102, 7102 | 9103, 8103, 7103 |
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { startDynoxide } from './dynoxide.ts';
import { standInEnvironment } from './environment.ts';
import { startS3Server } from './s3-server.ts';

const MILLRACE = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts');
const STORES = ['--store', 's3://demo/millrace', '--table', 'demo'];
const BROKERS = [1, 2, 3];
const SPREAD_MS = 20_000;
const SAME_SIGNAL_MS = 300;

const [s3, dynamodb] = await Promise.all([startS3Server(), startDynoxide(undefined, true)]);
const environment = {
  ...process.env,
  ...standInEnvironment(),
  AWS_ENDPOINT_URL_S3: s3.endpoint,
  AWS_ENDPOINT_URL_DYNAMODB: dynamodb.endpoint,
  MILLRACE_CLUSTER_SECRET: 'three brokers on one machine',
  MILLRACE_JOURNALS: String(BROKERS.length),
  MILLRACE_LOG_LEVEL: process.env['MILLRACE_LOG_LEVEL'] ?? 'error',
};

function millrace(argv: readonly string[]): ChildProcess {
  return spawn(process.execPath, [MILLRACE, ...argv], { env: environment, stdio: ['ignore', 'pipe', 'inherit'] });
}

const flagsOf = (broker: number) => {
  const at = (base: number) => `127.0.0.1:${base + broker}`;
  const doors = ['--kafka', at(9100), '--http', at(8100), '--internal', at(7100)];
  return ['serve', ...STORES, '--broker-id', String(broker), '--zone', `zone-${broker}`, ...doors];
};

const running = new Set<ChildProcess>();

/** Resolves when it is ready; false: it ended before. */
function start(broker: number): Promise<boolean> {
  const child = millrace(flagsOf(broker));
  running.add(child);
  return new Promise((resolve) => {
    createInterface({ input: child.stdout! }).on('line', (line) => {
      if (line === 'ready') resolve(true);
      else process.stdout.write(`broker ${broker}, process ${child.pid}: ${line}\n`);
    });
    child.once('exit', (status, signal) => {
      running.delete(child);
      process.stdout.write(`broker ${broker} ended: ${signal ?? `status ${status}`}\n`);
      resolve(false);
      if (running.size === 0) void stop(); // Nobody needs the stores any more.
    });
  });
}

let stopping: Promise<void> | null = null;

function stop(): Promise<void> {
  stopping ??= end();
  return stopping;
}

async function end(): Promise<void> {
  const ends = [...running].map((child) => {
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    return ended;
  });
  await Promise.all(ends);
  await Promise.all([s3.close(), dynamodb.close()]);
}

let firstSignalAt: number | null = null;

function onSignal(): void {
  firstSignalAt ??= Date.now();
  // npm may pass on what the terminal told us, too.
  if (Date.now() - firstSignalAt > SAME_SIGNAL_MS) process.exit(130);
  void stop();
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, onSignal);

const init = millrace(['storage', 'init', ...STORES]);
init.stdout!.resume();
await once(init, 'exit');
for (const broker of BROKERS) {
  if (stopping !== null || (await start(broker))) continue;
  process.exitCode = 1;
  await stop();
}
if (stopping === null) await evenly();
if (stopping === null) process.stdout.write('ready\n');

/** Waits until journals have moved to the brokers that came last. */
async function evenly(): Promise<void> {
  for (const deadline = Date.now() + SPREAD_MS; Date.now() < deadline && stopping === null; ) {
    const response = await fetch(`http://127.0.0.1:${8100 + BROKERS[0]!}/v1/cluster/journals`).catch(() => null);
    const { journals } = ((await response?.json()) ?? { journals: [] }) as { journals: { leader_id: number | null }[] };
    const leaders = new Set(journals.map(({ leader_id }) => leader_id));
    if (BROKERS.every((broker) => leaders.has(broker))) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
