/**
 * Cuts an answer out of runs: whole batches, in the order of the request, within the limits of partitions and of the
 * answer, and at least one batch for the first partition that has any (KIP-74). Buffers are views of chunks, which the
 * lease keeps; what is short is copied, since a few bytes should neither pin a megabyte nor cost a write of their own.
 */
import { readInt64 } from '../record/int64.ts';
import type { Chunk } from './chunk-pool.ts';
import type { FetchPartition } from './log.ts';
import { cutAt, firstBatchEnd, positionOf, type Run } from './run.ts';

/** `near`: the memory of another broker. */
export type RunSource = 'tail' | 'cache' | 'near' | 'store';

export interface FoundRun {
  readonly run: Run;
  readonly source: RunSource;
}

export interface CutRecords {
  readonly records: readonly Buffer[];
  readonly bytes: number;
  /** Where the next fetch of the same reader will begin; -1 when there are no records. */
  readonly nextOffset: number;
}

const NOTHING: CutRecords = { records: [], bytes: 0, nextOffset: -1 };

/** Slices shorter than this are copied. */
const COPIED_BYTES_MAX = 4 * 1024;

export class AnswerCutter {
  #left: number;
  /** The first partition with records may exceed every limit with one batch. */
  #mayExceed = true;
  readonly chunks = new Set<Chunk>();
  readonly bytesBySource: Record<RunSource, number> = { tail: 0, cache: 0, near: 0, store: 0 };
  bytes = 0;

  constructor(bytesMax: number) {
    this.#left = bytesMax;
  }

  /**
   * Runs leave nothing out from the fetch offset on. One may begin before its predecessor ends: what is in memory is not
   * cut where extents are, nor at `endOffset`, where a batch begins that must not be answered.
   */
  cut({ fetchOffset, maxBytes }: FetchPartition, runs: readonly FoundRun[], endOffset: number): CutRecords {
    let budget = Math.min(maxBytes, this.#left);
    const slices = new Slices();
    let wantedOffset = fetchOffset;
    let nextOffset = -1;
    for (const { run, source } of runs) {
      const from = positionOf(run, wantedOffset);
      wantedOffset = run.endOffset;
      if (from === run.end) continue; // Compaction took what was at and after the offset in this run.
      const last = run.endOffset <= endOffset ? run.end : positionOf(run, endOffset);
      if (last <= from) break;
      let end = Math.min(last, cutAt(run, from, budget));
      if (end === from && this.#mayExceed) end = firstBatchEnd(run, from);
      if (end === from) break;
      this.#mayExceed = false;
      budget -= end - from;
      this.bytesBySource[source] += end - from;
      if (slices.add(run.chunk.buffer, from, end)) this.chunks.add(run.chunk);
      nextOffset = end < run.end ? readInt64(run.chunk.buffer, end) : run.endOffset;
      if (end < run.end || budget <= 0) break;
    }
    if (slices.bytes === 0) return NOTHING;
    this.#left = Math.max(0, this.#left - slices.bytes);
    this.bytes += slices.bytes;
    return { records: slices.finish(), bytes: slices.bytes, nextOffset };
  }
}

class Slices {
  readonly #parts: Buffer[] = [];
  /** Neighbouring short slices become one buffer. */
  #short: Buffer[] = [];
  bytes = 0;

  /** True when the slice stays a view of the buffer. */
  add(buffer: Buffer, start: number, end: number): boolean {
    this.bytes += end - start;
    const slice = buffer.subarray(start, end);
    if (slice.length < COPIED_BYTES_MAX) {
      this.#short.push(slice);
      return false;
    }
    this.#endShort();
    const last = this.#parts.at(-1);
    if (last !== undefined && last.buffer === slice.buffer && last.byteOffset + last.length === slice.byteOffset) {
      this.#parts[this.#parts.length - 1] = Buffer.from(last.buffer, last.byteOffset, last.length + slice.length);
    } else {
      this.#parts.push(slice);
    }
    return true;
  }

  finish(): readonly Buffer[] {
    this.#endShort();
    return this.#parts;
  }

  #endShort(): void {
    if (this.#short.length === 0) return;
    this.#parts.push(Buffer.concat(this.#short));
    this.#short = [];
  }
}
