/**
 * What one slot of a journal holds. Commands carry results, never questions: whatever depends on a clock, on chance or on
 * a check was decided by the leader, so that folding an entry is mechanical and the same for everyone.
 */
import type { ErrorName } from '../errors.ts';
import type { PartitionBatches, SegmentReference } from '../segment/footer.ts';
import type { Lane, RecordChange } from './journal.ts';
import type { Extent } from './partition-state.ts';

export interface Entry {
  readonly seq: number;
  /** 16 random bytes in hex: tells our own entry from another's when an answer was lost. Also an attribute of the item. */
  readonly id: string;
  /** The journal epoch of its writer. */
  readonly epoch: number;
  /** By the leader's clock, milliseconds since 1970. */
  readonly timestamp: number;
  readonly commands: readonly Command[];
  /** Inline bodies of the entry's appends, one after the other. */
  readonly body: Buffer;
}

export type Command =
  | EpochStarted
  | PartitionsCreated
  | PartitionsDeleted
  | Appended
  | LaneSkipped
  | Merged
  | LogStartAdvanced
  | Condemned
  | Forgotten
  | Expired
  | ProducerIdsAllocated
  | RecordsChanged
  | TransactionGuarded
  | TransactionMarked;

/** The fence: its writer leads from here on under `epoch`, and the broker's lanes of earlier lives are superseded. */
export interface EpochStarted {
  readonly type: 'epochStarted';
  readonly epoch: number;
  readonly brokerId: number;
  readonly brokerEpoch: number;
}

export interface PartitionsCreated {
  readonly type: 'partitionsCreated';
  readonly topicId: string;
  readonly partitions: readonly number[];
}

export interface PartitionsDeleted {
  readonly type: 'partitionsDeleted';
  readonly topicId: string;
  readonly partitions: readonly number[];
}

export interface Appended {
  readonly type: 'appended';
  readonly lane: Lane;
  readonly number: number;
  readonly source: AppendedSource;
  readonly batches: AppendedBatches;
  /** Batches that were not appended, ascending by index. All others were. */
  readonly exceptions: readonly AppendException[];
  /** Idempotency keys that are remembered from here on. */
  readonly groups: readonly AppendedGroup[];
}

export type AppendedSource =
  | { readonly type: 'segment'; readonly segment: SegmentReference }
  /** In the entry's body. */
  | { readonly type: 'inline'; readonly position: number; readonly length: number };

export type AppendedBatches =
  | { readonly type: 'described'; readonly partitions: readonly PartitionBatches[] }
  /** What the segment's footer lists for this journal; the count guards against another footer than the leader saw. */
  | { readonly type: 'footer'; readonly batchCount: number };

/** `index` counts the batches of an append over all its partitions. */
export type AppendException =
  | {
      readonly type: 'duplicate';
      readonly index: number;
      readonly baseOffset: number;
      readonly maxTimestamp: number;
    }
  | {
      readonly type: 'refused';
      readonly index: number;
      readonly error: Refusal;
      /** The next offset of the partition, -1 when it does not exist. */
      readonly nextOffset: number;
    };

export interface AppendedGroup {
  readonly key: string;
  readonly fingerprint: number;
  /** Indexes of its batches, in the order of the request. */
  readonly batches: readonly number[];
}

export interface LaneSkipped {
  readonly type: 'laneSkipped';
  readonly lane: Lane;
  readonly number: number;
}

export interface Merged {
  readonly type: 'merged';
  /** New segments that `add` points into. */
  readonly segments: readonly SegmentReference[];
  readonly swaps: readonly MergedSwap[];
}

export interface MergedSwap {
  readonly topicId: string;
  readonly partition: number;
  /** Base offset of the first extent that goes, and how many go. */
  readonly removeFrom: number;
  readonly removeCount: number;
  readonly add: readonly Extent[];
}

export interface LogStartAdvanced {
  readonly type: 'logStartAdvanced';
  readonly topicId: string;
  readonly partition: number;
  readonly logStartOffset: number;
}

export interface Condemned {
  readonly type: 'condemned';
  readonly segmentIds: readonly string[];
}

export interface Forgotten {
  readonly type: 'forgotten';
  readonly segmentIds: readonly string[];
}

export interface Expired {
  readonly type: 'expired';
  /** Producers that appended last before this go. */
  readonly before: number;
  /** Idempotency keys that were remembered before this go. */
  readonly keysBefore: number;
}

export interface ProducerIdsAllocated {
  readonly type: 'producerIdsAllocated';
  readonly first: number;
  readonly count: number;
}

/**
 * What a coordinator keeps under one owner (a group, a transactional id) changes. Owners, keys and values are texts of the
 * coordinators and mean nothing here.
 */
export interface RecordsChanged {
  readonly type: 'recordsChanged';
  readonly owner: string;
  readonly changes: readonly RecordChange[];
}

/**
 * A producer's transaction may write to the partition from here on (design §4, rule 8): transactional batches are accepted
 * under an open guard of exactly their producer epoch only. Stale ones change nothing.
 */
export interface TransactionGuarded {
  readonly type: 'transactionGuarded';
  readonly topicId: string;
  readonly partition: number;
  readonly producerId: number;
  readonly producerEpoch: number;
  /** Grows with each transaction of the producer's transactional id. */
  readonly transaction: number;
}

/**
 * The transaction ends in the partition: a control batch takes an offset, the guard is gone. One that overtakes its guard
 * is only remembered. Stale ones change nothing.
 */
export interface TransactionMarked extends TransactionMark {
  /** Of the control batch in the entry's body; -1 when there is none. */
  readonly position: number;
}

/** A marker as the coordinator writes it, before its control batch has a place. */
export interface TransactionMark {
  readonly type: 'transactionMarked';
  readonly topicId: string;
  readonly partition: number;
  readonly producerId: number;
  /** May be newer than that of the guard (KIP-890, fencing): then it is the producer's epoch from here on. */
  readonly producerEpoch: number;
  readonly coordinatorEpoch: number;
  /** Of the guard. */
  readonly transaction: number;
  /** False: aborted. */
  readonly committed: boolean;
}

/** Segments that a recovery of the entry needs, or that the command brings into use. */
export function segmentsNamedBy(command: Command): readonly string[] {
  if (command.type === 'appended') return command.source.type === 'segment' ? [command.source.segment.id] : [];
  return command.type === 'merged' ? command.segments.map(({ id }) => id) : [];
}

/** Why a batch is refused. Persisted: never renumber. */
export const REFUSALS = {
  UNKNOWN_TOPIC_OR_PARTITION: 1,
  OFFSET_MISMATCH: 2,
  IDEMPOTENCY_KEY_REUSED: 3,
  OUT_OF_ORDER_SEQUENCE_NUMBER: 4,
  INVALID_PRODUCER_EPOCH: 5,
  UNKNOWN_PRODUCER_ID: 6,
  INVALID_TXN_STATE: 7,
  INVALID_RECORD: 8,
  KAFKA_STORAGE_ERROR: 9,
  INVALID_REQUEST: 10,
  DUPLICATE_SEQUENCE_NUMBER: 11,
} as const satisfies Partial<Record<ErrorName, number>>;

export type Refusal = keyof typeof REFUSALS;

/** Shown to clients; made from the name, so that a repeated append gets the same words as the first. */
export const REFUSAL_MESSAGES: Readonly<Record<Refusal, string>> = {
  UNKNOWN_TOPIC_OR_PARTITION: 'the partition does not exist',
  OFFSET_MISMATCH: 'the next offset is not the expected one',
  IDEMPOTENCY_KEY_REUSED: 'the Idempotency-Key was used for another request',
  OUT_OF_ORDER_SEQUENCE_NUMBER: 'the sequence does not follow the last one of this producer',
  INVALID_PRODUCER_EPOCH: 'a newer epoch of this producer is known',
  UNKNOWN_PRODUCER_ID: 'nothing is known of this producer here, and its sequence does not start at 0',
  INVALID_TXN_STATE: 'the partition is not part of an open transaction that the batch belongs to',
  INVALID_RECORD: 'clients may not append control batches',
  KAFKA_STORAGE_ERROR: 'the segment was given up before it was appended; send it again',
  INVALID_REQUEST: 'an Idempotency-Key occurs twice in one append, in different orders',
  DUPLICATE_SEQUENCE_NUMBER: 'it was appended before, so long ago that its offset is not remembered',
};
