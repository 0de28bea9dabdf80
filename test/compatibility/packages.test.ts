/**
 * Tens of thousands of real records, sent three ways through a broker that is killed half-way, read back three ways.
 * Nothing may be lost, nothing be there twice, and every partition must hold its records in the order they were sent.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Broker, type BrokerStores, MILLRACE, makeStores, type StoresKind, storesKinds } from './broker.ts';
import { HttpClient } from './http-client.ts';
import {
  compare,
  delimited,
  expectedPartitions,
  PRINT_FORMAT,
  parsePrinted,
  type ReadRecord,
  readStanzas,
} from './packages.ts';
import { hasProgram, mustHaveEverything, run } from './run.ts';

const PARTITION_COUNTS = [1, 12];
const HTTP_BATCH_RECORDS = 500;
const MB = 1e6;
/** Between the kill and the next start, as a supervisor might take. */
const DOWN_MS = 300;

const stanzas = await readStanzas();
const input = delimited(stanzas);
const half = Math.floor(stanzas.length / 2);

/** Sends the first half, calls `disturb`, which resolves with the broker in trouble, and sends the rest meanwhile. */
type Send = (broker: Broker, topic: string, disturb: () => Promise<void>) => Promise<void>;

const throughStdin = (command: (broker: Broker, topic: string) => readonly string[]): Send => {
  const cut = delimited(stanzas.slice(0, half)).length;
  return async (broker, topic, disturb) => {
    await run(command(broker, topic), {
      timeoutMs: 300_000,
      input: async (stdin) => {
        stdin.write(input.subarray(0, cut));
        const disturbed = disturb();
        stdin.write(input.subarray(cut));
        await disturbed;
        stdin.end();
      },
    });
  };
};

const SENDERS: Readonly<Record<string, Send>> = {
  'kcat, idempotent, zstd': throughStdin(({ kafka }, topic) => [
    ...['kcat', '-P', '-E', '-b', kafka, '-t', topic, '-z', 'zstd', '-K', '\x1f', '-D', '\x1e'],
    ...['-X', 'enable.idempotence=true', '-X', 'topic.partitioner=murmur2_random'],
  ]),
  'millrace produce': throughStdin(({ url }, topic) => [
    ...MILLRACE,
    ...['produce', topic, '--url', url, '-K', '\\x1f', '-D', '\\x1e'],
  ]),
  'HTTP, NDJSON batches with Idempotency-Key': async (broker, topic, disturb) => {
    const client = new HttpClient(broker.url);
    let disturbed: Promise<void> = Promise.resolve();
    for (let start = 0; start < stanzas.length; start += HTTP_BATCH_RECORDS) {
      const batch = stanzas.slice(start, start + HTTP_BATCH_RECORDS);
      if (start <= half && half < start + HTTP_BATCH_RECORDS) disturbed = disturb();
      const text = batch.map(({ key, value }) => `${JSON.stringify({ key, value: value.toString() })}\n`).join('');
      await client.produce(topic, text, `${topic}-${start}`);
    }
    await disturbed;
  },
};

type Read = (broker: Broker, topic: string, partitions: number) => Promise<Iterable<ReadRecord>>;

const READERS: Readonly<Record<string, Read>> = {
  kcat: async ({ kafka }, topic) => {
    const command = ['kcat', '-C', '-q', '-e', '-b', kafka, '-t', topic, '-o', 'beginning', '-f', PRINT_FORMAT];
    return parsePrinted((await run(command)).stdout);
  },
  'millrace consume': async ({ url }, topic) => {
    const command = [...MILLRACE, 'consume', topic, '--url', url, '-o', 'beginning', '-f', PRINT_FORMAT];
    return parsePrinted((await run(command)).stdout);
  },
  HTTP: async ({ url }, topic, partitions) => {
    const client = new HttpClient(url);
    const records: ReadRecord[] = [];
    for (let partition = 0; partition < partitions; partition++) {
      for await (const record of client.readPartition(topic, partition)) records.push(record);
    }
    return records;
  },
};

/** Kills the broker when it holds some records already and more are under way, and starts it again. Tells how many. */
async function crash(broker: Broker, topic: string, enough: number): Promise<number> {
  const client = new HttpClient(broker.url);
  let held = 0;
  while (held < enough) {
    await pause(10);
    held = await client.recordCount(topic);
  }
  await pause(Math.random() * 20);
  await broker.kill();
  await pause(DOWN_MS);
  await broker.start();
  return held;
}

const report = (line: string): void => void process.stdout.write(`  ${line}\n`);
const rate = (ms: number): string => `${(input.length / MB / (ms / 1_000)).toFixed(0)} MB/s`;

const missing = !hasProgram('kcat')
  ? 'kcat is not installed'
  : stanzas.length === 0
    ? 'apt-cache prints nothing'
    : null;

describe.each(storesKinds())('on %s', (kind: StoresKind) => {
  if (missing !== null) {
    test('packages are sent and read back', (context) => {
      if (mustHaveEverything) throw new Error(missing);
      context.skip(missing);
    });
    return;
  }
  let stores: BrokerStores;
  let broker: Broker;
  beforeAll(async () => {
    stores = await makeStores(kind);
    broker = await Broker.start(stores);
    report(`${stores.what}: ${stanzas.length} stanzas, ${(input.length / MB).toFixed(1)} MB`);
  });
  afterAll(async () => {
    await broker?.kill();
    await stores?.close();
  });

  describe.each(PARTITION_COUNTS)('with %d partitions', (partitions) => {
    const expected = expectedPartitions(stanzas, partitions);

    test.each(Object.entries(SENDERS))(
      '%s: nothing is lost or there twice when the broker is killed half-way',
      { timeout: 600_000 },
      async (sender, send) => {
        const topic = `packages-${partitions}-${sender.split(/\W/)[0]!.toLowerCase()}`;
        await new HttpClient(broker.url).createTopic(topic, partitions);
        let heldAtKill = 0;
        const started = performance.now();
        await send(broker, topic, async () => {
          heldAtKill = await crash(broker, topic, half / 2);
        });
        const sentMs = performance.now() - started;
        expect(heldAtKill, 'records before the kill').toBeLessThan(stanzas.length);
        report(`${partitions} partitions, ${sender}: sent at ${rate(sentMs)}, killed behind record ${heldAtKill}`);
        for (const [reader, read] of Object.entries(READERS)) {
          const before = performance.now();
          const records = await read(broker, topic, partitions);
          const readMs = performance.now() - before;
          expect(() => compare(expected, records), `read by ${reader}`).not.toThrow();
          report(`    ${reader}: ${stanzas.length} records as they were sent, ${rate(readMs)}`);
        }
      },
    );
  });

  test('the broker stops cleanly after all this', async () => {
    expect(await broker.stop()).toBe(0);
    expect(broker.log).toBe('');
  });
});
