/**
 * Batches of one partition that lie one after the other in memory, with absolute offsets: what both caches hold and what
 * answers are cut from. Offsets may have holes between batches (compaction), never inside the range that a run claims.
 */
import { BATCH_HEADER_BYTES } from '../limits.ts';
import { readInt32, readInt64 } from '../record/int64.ts';
import { assert } from '../runtime/assert.ts';
import type { Chunk } from './chunk-pool.ts';

export interface Run {
  readonly chunk: Chunk;
  /** Bytes `[start, end)` of the chunk. */
  readonly start: number;
  readonly end: number;
  /** Every record of the partition in `[baseOffset, endOffset)` is here. */
  readonly baseOffset: number;
  readonly endOffset: number;
}

/** Bytes of the batch at `at`, as its header says. */
export const batchLengthAt = (bytes: Uint8Array, at: number): number => 12 + readInt32(bytes, at + 8);

/** The offset after the last one of the batch at `at`. */
export const batchEndOffsetAt = (bytes: Uint8Array, at: number): number =>
  readInt64(bytes, at) + readInt32(bytes, at + 23) + 1;

/** Where the first batch starts that ends after `offset`; the end of the run when none does. */
export function positionOf(run: Run, offset: number): number {
  if (offset <= run.baseOffset) return run.start;
  const bytes = run.chunk.buffer;
  let at = run.start;
  while (at < run.end && batchEndOffsetAt(bytes, at) <= offset) at += batchLengthAt(bytes, at);
  assert(at <= run.end, 'a batch in memory reaches beyond its run');
  return at;
}

/** The end of the last whole batch within `bytesMax` of `from`; `from` itself when not even one fits. */
export function cutAt(run: Run, from: number, bytesMax: number): number {
  if (run.end - from <= bytesMax) return run.end;
  const bytes = run.chunk.buffer;
  let at = from;
  for (;;) {
    const next = at + batchLengthAt(bytes, at);
    if (next - from > bytesMax) return at;
    at = next;
  }
}

/** The end of the batch at `from`. */
export const firstBatchEnd = (run: Run, from: number): number => from + batchLengthAt(run.chunk.buffer, from);

/** A run is at least one batch. */
export function assertRun({ start, end, baseOffset, endOffset }: Run): void {
  assert(end - start >= BATCH_HEADER_BYTES && endOffset > baseOffset, `an empty run at offset ${baseOffset}`);
}
