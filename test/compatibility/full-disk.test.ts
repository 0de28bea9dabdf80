/** A full disk under the embedded stores: writes are refused and may be repeated, reads go on, nothing acknowledged is lost. */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildBatch } from '../../src/record/records.ts';
import { KafkaClient } from '../integration/kafka-client.ts';
import { Broker } from './broker.ts';
import { HttpClient } from './http-client.ts';
import { type SmallDisk, smallDisk } from './small-disk.ts';

/** Goes into a segment of its own. */
const LARGE_BYTES = 512 * 1024;
/** Goes into the journal. */
const SMALL_BYTES = 2 * 1024;
const ROOM_BYTES = 6 * 1024 * 1024;
const RECOVERY_MS = 30_000;

let disk: SmallDisk;
let broker: Broker;

beforeAll(async () => {
  disk = await smallDisk();
  process.stdout.write(`  ${disk.what}\n`);
  const flags = ['--data', join(disk.directory, 'data')];
  broker = await Broker.start({ flags, environment: {} });
});
afterAll(async () => {
  await broker?.kill();
  await disk?.close();
});

interface Problem {
  readonly code: string;
  readonly detail: string;
  readonly retriable: boolean;
  readonly no_side_effects: boolean;
}

/** Numbered records, one request each, and what became of them. */
class Writer {
  readonly acknowledged: string[] = [];
  readonly refused = new Set<string>();
  /** Refused without knowing whether they are there. */
  readonly unknown = new Set<string>();
  readonly #topic: string;
  #next = 0;

  constructor(topic: string) {
    this.#topic = topic;
  }

  /** Null when it was appended. */
  async write(bytes: number): Promise<Problem | null> {
    const value = `${this.#next++} `.padEnd(bytes, 'x');
    const response = await fetch(`${broker.url}/v1/topics/${this.#topic}/partitions/0/records`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'record-format': 'text' },
      body: JSON.stringify({ records: [{ value }] }),
    });
    const answer = (await response.json()) as Problem;
    if (response.status === 200) {
      this.acknowledged.push(value);
      return null;
    }
    expect(response.status).toBe(503);
    (answer.no_side_effects ? this.refused : this.unknown).add(value);
    return answer;
  }

  async untilRefused(bytes: number, countMax: number): Promise<Problem> {
    for (let count = 0; count < countMax; count++) {
      const problem = await this.write(bytes);
      if (problem) return problem;
    }
    throw new Error(`${countMax} records of ${bytes} bytes were taken`);
  }

  async untilTaken(bytes: number): Promise<number> {
    const began = performance.now();
    while ((await this.write(bytes)) !== null) {
      if (performance.now() - began > RECOVERY_MS) throw new Error('still refused although there is room');
      await pause(50);
    }
    return performance.now() - began;
  }

  /** What is acknowledged is there in order, what is known to be refused is not. */
  async check(): Promise<void> {
    const values: string[] = [];
    for await (const { value } of new HttpClient(broker.url).readPartition(this.#topic, 0))
      values.push(value.toString());
    expect(values.filter((value) => this.refused.has(value))).toEqual([]);
    expect(values.filter((value) => !this.unknown.has(value)).map(name)).toEqual(this.acknowledged.map(name));
    expect(values.length - new Set(values).size).toBe(0);
  }
}

const name = (value: string): string => `${value.split(' ')[0]} of ${value.length} bytes`;

async function kafkaProduceError(
  topic: string,
): Promise<{ readonly errorCode: number; readonly errorMessage: string | null }> {
  const [host, port] = broker.kafka.split(':');
  const client = await KafkaClient.connect({ host: host!, port: Number(port) });
  const records = buildBatch([{ key: null, value: 'k'.repeat(LARGE_BYTES) }], { timestamp: Date.now() });
  const partitions = [{ index: 0, records }];
  const answer = await client.call('Produce', 9, { acks: -1, timeoutMs: 5_000, topics: [{ name: topic, partitions }] });
  await client.close();
  return answer.topics[0]!.partitions[0]!;
}

test('segments: refused with a retriable error while the disk is full, taken again when there is room', async () => {
  await new HttpClient(broker.url).createTopic('large', 1);
  const writer = new Writer('large');
  for (let count = 0; count < 10; count++) expect(await writer.write(LARGE_BYTES)).toBeNull();
  await disk.fill(broker.pid, ROOM_BYTES);
  const problem = await writer.untilRefused(LARGE_BYTES, 500);
  expect(problem).toMatchObject({ code: 'KAFKA_STORAGE_ERROR', retriable: true });
  expect(problem.detail).toMatch(/full|no room/);
  expect(await kafkaProduceError('large')).toMatchObject({ errorCode: 56 });
  await disk.fill(broker.pid);
  for (let count = 0; count < 20; count++) expect(await writer.write(LARGE_BYTES)).not.toBeNull();
  await writer.check();
  expect((await fetch(`${broker.url}/healthz`)).status).toBe(200);
  await disk.empty(broker.pid);
  const ms = await writer.untilTaken(LARGE_BYTES);
  process.stdout.write(`  segments: taken again ${ms.toFixed(0)} ms after there was room\n`);
  await writer.check();
  await broker.kill();
  await broker.start();
  await writer.check();
});

test('the journal: refused, read, and taken again likewise, also when the broker is killed meanwhile', {
  timeout: 400_000,
}, async (context) => {
  // What is written into blocks that a file has already fails on no full disk; beyond a limit of size it does.
  if (!disk.isReal) return context.skip(disk.what);
  await new HttpClient(broker.url).createTopic('small', 1);
  const writer = new Writer('small');
  for (let count = 0; count < 10; count++) expect(await writer.write(SMALL_BYTES)).toBeNull();
  await disk.fill(broker.pid);
  const problem = await writer.untilRefused(SMALL_BYTES, 20_000);
  expect(problem).toMatchObject({ code: 'KAFKA_STORAGE_ERROR', retriable: true });
  process.stdout.write(`  journal: ${writer.acknowledged.length} records were taken before it was full\n`);
  for (let count = 0; count < 20; count++) expect(await writer.write(SMALL_BYTES)).not.toBeNull();
  await writer.check();
  await broker.kill();
  const starting = await broker.start().then(
    () => 'started',
    (cause: Error) => cause.message,
  );
  expect(starting).toMatch(/ended with status 1 .*no room/s);
  await disk.empty(broker.pid);
  await broker.start();
  const ms = await writer.untilTaken(SMALL_BYTES);
  process.stdout.write(`  journal: taken again ${ms.toFixed(0)} ms after there was room\n`);
  await writer.check();
});
