/** Which runs and blocks hold the bytes that a fetch wants from one partition. Looks at memory, reads nothing. */
import type { Extent, PartitionState } from '../journal/partition-state.ts';
import { type Block, wholeExtent } from './block.ts';
import { CHUNK_BYTES } from './chunk-pool.ts';
import type { PartitionId } from './log.ts';
import { positionOf, type Run } from './run.ts';

/** What is in memory. Everything it gives is good until the next turn of the event loop. */
export interface Memory {
  tail(topicId: string, partition: number, offset: number): Run | undefined;
  block(block: Block): Run | undefined;
  /** The blocks of a long extent, undefined when the footer of its segment is not at hand. */
  blocks(id: PartitionId, extent: Extent): readonly Block[] | undefined;
}

export type Piece =
  | { readonly type: 'tail' | 'cache'; readonly run: Run }
  | { readonly type: 'missing'; readonly block: Block };

export interface ReadPlan {
  /** Contiguous from the wanted offset on, holes of compaction apart. */
  readonly pieces: readonly Piece[];
  /** What they hold from the wanted offset on. */
  readonly bytes: number;
  readonly missing: number;
  /** Where the next piece would start. */
  readonly nextOffset: number;
  /** The plan ended early because the footer of this extent's segment is needed. */
  readonly needsIndex: Extent | null;
}

/** Reads that one partition may wait for in one fetch: thousands of tiny inline extents are read over several. */
export const MISSING_MAX = 64;

/** Nothing that begins at or above `end` is planned for. */
export function planReads(
  memory: Memory,
  state: PartitionState,
  offset: number,
  end: number,
  bytesMax: number,
): ReadPlan {
  const { topicId, partition, extents } = state;
  const pieces: Piece[] = [];
  let bytes = 0;
  let missing = 0;
  let cursor = offset;
  let needsIndex: Extent | null = null;
  while (cursor < end && bytes < bytesMax && missing < MISSING_MAX) {
    const inTail = memory.tail(topicId, partition, cursor);
    if (inTail !== undefined) {
      pieces.push({ type: 'tail', run: inTail });
      bytes += inTail.end - positionOf(inTail, cursor);
      cursor = inTail.endOffset;
      continue;
    }
    const extent = extents.at(extents.indexOf(cursor));
    if (extent === undefined) break;
    const block = blockOf(memory, state, extent, cursor);
    if (block === null) {
      needsIndex = extent;
      break;
    }
    const run = memory.block(block);
    if (run !== undefined) {
      pieces.push({ type: 'cache', run });
      bytes += run.end - positionOf(run, cursor);
    } else {
      missing++;
      pieces.push({ type: 'missing', block });
      // A reader that comes into the middle may find as little as one batch there.
      bytes += cursor <= block.baseOffset ? block.length : 1;
    }
    cursor = block.endOffset;
  }
  return { pieces, bytes, missing, nextOffset: cursor, needsIndex };
}

/** A long extent is read in blocks, which its segment's footer gives. Inline ones are always short. */
export const isCut = ({ length, batchCount }: Extent): boolean => length > CHUNK_BYTES && batchCount > 1;

/** The block of the extent that has `offset`; null when that takes a footer that is not at hand. */
export function blockOf(memory: Memory, id: PartitionId, extent: Extent, offset: number): Block | null {
  if (!isCut(extent)) return wholeExtent(id, extent);
  const blocks = memory.blocks(id, extent);
  if (blocks === undefined) return null;
  let low = 0;
  let high = blocks.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (blocks[middle]!.endOffset <= offset) low = middle + 1;
    else high = middle;
  }
  return blocks[low]!;
}
