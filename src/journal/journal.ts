/**
 * A journal as the rest of the broker sees it: propose, wait for durability, read the durable state. The leader side
 * (`leader.ts`), the fold (`fold.ts`) and the snapshots stand behind this interface.
 *
 * Nothing is answered before the entry that carries it is durable. A proposal that is rejected with
 * NOT_LEADER_OR_FOLLOWER may or may not have been appended: lanes make repeating it safe.
 */
import type { ErrorName } from '../errors.ts';
import type { BatchDescription, PartitionBatches, SegmentReference } from '../segment/footer.ts';
import type { RecordsChanged, TransactionGuarded, TransactionMark } from './entry.ts';
import type { Extent, ExtentPlace, PartitionState } from './partition-state.ts';

export interface Journal {
  readonly id: number;
  readonly role: JournalRole;
  /** Why it is deposed or stopped; null while it leads. */
  readonly deposedBecause: string | null;
  /** Epoch under which this broker leads, else the last one seen. */
  readonly epoch: number;
  /** Durable state; consistent until the next turn of the event loop. */
  readonly state: JournalView;

  /** Appends batches in lane order. Rejects with KafkaError NOT_LEADER_OR_FOLLOWER when this broker cannot lead. */
  append(request: AppendRequest): Promise<AppendAnswer>;
  /**
   * Records that number `number` of a lane will never come (its upload failed), so that later ones may pass. Does nothing
   * when that number was appended or skipped before. Rejects as `append` does.
   */
  skip(lane: Lane, number: number): Promise<void>;
  propose(change: Change): Promise<ChangeOutcome>;
  /**
   * Runs a coordinator's decision when its entry is built, against the state at that entry, and answers once that entry is
   * durable. Decisions run in the order of these calls. What it throws rejects the promise (a KafkaError is the client's
   * answer) and changes nothing. Rejects as `append` does; then the decision may or may not have become durable. One that
   * wants to write more than ENTRY_BYTES_MAX is rejected with INVALID_REQUEST.
   */
  coordinate<T>(decide: Decision<T>): Promise<T>;

  /**
   * Asks for a snapshot soon, before entries call for one. Segments that entries above the durable snapshot name cannot be
   * condemned: on a quiet journal garbage would wait for ever.
   */
  requestSnapshot(): void;

  /** True when this broker was the leader at a moment after the call began (design §5). Concurrent calls share one look. */
  confirmLeadership(): Promise<boolean>;

  /** The inline body part that an extent points to, or null when the entry is gone (merged and trimmed since). */
  readInline(extent: ExtentPlace): Promise<Buffer | null>;

  /** Called after each durable entry, in order, in the same turn in which `state` changed. Returns the way to stop. */
  subscribe(listener: (applied: Applied) => void): () => void;
}

/**
 * 'starting' includes reading and fencing. A 'deposed' journal tells why in `deposedBecause`. 'following': another broker
 * leads, or nobody; the state is empty then, and appends and changes are sent to who leads.
 */
export type JournalRole = 'starting' | 'leading' | 'following' | 'deposed' | 'stopped';

/** What coordinators keep in a journal: small texts under an owner and a key. */
export interface RecordsView {
  record(owner: string, key: string): string | undefined;
  /** All of one owner; empty when there is none. The map never changes: a later version is another map. */
  records(owner: string): Records;
}

export type Records = ReadonlyMap<string, string>;

export interface RecordChange {
  readonly key: string;
  /** Null removes it. */
  readonly value: string | null;
}

/** The state as a decision sees it: all entries before, and what was decided before it in the same entry. */
export interface DecisionView extends RecordsView {
  /** Of the entry being built, by the leader's clock, milliseconds since 1970. */
  readonly timestamp: number;
  /** The journal epoch, which is the coordinator epoch as well. */
  readonly epoch: number;
  partition(topicId: string, partition: number): PartitionState | undefined;
  /** The producer's transaction on the partition, undefined when none is open there. */
  openTransaction(topicId: string, partition: number, producerId: number): OpenTransaction | undefined;
}

/** Pure: it may run on state that never becomes durable, and more than once; it must keep nothing of what it sees. */
export type Decision<T> = (view: DecisionView) => Decided<T>;

export interface Decided<T> {
  /** Empty: nothing is written, but the answer still waits for what it was decided on to be durable. */
  readonly commands: readonly CoordinatorCommand[];
  readonly answer: T;
}

/**
 * What a coordinator may write. Guards and markers may be repeated, and may come late: those that mean nothing any more are
 * left out of the entry. A guard is refused with CONCURRENT_TRANSACTIONS, and all of its decision with it, while an earlier
 * transaction of its producer is open on the partition or too many are open on the journal.
 */
export type CoordinatorCommand = RecordsChanged | TransactionGuarded | TransactionMark;

export interface JournalView extends RecordsView {
  /** Owners that have records. */
  owners(): Iterable<string>;
  /** Seq of the last durable entry that is folded in. */
  readonly lastSeq: number;
  partition(topicId: string, partition: number): PartitionState | undefined;
  partitions(): Iterable<PartitionState>;
  /** Bytes and live references of a segment, undefined when nothing here points into it. */
  segment(segmentId: string): SegmentUse | undefined;
  segments(): Iterable<SegmentUse>;
  isCondemned(segmentId: string): boolean;
  condemned(): Iterable<CondemnedSegment>;
  producers(topicId: string, partition: number): Iterable<ProducerState>;
  openTransaction(topicId: string, partition: number, producerId: number): OpenTransaction | undefined;
}

export interface SegmentUse extends SegmentReference {
  /** Extents of this journal that point into it, and the sum of their lengths. */
  readonly extentCount: number;
  readonly liveBytes: number;
}

export interface CondemnedSegment {
  readonly segmentId: string;
  /** Seq of the entry that condemned it. */
  readonly seq: number;
}

/** State of one idempotent producer on one partition (KIP-98): the last five batches, and its transaction. */
export interface ProducerState {
  readonly producerId: number;
  readonly producerEpoch: number;
  /** Of this epoch; none before its first one. */
  readonly batches: readonly ProducerBatch[];
  /** When a batch, a guard or a marker came last. Milliseconds since 1970 by the leader's clock, carried by the entry. */
  readonly lastAppendAt: number;
  /** Of the last marker; -1 before the first. */
  readonly coordinatorEpoch: number;
  /** Null when none is open. A producer is neither evicted nor expired while one is. */
  readonly open: GuardedTransaction | null;
  /** The number of the last transaction that ended here; -1 before the first. */
  readonly endedTransaction: number;
}

/** A transaction of a producer that is open on a partition. */
export interface GuardedTransaction {
  /** Its number, see `TransactionGuarded`. */
  readonly transaction: number;
  /** -1 before its first batch. */
  readonly firstOffset: number;
  /** When the guard was written, by the entry. */
  readonly startedAt: number;
}

export interface OpenTransaction extends GuardedTransaction {
  readonly producerEpoch: number;
  readonly lastAppendAt: number;
}

export interface ProducerBatch {
  readonly baseSequence: number;
  readonly lastSequence: number;
  readonly baseOffset: number;
  readonly maxTimestamp: number;
}

/** The sequence in which one ingest sends appends to one journal. A new broker epoch starts every lane at 0. */
export interface Lane {
  readonly brokerId: number;
  readonly brokerEpoch: number;
  readonly lane: number;
}

export interface AppendRequest {
  readonly lane: Lane;
  /** 0, 1, 2, … within the lane. */
  readonly number: number;
  readonly source: AppendSource;
  /** The partitions of this journal only, sorted by topic id, then partition. Positions count within the source. */
  readonly partitions: readonly PartitionBatches[];
  /** Per batch wishes beyond plain append, addressed by place in `partitions`. */
  readonly conditions?: readonly AppendCondition[];
  readonly idempotency?: readonly IdempotentGroup[];
}

export type AppendSource =
  | { readonly type: 'segment'; readonly segment: SegmentReference }
  /** Body parts in order; copied before `append` returns. */
  | { readonly type: 'inline'; readonly parts: readonly Uint8Array[]; readonly bytes: number };

export interface AppendCondition {
  readonly partitionIndex: number;
  readonly batchIndex: number;
  /** HTTP compare-and-append: the batch is refused with OFFSET_MISMATCH unless it would get exactly this offset. */
  readonly expectedOffset?: number;
  /**
   * Number of the transaction that was open when the batch came in, -1 when none was: refused with INVALID_TXN_STATE unless
   * it still is. The transactions of a producer that keeps its epoch could not be told apart otherwise.
   */
  readonly transaction?: number;
}

/**
 * HTTP Idempotency-Key: these batches are one request. When the key is known and `fingerprint` agrees, none is appended
 * and each gets its first answer; when it differs, all are refused with IDEMPOTENCY_KEY_REUSED.
 */
export interface IdempotentGroup {
  readonly key: string;
  readonly fingerprint: number;
  readonly batches: readonly { readonly partitionIndex: number; readonly batchIndex: number }[];
}

/** One answer per batch, in the order of the request: `answers[partitionIndex][batchIndex]`. */
export interface AppendAnswer {
  readonly seq: number;
  readonly entryId: string;
  /** Where the inline body starts in its entry's body part; 0 for segments. Add it to batch positions to form extents. */
  readonly inlinePosition: number;
  readonly answers: readonly (readonly BatchAnswer[])[];
}

export type BatchAnswer =
  | {
      readonly type: 'appended';
      readonly baseOffset: number;
      readonly leaderEpoch: number;
      readonly logStartOffset: number;
    }
  /** Already there: an idempotent producer's repeat or a known Idempotency-Key. Its bytes here are not used. */
  | {
      readonly type: 'duplicate';
      readonly baseOffset: number;
      readonly maxTimestamp: number;
      readonly logStartOffset: number;
    }
  | { readonly type: 'refused'; readonly error: ErrorName; readonly message: string; readonly nextOffset: number };

/** Changes other than appends. Each becomes a command of an entry; outcomes are decided against the state at that entry. */
export type Change =
  | { readonly type: 'createPartitions'; readonly topicId: string; readonly partitions: readonly number[] }
  | { readonly type: 'deletePartitions'; readonly topicId: string; readonly partitions: readonly number[] }
  /** Retention and DeleteRecords: drops what lies wholly below. Never goes back; beyond the end is refused. */
  | {
      readonly type: 'advanceLogStart';
      readonly topicId: string;
      readonly partition: number;
      readonly logStartOffset: number;
    }
  /** Swaps exactly the extents that were read for new ones; refused whole when any of them changed. */
  | { readonly type: 'merge'; readonly segments: readonly SegmentReference[]; readonly swaps: readonly ExtentSwap[] }
  /** Declares segments unreferenced; those that are referenced, or have an append waiting, are left out. */
  | { readonly type: 'condemn'; readonly segmentIds: readonly string[] }
  /** Forgets condemned segments whose objects are deleted. */
  | { readonly type: 'forget'; readonly segmentIds: readonly string[] }
  /** Producers idle since before `before` (leader's clock), idempotency keys older than `keysBefore`; old answers to lanes. */
  | { readonly type: 'expire'; readonly before: number; readonly keysBefore: number }
  /** A block of producer ids for one broker. */
  | { readonly type: 'allocateProducerIds'; readonly count: number };

export interface ExtentSwap {
  readonly topicId: string;
  readonly partition: number;
  /** Contiguous in the partition's list, compared by value. */
  readonly remove: readonly Extent[];
  readonly add: readonly Extent[];
}

export type ChangeOutcome =
  | { readonly type: 'done' }
  | { readonly type: 'logStart'; readonly logStartOffset: number }
  | { readonly type: 'condemned'; readonly segmentIds: readonly string[] }
  | { readonly type: 'producerIds'; readonly first: number; readonly count: number }
  | { readonly type: 'refused'; readonly error: ErrorName; readonly message: string };

export interface Applied {
  readonly seq: number;
  readonly entryId: string;
  /** Partitions whose state changed. A deleted one is undefined in `state`. */
  readonly partitions: readonly { readonly topicId: string; readonly partition: number }[];
  readonly releasedSegments: readonly string[];
  /** Owners whose records changed. */
  readonly owners: readonly string[];
}

export type { BatchDescription, PartitionBatches, SegmentReference };
