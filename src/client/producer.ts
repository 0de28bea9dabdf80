/**
 * Sends records to one topic: in order per partition, each exactly once as far as the broker knows, many per request.
 *
 * The producer chooses partitions itself and has one request per partition under way, under a producer id of its own and
 * Kafka's sequence numbers. (Several at once travel on several connections and overtake each other: tried, three of four
 * were refused by their number and sent again, and nothing was faster.) A request whose answer was lost is sent again as
 * it was; the broker recognises it. The buffer is bounded: after `enqueue`, wait for `ready`.
 */
import { partitionOfKey } from '../record/partitioner.ts';
import type { TimerHandle } from '../runtime/clock.ts';
import {
  BATCH_LIMITS,
  type Batch,
  type BatchLimits,
  bufferedBytes,
  PartitionQueue,
  sequenceAfter,
} from './batching.ts';
import { type Client, topicPath } from './client.ts';
import { ClientError, errorOfResult } from './client-error.ts';
import { type EncodedRecord, encodeRecord, type OutgoingRecord } from './outgoing-record.ts';

export type RecordFormat = 'json' | 'text' | 'base64';

export interface ProducerOptions {
  /** How the lines given to `enqueueEncoded` are spelled. Default text, which is what `enqueue` writes. */
  readonly recordFormat?: RecordFormat;
  /** How long a record waits for company. Default 5 ms. */
  readonly lingerMs?: number;
  readonly bufferBytesMax?: number;
  readonly requestsInFlightMax?: number;
  readonly limits?: BatchLimits;
  /** Called for every batch that the broker has made durable. */
  readonly onDelivered?: (delivery: Delivery) => void;
}

export interface Delivery {
  readonly partition: number;
  /** Offset of the first record. */
  readonly baseOffset: number;
  readonly records: number;
}

const LINGER_MS_DEFAULT = 5;
const BUFFER_BYTES_MAX_DEFAULT = 33_554_432;
const REQUESTS_IN_FLIGHT_MAX_DEFAULT = 16;
/** Batch header and lengths that `storedBytes` of records does not count. */
const BATCH_OVERHEAD_BYTES = 128;

/** A record was refused for good. Records of the same partition behind it were not sent. */
export class DeliveryError extends Error {
  override readonly name = 'DeliveryError';
  override readonly cause: ClientError;
  /** Which record of this producer the failed batch begins with, from 1. */
  readonly firstNumber: number;

  constructor(firstNumber: number, cause: ClientError) {
    super(`record ${firstNumber}: ${cause.message}`, { cause });
    this.cause = cause;
    this.firstNumber = firstNumber;
  }
}

interface Lane {
  readonly partition: number;
  readonly queue: PartitionQueue;
  nextSequence: number;
  inFlight: boolean;
  /** Records that have waited long enough, or that someone flushes. */
  due: boolean;
}

export class Producer {
  /** Looks up the topic and gets a producer id. Throws ClientError, UNKNOWN_TOPIC_OR_PARTITION among them. */
  static async open(client: Client, topic: string, options: ProducerOptions = {}): Promise<Producer> {
    const { partitions, config } = await client.describeTopic(topic);
    const producer = await client.allocateProducer();
    return new Producer(client, topic, partitions, producer, Number(config['max.message.bytes'] ?? Infinity), options);
  }

  readonly #client: Client;
  readonly #topic: string;
  readonly #options: ProducerOptions;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #lanes: readonly Lane[];
  readonly #bufferBytesMax: number;
  readonly #inFlightMax: number;
  readonly #cancel = new AbortController();
  #sticky: number;
  #next = 0;
  #enqueued = 0;
  #delivered = 0;
  #bufferedBytes = 0;
  #inFlight = 0;
  #failure: Error | null = null;
  #linger: TimerHandle | null = null;
  #waiting: (() => void)[] = [];

  private constructor(
    client: Client,
    topic: string,
    partitionCount: number,
    { producerId, producerEpoch }: { readonly producerId: number; readonly producerEpoch: number },
    maxMessageBytes: number,
    options: ProducerOptions,
  ) {
    const limits = options.limits ?? BATCH_LIMITS;
    const storedBytesMax = Math.max(1, Math.min(limits.storedBytesMax, maxMessageBytes - BATCH_OVERHEAD_BYTES));
    this.#client = client;
    this.#topic = topic;
    this.#options = options;
    this.#headers = {
      'content-type': 'application/x-ndjson',
      'record-format': options.recordFormat ?? 'text',
      'producer-id': String(producerId),
      'producer-epoch': String(producerEpoch),
    };
    this.#lanes = Array.from({ length: partitionCount }, (_, partition) => ({
      partition,
      queue: new PartitionQueue({ ...limits, storedBytesMax }),
      nextSequence: 0,
      inFlight: false,
      due: false,
    }));
    this.#bufferBytesMax = options.bufferBytesMax ?? BUFFER_BYTES_MAX_DEFAULT;
    this.#inFlightMax = options.requestsInFlightMax ?? REQUESTS_IN_FLIGHT_MAX_DEFAULT;
    this.#sticky = Math.floor(client.transport.runtime.random.float() * partitionCount);
  }

  get partitionCount(): number {
    return this.#lanes.length;
  }

  /** Records that the broker has made durable. */
  get delivered(): number {
    return this.#delivered;
  }

  /** Takes a record; sends it soon. Throws what made the producer fail. */
  enqueue(record: OutgoingRecord): void {
    this.enqueueEncoded(encodeRecord(record));
  }

  enqueueEncoded(record: EncodedRecord): void {
    if (this.#failure) throw this.#failure;
    const lane = this.#laneOf(record);
    const number = ++this.#enqueued;
    const wasEmpty = lane.queue.isEmpty;
    const startedNext = lane.queue.add(record, number);
    this.#bufferedBytes += bufferedBytes(record.line);
    if (startedNext) this.#pump();
    else if (wasEmpty) this.#linger ??= this.#startLinger();
  }

  #laneOf({ key, partition }: EncodedRecord): Lane {
    const chosen = partition ?? (key === null ? this.#sticky : partitionOfKey(key, this.#lanes.length));
    const lane = this.#lanes[chosen];
    if (lane) return lane;
    throw new ClientError({
      code: 'UNKNOWN_TOPIC_OR_PARTITION',
      status: 404,
      detail: `topic ${this.#topic} has no partition ${chosen}: it has ${this.#lanes.length}`,
      retriable: false,
      noSideEffects: true,
    });
  }

  /** True while the buffer has room, so that a caller need not wait. */
  get hasRoom(): boolean {
    return this.#bufferedBytes < this.#bufferBytesMax;
  }

  /** Resolves once the buffer has room. Throws what made the producer fail. */
  async ready(): Promise<void> {
    await this.#until(() => this.hasRoom);
  }

  /** Resolves once every record taken so far is durable. Throws what made the producer fail. */
  async flush(): Promise<void> {
    for (const lane of this.#lanes) lane.due = !lane.queue.isEmpty;
    this.#pump();
    await this.#until(() => this.#delivered === this.#enqueued);
  }

  /** Gives up on what was not sent. What is under way may or may not be appended. */
  abort(): void {
    this.#fail(new Error('the producer was closed'));
    this.#cancel.abort(this.#failure);
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.#failure) throw this.#failure;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    if (this.#failure) throw this.#failure;
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  #startLinger(): TimerHandle {
    const lingerMs = this.#options.lingerMs ?? LINGER_MS_DEFAULT;
    const whenDue = () => {
      this.#linger = null;
      for (const lane of this.#lanes) lane.due ||= !lane.queue.isEmpty;
      this.#pump();
    };
    return this.#client.transport.runtime.timers.after(lingerMs, whenDue, { keepAlive: true });
  }

  /** Starts every request that may start. */
  #pump(): void {
    for (let turn = this.#lanes.length; turn > 0; turn--) {
      if (this.#failure || this.#inFlight >= this.#inFlightMax) return;
      const lane = this.#lanes[this.#next]!;
      this.#next = (this.#next + 1) % this.#lanes.length; // Everyone's turn comes, however busy the others are.
      if (lane.inFlight || !(lane.due || lane.queue.hasFull)) continue;
      const batch = lane.queue.take();
      if (batch === null) continue;
      if (lane.queue.isEmpty) lane.due = false;
      if (lane.partition === this.#sticky) this.#sticky = (this.#sticky + 1) % this.#lanes.length;
      lane.inFlight = true;
      this.#inFlight++;
      void this.#deliver(lane, batch);
    }
  }

  async #deliver(lane: Lane, batch: Batch): Promise<void> {
    try {
      const baseOffset = await this.#send(lane, batch);
      lane.nextSequence = sequenceAfter(lane.nextSequence, batch.lines.length);
      this.#delivered += batch.lines.length;
      this.#bufferedBytes -= batch.bufferedBytes;
      this.#options.onDelivered?.({ partition: lane.partition, baseOffset, records: batch.lines.length });
    } catch (error) {
      if (batch.lines.length > 1 && isTooLarge(error)) {
        lane.queue.putBackHalves(batch);
        lane.due = true;
      } else {
        this.#fail(error instanceof ClientError ? new DeliveryError(batch.firstNumber, error) : (error as Error));
      }
    }
    lane.inFlight = false;
    this.#inFlight--;
    // What came while this was under way has waited long enough.
    lane.due ||= !lane.queue.isEmpty;
    this.#pump();
    this.#wake();
  }

  async #send(lane: Lane, batch: Batch): Promise<number> {
    const answer = await this.#client.transport.request({
      method: 'POST',
      path: `${topicPath(this.#topic)}/partitions/${lane.partition}/records`,
      headers: { ...this.#headers, 'producer-seq': String(lane.nextSequence) },
      body: batch.lines.join('\n'),
      repeat: 'safe',
      signal: this.#cancel.signal,
    });
    const { results } = JSON.parse(answer.body) as { readonly results: readonly Result[] };
    const refused = results.find((result) => result.error !== undefined)?.error;
    if (refused) throw errorOfResult(answer.status, refused);
    return results[0]?.offset ?? -1;
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#linger?.cancel();
    this.#wake();
  }
}

interface Result {
  readonly offset?: number;
  readonly error?: Readonly<Record<string, unknown>>;
}

const isTooLarge = (error: unknown): boolean =>
  error instanceof ClientError && (error.code === 'MESSAGE_TOO_LARGE' || error.code === 'RECORD_LIST_TOO_LARGE');
