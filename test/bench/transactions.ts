/** What transactions cost: latency of a small one, and throughput of producers that commit all the time. */
import { readBatchHeader, TRANSACTIONAL_FLAG } from '../../src/record/batch.ts';
import { buildBatch, writeBatchHeader } from '../../src/record/records.ts';
import type { KafkaClient } from '../integration/kafka-client.ts';
import { type BrokerProcess, startBrokerProcess } from './broker-process.ts';
import { connectAll } from './member.ts';
import { percentile } from './percentile.ts';
import { fixed, type Line, print } from './report.ts';

const PRODUCERS = 16;
const IN_FLIGHT = 5;
const COMMIT_EVERY_MS = 100;
const ROUND_MS = 5_000;
const ROUNDS = 3;
const SMALL_COUNT = 500;
const BATCH_RECORDS = 15;
const RECORD_BYTES = 1_024;
const PARTITIONS = 12;

export async function measureTransactions(share: number, profile?: string): Promise<void> {
  const broker = await startBrokerProcess(profile ? { profile } : {});
  try {
    await createTopic(broker);
    const clients = await connectAll(broker.kafka, PRODUCERS);
    const small = await smallTransactions(clients[0]!, Math.ceil(SMALL_COUNT * share));
    const busy = await throughput(clients, ROUND_MS * share);
    print('Transactions: embedded stores, one broker', [small, busy], share);
    await Promise.all(clients.map((client) => client.close()));
  } finally {
    await broker.stop();
  }
}

async function createTopic(broker: BrokerProcess): Promise<void> {
  const response = await fetch(`http://${broker.http}/v1/topics`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'bench', partitions: PARTITIONS }),
  });
  if (response.status !== 201) throw new Error(`creating the topic: ${response.status} ${await response.text()}`);
}

const template = (records: number): Buffer =>
  buildBatch(
    Array.from({ length: records }, () => ({ key: null, value: Buffer.alloc(RECORD_BYTES, 'x') })),
    { timestamp: 1_000_000 },
  );
const SMALL = template(1);
const LARGE = template(BATCH_RECORDS);

/** One producer of one partition. A transactional one is told its next epoch at each commit (KIP-890). */
class Producer {
  readonly #client: KafkaClient;
  readonly #transactionalId: string | null;
  readonly #partition: number;
  #producerId = -1;
  #producerEpoch = -1;
  #sequence = 0;

  constructor(client: KafkaClient, transactionalId: string | null, partition: number) {
    this.#client = client;
    this.#transactionalId = transactionalId;
    this.#partition = partition;
  }

  async start(): Promise<this> {
    const body = { transactionalId: this.#transactionalId, transactionTimeoutMs: 60_000 };
    const answer = await this.#client.call('InitProducerId', 5, { ...body, producerId: -1, producerEpoch: -1 });
    if (answer.errorCode !== 0) throw new Error(`InitProducerId: error ${answer.errorCode}`);
    this.#producerId = answer.producerId;
    this.#producerEpoch = answer.producerEpoch;
    return this;
  }

  async produce(prepared: Buffer): Promise<void> {
    const records = this.#stamped(prepared);
    const partitions = [{ index: this.#partition, records }];
    const answer = await this.#client.call('Produce', 12, {
      transactionalId: this.#transactionalId,
      acks: -1,
      timeoutMs: 30_000,
      topics: [{ name: 'bench', partitions }],
    });
    const code = answer.topics[0]!.partitions[0]!.errorCode;
    if (code !== 0) throw new Error(`Produce: error ${code}`);
  }

  async commit(): Promise<void> {
    const transactionalId = this.#transactionalId!;
    const body = { transactionalId, producerId: this.#producerId, producerEpoch: this.#producerEpoch, committed: true };
    const answer = await this.#client.call('EndTxn', 5, body);
    if (answer.errorCode !== 0) throw new Error(`EndTxn: error ${answer.errorCode}`);
    if (answer.producerEpoch !== this.#producerEpoch || answer.producerId !== this.#producerId) this.#sequence = 0;
    this.#producerId = answer.producerId;
    this.#producerEpoch = answer.producerEpoch;
  }

  #stamped(prepared: Buffer): Buffer {
    const batch = Buffer.from(prepared);
    const header = readBatchHeader(batch, 0);
    const baseSequence = this.#sequence;
    this.#sequence += header.recordCount;
    const attributes = this.#transactionalId === null ? header.attributes : header.attributes | TRANSACTIONAL_FLAG;
    const producer = { producerId: this.#producerId, producerEpoch: this.#producerEpoch, baseSequence };
    writeBatchHeader(batch, { ...header, ...producer, attributes });
    return batch;
  }
}

async function smallTransactions(client: KafkaClient, count: number): Promise<Line> {
  const producer = await new Producer(client, 'small', 0).start();
  const latencies: number[] = [];
  for (let at = 0; at < count; at++) {
    const beganAt = performance.now();
    await producer.produce(SMALL);
    await producer.commit();
    latencies.push(performance.now() - beganAt);
  }
  const p50 = percentile(latencies, 50);
  return {
    what: 'a transaction of one record, from begin to commit',
    measured: `p50 ${fixed(p50, 2)} ms, p99 ${fixed(percentile(latencies, 99), 2)} ms`,
    budget: 'p50 < 5 ms',
    aim: '',
    met: p50 < 5,
  };
}

/** The same load with and without transactions, in turns, because the machine is not always as fast. */
async function throughput(clients: readonly KafkaClient[], roundMs: number): Promise<Line> {
  const start = (transactional: boolean) =>
    Promise.all(
      clients.map((client, at) => new Producer(client, transactional ? `busy-${at}` : null, at % PARTITIONS).start()),
    );
  const plain = await start(false);
  const transactional = await start(true);
  let withoutBytes = 0;
  let withBytes = 0;
  for (let round = 0; round < ROUNDS; round++) {
    withoutBytes += await load(plain, roundMs, false);
    withBytes += await load(transactional, roundMs, true);
  }
  const seconds = (roundMs * ROUNDS) / 1_000;
  const percent = (withBytes / withoutBytes) * 100;
  const rates = `${fixed(withBytes / 1e6 / seconds)} of ${fixed(withoutBytes / 1e6 / seconds)} MB/s`;
  return {
    what: `${PRODUCERS} producers that commit every ${COMMIT_EVERY_MS} ms, next to none that do`,
    measured: `${fixed(percent)}% (${rates})`,
    budget: '80%',
    aim: '',
    met: percent >= 80,
  };
}

/** Bytes that were acknowledged, and committed where that is asked. */
async function load(producers: readonly Producer[], forMs: number, commits: boolean): Promise<number> {
  const endsAt = performance.now() + forMs;
  const sums = await Promise.all(producers.map((producer) => run(producer, endsAt, commits)));
  return sums.reduce((sum, bytes) => sum + bytes, 0);
}

async function run(producer: Producer, endsAt: number, commits: boolean): Promise<number> {
  let bytes = 0;
  while (performance.now() < endsAt) {
    const until = Math.min(endsAt, performance.now() + COMMIT_EVERY_MS);
    const lanes = Array.from({ length: IN_FLIGHT }, async () => {
      while (performance.now() < until) {
        await producer.produce(LARGE);
        bytes += LARGE.length;
      }
    });
    await Promise.all(lanes);
    if (commits) await producer.commit();
  }
  return bytes;
}
