/** Extents and references to segments as bytes, in commands and in snapshots. */
import type { SegmentReference } from '../segment/footer.ts';
import type { ByteReader } from './byte-reader.ts';
import type { ByteWriter } from './byte-writer.ts';
import type { Extent } from './partition-state.ts';

export function writeSegmentReference(writer: ByteWriter, reference: SegmentReference): void {
  writer.string(reference.id);
  writer.uvarint(reference.bytes);
  writer.uvarint(reference.footerPosition);
  writer.uvarint(reference.footerLength);
  writer.uint32(reference.footerCrc);
}

export const readSegmentReference = (reader: ByteReader): SegmentReference => ({
  id: reader.string(),
  bytes: reader.uvarint(),
  footerPosition: reader.uvarint(),
  footerLength: reader.uvarint(),
  footerCrc: reader.uint32(),
});

/** All of an extent but its source. */
export function writeExtent(writer: ByteWriter, extent: Extent, offset: number, timestamp: number): void {
  writer.near(extent.baseOffset, offset);
  writer.uvarint(extent.endOffset - extent.baseOffset);
  writer.uvarint(extent.position);
  writer.uvarint(extent.length);
  writer.uvarint(extent.batchCount);
  writer.near(extent.maxTimestamp, timestamp);
  writer.uvarint(extent.leaderEpoch);
  writer.byte(extent.absolute ? 1 : 0);
  writer.near(extent.appendedAt, timestamp);
}

/** Steps over what `readExtent` would read, and answers the length. */
export function skipExtent(reader: ByteReader): number {
  reader.skipNear();
  reader.skipUvarint();
  reader.skipUvarint();
  const length = reader.uvarint();
  reader.skipUvarint();
  reader.skipNear();
  reader.skipUvarint();
  reader.byte();
  reader.skipNear();
  return length;
}

export function readExtent(reader: ByteReader, source: Extent['source'], offset: number, timestamp: number): Extent {
  const baseOffset = reader.near(offset);
  return {
    baseOffset,
    endOffset: baseOffset + reader.uvarint(),
    source,
    position: reader.uvarint(),
    length: reader.uvarint(),
    batchCount: reader.uvarint(),
    maxTimestamp: reader.near(timestamp),
    leaderEpoch: reader.uvarint(),
    absolute: reader.byte() === 1,
    appendedAt: reader.near(timestamp),
  };
}
