/**
 * Takes batches in: checks them, copies their bytes once, and lets them join what waits to leave.
 *
 *   produce ─► admit, copy ─► open flush ─┬─► inline lane of its journal ──────────────────────────┐
 *                                         └─► sealed ─► upload (several at once) ─► segment lane ──┴─► journal ─► answer
 *   └───── this file ──────┘└ flusher.ts ───────────┘└─────────────── departures.ts ───────────────────────────────────┘
 *
 * Every batch that was copied gets exactly one outcome, whatever fails.
 */
import type { Topics } from '../cluster/topics.ts';
import type { Config } from '../config.ts';
import { KafkaError } from '../errors.ts';
import type { Journals } from '../journal/journals.ts';
import { stampLogAppendTime, TRANSACTIONAL_FLAG } from '../record/batch.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { admitBatch, checkKeys, stamped } from './admission.ts';
import { type ChunkPool, ChunkWriter } from './chunk-pool.ts';
import type { Flusher, Joining } from './flusher.ts';
import { Gate } from './gate.ts';
import type { IngestMetrics } from './ingest-metrics.ts';
import type { ProduceBatch, ProduceOptions, ProduceOutcome } from './log.ts';
import { Line } from './open-flush.ts';
import { leadershipOf, type OpenTransactions } from './open-transactions.ts';
import { failedOutcome } from './outcome.ts';
import { PartitionMap } from './partition-map.ts';
import { PendingBatch, ProduceCall } from './pending.ts';
import type { IngestPressure } from './pressure.ts';

export interface IngestOptions {
  readonly config: Config;
  readonly runtime: Runtime;
  readonly journals: Journals;
  readonly transactions: OpenTransactions;
  readonly topics: Topics;
  readonly pool: ChunkPool;
  readonly pressure: IngestPressure;
  readonly flusher: Flusher;
  readonly metrics: IngestMetrics;
}

/** What a call waits for before its batches may leave. */
interface Checks {
  readonly promises: Promise<void>[];
  /** Batches whose transaction the leaders elsewhere are asked for, by journal. */
  readonly transactional: Map<number, Joining[]>;
}

/** Batches of compacted topics opened at once: each may take `http.decompressed.bytes.max`. */
const OPENED_MAX = 2;
/** Between two looks for partitions that are gone. */
const SWEEP_MS = 60_000;

export class Ingest {
  readonly #options: IngestOptions;
  readonly #writer: ChunkWriter;
  readonly #lines = new PartitionMap<Line>();
  readonly #opening = new Gate(OPENED_MAX);
  #closed = false;
  #sweptVersion = -1;
  #sweptAt = Number.NEGATIVE_INFINITY;

  constructor(options: IngestOptions) {
    this.#options = options;
    this.#writer = new ChunkWriter(options.pool);
  }

  /** See `Log.produce`. */
  produce(batches: readonly ProduceBatch[], options: ProduceOptions): Promise<readonly ProduceOutcome[]> {
    const { metrics, runtime, flusher } = this.#options;
    metrics.requests++;
    if (this.#options.topics.version !== this.#sweptVersion) this.#sweep();
    const call = new ProduceCall(batches.length, options.idempotency);
    const nowMs = runtime.clock.now();
    const joining: Joining[] = [];
    const checks: Checks = { promises: [], transactional: new Map() };
    for (let index = 0; index < batches.length; index++) {
      try {
        joining.push(this.#admit(call, index, batches[index]!, options.origin, nowMs, checks));
      } catch (cause) {
        call.settle(index, this.#refusal(cause));
      }
    }
    for (const [journal, asking] of checks.transactional) {
      checks.promises.push(this.#askTransactions(journal, asking, options.clientWaitsMs));
    }
    if (checks.promises.length > 0) this.#joinAfter(joining, checks.promises);
    else if (joining.length > 0) flusher.join(joining);
    return call.promise;
  }

  /** Refuses new batches from now on and resolves when all accepted ones are answered. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#options.flusher.drain();
    this.#writer.close();
  }

  /** The partition is gone: nothing is kept of it. What still waits is refused by its journal. */
  forget(topicId: string, partition: number): void {
    if (this.#lines.get(topicId, partition)?.idle) this.#lines.delete(topicId, partition);
  }

  /** Of partitions whose leader is elsewhere nobody tells that they are gone. */
  #sweep(): void {
    const { topics, runtime } = this.#options;
    const now = runtime.clock.monotonic();
    if (now - this.#sweptAt < SWEEP_MS) return;
    this.#sweptAt = now;
    this.#sweptVersion = topics.version;
    for (const line of [...this.#lines.values()]) {
      if (topics.byId(line.topicId) === undefined) this.forget(line.topicId, line.partition);
    }
  }

  #admit(
    call: ProduceCall,
    index: number,
    given: ProduceBatch,
    origin: ProduceOptions['origin'],
    nowMs: number,
    checks: Checks,
  ): Joining {
    const { topicId, partition, records, expectedOffset } = given;
    const { topics, journals, pressure, transactions } = this.#options;
    const topic = topics.byId(topicId);
    const placement = topic?.partitions[partition];
    if (topic === undefined || placement === undefined) {
      throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `no partition ${partition} of topic ${topicId}`);
    }
    const { journal } = placement;
    const seat = journals.get(journal);
    const role = seat?.role;
    if (this.#closed || seat === undefined || role === 'deposed' || role === 'stopped') {
      throw new KafkaError('NOT_LEADER_OR_FOLLOWER', `this broker takes nothing in for journal ${journal}`);
    }
    if (pressure.overfull) {
      const { bytes, bytesMax } = pressure;
      const message = `${bytes} bytes of records wait to become durable, ingest.buffer.bytes.max is ${bytesMax}: send it again in a moment`;
      throw new KafkaError('NOT_ENOUGH_REPLICAS', message);
    }
    const header = admitBatch(records, topic, nowMs, origin);
    let { transaction } = given;
    let mustAsk = false;
    let toldUnder: string | null = null;
    if (transaction === undefined && header.attributes & TRANSACTIONAL_FLAG) {
      toldUnder = leadershipOf(seat);
      mustAsk = role !== 'leading';
      transaction = mustAsk ? -1 : transactions.here({ topicId, partition, journal, producerId: header.producerId });
    }
    const { chunk, start } = this.#writer.write(records);
    const stamp = topic.config.timestampType === 'LogAppendTime';
    if (stamp) stampLogAppendTime(chunk.buffer, start, nowMs);
    const batch = new PendingBatch({
      call,
      index,
      chunk,
      start,
      header: stamp ? stamped(header, nowMs) : header,
      logAppendTimeMs: stamp ? nowMs : -1,
      expectedOffset,
      transaction,
      custody: pressure,
    });
    batch.toldUnder = toldUnder;
    const line = this.#lines.getOrAdd(topicId, partition, () => new Line(topicId, partition, journal));
    if (topic.config.compacted) checks.promises.push(this.#checkKeys(batch, topic.name));
    if (line.checking !== null) checks.promises.push(line.checking);
    const joining = { line, batch };
    if (mustAsk) {
      const asking = checks.transactional.get(journal);
      if (asking === undefined) checks.transactional.set(journal, [joining]);
      else asking.push(joining);
    }
    return joining;
  }

  /** Ends the batches itself when their leader cannot be asked; never rejects. */
  async #askTransactions(journal: number, asking: readonly Joining[], clientWaitsMs?: number): Promise<void> {
    const places = asking.map(({ line, batch }) => {
      const { topicId, partition } = line;
      return { topicId, partition, journal, producerId: batch.header.producerId };
    });
    try {
      const numbers = await this.#options.transactions.anywhere(journal, places, clientWaitsMs);
      for (const [index, { batch }] of asking.entries()) batch.transaction = numbers[index] ?? -1;
    } catch (cause) {
      const refusal = this.#refusal(cause);
      for (const { batch } of asking) if (!batch.ended) batch.end(refusal);
    }
  }

  /** Ends the batch itself when it is refused; never rejects. */
  async #checkKeys(batch: PendingBatch, topicName: string): Promise<void> {
    const bytesMax = this.#options.config['http.decompressed.bytes.max'];
    try {
      await this.#opening.run(() => checkKeys(batch.bytes, topicName, bytesMax));
    } catch (cause) {
      if (!batch.ended) batch.end(this.#refusal(cause));
    }
  }

  /** Later batches of the same partitions wait for these, or they would overtake them. */
  #joinAfter(joining: readonly Joining[], checks: readonly Promise<void>[]): void {
    const checked = Promise.all(checks).then(() => {
      for (const { line } of joining) if (line.checking === checked) line.checking = null;
      const kept = joining.filter(({ batch }) => !batch.ended);
      if (kept.length > 0) this.#options.flusher.join(kept);
    });
    for (const { line } of joining) line.checking = checked;
  }

  #refusal(cause: unknown): ProduceOutcome {
    const outcome = failedOutcome(cause, false);
    if (outcome.error === 'UNKNOWN_SERVER_ERROR') {
      this.#options.runtime.logger.error({ error: cause }, 'a record batch could not be taken in');
    }
    this.#options.metrics.refused(outcome.error);
    return outcome;
  }
}
