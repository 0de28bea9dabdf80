/**
 * What a segment's footer says, and what an append describes: every batch, grouped by partition. `build.ts` and `read.ts`
 * turn it into bytes and back; see `README` block in `format.ts` for the byte layout.
 */

/** One record batch inside a segment or an inline body. Offsets are not known yet when a fresh segment is written. */
export interface BatchDescription {
  /** First byte of the batch in the object or inline body, and its length in bytes. */
  readonly position: number;
  readonly length: number;
  /** lastOffsetDelta + 1: how many offsets the batch takes (more than its records after compaction). */
  readonly offsetCount: number;
  /** -1 when the producer is not idempotent. */
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  /** Attributes of the batch header, KIP-98: compression, timestamp type, transactional, control. */
  readonly attributes: number;
  /** Milliseconds since 1970; -1 when no record carries one. */
  readonly baseTimestamp: number;
  readonly maxTimestamp: number;
  /** Absolute offset of the first record in merged segments; -1 in fresh ones, where the fold assigns it. */
  readonly baseOffset: number;
  /** partitionLeaderEpoch in merged segments; -1 in fresh ones. */
  readonly leaderEpoch: number;
}

/** All batches of one partition in one segment, contiguous and in order. */
export interface PartitionBatches {
  readonly topicId: string;
  readonly partition: number;
  /** The journal that orders this partition: reclaim asks every journal that a footer names. */
  readonly journal: number;
  readonly batches: readonly BatchDescription[];
}

/** Sorted by topic id, then partition. */
export interface Footer {
  readonly partitions: readonly PartitionBatches[];
}

/** Names a segment and where its footer is, so that a reader needs no second look. */
export interface SegmentReference {
  /** Unique; the object's key follows from it. */
  readonly id: string;
  /** Size of the whole object. */
  readonly bytes: number;
  readonly footerPosition: number;
  readonly footerLength: number;
  /** CRC-32C of the footer. */
  readonly footerCrc: number;
}
