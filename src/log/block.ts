/**
 * Blocks: how extents are read from where they are stored. An extent that fits a chunk is one block; a longer one is cut
 * at batch boundaries that its segment's footer gives. A block is read whole, checked, given its offsets, and kept as a run.
 */
import { StorageCorruptError } from '../errors.ts';
import type { Extent } from '../journal/partition-state.ts';
import { BATCH_HEADER_BYTES } from '../limits.ts';
import { hasValidCrc, placeBatch } from '../record/batch.ts';
import { readInt32, readInt64 } from '../record/int64.ts';
import type { PartitionId } from './log.ts';
import { batchLengthAt } from './run.ts';

/** Part of an extent, or all of it. */
export interface Block extends PartitionId {
  readonly extent: Extent;
  /** In the source, as the extent's. */
  readonly position: number;
  readonly length: number;
  readonly baseOffset: number;
  readonly endOffset: number;
  /** -1 when it is not known without reading the footer again. */
  readonly batchCount: number;
}

export const wholeExtent = ({ topicId, partition }: PartitionId, extent: Extent): Block => ({
  topicId,
  partition,
  extent,
  position: extent.position,
  length: extent.length,
  baseOffset: extent.baseOffset,
  endOffset: extent.endOffset,
  batchCount: extent.batchCount,
});

/** Segments and entries share one name space: ids of both are random. */
export const sourceId = ({ source }: Extent): string => (source.type === 'segment' ? source.segmentId : source.entryId);

/**
 * Checks the bytes of a block at `start` against what the journal says of it, every CRC included, and assigns offsets and
 * leader epoch in place where they are not absolute yet. Throws StorageCorruptError naming source, byte and difference.
 */
export function placeBlock(bytes: Uint8Array, start: number, block: Block): void {
  const { extent, length, baseOffset, endOffset } = block;
  const end = start + length;
  let at = start;
  let offset = baseOffset;
  let batches = 0;
  while (at < end) {
    const damaged = (what: string) => damagedBlock(block, at - start, what);
    if (end - at < BATCH_HEADER_BYTES) throw damaged(`${end - at} bytes are no batch`);
    const batchBytes = batchLengthAt(bytes, at);
    const lastOffsetDelta = readInt32(bytes, at + 23);
    if (bytes[at + 16] !== 2 || batchBytes < BATCH_HEADER_BYTES || batchBytes > end - at || lastOffsetDelta < 0) {
      throw damaged(`format ${bytes[at + 16]} and ${batchBytes} bytes of the ${end - at} that are left`);
    }
    if (!hasValidCrc(bytes, at, batchBytes)) throw damaged('the CRC of a batch is wrong');
    if (!extent.absolute) {
      placeBatch(bytes, at, offset, extent.leaderEpoch);
    } else {
      const stored = readInt64(bytes, at);
      if (stored < offset) throw damaged(`offset ${stored} where ${offset} or more belongs`);
      offset = stored;
    }
    offset += lastOffsetDelta + 1;
    at += batchBytes;
    batches++;
  }
  // Compaction may have removed the last batches of an absolute extent.
  if (extent.absolute ? offset > endOffset : offset !== endOffset) {
    throw damagedBlock(block, 0, `it ends at offset ${offset}, not ${endOffset}`);
  }
  if (block.batchCount >= 0 && batches !== block.batchCount) {
    throw damagedBlock(block, 0, `it has ${batches} batches, not ${block.batchCount}`);
  }
}

export function damagedBlock(block: Block, at: number, what: string): StorageCorruptError {
  const { source } = block.extent;
  const name =
    source.type === 'segment' ? `segment ${source.segmentId}` : `journal entry ${source.seq} (${source.entryId})`;
  return new StorageCorruptError(
    `${name} is damaged at byte ${block.position + at}: partition ${block.topicId}-${block.partition}, offsets ${block.baseOffset} to ${block.endOffset}: ${what}`,
  );
}
