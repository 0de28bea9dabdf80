/**
 * The extents of a partition as a snapshot has them, decoded when somebody asks. After a takeover most of a large journal
 * is never asked for: left as it is, an extent costs 20 bytes instead of 140, and no time.
 */
import { StorageCorruptError } from '../errors.ts';
import { ByteReader } from './byte-reader.ts';
import { readExtent, skipExtent } from './extent-codec.ts';
import type { Extent, ExtentSource } from './partition-state.ts';
import { SOURCE_INLINE, SOURCE_SEGMENT } from './snapshot-format.ts';

/** A segment that extents point into, and what they use of it; all of them share `source`. */
export interface SourceUse {
  readonly source: ExtentSource;
  readonly use: { extentCount: number; liveBytes: number };
}

/** Segments by their place in the snapshot, and entries by seq. */
export interface SourceUses {
  readonly segments: readonly SourceUse[];
  readonly entries: Map<number, number>;
}

/** Counting so many takes less than a millisecond. */
const COUNTED_PER_SLICE = 4_096;

export class EncodedExtents implements Iterable<Extent> {
  readonly length: number;
  /** Sum of their lengths. */
  readonly bytes: number;
  readonly #buffer: Buffer;
  readonly #start: number;
  readonly #end: number;
  readonly #logStartOffset: number;
  readonly #segments: readonly SourceUse[];
  #decoded: readonly Extent[] | null = null;

  private constructor(
    { buffer, position }: ByteReader,
    start: number,
    counted: Pick<EncodedExtents, 'length' | 'bytes'>,
    logStartOffset: number,
    segments: readonly SourceUse[],
  ) {
    this.length = counted.length;
    this.bytes = counted.bytes;
    this.#buffer = buffer;
    this.#start = start;
    this.#end = position;
    this.#logStartOffset = logStartOffset;
    this.#segments = segments;
  }

  /** From `reader`, which is left behind them. Counts what they use, and their bytes, in slices. */
  static *read(
    reader: ByteReader,
    length: number,
    logStartOffset: number,
    uses: SourceUses,
  ): Generator<void, EncodedExtents> {
    const start = reader.position;
    let bytes = 0;
    for (let at = 0; at < length; at++) {
      if (at > 0 && at % COUNTED_PER_SLICE === 0) yield;
      bytes += countExtent(reader, uses);
    }
    return new EncodedExtents(reader, start, { length, bytes }, logStartOffset, uses.segments);
  }

  /** The first look decodes all of them. */
  at(index: number): Extent | undefined {
    this.#decoded ??= [...this];
    return this.#decoded[index];
  }

  *[Symbol.iterator](): Iterator<Extent> {
    if (this.#decoded !== null) {
      yield* this.#decoded;
      return;
    }
    const reader = new ByteReader(this.#buffer, this.#start, this.#end);
    let offset = this.#logStartOffset;
    let timestamp = 0;
    for (let left = this.length; left > 0; left--) {
      const extent = readExtent(reader, readSource(reader, this.#segments), offset, timestamp);
      offset = extent.endOffset;
      timestamp = extent.appendedAt;
      yield extent;
    }
  }
}

/** Steps over an extent, and answers its length. */
function countExtent(reader: ByteReader, { segments, entries }: SourceUses): number {
  const segment = readUse(reader, segments);
  if (segment !== null) {
    const length = skipExtent(reader);
    segment.use.extentCount++;
    segment.use.liveBytes += length;
    return length;
  }
  const seq = reader.uvarint();
  reader.bytes(16);
  entries.set(seq, (entries.get(seq) ?? 0) + 1);
  return skipExtent(reader);
}

/** The segment that an extent points into; null when it is inline. */
function readUse(reader: ByteReader, segments: readonly SourceUse[]): SourceUse | null {
  const type = reader.byte();
  if (type === SOURCE_INLINE) return null;
  const use = segments[reader.uvarint()];
  if (type !== SOURCE_SEGMENT || !use) throw new StorageCorruptError('an extent points into no segment');
  return use;
}

export function readSource(reader: ByteReader, segments: readonly SourceUse[]): ExtentSource {
  return readUse(reader, segments)?.source ?? { type: 'inline', seq: reader.uvarint(), entryId: reader.hexId() };
}
