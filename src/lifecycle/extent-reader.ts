/**
 * Reads whole extents for rewriting, past the caches of the fetch path. Extents that lie close together in one segment
 * come in one request: a fresh segment whose partitions are all merged at once is read once.
 */
import { StorageCorruptError } from '../errors.ts';
import type { Journal } from '../journal/journal.ts';
import type { Extent } from '../journal/partition-state.ts';
import { hasValidCrc, iterateBatches } from '../record/batch.ts';
import { segmentKey } from '../segment/segment-id.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { ReadArena } from './read-arena.ts';

/** Bytes between two extents that are cheaper to read than to ask for separately. */
const GAP_BYTES_MAX = 256 * 1024;
const READ_BYTES_MAX = 8 * 1024 * 1024;
const READS_IN_FLIGHT_MAX = 4;

interface Read {
  readonly segmentId: string;
  readonly start: number;
  end: number;
  readonly extents: Extent[];
}

/** Null when a segment or an entry is gone: the state has moved on. */
export async function readExtents(
  extents: readonly Extent[],
  journal: Journal,
  objects: ObjectStore,
  clusterId: string,
  arena: ReadArena,
  signal: AbortSignal,
): Promise<Map<Extent, Buffer> | null> {
  const found = new Map<Extent, Buffer>();
  for (const together of inlineByEntry(extents)) {
    const bodies = await Promise.all(together.map((extent) => journal.readInline(extent)));
    for (const [index, bytes] of bodies.entries()) {
      if (bytes === null) return null;
      found.set(together[index]!, bytes);
    }
  }
  const reads = planReads(extents);
  let next = 0;
  let gone = false;
  const worker = async () => {
    while (next < reads.length && !gone) {
      const { segmentId, start, end, extents: wanted } = reads[next++]!;
      const into = arena.take(end - start);
      const bytes = await objects.read(
        segmentKey(clusterId, segmentId),
        { start, end },
        { cause: 'merge', into, signal },
      );
      if (bytes === null || bytes === 'archived' || bytes.length < end - start) {
        gone = true;
        return;
      }
      for (const extent of wanted) {
        const from = extent.position - start;
        found.set(extent, bytes.subarray(from, from + extent.length));
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(READS_IN_FLIGHT_MAX, reads.length) }, worker));
  return gone ? null : found;
}

/** Extents of one entry are read together: the journal joins concurrent reads of an entry into one. */
function inlineByEntry(extents: readonly Extent[]): Iterable<readonly Extent[]> {
  const bySeq = new Map<number, Extent[]>();
  for (const extent of extents) {
    if (extent.source.type !== 'inline') continue;
    const together = bySeq.get(extent.source.seq);
    if (together) together.push(extent);
    else bySeq.set(extent.source.seq, [extent]);
  }
  return bySeq.values();
}

/** Neighbours in one segment, joined while the gap is small. */
export function planReads(extents: readonly Extent[]): Read[] {
  const inSegments = extents
    .flatMap((extent) => (extent.source.type === 'segment' ? [{ extent, segmentId: extent.source.segmentId }] : []))
    .sort((a, b) =>
      a.segmentId < b.segmentId ? -1 : a.segmentId > b.segmentId ? 1 : a.extent.position - b.extent.position,
    );
  const reads: Read[] = [];
  for (const { extent, segmentId } of inSegments) {
    const end = extent.position + extent.length;
    const last = reads.at(-1);
    const joins =
      last?.segmentId === segmentId &&
      extent.position - last.end <= GAP_BYTES_MAX &&
      end - last.start <= READ_BYTES_MAX;
    if (joins) {
      last.end = Math.max(last.end, end);
      last.extents.push(extent);
    } else {
      reads.push({ segmentId, start: extent.position, end, extents: [extent] });
    }
  }
  return reads;
}

/** Throws StorageCorruptError naming segment and position when a batch is not what was appended: never rewrite damage. */
export function checkExtent(extent: Extent, bytes: Buffer, partition: string): void {
  const source = extent.source.type === 'segment' ? `segment ${extent.source.segmentId}` : `entry ${extent.source.seq}`;
  const where = `partition ${partition} in ${source}`;
  let offsets = 0;
  let length = 0;
  for (const { position, header } of iterateBatches(bytes)) {
    if (!hasValidCrc(bytes, position, header.length)) {
      throw new StorageCorruptError(`${where}: batch at byte ${extent.position + position} fails its CRC`);
    }
    offsets += header.lastOffsetDelta + 1;
    length += header.length;
  }
  if (length !== bytes.length || (!extent.absolute && offsets !== extent.endOffset - extent.baseOffset)) {
    const expected = `${extent.endOffset - extent.baseOffset} offsets in ${bytes.length} bytes`;
    throw new StorageCorruptError(
      `${where} at byte ${extent.position}: expected ${expected}, found ${offsets} in ${length}`,
    );
  }
}
