/**
 * What both doors call: Kafka over TCP and HTTP. Batches stay opaque from socket to store; see `ingest.ts` and `fetch.ts`.
 */
import type { ErrorName } from '../errors.ts';
import type { ProducerState } from '../journal/journal.ts';
import type { AbortedTransaction } from '../journal/partition-state.ts';

export interface Log {
  /**
   * Appends one batch per element and resolves once every one is durable or refused, in the order of `batches`. Never
   * rejects for a client's or a store's failure: each outcome carries its own. Copies the bytes before it returns, so the
   * caller may reuse its buffers at once. When the buffers for unflushed data are full, `pressure` tells before the call.
   */
  produce(batches: readonly ProduceBatch[], options: ProduceOptions): Promise<readonly ProduceOutcome[]>;

  /** Bytes accepted but not yet durable against their limit: doors stop reading their sockets while `full`. */
  readonly pressure: Pressure;

  /** Long poll: resolves when `minBytes` are there, after `maxWaitMs`, or at once when any partition has an error. */
  fetch(request: FetchRequest, signal: AbortSignal): Promise<FetchAnswer>;

  /** Long poll without records: resolves when there are some from a fetch offset on, or an error, or after `maxWaitMs`. */
  arrival(request: ArrivalRequest, signal: AbortSignal): Promise<void>;

  /** Throws NOT_LEADER_OR_FOLLOWER, UNKNOWN_TOPIC_OR_PARTITION, … Its leader confirms that it leads first. */
  listOffset(partition: PartitionId, at: OffsetAt): Promise<FoundOffset>;

  /** KIP-320: the end of the newest epoch that is not newer than `leaderEpoch`. */
  offsetForLeaderEpoch(
    partition: PartitionId,
    leaderEpoch: number,
  ): Promise<{ readonly epoch: number; readonly endOffset: number }>;

  /** Watermarks from the durable state of the leader, not confirmed. */
  watermarks(partition: PartitionId): Promise<Watermarks>;

  /** Producers that the partition remembers, with their transactions; from the same state. Throws as `watermarks`. */
  producers(partition: PartitionId): Promise<readonly ProducerState[]>;

  /** Everything below becomes unreadable; -1 means the high watermark. Answers the new log start offset. */
  deleteRecords(partition: PartitionId, beforeOffset: number): Promise<number>;

  /** A new producer id, unique in the cluster, epoch 0. */
  allocateProducerId(): Promise<number>;
}

export type { AbortedTransaction, ProducerState };

export interface PartitionId {
  readonly topicId: string;
  readonly partition: number;
}

export interface ProduceBatch extends PartitionId {
  /** One RecordBatch v2 as the client sent it; null or empty is refused. The CRC is checked here. */
  readonly records: Uint8Array;
  /** HTTP compare-and-append; absent: append anywhere. */
  readonly expectedOffset?: number;
  /**
   * Number of the transaction that it belongs to, where its guard is ahead of it on the way to the same journal; absent: the
   * one that is open.
   */
  readonly transaction?: number;
}

export interface ProduceOptions {
  /** HTTP Idempotency-Key: remembered with the append; a repeat gets the first answer. */
  readonly idempotency?: { readonly key: string; readonly fingerprint: number };
  /** Transactional batches come from Kafka's clients only, control batches from nobody. */
  readonly origin: 'kafka' | 'http';
  /** How long whoever sent it waits for the answer; then it may do something else. */
  readonly clientWaitsMs?: number;
}

export type ProduceOutcome =
  | {
      readonly error: 'NONE';
      readonly baseOffset: number;
      /** -1 with CreateTime. */
      readonly logAppendTimeMs: number;
      readonly logStartOffset: number;
      /** True when the batch was there already and nothing was appended. */
      readonly duplicate: boolean;
    }
  | {
      readonly error: ErrorName;
      readonly message: string;
      /** For OFFSET_MISMATCH: where the next record would go; else -1. */
      readonly nextOffset: number;
      readonly noSideEffects: boolean;
      readonly logStartOffset: number;
      /** Records that are at fault, where single ones are: the rest of their batch is refused with them. */
      readonly recordErrors?: readonly RecordError[];
    };

export interface RecordError {
  /** Of the record in its batch. */
  readonly index: number;
  readonly message: string;
}

export interface Pressure {
  readonly full: boolean;
  /** Calls back once, soon after it is no longer full; at once when it is not. */
  whenRelieved(callback: () => void): void;
}

export interface FetchRequest {
  readonly partitions: readonly FetchPartition[];
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly maxWaitMs: number;
  /** With read_committed nothing at or above the last stable offset is answered or waited for. */
  readonly isolation: Isolation;
}

export type ArrivalRequest = Pick<FetchRequest, 'partitions' | 'maxWaitMs' | 'isolation'>;

export type Isolation = 'read_uncommitted' | 'read_committed';

export interface FetchPartition extends PartitionId {
  readonly fetchOffset: number;
  readonly maxBytes: number;
  /** -1 when the client does not know one; else FENCED_LEADER_EPOCH or UNKNOWN_LEADER_EPOCH when it differs. */
  readonly currentLeaderEpoch: number;
}

export interface FetchAnswer {
  /** In the order of the request. */
  readonly partitions: readonly FetchedPartition[];
  /** Sum of all records' bytes. */
  readonly bytes: number;
  /** Must be called once the buffers are on the wire or copied; they may be recycled after that. */
  release(): void;
}

export interface FetchedPartition {
  readonly error: ErrorName;
  readonly message: string;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly logStartOffset: number;
  readonly leaderEpoch: number;
  /**
   * With read_committed, all aborted transactions that reach into `records`: their batches, told by producer id between
   * first offset and marker, are for the reader to leave out. Null with read_uncommitted.
   */
  readonly abortedTransactions: readonly AbortedTransaction[] | null;
  /** Whole batches with absolute offsets, in order; the first may start before `fetchOffset`. Shared memory: do not write. */
  readonly records: readonly Buffer[];
  readonly bytes: number;
}

/** Kafka's special timestamps: -1 latest, -2 earliest, -3 largest timestamp, -4 earliest local, -5 latest tiered. */
export type OffsetAt =
  | { readonly type: 'earliest' }
  | { readonly type: 'latest'; readonly isolation: Isolation }
  /** As Kafka: not found when the record is not stable yet and the reader wants read_committed; so with a timestamp. */
  | { readonly type: 'maxTimestamp'; readonly isolation?: Isolation }
  /** First offset whose record's timestamp is at or after it. */
  | { readonly type: 'timestamp'; readonly timestamp: number; readonly isolation?: Isolation };

export interface FoundOffset {
  /** -1 when no record qualifies. */
  readonly offset: number;
  /** -1 when the question has none. */
  readonly timestamp: number;
  readonly leaderEpoch: number;
}

export interface Watermarks {
  readonly logStartOffset: number;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly leaderEpoch: number;
}
