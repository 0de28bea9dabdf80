/** A steady load on a cluster as Kafka clients put it on: each partition at the broker that metadata names for it. */
import { encodeRequest } from '../../src/protocol/header.ts';
import { ProduceRequest } from '../../src/protocol/messages/produce.ts';
import { buildBatch } from '../../src/record/records.ts';
import { KafkaClient } from '../integration/kafka-client.ts';
import { percentile } from './percentile.ts';

export interface ClusterLoadOptions {
  readonly topic: string;
  /** Batches of all partitions together. */
  readonly perSecond: number;
  readonly batchBytes: number;
}

/** Milliseconds. */
export interface Latencies {
  /** From sending a batch to its acknowledgement. */
  readonly produce: readonly number[];
  /** From sending a batch until a consumer has it. */
  readonly endToEnd: readonly number[];
  readonly failed: number;
  readonly bytes: number;
}

const TICK_MS = 5;
const PRODUCE_VERSION = 7;
const FETCH_VERSION = 11;
const FETCH_WAIT_MS = 500;
/** What one connection may have unanswered before it waits. */
const IN_FLIGHT_MAX = 512;

interface Place {
  readonly address: string;
  readonly partitions: readonly number[];
}

/** Which broker metadata names for each partition. */
async function placesOf(address: string, topic: string): Promise<readonly Place[]> {
  const client = await KafkaClient.connect(hostPort(address));
  const body = { topics: [{ name: topic }], allowAutoTopicCreation: false };
  const { brokers, topics } = await client.call('Metadata', 8, body as never);
  client.socket.destroy();
  const byBroker = new Map<number, number[]>();
  for (const { index, leaderId } of topics[0]!.partitions) {
    byBroker.set(leaderId, [...(byBroker.get(leaderId) ?? []), index]);
  }
  return [...byBroker].map(([id, partitions]) => {
    const broker = brokers.find(({ nodeId }) => nodeId === id)!;
    return { address: `${broker.host}:${broker.port}`, partitions };
  });
}

const hostPort = (address: string) => ({ host: address.split(':')[0]!, port: Number(address.split(':')[1]) });

/** Runs for `durationMs` after `warmUpMs` that does not count. */
export async function runClusterLoad(
  bootstrap: string,
  options: ClusterLoadOptions,
  warmUpMs: number,
  durationMs: number,
): Promise<Latencies> {
  const { topic, perSecond, batchBytes } = options;
  const places = await placesOf(bootstrap, topic);
  const meeting = new Meeting();
  const producers = await Promise.all(places.map((place) => PacedProducer.connect(place, topic, batchBytes, meeting)));
  const consumers = await Promise.all(places.map((place) => TailConsumer.connect(place, topic, meeting)));
  const turns = producers.flatMap((producer) => producer.partitions.map((partition) => ({ producer, partition })));
  turns.sort((one, other) => one.partition - other.partition);
  let sent = 0;
  const begun = performance.now();
  const timer = setInterval(() => {
    const due = ((performance.now() - begun) / 1_000) * perSecond;
    for (; sent < due; sent++) {
      const { producer, partition } = turns[sent % turns.length]!;
      if (!producer.send(partition)) return;
    }
  }, TICK_MS);
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  await pause(warmUpMs);
  meeting.begin();
  await pause(durationMs);
  clearInterval(timer);
  meeting.end();
  for (let waited = 0; waited < 5_000 && producers.some((producer) => producer.waiting > 0); waited += 50)
    await pause(50);
  for (const each of [...producers, ...consumers]) each.close();
  const failed = producers.reduce((sum, producer) => sum + producer.failed, 0);
  return { produce: meeting.produce, endToEnd: meeting.endToEnd, failed, bytes: meeting.produce.length * batchBytes };
}

/** Where acknowledgements and consumed batches find each other, whichever comes first. */
class Meeting {
  readonly produce: number[] = [];
  readonly endToEnd: number[] = [];
  readonly #sent = new Map<string, number>();
  readonly #consumed = new Map<string, number>();
  #begun = Infinity;
  #ended = Infinity;

  begin(): void {
    this.#begun = performance.now();
  }

  end(): void {
    this.#ended = performance.now();
  }

  acknowledged(partition: number, offset: number, sentAt: number): void {
    if (sentAt < this.#begun || sentAt > this.#ended) return;
    this.produce.push(performance.now() - sentAt);
    const key = `${partition} ${offset}`;
    const at = this.#consumed.get(key);
    if (at === undefined) this.#sent.set(key, sentAt);
    else this.endToEnd.push(at - sentAt);
    this.#consumed.delete(key);
  }

  consumed(partition: number, offset: number): void {
    const key = `${partition} ${offset}`;
    const sentAt = this.#sent.get(key);
    if (sentAt === undefined) this.#consumed.set(key, performance.now());
    else this.endToEnd.push(performance.now() - sentAt);
    this.#sent.delete(key);
  }
}

class PacedProducer {
  failed = 0;
  readonly partitions: readonly number[];
  readonly #client: KafkaClient;
  readonly #frames = new Map<number, Buffer>();
  readonly #waiting: { readonly partition: number; readonly sentAt: number }[] = [];
  readonly #errorAt: number;

  private constructor(client: KafkaClient, { partitions }: Place, topic: string, batchBytes: number, meeting: Meeting) {
    this.#client = client;
    this.partitions = partitions;
    // Correlation id, topics, name, partitions, index, then error code and offset.
    this.#errorAt = 4 + 4 + 2 + Buffer.byteLength(topic) + 4 + 4;
    for (const index of partitions) {
      const records = buildBatch([{ key: null, value: Buffer.alloc(batchBytes - 80, index + 1), headers: [] }], {
        timestamp: Date.now(),
      });
      const topics = [{ name: topic, partitions: [{ index, records: [records] }] }];
      const body = { transactionalId: null, acks: -1, timeoutMs: 30_000, topics };
      const envelope = { correlationId: 1, clientId: 'bench' };
      const parts = encodeRequest(ProduceRequest as never, PRODUCE_VERSION, envelope, body as never);
      this.#frames.set(index, Buffer.concat(parts));
    }
    void this.#listen(meeting);
  }

  static async connect(place: Place, topic: string, batchBytes: number, meeting: Meeting): Promise<PacedProducer> {
    return new PacedProducer(await KafkaClient.connect(hostPort(place.address)), place, topic, batchBytes, meeting);
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** False when the broker is too far behind. */
  send(partition: number): boolean {
    if (this.#waiting.length >= IN_FLIGHT_MAX) return false;
    this.#waiting.push({ partition, sentAt: performance.now() });
    this.#client.socket.write(this.#frames.get(partition)!);
    return true;
  }

  async #listen(meeting: Meeting): Promise<void> {
    for (;;) {
      const frame = await this.#client.frame();
      if (frame === null) return;
      const { partition, sentAt } = this.#waiting.shift()!;
      if (frame.readInt16BE(this.#errorAt) === 0) {
        meeting.acknowledged(partition, Number(frame.readBigInt64BE(this.#errorAt + 2)), sentAt);
      } else this.failed += 1;
    }
  }

  close(): void {
    this.#client.socket.destroy();
  }
}

/** Reads the tail of its partitions with long polls. */
class TailConsumer {
  readonly #client: KafkaClient;
  readonly #next = new Map<number, number>();

  private constructor(client: KafkaClient) {
    this.#client = client;
  }

  static async connect({ address, partitions }: Place, topic: string, meeting: Meeting): Promise<TailConsumer> {
    const client = await KafkaClient.connect(hostPort(address));
    const consumer = new TailConsumer(client);
    const asked = partitions.map((index) => ({ index, timestamp: -1 }));
    const body = { replicaId: -1, isolationLevel: 0, topics: [{ name: topic, partitions: asked }] };
    const { topics } = await client.call('ListOffsets', 4, body as never);
    for (const { index, offset } of topics[0]!.partitions) consumer.#next.set(index, offset);
    void consumer.#read(topic, meeting);
    return consumer;
  }

  async #read(topic: string, meeting: Meeting): Promise<void> {
    for (;;) {
      const partitionMaxBytes = 8 * 1024 * 1024;
      const partitions = [...this.#next].map(([index, fetchOffset]) => ({ index, fetchOffset, partitionMaxBytes }));
      const limits = { maxWaitMs: FETCH_WAIT_MS, minBytes: 1, maxBytes: 64 * 1024 * 1024 };
      const session = { sessionId: 0, sessionEpoch: -1, forgottenTopics: [], rackId: '' };
      const body = { ...limits, ...session, topics: [{ name: topic, partitions }] };
      let answer: Awaited<ReturnType<typeof this.fetch>>;
      try {
        answer = await this.fetch(body);
      } catch {
        return; // Closed.
      }
      for (const { index, records } of answer.topics.flatMap((each) => each.partitions)) {
        for (const [offset, next] of batchesIn(records)) {
          if (offset >= this.#next.get(index)!) meeting.consumed(index, offset);
          this.#next.set(index, next);
        }
      }
    }
  }

  fetch(body: object) {
    return this.#client.call('Fetch', FETCH_VERSION, body as never);
  }

  close(): void {
    this.#client.socket.destroy();
  }
}

/** First offset of each whole batch, and the one after its last. */
function* batchesIn(records: unknown): Generator<readonly [offset: number, next: number]> {
  const bytes = Buffer.concat(([records].flat() as (Uint8Array | null)[]).filter((part) => part !== null));
  for (let at = 0; at + 61 <= bytes.length; at += 12 + bytes.readInt32BE(at + 8)) {
    const offset = Number(bytes.readBigInt64BE(at));
    yield [offset, offset + bytes.readInt32BE(at + 23) + 1];
  }
}

const NOT_LEADER_OR_FOLLOWER = 6;

/** Sends single small records to one partition all the time, each again until it is acknowledged. */
export class Probe {
  /** Of each record, from its first attempt to its acknowledgement, milliseconds. */
  readonly took: { readonly at: number; readonly ms: number }[] = [];
  readonly #topic: string;
  readonly #partition: number;
  readonly #addresses: () => readonly string[];
  #client: KafkaClient | null = null;
  #moves = 0;
  #waitingSince = Infinity;
  #isClosed = false;

  constructor(topic: string, partition: number, addresses: () => readonly string[]) {
    this.#topic = topic;
    this.#partition = partition;
    this.#addresses = addresses;
    void this.#run();
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      const at = performance.now();
      this.#waitingSince = at;
      while (!this.#isClosed && !(await this.#attempt())) await new Promise((resolve) => setTimeout(resolve, 5));
      if (!this.#isClosed) this.took.push({ at, ms: performance.now() - at });
      this.#waitingSince = Infinity;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async #attempt(): Promise<boolean> {
    try {
      const addresses = this.#addresses();
      const address = addresses[(this.#partition + this.#moves) % addresses.length]!;
      this.#client ??= await KafkaClient.connect(hostPort(address));
      const records = buildBatch([{ key: null, value: Buffer.from('probe'), headers: [] }], { timestamp: Date.now() });
      const topics = [{ name: this.#topic, partitions: [{ index: this.#partition, records: [records] }] }];
      const body = { transactionalId: null, acks: -1, timeoutMs: 30_000, topics };
      const answer = await this.#client.call('Produce', PRODUCE_VERSION, body as never);
      const { errorCode } = answer.topics[0]!.partitions[0]!;
      if (errorCode === NOT_LEADER_OR_FOLLOWER) this.#moveOn();
      return errorCode === 0;
    } catch {
      this.#moveOn();
      return false;
    }
  }

  /** As a client does that asks for metadata again: a broker that stops is not named any more. */
  #moveOn(): void {
    this.#client?.socket.destroy();
    this.#client = null;
    this.#moves++;
  }

  /** The first record whose sending began after `at` was acknowledged so much later; Infinity while there is none. */
  firstAfter(at: number): number {
    const first = this.took.find((each) => each.at >= at);
    return first ? first.at + first.ms - at : Infinity;
  }

  /** The one that waits yet included. */
  longestSince(at: number): number {
    const took = this.took.filter((each) => each.at + each.ms >= at).map(({ ms }) => ms);
    return Math.max(0, performance.now() - this.#waitingSince, ...took);
  }

  close(): void {
    this.#isClosed = true;
    this.#client?.socket.destroy();
  }
}

export const summary = (values: readonly number[]) => ({ p50: percentile(values, 50), p99: percentile(values, 99) });
