/** `Merged` as bytes. Extents name their segment by its place in the list. */
import { StorageCorruptError } from '../errors.ts';
import type { CodecContext } from './appended-codec.ts';
import type { ByteReader } from './byte-reader.ts';
import type { ByteWriter } from './byte-writer.ts';
import type { Merged, MergedSwap } from './entry.ts';
import { readExtent, readSegmentReference, writeExtent, writeSegmentReference } from './extent-codec.ts';

export function writeMerged(writer: ByteWriter, { segments, swaps }: Merged, { timestamp }: CodecContext): void {
  writer.uvarint(segments.length);
  for (const segment of segments) writeSegmentReference(writer, segment);
  const places = new Map(segments.map(({ id }, place) => [id, place]));
  writer.uvarint(swaps.length);
  for (const { topicId, partition, removeFrom, removeCount, add } of swaps) {
    writer.uuid(topicId);
    writer.uvarint(partition);
    writer.uvarint(removeFrom);
    writer.uvarint(removeCount);
    writer.uvarint(add.length);
    for (const extent of add) {
      const { source } = extent;
      writer.uvarint(source.type === 'segment' ? places.get(source.segmentId)! : segments.length);
      writeExtent(writer, extent, removeFrom, timestamp);
    }
  }
}

export function readMerged(reader: ByteReader, { timestamp }: CodecContext): Merged {
  const segments = reader.many(() => readSegmentReference(reader));
  const swaps = reader.many((): MergedSwap => {
    const topicId = reader.uuid();
    const partition = reader.uvarint();
    const removeFrom = reader.uvarint();
    const removeCount = reader.uvarint();
    const add = reader.many(() => {
      const segment = segments[reader.uvarint()];
      if (!segment) throw new StorageCorruptError('a merged extent outside of the merged segments');
      return readExtent(reader, { type: 'segment', segmentId: segment.id }, removeFrom, timestamp);
    });
    return { topicId, partition, removeFrom, removeCount, add };
  });
  return { type: 'merged', segments, swaps };
}
