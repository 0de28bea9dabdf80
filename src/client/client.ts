/**
 * The client of Millrace's HTTP interface, for programs and for the `millrace` command.
 *
 * ```ts
 * const client = new Client({ url: 'http://127.0.0.1:8080' });
 * await client.createTopic({ name: 'orders', partitions: 3 });
 * const producer = await Producer.open(client, 'orders');
 * producer.enqueue({ key: Buffer.from('k'), value: Buffer.from('v') });
 * await producer.flush();
 * const { records } = await client.read('orders', 0, { from: 'earliest' });
 * ```
 *
 * Errors are ClientError. Offsets and timestamps are numbers.
 */
import { systemClock, systemTimers } from '../runtime/clock.ts';
import { systemRandom } from '../runtime/random.ts';
import { Cluster } from './cluster.ts';
import { Groups } from './groups.ts';
import { type ClientRuntime, type Request, Transport, type TransportOptions } from './transport.ts';

export interface ClientOptions extends TransportOptions {
  /** Replaced in tests. */
  readonly runtime?: ClientRuntime;
}

export interface NewTopic {
  readonly name: string;
  /** Absent: what the broker does by default. */
  readonly partitions?: number;
  readonly config?: Readonly<Record<string, string>>;
}

export interface TopicSummary {
  readonly name: string;
  readonly topicId: string;
  readonly partitions: number;
}

export interface TopicDescription extends TopicSummary {
  readonly createdAt: number;
  /** What is in effect, and what of it was set for this topic. */
  readonly config: Readonly<Record<string, string>>;
  readonly overrides: Readonly<Record<string, string>>;
  readonly partitionDetails: readonly PartitionDetail[];
}

export interface PartitionDetail {
  readonly partition: number;
  /** Null when `error` says why they are not known now. */
  readonly logStartOffset: number | null;
  readonly highWatermark: number | null;
  readonly error: string | null;
}

/** Set by name; null takes a configuration back to its default. */
export type ConfigChanges = Readonly<Record<string, string | null>>;

export interface ReadOptions {
  /** `earliest`, `latest`, an offset, `-N` for the last N, `@MILLIS`. */
  readonly from: string | number;
  readonly limit?: number;
  readonly maxBytes?: number;
  /** How long the broker waits for a record when there is none yet. */
  readonly waitMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface ReadPage {
  readonly records: readonly ConsumedRecord[];
  /** Where to read on. */
  readonly next: number;
  readonly highWatermark: number;
  /** Where reading ends for now: the high watermark, or the first open transaction. */
  readonly end: number;
}

export interface ConsumedRecord {
  readonly offset: number;
  /** Milliseconds since 1970; -1 when there is none. */
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly (readonly [name: string, value: Buffer | null])[];
}

type Json = Readonly<Record<string, any>>;

export class Client {
  readonly transport: Transport;
  readonly groups: Groups;
  readonly cluster: Cluster;

  /** Throws TypeError when `url` is none. */
  constructor(options: ClientOptions) {
    const runtime = options.runtime ?? { clock: systemClock, timers: systemTimers, random: systemRandom };
    this.transport = new Transport(runtime, options);
    this.groups = new Groups(this.transport);
    this.cluster = new Cluster(this.transport);
  }

  async createTopic(topic: NewTopic): Promise<TopicDescription> {
    return topicOf(
      await this.#json({ method: 'POST', path: '/v1/topics', body: JSON.stringify(topic), repeat: 'unsent' }),
    );
  }

  /** In order of names; asks for the next page when it is needed. */
  async *listTopics(prefix = ''): AsyncGenerator<TopicSummary> {
    let cursor: string | null = null;
    do {
      const query = new URLSearchParams({ prefix, limit: '1000', ...(cursor !== null && { cursor }) });
      const page: Json = await this.#json({ method: 'GET', path: `/v1/topics?${query}`, repeat: 'safe' });
      for (const topic of page['topics'] as Json[]) yield summaryOf(topic);
      cursor = (page['next_cursor'] as string | null | undefined) ?? null;
    } while (cursor !== null);
  }

  async describeTopic(name: string): Promise<TopicDescription> {
    return topicOf(await this.#json({ method: 'GET', path: topicPath(name), repeat: 'safe' }));
  }

  async alterTopic(name: string, config: ConfigChanges): Promise<TopicDescription> {
    const body = JSON.stringify({ config });
    return topicOf(await this.#json({ method: 'PATCH', path: topicPath(name), body, repeat: 'safe' }));
  }

  /** Raises the number of partitions to `count`. */
  async growTopic(name: string, count: number): Promise<void> {
    const body = JSON.stringify({ count });
    await this.#send({ method: 'POST', path: `${topicPath(name)}/partitions`, body, repeat: 'unsent' });
  }

  async deleteTopic(name: string): Promise<void> {
    await this.#send({ method: 'DELETE', path: topicPath(name), repeat: 'unsent' });
  }

  /** A producer id of its own, with which the broker recognises what is sent twice. */
  async allocateProducer(): Promise<{ readonly producerId: number; readonly producerEpoch: number }> {
    const answer = await this.#json({ method: 'POST', path: '/v1/producers', repeat: 'safe' });
    return { producerId: answer['producer_id'], producerEpoch: answer['producer_epoch'] };
  }

  /** One page of a partition. Throws OFFSET_OUT_OF_RANGE and others as ClientError. */
  async read(topic: string, partition: number, options: ReadOptions): Promise<ReadPage> {
    const { from, limit = 10_000, maxBytes = 4_194_304, waitMs = 0, signal } = options;
    const query = `from=${encodeURIComponent(from)}&limit=${limit}&max_bytes=${maxBytes}&wait=${waitMs}`;
    const page = await this.#json({
      method: 'GET',
      path: `${topicPath(topic)}/partitions/${partition}/records?${query}`,
      headers: { 'record-format': 'base64' },
      repeat: 'safe',
      waitMs,
      signal,
    });
    return {
      records: (page['records'] as Json[]).map(recordOf),
      next: page['next'],
      highWatermark: page['high_watermark'],
      end: page['last_stable_offset'] ?? page['high_watermark'],
    };
  }

  async #json(request: Request): Promise<Json> {
    return JSON.parse(await this.#send(request)) as Json;
  }

  async #send(request: Request): Promise<string> {
    const headers = { ...(request.body !== undefined && { 'content-type': 'application/json' }), ...request.headers };
    const { body } = await this.transport.request({ ...request, headers });
    return body;
  }
}

export const topicPath = (name: string): string => `/v1/topics/${encodeURIComponent(name)}`;

const summaryOf = (topic: Json): TopicSummary => ({
  name: topic['name'],
  topicId: topic['topic_id'],
  partitions: topic['partitions'],
});

const topicOf = (topic: Json): TopicDescription => ({
  ...summaryOf(topic),
  createdAt: topic['created_at'],
  config: topic['config'],
  overrides: topic['overrides'],
  partitionDetails: (topic['partition_details'] as Json[]).map((detail) => ({
    partition: detail['partition'],
    logStartOffset: detail['log_start_offset'] ?? null,
    highWatermark: detail['high_watermark'] ?? null,
    error: detail['error'] ?? null,
  })),
});

const fromBase64 = (text: string | null | undefined): Buffer | null =>
  text === null || text === undefined ? null : Buffer.from(text, 'base64');

const NO_HEADERS: ConsumedRecord['headers'] = Object.freeze([]);

const recordOf = (record: Json): ConsumedRecord => ({
  offset: record['offset'],
  timestamp: record['timestamp'],
  key: fromBase64(record['key']),
  value: fromBase64(record['value']),
  headers:
    record['headers'].length === 0
      ? NO_HEADERS
      : record['headers'].map(([name, value]: [string, string | null]) => [name, fromBase64(value)] as const),
});
