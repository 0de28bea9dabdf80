/** Ten thousand clients that do nothing: each costs a little memory and no processor time, and the one that works is served. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildBatch } from '../../src/record/records.ts';
import { KafkaClient } from '../integration/kafka-client.ts';
import { Broker, type BrokerStores, makeStores } from './broker.ts';

const CONNECTIONS = 10_000;
const AT_ONCE = 200;
const BYTES_PER_CONNECTION_MAX = 16 * 1024;

let stores: BrokerStores;
let broker: Broker;

beforeAll(async () => {
  stores = await makeStores('embedded');
  broker = await Broker.start(stores);
});
afterAll(async () => {
  await broker.stop();
  await stores.close();
});

const address = () => {
  const [host, port] = broker.kafka.split(':');
  return { host: host!, port: Number(port) };
};

/** Linux tells; elsewhere the figures are left out. */
const proc = (file: string): string | null => {
  try {
    return readFileSync(`/proc/${broker.pid}/${file}`, 'utf8');
  } catch {
    return null;
  }
};
const residentBytes = () => Number(/VmRSS:\s+(\d+) kB/.exec(proc('status') ?? '')?.[1] ?? Number.NaN) * 1024;
const cpuTicks = () => {
  const fields = proc('stat')?.split(' ');
  return fields ? Number(fields[13]) + Number(fields[14]) : Number.NaN;
};

async function connections(): Promise<number> {
  const exposed = await (await fetch(`${broker.url}/metrics`)).text();
  return Number(/^millrace_kafka_connections (\d+)/m.exec(exposed)?.[1]);
}

async function produceOne(): Promise<void> {
  const client = await KafkaClient.connect(address());
  await client.call('Metadata', 9, { topics: [{ name: 'orders' }] });
  const partitions = [{ index: 0, records: buildBatch([{ key: null, value: 'v' }], { timestamp: Date.now() }) }];
  const answer = await client.call('Produce', 9, {
    acks: -1,
    timeoutMs: 1_000,
    topics: [{ name: 'orders', partitions }],
  });
  expect(answer.topics[0]?.partitions[0]?.errorCode).toBe(0);
  await client.close();
}

test('ten thousand idle connections', async ({ skip }) => {
  const { userLimits } = process.report.getReport() as unknown as {
    userLimits: { open_files: { soft: number | string } };
  };
  const filesMax = Number(userLimits.open_files.soft);
  if (filesMax < CONNECTIONS + 1_000) skip(`this process may open ${filesMax} files`);
  await produceOne();
  const residentBefore = residentBytes();
  const clients: KafkaClient[] = [];
  while (clients.length < CONNECTIONS) {
    clients.push(...(await Promise.all(Array.from({ length: AT_ONCE }, () => KafkaClient.connect(address())))));
  }
  expect(await connections()).toBe(CONNECTIONS);
  await produceOne();
  const perConnection = (residentBytes() - residentBefore) / CONNECTIONS;

  const ticks = cpuTicks();
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  const idleTicks = cpuTicks() - ticks;
  process.stdout.write(
    `idle connections: ${CONNECTIONS}, ${Math.round(perConnection)} bytes each, ${idleTicks} ticks in 2 s\n`,
  );
  if (!Number.isNaN(perConnection)) expect(perConnection).toBeLessThan(BYTES_PER_CONNECTION_MAX);
  if (!Number.isNaN(idleTicks)) expect(idleTicks).toBeLessThan(50);

  await Promise.all(clients.map((client) => client.close()));
  await expect.poll(connections, { timeout: 10_000 }).toBe(0);
  await produceOne();
});
