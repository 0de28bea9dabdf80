/**
 * What a journal knows of one partition. Values are immutable: the fold replaces them, so a snapshot or a reader that
 * holds one sees one version for as long as it likes.
 */
export interface PartitionState {
  readonly topicId: string;
  readonly partition: number;
  /** First readable offset. Only grows. */
  readonly logStartOffset: number;
  /** The next offset to assign = the high watermark: only durable entries are folded. */
  readonly nextOffset: number;
  /**
   * All below is decided: the first offset of the oldest open transaction, else `nextOffset`; never below the log start.
   * What a read_committed reader may see.
   */
  readonly lastStableOffset: number;
  /** Transactions that are open and have records here, ascending by first offset. */
  readonly unstable: readonly UnstableTransaction[];
  /** Those that reach above the log start, in the order of their markers. */
  readonly abortedTransactions: AbortedTransactionList;
  /** Ordered and gap-free where data was not removed; see ExtentList. */
  readonly extents: ExtentList;
  /** Sum of the extents' lengths: what `retention.bytes` counts. */
  readonly bytes: number;
  /**
   * Where each leader epoch (= journal epoch) that appended here began, of those that reach above the log start the last
   * `LEADER_EPOCHS_KEPT`; ascending. For OffsetForLeaderEpoch.
   */
  readonly epochs: readonly EpochStart[];
}

export interface EpochStart {
  readonly epoch: number;
  readonly startOffset: number;
}

export interface UnstableTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
}

export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
  /** Of its marker. */
  readonly lastOffset: number;
  /** As the marker left it: every transaction that ended later began at or above. */
  readonly lastStableOffset: number;
}

/** Immutable; versions share memory. */
export interface AbortedTransactionList extends Iterable<AbortedTransaction> {
  readonly length: number;
  at(index: number): AbortedTransaction | undefined;
}

/** A contiguous run of one partition's batches: `[baseOffset, endOffset)` in `length` bytes at `position` of its source. */
export interface Extent {
  readonly baseOffset: number;
  readonly endOffset: number;
  readonly source: ExtentSource;
  /** In the segment, or in the body part of the journal entry. */
  readonly position: number;
  readonly length: number;
  readonly batchCount: number;
  /** Largest record timestamp inside, milliseconds since 1970; -1 when none. */
  readonly maxTimestamp: number;
  /** The journal epoch that appended it. */
  readonly leaderEpoch: number;
  /** True in merged segments, whose batches carry absolute offsets and epochs. In fresh ones the reader assigns both. */
  readonly absolute: boolean;
  /** When it was appended by the leader's clock, carried by the entry. Age limits of merging count from here. */
  readonly appendedAt: number;
}

/** Where the bytes of an extent are. */
export type ExtentPlace = Pick<Extent, 'source' | 'position' | 'length'>;

export type ExtentSource =
  | { readonly type: 'segment'; readonly segmentId: string }
  /** Inline in a journal entry; the id is compared on every read. */
  | { readonly type: 'inline'; readonly seq: number; readonly entryId: string };

/** Immutable view of a run of extents, cheap to append to and to drop from the front. */
export interface ExtentList extends Iterable<Extent> {
  readonly length: number;
  at(index: number): Extent | undefined;
  /** Index of the first extent with `endOffset > offset`, or `length`. Logarithmic. */
  indexOf(offset: number): number;
}
