import { type BrokerProcess, startBrokerProcess } from './broker-process.ts';
import { buildPrograms, type Measured, type Programs, run, writeHttpRequest, writeProduceRequests } from './loads.ts';
import { fixed, type Line, print } from './report.ts';

const PARTITIONS = 12;
const MB = 1e6;

interface Bench {
  readonly broker: BrokerProcess;
  readonly programs: Programs;
  /** Scales a number of records or requests to the wanted share of the load. */
  readonly scaled: (count: number) => number;
}

/** Runs `load` and tells what it cost the broker. */
async function charged(broker: BrokerProcess, load: () => Promise<Measured>) {
  const before = broker.cpuSeconds();
  const measured = await load();
  if (measured.failed > 0) throw new Error(`${measured.failed} of the load failed: nothing here is a result`);
  const cpu = broker.cpuSeconds() - before;
  const { now, peak } = broker.memory();
  process.stderr.write(
    `  ${fixed(measured.ms)} ms, ${fixed(cpu, 1)} cpu-s, memory ${fixed(now)} MB, so far at most ${fixed(peak)} MB\n`,
  );
  return { ...measured, cpu };
}

/** `share` of the load is 1 for figures that mean something. */
export async function measureSpeed(share: number, profile?: string): Promise<void> {
  const programs = buildPrograms();
  if (!programs) return;
  const broker = await startBrokerProcess(profile ? { profile } : {});
  const scaled = (count: number) => Math.ceil(count * share);
  const bench = { broker, programs, scaled };
  try {
    const lines = [
      ...(await largeBatches(bench)),
      ...(await mediumBatches(bench)),
      await idleLatency(bench),
      await singles(bench),
      ...(await catchUp(bench)),
      await httpRecords(bench),
    ];
    const { peak } = broker.memory();
    lines.push({
      what: 'memory under all of these',
      measured: `${fixed(peak)} MB peak`,
      budget: '< 512 MB',
      aim: '< 256 MB',
      met: peak < 512,
    });
    const startMs = await startUp();
    lines.push({
      what: 'from serve to ready, embedded, empty',
      measured: `${fixed(startMs)} ms`,
      budget: '< 1,000 ms',
      aim: '< 500 ms',
      met: startMs < 1_000,
    });
    print('Speed: embedded stores, durable at every acknowledgement, client on the same cores', lines, share);
  } finally {
    await broker.stop();
    programs.close();
  }
}

async function createTopic(broker: BrokerProcess, name: string, partitions = PARTITIONS): Promise<void> {
  const response = await fetch(`http://${broker.http}/v1/topics`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name, partitions, config: { 'max.message.bytes': '2000000' } }),
  });
  if (response.status !== 201) throw new Error(`creating ${name}: ${response.status} ${await response.text()}`);
}

const throughput = (
  what: string,
  bytes: number,
  { ms, cpu }: { ms: number; cpu: number },
  budget: number,
  aim: number,
  cpuBudget?: number,
  cpuAim?: number,
): Line => {
  const wall = bytes / MB / (ms / 1_000);
  const perCpu = bytes / MB / cpu;
  return {
    what,
    measured: `${fixed(wall)} MB/s, ${fixed(perCpu)} MB/cpu-s`,
    budget: `${budget} MB/s${cpuBudget ? `, ${cpuBudget} MB/cpu-s` : ''}`,
    aim: `${aim} MB/s${cpuAim ? `, ${cpuAim} MB/cpu-s` : ''}`,
    met: wall >= budget && (cpuBudget === undefined || perCpu >= cpuBudget),
  };
};

async function largeBatches({ broker, programs, scaled }: Bench): Promise<Line[]> {
  await createTopic(broker, 'large');
  const driven = await charged(broker, () =>
    run(programs.driver, ['produce', broker.kafka, 'large', PARTITIONS, scaled(1_500_000), 1_024, 1_000_000, 50]),
  );
  const { files, checkAt } = writeProduceRequests(programs.directory, 'large', PARTITIONS, 950, 1_024);
  const [host, port] = broker.kafka.split(':');
  const requests = scaled(2_000);
  const replayed = await charged(broker, () =>
    run(programs.replayer, ['kafka', host!, port!, PARTITIONS, 2, requests, checkAt, '0000', ...files]),
  );
  return [
    throughput('produce, acks=all, 1 KB records, 1 MB batches (librdkafka)', driven.bytes!, driven, 300, 500, 400, 650),
    throughput('same, replayed', requests * 950 * 1_024, replayed, 300, 500, 400, 650),
  ];
}

async function mediumBatches({ broker, programs, scaled }: Bench): Promise<Line[]> {
  await createTopic(broker, 'medium');
  const driven = await charged(broker, () =>
    run(programs.driver, ['produce', broker.kafka, 'medium', PARTITIONS, scaled(800_000), 1_024, 16_384, 5]),
  );
  const { files, checkAt } = writeProduceRequests(programs.directory, 'medium', PARTITIONS, 15, 1_024);
  const [host, port] = broker.kafka.split(':');
  const requests = scaled(60_000);
  const replayed = await charged(broker, () =>
    run(programs.replayer, ['kafka', host!, port!, 24, 8, requests, checkAt, '0000', ...files]),
  );
  return [
    throughput('produce, 16 KB batches (librdkafka)', driven.bytes!, driven, 200, 350),
    throughput('same, replayed', requests * 15 * 1_024, replayed, 200, 350),
  ];
}

async function idleLatency({ broker, programs, scaled }: Bench): Promise<Line> {
  await createTopic(broker, 'single');
  const { p50, p99 } = await run(programs.driver, [
    'latency',
    broker.kafka,
    'single',
    PARTITIONS,
    scaled(3_000),
    1_024,
  ]);
  return {
    what: 'one record at a time, idle broker',
    measured: `p50 ${fixed(p50!, 2)} ms, p99 ${fixed(p99!, 2)} ms`,
    budget: 'p50 < 1.5 ms, p99 < 5 ms',
    aim: 'p50 < 0.6 ms',
    met: p50! < 1.5 && p99! < 5,
  };
}

async function singles({ broker, programs, scaled }: Bench): Promise<Line> {
  await createTopic(broker, 'many');
  const { files, checkAt } = writeProduceRequests(programs.directory, 'many', PARTITIONS, 1, 1_024);
  const [host, port] = broker.kafka.split(':');
  const measured = await charged(broker, () =>
    run(programs.replayer, ['kafka', host!, port!, 64, 1, scaled(200_000), checkAt, '0000', ...files]),
  );
  const rate = measured.requests! / (measured.ms / 1_000);
  return {
    what: 'one record per request, 64 connections',
    measured: `${fixed(rate)}/s, p50 ${fixed(measured.p50!, 2)} ms, p99 ${fixed(measured.p99!, 2)} ms, ${fixed(measured.requests! / measured.cpu)} per cpu-s`,
    budget: '12,000/s, p99 < 12 ms',
    aim: '25,000/s',
    met: rate >= 12_000 && measured.p99! < 12,
  };
}

async function catchUp({ broker, programs, scaled }: Bench): Promise<Line[]> {
  const records = scaled(1_600_000);
  const measured = await charged(broker, () =>
    run(programs.driver, ['consume', broker.kafka, 'medium', PARTITIONS, records]),
  );
  return [throughput('catch-up fetch, 16 KB batches', measured.bytes!, measured, 500, 1_000)];
}

async function httpRecords({ broker, programs, scaled }: Bench): Promise<Line> {
  await createTopic(broker, 'http');
  const file = writeHttpRequest(programs.directory, 'http', broker.http, 100);
  const [host, port] = broker.http.split(':');
  const status = Buffer.from('HTTP/1.1 200').toString('hex');
  const measured = await charged(broker, () =>
    run(programs.replayer, ['http', host!, port!, 16, 1, scaled(15_000), 0, status, file]),
  );
  const rate = (measured.requests! * 100) / (measured.ms / 1_000);
  return {
    what: 'HTTP, 100 JSON records per request',
    measured: `${fixed(rate)} records/s, ${fixed((measured.requests! * 100) / measured.cpu)} per cpu-s`,
    budget: '150,000 records/s',
    aim: '250,000 records/s',
    met: rate >= 150_000,
  };
}

/** Best of three: a start is short, and everything else on the machine shows in it. */
async function startUp(): Promise<number> {
  let best = Infinity;
  for (let round = 0; round < 3; round++) {
    const broker = await startBrokerProcess();
    best = Math.min(best, broker.startMs);
    await broker.stop();
  }
  return best;
}
