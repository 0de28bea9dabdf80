/** A Log in a few arrays, for tests of the door alone: durable at once, or when a test says so. */

import { ByteGate } from '../../../src/broker/byte-gate.ts';
import { KafkaError } from '../../../src/errors.ts';
import type { ProducerState } from '../../../src/journal/journal.ts';
import type { AbortedTransaction } from '../../../src/journal/partition-state.ts';
import type {
  FetchAnswer,
  FetchedPartition,
  FetchPartition,
  FetchRequest,
  FoundOffset,
  Log,
  OffsetAt,
  PartitionId,
  ProduceBatch,
  ProduceOutcome,
  Watermarks,
} from '../../../src/log/log.ts';
import { checkBatch, placeBatch, TRANSACTIONAL_FLAG } from '../../../src/record/batch.ts';

interface Stored {
  readonly baseOffset: number;
  readonly endOffset: number;
  readonly maxTimestamp: number;
  readonly bytes: Buffer;
}

interface StoredPartition {
  logStartOffset: number;
  endOffset: number;
  batches: Stored[];
}

export const LEADER_EPOCH = 3;
/** What every partition says of its transactions. */
export const ABORTED: readonly AbortedTransaction[] = [
  { producerId: 5, firstOffset: 2, lastOffset: 4, lastStableOffset: 5 },
];
export const PRODUCERS: readonly ProducerState[] = [
  {
    producerId: 5,
    producerEpoch: 2,
    batches: [{ baseSequence: 10, lastSequence: 12, baseOffset: 7, maxTimestamp: 99 }],
    lastAppendAt: 1_000,
    coordinatorEpoch: 4,
    open: { transaction: 3, firstOffset: 7, startedAt: 900 },
    endedTransaction: 2,
  },
  {
    producerId: 6,
    producerEpoch: 0,
    batches: [],
    lastAppendAt: 2_000,
    coordinatorEpoch: -1,
    open: { transaction: 1, firstOffset: -1, startedAt: 2_000 },
    endedTransaction: -1,
  },
];

export class MemoryLog implements Log {
  readonly gate = new ByteGate(1);
  readonly pressure = this.gate;
  readonly #partitions = new Map<string, StoredPartition>();
  readonly #appended = new Set<() => void>();
  #held: (() => void)[] | null = null;
  #nextProducerId = 1_000;
  /** Answers of fetch not yet released. */
  unreleased = 0;
  fetchesWaiting = 0;
  /** First bytes of what reached `produce`, in order. */
  readonly produced: number[] = [];
  /** What the next call of `fetch` or `listOffset` throws. */
  failure: Error | null = null;

  /** Produce answers wait from now on. */
  hold(): void {
    this.#held ??= [];
  }

  letGo(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const answer of held) answer();
  }

  produce(batches: readonly ProduceBatch[]): Promise<readonly ProduceOutcome[]> {
    const outcomes = batches.map((batch) => this.#append(batch));
    for (const wake of [...this.#appended]) wake();
    if (this.#held === null) return Promise.resolve(outcomes);
    return new Promise((resolve) => this.#held!.push(() => resolve(outcomes)));
  }

  #append({ topicId, partition, records }: ProduceBatch): ProduceOutcome {
    this.produced.push(records.length);
    const stored = this.#of({ topicId, partition });
    try {
      const header = checkBatch(records);
      if (header.attributes & TRANSACTIONAL_FLAG) throw new KafkaError('INVALID_TXN_STATE', 'no transactions');
      const bytes = Buffer.from(records);
      const baseOffset = stored.endOffset;
      placeBatch(bytes, 0, baseOffset, LEADER_EPOCH);
      stored.endOffset += header.lastOffsetDelta + 1;
      stored.batches.push({ baseOffset, endOffset: stored.endOffset, maxTimestamp: header.maxTimestamp, bytes });
      const { logStartOffset } = stored;
      return { error: 'NONE', baseOffset, logAppendTimeMs: -1, logStartOffset, duplicate: false };
    } catch (cause) {
      if (!(cause instanceof KafkaError)) throw cause;
      const { error, message } = cause;
      return { error, message, nextOffset: -1, noSideEffects: true, logStartOffset: stored.logStartOffset };
    }
  }

  async fetch(request: FetchRequest, signal: AbortSignal): Promise<FetchAnswer> {
    this.#fail();
    let partitions = this.#read(request);
    if (sum(partitions) < request.minBytes && request.maxWaitMs > 0 && partitions.every((p) => p.error === 'NONE')) {
      await this.#waitForAppend(request.maxWaitMs, signal);
      partitions = this.#read(request);
    }
    this.unreleased++;
    let released = false;
    const release = () => {
      if (released) throw new Error('released twice');
      released = true;
      this.unreleased--;
    };
    return { partitions, bytes: sum(partitions), release };
  }

  #waitForAppend(maxWaitMs: number, signal: AbortSignal): Promise<void> {
    this.fetchesWaiting++;
    return new Promise<void>((resolve, reject) => {
      const end = () => {
        clearTimeout(timer);
        this.#appended.delete(done);
        signal.removeEventListener('abort', aborted);
        this.fetchesWaiting--;
      };
      const done = () => {
        end();
        resolve();
      };
      const aborted = () => {
        end();
        reject(signal.reason);
      };
      const timer = setTimeout(done, maxWaitMs);
      this.#appended.add(done);
      if (signal.aborted) aborted();
      else signal.addEventListener('abort', aborted);
    });
  }

  #read({ partitions, maxBytes, isolation }: FetchRequest): FetchedPartition[] {
    let left = maxBytes;
    return partitions.map((partition) => {
      const read = this.#readPartition(partition, left, isolation);
      left -= read.bytes;
      return read;
    });
  }

  #readPartition(
    { fetchOffset, maxBytes, currentLeaderEpoch, ...id }: FetchPartition,
    left: number,
    isolation: FetchRequest['isolation'],
  ): FetchedPartition {
    const { logStartOffset, endOffset, batches } = this.#of(id);
    const state = {
      message: '',
      highWatermark: endOffset,
      lastStableOffset: endOffset,
      logStartOffset,
      leaderEpoch: LEADER_EPOCH,
      abortedTransactions: isolation === 'read_committed' ? ABORTED : null,
    };
    const nothing = { ...state, records: [], bytes: 0 };
    if (currentLeaderEpoch !== -1 && currentLeaderEpoch < LEADER_EPOCH) {
      return { ...nothing, error: 'FENCED_LEADER_EPOCH' };
    }
    if (fetchOffset < logStartOffset || fetchOffset > endOffset) return { ...nothing, error: 'OFFSET_OUT_OF_RANGE' };
    const records: Buffer[] = [];
    let bytes = 0;
    for (const batch of batches) {
      if (batch.endOffset <= fetchOffset) continue;
      if (records.length > 0 && bytes + batch.bytes.length > Math.min(maxBytes, left)) break;
      records.push(batch.bytes);
      bytes += batch.bytes.length;
    }
    return { ...state, error: 'NONE', records, bytes };
  }

  async listOffset(partition: PartitionId, at: OffsetAt): Promise<FoundOffset> {
    this.#fail();
    const { logStartOffset, endOffset, batches } = this.#of(partition);
    const found = (offset: number, timestamp = -1) => ({ offset, timestamp, leaderEpoch: LEADER_EPOCH });
    if (at.type === 'earliest') return found(logStartOffset);
    if (at.type === 'latest') return found(endOffset);
    const wanted =
      at.type === 'timestamp'
        ? batches.find(({ maxTimestamp }) => maxTimestamp >= at.timestamp)
        : batches.toSorted((a, b) => b.maxTimestamp - a.maxTimestamp)[0];
    return wanted ? found(wanted.baseOffset, wanted.maxTimestamp) : { offset: -1, timestamp: -1, leaderEpoch: -1 };
  }

  async arrival(): Promise<void> {}

  async offsetForLeaderEpoch(partition: PartitionId, leaderEpoch: number) {
    if (leaderEpoch < LEADER_EPOCH) return { epoch: -1, endOffset: -1 };
    return { epoch: LEADER_EPOCH, endOffset: this.#of(partition).endOffset };
  }

  async watermarks(partition: PartitionId): Promise<Watermarks> {
    const { logStartOffset, endOffset } = this.#of(partition);
    return { logStartOffset, highWatermark: endOffset, lastStableOffset: endOffset, leaderEpoch: LEADER_EPOCH };
  }

  async producers(partition: PartitionId): Promise<readonly ProducerState[]> {
    this.#of(partition);
    return PRODUCERS;
  }

  async deleteRecords(partition: PartitionId, beforeOffset: number): Promise<number> {
    const stored = this.#of(partition);
    if (beforeOffset > stored.endOffset) throw new KafkaError('OFFSET_OUT_OF_RANGE', 'beyond the end');
    stored.logStartOffset = beforeOffset === -1 ? stored.endOffset : Math.max(beforeOffset, stored.logStartOffset);
    return stored.logStartOffset;
  }

  async allocateProducerId(): Promise<number> {
    return this.#nextProducerId++;
  }

  #fail(): void {
    const failure = this.failure;
    this.failure = null;
    if (failure) throw failure;
  }

  #of({ topicId, partition }: PartitionId): StoredPartition {
    const key = `${topicId} ${partition}`;
    let stored = this.#partitions.get(key);
    if (!stored) {
      stored = { logStartOffset: 0, endOffset: 0, batches: [] };
      this.#partitions.set(key, stored);
    }
    return stored;
  }
}

const sum = (partitions: readonly FetchedPartition[]) => partitions.reduce((bytes, p) => bytes + p.bytes, 0);
