/**
 * A cluster of three brokers, each a process of its own, on stand-ins with the latency of S3 (50 ms median, 200 ms p99) and DynamoDB
 * (5 and 20): what a failure, a hand-over and a record take, and what idling costs.
 *
 * Sketch: a small record is one conditional put, 5 ms, plus the hop to the leader and the linger; a large flush waits up to
 * 250 ms for company, then for an upload and a put: 300. A takeover is the silence that shows it, tens of milliseconds
 * when the connection breaks, then a snapshot (50 ms), its entries and footers, and the fence: half a second. Idle, a
 * broker writes a heartbeat and reads the cluster's items every 10 seconds: 3 × 259,200 × ($0.625 + $0.125) / 10^6 a month, $0.58.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { settled } from '../compatibility/cluster/administration.ts';
import { Cluster, type Member, USUAL_LATENCY } from '../compatibility/cluster/cluster.ts';
import { DYNOXIDE_MISSING, dynoxideBinary } from '../stand-ins/dynoxide.ts';
import { type Latencies, Probe, runClusterLoad, summary } from './cluster-load.ts';
import { fixed, type Line, print } from './report.ts';

const BROKERS = 3;
const PARTITIONS = 12;
const JOURNALS = 6;
const KILLS = 4;
const HAND_OVERS = 4;
const TOPIC = 'bench';
const MB = 1e6;
const MONTH_S = 30 * 24 * 3_600;
const IDLE_S = 180;
const SETTLE_MS = 15_000;
/** Retention and reclaim look for the first time after 30 and 60 seconds: a listing each, which is not asked for again. */
const FIRST_LOOKS_MS = 75_000;
const GIVE_UP_MS = 30_000;
const GROWN_BROKERS = 5;
/** What a rolling restart or a change of size may keep a producer waiting. */
const STALL_MS_MAX = 1_000;
/** To see how long producers wait while nothing happens, and after the last change. */
const CALM_MS = 5_000;

/** `share` of the time and of the repetitions is 1 for figures that mean something. */
export async function measureCluster(share: number): Promise<void> {
  if (dynoxideBinary() === null) {
    process.stderr.write(`bench: ${DYNOXIDE_MISSING}\n`);
    return;
  }
  const cluster = await Cluster.start({
    brokers: BROKERS,
    network: 'loopback',
    latency: USUAL_LATENCY,
    environment: { MILLRACE_JOURNALS: String(JOURNALS) },
  });
  try {
    await cluster.createTopic(TOPIC, PARTITIONS);
    await pause(2_000);
    const times = (count: number) => Math.max(1, Math.round(count * share));
    print(
      `Cluster: ${BROKERS} brokers, ${JOURNALS} journals, ${PARTITIONS} partitions, S3 at 50/200 ms and DynamoDB at 5/20 ms, everything on the same cores`,
      [
        await idle(cluster, IDLE_S * share),
        ...(await latency(
          cluster,
          '20 records/s in all',
          { perSecond: 20, batchBytes: 200 },
          40_000 * share,
          [25, 60, 12, 40],
        )),
        ...(await latency(
          cluster,
          '20 MB/s in all, 16 KB batches',
          { perSecond: (20 * MB) / 16_384, batchBytes: 16_384 },
          40_000 * share,
          [300, 550, 220, 480],
        )),
        await handOvers(cluster, times(HAND_OVERS)),
        await takeovers(cluster, times(KILLS)),
        await rollingRestart(cluster, times(BROKERS)),
      ],
      share,
    );
  } finally {
    await cluster.close();
  }
  await measureSizes(share);
}

/** From one broker to five and back. */
async function measureSizes(share: number): Promise<void> {
  const cluster = await Cluster.start({
    brokers: 1,
    network: 'loopback',
    latency: USUAL_LATENCY,
    environment: { MILLRACE_JOURNALS: String(2 * GROWN_BROKERS) },
  });
  try {
    await cluster.createTopic(TOPIC, PARTITIONS);
    await pause(2_000);
    const most = Math.max(2, Math.round(GROWN_BROKERS * share));
    print(`Cluster: from 1 broker to ${most} and back, the same stores`, await growAndShrink(cluster, most), share);
  } finally {
    await cluster.close();
  }
}

/** Sums of a metric over all brokers, by the labels that `matches` accepts. */
async function metric(
  cluster: Cluster,
  name: string,
  matches: (labels: string) => boolean = () => true,
): Promise<number> {
  let sum = 0;
  for (const url of cluster.running.map(({ broker }) => broker.url)) {
    const text = await (await fetch(`${url}/metrics`)).text();
    for (const [, labels = '', value] of text.matchAll(new RegExp(`^${name}(\\{[^}]*\\})? (\\S+)$`, 'gm'))) {
      if (matches(labels)) sum += Number(value);
    }
  }
  return sum;
}

/** What the brokers' meters say, and how many requests passed the proxies. */
async function idle(cluster: Cluster, seconds: number): Promise<Line> {
  await pause(FIRST_LOOKS_MS);
  const requests = () =>
    cluster.members.reduce(
      (sum, { s3, dynamodb }) =>
        sum + [...s3.requests.values(), ...dynamodb.requests.values()].reduce((a, b) => a + b, 0),
      0,
    );
  const before = { dollars: await metric(cluster, 'millrace_storage_cost_dollars_total'), requests: requests() };
  await pause(seconds * 1_000);
  const dollars = (await metric(cluster, 'millrace_storage_cost_dollars_total')) - before.dollars;
  const month = (dollars / seconds) * MONTH_S;
  return {
    what: `store requests of an idle cluster, counted for ${fixed(seconds)} s`,
    measured: `$${fixed(month, 2)} a month, ${fixed((requests() - before.requests) / seconds, 2)} requests/s`,
    budget: '< $2',
    aim: '< $1',
    met: month < 2,
  };
}

async function latency(
  cluster: Cluster,
  what: string,
  load: { readonly perSecond: number; readonly batchBytes: number },
  durationMs: number,
  [p50Max, p99Max, p50Aim, p99Aim]: readonly [number, number, number, number],
): Promise<Line[]> {
  const [bootstrap] = cluster.reachable.bootstrap.split(',');
  const sent = () => metric(cluster, 'millrace_rpc_sent_bytes_total', (labels) => !CARRIES_RECORDS.test(labels));
  const before = await sent();
  const measured = await runClusterLoad(bootstrap!, { topic: TOPIC, ...load }, Math.min(5_000, durationMs), durationMs);
  if (measured.failed > 0) throw new Error(`${measured.failed} batches failed: nothing here is a result`);
  const between = (await sent()) - before;
  const produce = summary(measured.produce);
  const more = differences(measured);
  const lines: Line[] = [
    {
      what: `produce latency, ${what}`,
      measured: `p50 ${fixed(produce.p50, 1)} ms, p99 ${fixed(produce.p99, 1)} ms (${fixed(measured.produce.length)} batches)`,
      budget: `${p50Max} / ${p99Max} ms`,
      aim: `${p50Aim} / ${p99Aim} ms`,
      met: produce.p50 <= p50Max && produce.p99 <= p99Max,
    },
    {
      what: '  until a consumer has it',
      measured: `p50 + ${fixed(more.p50, 1)} ms, p99 + ${fixed(more.p99, 1)} ms (${fixed(measured.endToEnd.length)} batches)`,
      budget: '+ 20 ms',
      aim: '+ 5 ms',
      met: more.p50 <= 20,
    },
  ];
  if (load.perSecond > 100) {
    // Warming up and what is sent at the end are as long as they are: per byte of what was sent in all.
    const bytes = load.perSecond * load.batchBytes * ((durationMs + Math.min(5_000, durationMs)) / 1_000);
    const percent = (between / bytes) * 100;
    lines.push({
      what: '  metadata between brokers, of what was produced',
      measured: `${fixed(percent, 2)}% (${fixed(between / 1e3)} KB)`,
      budget: '< 1%',
      aim: '< 0.5%',
      met: percent < 1,
    });
  }
  return lines;
}

/** Methods whose answers hold records. */
const CARRIES_RECORDS = /method="(journal\.readInline|log\.(read|tail|block)|shares\.fetch)/;

function differences({ produce, endToEnd }: Latencies): { readonly p50: number; readonly p99: number } {
  const [acknowledged, consumed] = [summary(produce), summary(endToEnd)];
  return { p50: consumed.p50 - acknowledged.p50, p99: consumed.p99 - acknowledged.p99 };
}

/** One probe a partition, all at brokers other than `victim`. */
const probesPast = (cluster: Cluster, victim: Member): Probe[] =>
  probesAt(() => cluster.members.filter((member) => member !== victim));

/** One probe a partition; those whose broker stops go to another one. */
const probesAt = (members: () => readonly Member[]): Probe[] => {
  const addresses = () => members().map(({ broker }) => broker.kafka);
  return Array.from({ length: PARTITIONS }, (_, partition) => new Probe(TOPIC, partition, addresses));
};

async function takeovers(cluster: Cluster, count: number): Promise<Line> {
  const took: number[] = [];
  for (let round = 0; round < count; round++) {
    const victim = cluster.members[round % BROKERS]!;
    const probes = probesPast(cluster, victim);
    await pause(3_000);
    const at = performance.now();
    await cluster.kill(victim);
    const latest = () => Math.max(...probes.map((probe) => probe.firstAfter(at)));
    while (latest() === Infinity && performance.now() - at < GIVE_UP_MS) await pause(20);
    took.push(latest());
    for (const probe of probes) probe.close();
    await cluster.up(victim);
    await pause(SETTLE_MS);
  }
  const longest = Math.max(...took);
  return {
    what: 'takeover after SIGKILL, until every partition accepts writes again',
    measured: `${took.map((ms) => fixed(ms)).join(', ')} ms`,
    budget: '< 5 s',
    aim: '< 2 s',
    met: longest < 5_000,
  };
}

async function handOvers(cluster: Cluster, count: number): Promise<Line> {
  const stalls: number[] = [];
  for (let round = 0; round < count; round++) {
    const victim = cluster.members[round % BROKERS]!;
    const probes = probesPast(cluster, victim);
    await pause(3_000);
    const at = performance.now();
    await cluster.stop(victim);
    await pause(2_000);
    stalls.push(Math.max(...probes.map((probe) => probe.longestSince(at))));
    for (const probe of probes) probe.close();
    await cluster.up(victim);
    await pause(SETTLE_MS);
  }
  return {
    what: 'planned hand-over (SIGTERM), longest produce stall',
    measured: `${stalls.map((ms) => fixed(ms)).join(', ')} ms`,
    budget: '< 1 s',
    aim: '< 200 ms',
    met: Math.max(...stalls) < 1_000,
  };
}

/** Each broker in turn stops and starts again, while a producer per partition sends to whichever is there. */
async function rollingRestart(cluster: Cluster, count: number): Promise<Line> {
  const probes = probesAt(() => cluster.running);
  const longest = longestOf(probes);
  const calm = await longest(async () => {});
  const stalls: number[] = [];
  for (const member of cluster.members.slice(0, count)) {
    stalls.push(
      await longest(async () => {
        await cluster.stop(member);
        await cluster.up(member);
        await settled(cluster);
      }),
    );
  }
  for (const probe of probes) probe.close();
  return stallLine('rolling restart, longest produce stall', stalls, calm);
}

async function growAndShrink(cluster: Cluster, most: number): Promise<Line[]> {
  const probes = probesAt(() => cluster.running);
  const longest = longestOf(probes);
  const calm = await longest(async () => {});
  const grown: number[] = [];
  const shrunk: number[] = [];
  while (cluster.running.length < most) {
    grown.push(
      await longest(async () => {
        await cluster.up(await cluster.add());
        await settled(cluster);
      }),
    );
  }
  while (cluster.running.length > 1) {
    shrunk.push(
      await longest(async () => {
        await cluster.stop(cluster.running.at(-1)!);
        await settled(cluster);
      }),
    );
  }
  for (const probe of probes) probe.close();
  return [
    stallLine('growing broker by broker, longest produce stall', grown, calm),
    stallLine('shrinking broker by broker, longest produce stall', shrunk, calm),
  ];
}

/** The longest that a record took while `doing` and right after it. */
const longestOf =
  (probes: readonly Probe[]) =>
  async (doing: () => Promise<void>): Promise<number> => {
    const at = performance.now();
    await doing();
    await pause(CALM_MS);
    return Math.max(...probes.map((probe) => probe.longestSince(at)));
  };

const stallLine = (what: string, stalls: readonly number[], calm: number): Line => ({
  what,
  measured: `${stalls.map((ms) => fixed(ms)).join(', ')} ms (${fixed(calm)} ms while nothing happens)`,
  budget: '< 1 s',
  aim: '',
  met: Math.max(...stalls) < STALL_MS_MAX,
});
