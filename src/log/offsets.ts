/**
 * Offsets by time and by epoch. A timestamp is looked for from coarse to fine: extents know their largest timestamp, so do
 * footers of long ones and headers of batches; only the one batch that is left is opened.
 */
import type { Config } from '../config.ts';
import { KafkaError } from '../errors.ts';
import type { EpochStart, Extent, PartitionState } from '../journal/partition-state.ts';
import { type BatchHeader, iterateBatches, LOG_APPEND_TIME_FLAG } from '../record/batch.ts';
import { decodeBatch } from '../record/records.ts';
import type { FoundRun } from './answer.ts';
import { Gate } from './gate.ts';
import type { Gatherer, Target } from './gather.ts';
import type { Leases } from './lease.ts';
import { type Led, type Locator, readableEnd } from './locate.ts';
import type { FoundOffset, Isolation, OffsetAt, PartitionId } from './log.ts';
import { isCut } from './read-plan.ts';
import type { SegmentIndexes } from './segment-indexes.ts';

export interface OffsetsOptions {
  readonly config: Config;
  readonly locator: Locator;
  readonly gatherer: Gatherer;
  readonly indexes: SegmentIndexes;
  readonly leases: Leases;
  readonly signal: AbortSignal;
}

/** Memory that one look needs at most at a time: a block. */
const LOOK_BYTES = 1024 * 1024;
const MEMORY_WAIT_MS = 5_000;
/** Batches opened at once: each may take `http.decompressed.bytes.max`. */
const OPENED_MAX = 2;

const NOT_FOUND: FoundOffset = { offset: -1, timestamp: -1, leaderEpoch: -1 };

/** Which record is looked for, and which extents and batches may hold it. */
interface Wanted {
  readonly mayHold: (maxTimestamp: number) => boolean;
  readonly isIt: (timestamp: number) => boolean;
}

export class Offsets {
  readonly #options: OffsetsOptions;
  readonly #opening = new Gate(OPENED_MAX);

  constructor(options: OffsetsOptions) {
    this.#options = options;
  }

  /** See `Log.listOffset`; where it is led. */
  async list(id: PartitionId & { readonly journal?: number }, at: OffsetAt): Promise<FoundOffset> {
    const { locator } = this.#options;
    const led = await locator.confirmed(id);
    const { state, journal } = led;
    switch (at.type) {
      case 'earliest':
        return {
          offset: state.logStartOffset,
          timestamp: -1,
          leaderEpoch: epochAt(state, state.logStartOffset, journal.epoch),
        };
      case 'latest':
        return { offset: readableEnd(state, at.isolation), timestamp: -1, leaderEpoch: journal.epoch };
      case 'maxTimestamp':
        return this.#ifStable(id, await this.#searchLargest(id), at.isolation);
      case 'timestamp':
        return this.#ifStable(id, await this.#search(led, atOrAfter(at.timestamp)), at.isolation);
    }
  }

  #ifStable(id: PartitionId, found: FoundOffset, isolation: Isolation = 'read_uncommitted'): FoundOffset {
    return found.offset < readableEnd(this.#options.locator.mustLead(id).state, isolation) ? found : NOT_FOUND;
  }

  /** The first record with the largest timestamp. Looks again when records were deleted while it looked. */
  async #searchLargest(id: PartitionId): Promise<FoundOffset> {
    const { locator } = this.#options;
    for (;;) {
      const led = locator.mustLead(id);
      const found = await this.#searchLargestOf(led);
      if (found !== NOT_FOUND || locator.mustLead(id).state.logStartOffset === led.state.logStartOffset) return found;
    }
  }

  async #searchLargestOf(led: Led): Promise<FoundOffset> {
    const { extents, logStartOffset } = led.state;
    const promised = largestTimestamp(extents);
    if (promised < 0) return NOT_FOUND;
    const found = await this.#search(led, atOrAfter(promised));
    if (found !== NOT_FOUND || extents.at(0)!.baseOffset >= logStartOffset) return found;
    // The first extent reaches below the log start, and its largest timestamp is that of a deleted record.
    const least = Math.max(0, largestTimestamp([...extents].slice(1)));
    let largest = -1;
    await this.#search(led, {
      mayHold: (max) => max >= least,
      isIt(timestamp) {
        largest = Math.max(largest, timestamp);
        return false;
      },
    });
    return largest < 0 ? NOT_FOUND : this.#search(led, atOrAfter(largest));
  }

  /** The first record in order of offsets that is wanted. */
  async #search(led: Led, wanted: Wanted): Promise<FoundOffset> {
    let { state } = led;
    let from = state.logStartOffset;
    for (;;) {
      const extent = nextExtent(state, from, wanted);
      if (extent === undefined) return NOT_FOUND;
      from = Math.max(from, extent.baseOffset, await this.#blockStart(led, extent, from, wanted));
      const look = await this.#look({ ...led, state }, from, wanted);
      if (look.type === 'found') return look.offset;
      // Records may have been deleted meanwhile, also those that were looked at.
      const before = from;
      state = this.#options.locator.mustLead(state).state;
      from = Math.max(look.next, state.logStartOffset);
      if (from === before) throw new KafkaError('OFFSET_NOT_AVAILABLE', `offset ${from} could not be looked at`);
    }
  }

  /** In a long extent, where the first block begins that may hold what is wanted; -1 when that is not known. */
  async #blockStart(led: Led, extent: Extent, from: number, { mayHold }: Wanted): Promise<number> {
    if (!isCut(extent)) return -1;
    const { indexes } = this.#options;
    let blocks = indexes.blocks(led.state, extent);
    if (blocks === undefined) {
      await indexes.load(extent, led);
      blocks = indexes.blocks(led.state, extent);
    }
    const block = blocks?.find(({ endOffset, maxTimestamp }) => endOffset > from && mayHold(maxTimestamp));
    return block?.baseOffset ?? -1;
  }

  /** Looks through what one read brings from `from` on. */
  async #look(led: Led, from: number, wanted: Wanted): Promise<Look> {
    const { gatherer, leases, signal } = this.#options;
    const lease = await leases.reserve(LOOK_BYTES, MEMORY_WAIT_MS, signal);
    if (lease === null) throw new KafkaError('OFFSET_NOT_AVAILABLE', 'too many answers are on their way to clients');
    try {
      const { topicId, partition } = led.state;
      const target: Target = {
        wanted: { topicId, partition, fetchOffset: from, maxBytes: 1, currentLeaderEpoch: -1 },
        bytesMax: 1,
        isolation: 'read_uncommitted',
        led,
        runs: [],
        failure: null,
      };
      await gatherer.gather([target], lease, signal);
      if (target.failure !== null) throw new KafkaError(target.failure.error, target.failure.message);
      let next = from;
      for (const found of target.runs) {
        const offset = await this.#lookInRun(found, from, wanted);
        if (offset !== null) return { type: 'found', offset };
        next = found.run.endOffset;
      }
      return { type: 'next', next };
    } finally {
      lease.end();
    }
  }

  async #lookInRun({ run }: FoundRun, from: number, wanted: Wanted): Promise<FoundOffset | null> {
    const bytes = run.chunk.buffer;
    for (const { position, header } of iterateBatches(bytes, run.start, run.end)) {
      if (header.baseOffset + header.lastOffsetDelta < from || !wanted.mayHold(header.maxTimestamp)) continue;
      const found = await this.#lookInBatch(bytes.subarray(position, position + header.length), header, from, wanted);
      if (found !== null) return found;
    }
    return null;
  }

  async #lookInBatch(batch: Buffer, header: BatchHeader, from: number, wanted: Wanted): Promise<FoundOffset | null> {
    const { leaderEpoch, baseOffset, maxTimestamp, attributes } = header;
    // Every record has the time of the append.
    if (attributes & LOG_APPEND_TIME_FLAG && baseOffset >= from) {
      return wanted.isIt(maxTimestamp) ? { offset: baseOffset, timestamp: maxTimestamp, leaderEpoch } : null;
    }
    const decompressedBytesMax = this.#options.config['http.decompressed.bytes.max'];
    const records = await this.#opening.run(() => decodeBatch(batch, { decompressedBytesMax }));
    for (const { offset, timestamp } of records) {
      if (offset >= from && wanted.isIt(timestamp)) return { offset, timestamp, leaderEpoch };
    }
    return null;
  }
}

const atOrAfter = (timestamp: number): Wanted => ({
  mayHold: (max) => max >= timestamp,
  isIt: (t) => t >= timestamp,
});

type Look = { readonly type: 'found'; readonly offset: FoundOffset } | { readonly type: 'next'; readonly next: number };

function nextExtent({ extents }: PartitionState, from: number, { mayHold }: Wanted): Extent | undefined {
  for (let index = extents.indexOf(from); index < extents.length; index++) {
    const extent = extents.at(index)!;
    if (mayHold(extent.maxTimestamp)) return extent;
  }
  return undefined;
}

function largestTimestamp(extents: Iterable<Extent>): number {
  let largest = -1;
  for (const { maxTimestamp } of extents) largest = Math.max(largest, maxTimestamp);
  return largest;
}

/** The epoch in which the record at `offset` was, or would be, appended; -1 when too many came after it. */
function epochAt({ epochs }: PartitionState, offset: number, current: number): number {
  if (epochs.length === 0) return current;
  return epochs.findLast(({ startOffset }) => startOffset <= offset)?.epoch ?? -1;
}

export interface EpochEnd {
  readonly epoch: number;
  readonly endOffset: number;
}

/**
 * KIP-320, as Kafka's leaders answer it: the newest epoch that is not newer than the one asked for, and where it ended.
 * Both are -1 for an epoch that is not known here. The current epoch ends at the high watermark, also before its first append.
 */
export function epochEnd(epochs: readonly EpochStart[], current: EpochStart, asked: number): EpochEnd {
  if (asked < 0 || asked > current.epoch) return { epoch: -1, endOffset: -1 };
  if (asked === current.epoch) return { epoch: asked, endOffset: current.startOffset };
  let ended = current.startOffset;
  for (let index = epochs.length - 1; index >= 0; index--) {
    const { epoch, startOffset } = epochs[index]!;
    if (epoch <= asked) return { epoch, endOffset: ended };
    ended = startOffset;
  }
  return { epoch: asked, endOffset: ended };
}
