/**
 * The extents of a partition as a snapshot has them, decoded when somebody asks. After a takeover most of a large journal
 * is never asked for: left as it is, an extent costs 20 bytes instead of 140, and no time.
 */
import { StorageCorruptError } from '../errors.ts';
import { ByteReader } from './byte-reader.ts';
import { readExtent, skipExtent } from './extent-codec.ts';
import type { Extent, ExtentSource } from './partition-state.ts';
import { SOURCE_INLINE, SOURCE_SEGMENT } from './snapshot-format.ts';

/** What a source of extents is used for; all extents of one segment share `source`. */
export interface SourceUse {
  readonly source: ExtentSource;
  extentCount: number;
  liveBytes: number;
}

/** Segments by their place in the snapshot, and entries by seq. */
export interface SourceUses {
  readonly segments: readonly SourceUse[];
  readonly entries: Map<number, number>;
}

export class EncodedExtents implements Iterable<Extent> {
  readonly length: number;
  /** Sum of their lengths. */
  readonly bytes: number;
  readonly #buffer: Buffer;
  readonly #position: number;
  readonly #end: number;
  readonly #logStartOffset: number;
  readonly #segments: readonly SourceUse[];
  #decoded: readonly Extent[] | null = null;

  /** From `reader`, which is left behind them. Counts what they use, and their bytes. */
  constructor(reader: ByteReader, length: number, logStartOffset: number, uses: SourceUses) {
    this.length = length;
    this.#buffer = reader.buffer;
    this.#position = reader.position;
    this.#logStartOffset = logStartOffset;
    this.#segments = uses.segments;
    let bytes = 0;
    for (let left = length; left > 0; left--) bytes += countExtent(reader, uses);
    this.bytes = bytes;
    this.#end = reader.position;
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
    const reader = new ByteReader(this.#buffer, this.#position, this.#end);
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
  const use = readUse(reader, segments);
  if (use !== null) {
    const length = skipExtent(reader);
    use.extentCount++;
    use.liveBytes += length;
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
