/**
 * Guesses what sequential readers want next. A reader is known by where its last fetch of a partition ended; one that
 * comes back to that place gets the next blocks read while it works on what it has.
 */
import type { Block } from './block.ts';
import type { BlockReader, WantedBlock } from './block-reader.ts';
import type { FetchMetrics } from './fetch-metrics.ts';
import type { Target } from './gather.ts';
import type { PartitionId } from './log.ts';
import { PartitionMap } from './partition-map.ts';
import { blockOf, type Memory, type ReadPlan } from './read-plan.ts';

/** Readers remembered per partition. */
const READERS_MAX = 4;
/** Beyond this all is forgotten: nobody tells when a partition that is led elsewhere is gone. */
const PARTITIONS_MAX = 100_000;

export interface ReadAheadOptions {
  readonly memory: Memory;
  readonly reader: BlockReader;
  readonly metrics: FetchMetrics;
  /** Per fetch, all its partitions together. */
  readonly bytesMax: number;
}

export class ReadAhead {
  readonly #options: ReadAheadOptions;
  #ends = new PartitionMap<number[]>();
  #count = 0;

  constructor(options: ReadAheadOptions) {
    this.#options = options;
  }

  /** Remembers that a fetch which needed more than the tail ended at `offset`. */
  ended({ topicId, partition }: PartitionId, offset: number): void {
    const ends = this.#ends.get(topicId, partition) ?? this.#remember(topicId, partition);
    ends.push(offset);
    if (ends.length > READERS_MAX) ends.shift();
  }

  forget(topicId: string, partition: number): void {
    if (this.#ends.get(topicId, partition) === undefined) return;
    this.#ends.delete(topicId, partition);
    this.#count--;
  }

  /** Partitions whose readers are known. */
  get partitionCount(): number {
    return this.#count;
  }

  #remember(topicId: string, partition: number): number[] {
    if (this.#count >= PARTITIONS_MAX) {
      this.#ends = new PartitionMap();
      this.#count = 0;
    }
    this.#count++;
    return this.#ends.getOrAdd(topicId, partition, () => []);
  }

  /** Adds to `wanted` what the reader of this target, one of `targetCount`, is likely to ask for next. */
  add(
    { wanted: { topicId, partition, fetchOffset }, led }: Target,
    plan: ReadPlan,
    targetCount: number,
    wanted: WantedBlock[],
  ): void {
    const ends = this.#ends.get(topicId, partition);
    const known = ends?.indexOf(fetchOffset) ?? -1;
    if (known < 0) return;
    ends!.splice(known, 1);
    const { reader, metrics, bytesMax } = this.#options;
    let bytes = 0;
    for (const block of this.#following(led.state, plan.nextOffset)) {
      if (bytes >= bytesMax / targetCount || !reader.mayReadAhead(block)) break;
      if (!reader.known(block)) {
        wanted.push({ block, journal: led.journal, lease: null });
        metrics.readAhead(block.length);
      }
      bytes += block.length;
    }
  }

  /** The blocks from `offset` on that are not in the tail, as far as footers at hand tell. */
  *#following(state: Target['led']['state'], offset: number): Generator<Block> {
    const { memory } = this.#options;
    let cursor = offset;
    while (cursor < state.nextOffset) {
      const extent = state.extents.at(state.extents.indexOf(cursor));
      if (extent === undefined || memory.tail(state.topicId, state.partition, cursor) !== undefined) return;
      const block = blockOf(memory, state, extent, cursor);
      if (block === null) return;
      yield block;
      cursor = block.endOffset;
    }
  }
}
