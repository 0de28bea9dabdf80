/**
 * Minutes of steady load with short retention. Sketch: 5 MB/s in 16 KB batches and 500 single records a second over 12
 * partitions that keep 20 seconds. After the first of them has expired, everything must level off: objects and bytes on
 * disk, memory, and the time a restart takes.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrokerProcess, startBrokerProcess } from './broker-process.ts';
import { writeProduceRequests } from './loads.ts';
import { type PacedLoad, startPacedLoad } from './paced-load.ts';
import { fixed, type Line, print } from './report.ts';

const PARTITIONS = 12;
const SAMPLE_MS = 5_000;
const environment = {
  MILLRACE_LOG_RETENTION_MS: '20000',
  MILLRACE_RETENTION_INTERVAL_MS: '2000',
  MILLRACE_RECLAIM_INTERVAL_MS: '2000',
  MILLRACE_RECLAIM_DELAY_MS: '4000',
  MILLRACE_MERGE_INLINE_AGE_MS: '5000',
};

interface Sample {
  readonly files: number;
  readonly megabytes: number;
  readonly memory: number;
}

interface Half {
  readonly samples: readonly Sample[];
  /** Time of the start after this half, milliseconds. */
  readonly restartMs: number;
  readonly acknowledged: number;
}

export async function measureSteady(minutes: number): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-steady-'));
  const requests = mkdtempSync(join(tmpdir(), 'millrace-steady-requests-'));
  let broker = await startBrokerProcess({ directory, keep: true, environment });
  try {
    await createTopic(broker);
    const halves: Half[] = [];
    for (let half = 0; half < 2; half++) {
      const loads = await startLoads(broker, requests);
      const samples = await sample(broker, directory, (minutes * 60_000) / 2);
      for (const load of loads) await load.stop();
      const failed = loads.reduce((sum, load) => sum + load.failed(), 0);
      if (failed > 0) throw new Error(`${failed} requests failed: nothing here is a result`);
      const acknowledged = loads.reduce((sum, load) => sum + load.acknowledged(), 0);
      await broker.stop();
      broker = await startBrokerProcess({ directory, keep: true, environment });
      halves.push({ samples, restartMs: broker.startMs, acknowledged });
    }
    report(minutes, halves);
  } finally {
    await broker.stop();
    rmSync(directory, { recursive: true, force: true });
    rmSync(requests, { recursive: true, force: true });
  }
}

async function createTopic(broker: BrokerProcess): Promise<void> {
  const response = await fetch(`http://${broker.http}/v1/topics`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'steady', partitions: PARTITIONS }),
  });
  if (response.status !== 201) throw new Error(`creating the topic: ${response.status} ${await response.text()}`);
}

/** Requests are written anew for each half: record timestamps decide what retention drops. */
async function startLoads(broker: BrokerProcess, directory: string): Promise<PacedLoad[]> {
  const batches = writeProduceRequests(directory, 'steady', PARTITIONS, 15, 1_024, 'none');
  const singles = writeProduceRequests(directory, 'steady', PARTITIONS, 1, 200, 'none');
  const load = ({ files, checkAt }: typeof batches, perSecond: number) =>
    startPacedLoad({ address: broker.kafka, frames: files.map((file) => readFileSync(file)), perSecond, checkAt });
  return [await load(batches, 320), await load(singles, 500)];
}

async function sample(broker: BrokerProcess, directory: string, durationMs: number): Promise<Sample[]> {
  const samples: Sample[] = [];
  const begun = performance.now();
  while (performance.now() - begun < durationMs) {
    await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
    const taken = { ...onDisk(directory), memory: broker.memory().now };
    samples.push(taken);
    const at = fixed((performance.now() - begun) / 1_000);
    process.stderr.write(
      `  ${at} s: ${taken.files} files, ${fixed(taken.megabytes)} MB on disk, ${fixed(taken.memory)} MB of memory\n`,
    );
  }
  return samples;
}

function onDisk(directory: string): { files: number; megabytes: number } {
  let files = 0;
  let bytes = 0;
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    try {
      bytes += statSync(join(entry.parentPath, entry.name)).blocks * 512;
      files++;
    } catch {
      // Deleted between the listing and now.
    }
  }
  return { files, megabytes: bytes / 1e6 };
}

function report(minutes: number, halves: readonly Half[]): void {
  const [first, second] = halves as [Half, Half];
  const mean = (half: Half, of: keyof Sample) => {
    const settled = half.samples.slice(Math.floor(half.samples.length / 2));
    return settled.reduce((sum, one) => sum + one[of], 0) / settled.length;
  };
  const line = (what: string, before: number, after: number, unit: string, slack: number): Line => ({
    what,
    measured: `${fixed(before)} then ${fixed(after)} ${unit}`,
    budget: 'steady',
    aim: '',
    met: after <= before * 1.25 + slack,
  });
  print(
    `Steady load for ${minutes} min, ${first.acknowledged + second.acknowledged} requests acknowledged: end of first half, end of second`,
    [
      line('files', mean(first, 'files'), mean(second, 'files'), '', 8),
      line('on disk', mean(first, 'megabytes'), mean(second, 'megabytes'), 'MB', 16),
      line('memory', mean(first, 'memory'), mean(second, 'memory'), 'MB', 16),
      line('restart', first.restartMs, second.restartMs, 'ms', 100),
    ],
  );
}
