/**
 * The newest records, in the chunks into which ingest copied them: fetches of the tail read no store. Memory is counted and
 * given up by whole chunks, oldest first, since a chunk is only free when nobody holds it.
 */
import type { Chunk } from './chunk-pool.ts';
import type { Tail } from './departures.ts';
import { PartitionMap } from './partition-map.ts';
import type { PendingBatch } from './pending.ts';
import type { Run } from './run.ts';

/** Neighbours grow together up to this, so that finding an offset walks few headers. */
const RUN_BYTES_MAX = 128 * 1024;

type Growing = { -readonly [Key in keyof Run]: Run[Key] };

/** Runs of one partition in order of offsets. */
class TailRuns {
  readonly topicId: string;
  readonly partition: number;
  runs: Growing[] = [];
  /** Runs before this one are gone. */
  head = 0;

  constructor(topicId: string, partition: number) {
    this.topicId = topicId;
    this.partition = partition;
  }

  /** Index of the first run that ends after `offset`. */
  indexOf(offset: number): number {
    let low = this.head;
    let high = this.runs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.runs[middle]!.endOffset <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  drop(chunk: Chunk): void {
    while (this.head < this.runs.length && this.runs[this.head]!.chunk === chunk) this.head++;
    // Two chunks may have been appended from in turns.
    if (this.runs.slice(this.head).some((run) => run.chunk === chunk)) {
      this.runs = this.runs.slice(this.head).filter((run) => run.chunk !== chunk);
      this.head = 0;
    } else if (this.head > 64 && this.head * 2 > this.runs.length) {
      this.runs = this.runs.slice(this.head);
      this.head = 0;
    }
  }

  get empty(): boolean {
    return this.head === this.runs.length;
  }
}

export class TailCache implements Tail {
  readonly #bytesMax: number;
  readonly #partitions = new PartitionMap<TailRuns>();
  /** In order of first use: which partitions have runs in a chunk. */
  readonly #chunks = new Map<Chunk, Set<TailRuns>>();
  bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  append(topicId: string, partition: number, baseOffset: number, batch: PendingBatch): void {
    const { chunk, start, length, header } = batch;
    const endOffset = baseOffset + header.lastOffsetDelta + 1;
    const tail = this.#partitions.getOrAdd(topicId, partition, () => new TailRuns(topicId, partition));
    this.#hold(chunk).add(tail);
    const last = tail.runs.at(-1);
    if (
      last !== undefined &&
      last.chunk === chunk &&
      last.end === start &&
      last.endOffset === baseOffset &&
      start + length - last.start <= RUN_BYTES_MAX
    ) {
      last.end = start + length;
      last.endOffset = endOffset;
    } else {
      tail.runs.push({ chunk, start, end: start + length, baseOffset, endOffset });
    }
    this.#shrink();
  }

  /** The run that has `offset`, good until the next turn of the event loop unless its chunk is held. */
  find(topicId: string, partition: number, offset: number): Run | undefined {
    const tail = this.#partitions.get(topicId, partition);
    if (tail === undefined) return undefined;
    const run = tail.runs[tail.indexOf(offset)];
    return run !== undefined && run.baseOffset <= offset ? run : undefined;
  }

  clear(): void {
    for (const chunk of [...this.#chunks.keys()]) this.#drop(chunk);
  }

  #hold(chunk: Chunk): Set<TailRuns> {
    const known = this.#chunks.get(chunk);
    if (known !== undefined) return known;
    const users = new Set<TailRuns>();
    this.#chunks.set(chunk, users);
    chunk.retain();
    this.bytes += chunk.bytes;
    return users;
  }

  #shrink(): void {
    while (this.bytes > this.#bytesMax && this.#chunks.size > 1) {
      const [oldest] = this.#chunks.keys();
      this.#drop(oldest!);
    }
  }

  #drop(chunk: Chunk): void {
    for (const tail of this.#chunks.get(chunk)!) {
      tail.drop(chunk);
      if (tail.empty) this.#partitions.delete(tail.topicId, tail.partition);
    }
    this.#chunks.delete(chunk);
    this.bytes -= chunk.bytes;
    chunk.release();
  }
}
