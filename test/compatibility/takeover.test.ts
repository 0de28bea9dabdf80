/**
 * Two brokers on the same stores: the second joins or takes over, and the first, frozen meanwhile and woken up in the middle of
 * its requests, must acknowledge nothing that the second does not have.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DYNOXIDE_MISSING, dynoxideBinary } from '../stand-ins/dynoxide.ts';
import { Broker, type BrokerStores, makeStores } from './broker.ts';
import { HttpClient } from './http-client.ts';
import { mustHaveEverything } from './run.ts';

const TOPIC = 'fought-over';
const WRITERS = 8;

/** One record at a time, each once: what was acknowledged, and where. */
class Writer {
  readonly acknowledged = new Map<string, number>();
  /** Sent without an acknowledgement: may be there or not, but not twice. */
  readonly unknown = new Set<string>();
  readonly #url: string;
  readonly #name: string;
  readonly #bytes: number;
  #next = 0;

  constructor(url: string, name: string, bytes: number) {
    this.#url = url;
    this.#name = name;
    this.#bytes = bytes;
  }

  async write(): Promise<boolean> {
    const value = `${this.#name} ${this.#next++} `.padEnd(this.#bytes, 'x');
    const response = await fetch(`${this.#url}/v1/topics/${TOPIC}/partitions/0/records`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'record-format': 'text' },
      body: JSON.stringify({ records: [{ value }] }),
    }).catch(() => null);
    const answer = response?.status === 200 ? await response.json().catch(() => null) : null;
    if (answer === null) this.unknown.add(value);
    else this.acknowledged.set(value, (answer as { results: { offset: number }[] }).results[0]!.offset);
    return answer !== null;
  }

  /** Until it is told to stop, whatever becomes of single ones. */
  async writeOn(stopped: AbortSignal): Promise<void> {
    while (!stopped.aborted) if (!(await this.write())) await pause(50);
  }
}

describe('two brokers on the same S3 and DynamoDB', () => {
  if (dynoxideBinary() === null) {
    test('fight', (context) => {
      if (mustHaveEverything) throw new Error(DYNOXIDE_MISSING);
      context.skip(DYNOXIDE_MISSING);
    });
    return;
  }
  let stores: BrokerStores;
  let first: Broker;
  let second: Broker;
  beforeEach(async () => {
    stores = await makeStores('S3 and DynamoDB');
    first = await Broker.start(stores);
    second = new Broker(stores, { environment: { MILLRACE_BROKER_ID: '2' } });
    await new HttpClient(first.url).createTopic(TOPIC, 1);
  });
  afterEach(async () => {
    await first?.kill();
    await second?.kill();
    await stores?.close();
  });

  const expectAll = async (writers: readonly Writer[]): Promise<void> => {
    const found = new Map<string, number>();
    let next = 0;
    for await (const { offset, value } of new HttpClient(second.url).readPartition(TOPIC, 0)) {
      expect(offset).toBe(next++);
      expect(found.has(value.toString()), `${value.toString('utf8', 0, 40)} is there twice`).toBe(false);
      found.set(value.toString(), offset);
    }
    const sent = writers.flatMap(({ acknowledged, unknown }) => [...acknowledged.keys(), ...unknown]);
    for (const value of found.keys()) expect(sent).toContain(value);
    for (const { acknowledged } of writers) {
      for (const [value, offset] of acknowledged) expect(found.get(value), value.slice(0, 40)).toBe(offset);
    }
  };

  test.each([
    ['woken up after the other took over', true],
    ['running all the time', false],
  ])('the first, %s, goes on beside it and takes back nothing it said', async (_, frozen) => {
    const before = Array.from(
      { length: WRITERS },
      (_, index) => new Writer(first.url, `first ${index}`, 10 ** (1 + (index % 5))),
    );
    const stop = new AbortController();
    const writing = before.map((writer) => writer.writeOn(stop.signal));
    await pause(1_500);
    if (frozen) process.kill(first.pid, 'SIGSTOP');
    await second.start();
    const after = new Writer(second.url, 'second', 100);
    for (let count = 0; count < 20; count++) expect(await after.write()).toBe(true);
    const acknowledged = () => before.reduce((sum, writer) => sum + writer.acknowledged.size, 0);
    const meanwhile = acknowledged();
    if (frozen) process.kill(first.pid, 'SIGCONT');
    await expect.poll(acknowledged, { timeout: 15_000 }).toBeGreaterThan(meanwhile + WRITERS);
    stop.abort();
    await Promise.all(writing);
    for (let count = 0; count < 20; count++) expect(await after.write()).toBe(true);
    process.stdout.write(`  the first acknowledged ${acknowledged()} records, ${meanwhile} of them before\n`);
    await expectAll([...before, after]);
  });
});
