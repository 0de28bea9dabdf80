/** `Merged` as bytes. Extents name their segment by its place in the list. */
import { StorageCorruptError } from '../errors.ts';
import type { SegmentReference } from '../segment/footer.ts';
import type { CodecContext } from './appended-codec.ts';
import type { ByteReader } from './byte-reader.ts';
import type { ByteWriter } from './byte-writer.ts';
import type { Merged, MergedSwap } from './entry.ts';
import { readExtent, readSegmentReference, writeExtent, writeSegmentReference } from './extent-codec.ts';

export function writeMerged(writer: ByteWriter, { segments, swaps }: Merged, { timestamp }: CodecContext): void {
  writer.uvarint(segments.length);
  for (const segment of segments) writeSegmentReference(writer, segment);
  const places = new Map(segments.map(({ id }, place) => [id, place]));
  const topics = runsOfTopics(swaps);
  writer.uvarint(topics.length);
  for (const ofTopic of topics) {
    writer.uuid(ofTopic[0]!.topicId);
    writer.uvarint(ofTopic.length);
    for (const swap of ofTopic) writeSwap(writer, swap, segments.length, places, timestamp);
  }
}

/** A topic's id is written once for its neighbours: a merge of a hundred partitions is most often one of few topics. */
function runsOfTopics(swaps: readonly MergedSwap[]): readonly (readonly MergedSwap[])[] {
  const runs: MergedSwap[][] = [];
  for (const swap of swaps) {
    const run = runs.at(-1);
    if (run !== undefined && run[0]!.topicId === swap.topicId) run.push(swap);
    else runs.push([swap]);
  }
  return runs;
}

function writeSwap(
  writer: ByteWriter,
  { partition, removeFrom, removeCount, add }: MergedSwap,
  segmentCount: number,
  places: ReadonlyMap<string, number>,
  timestamp: number,
): void {
  writer.uvarint(partition);
  writer.uvarint(removeFrom);
  writer.uvarint(removeCount);
  writer.uvarint(add.length);
  for (const extent of add) {
    const { source } = extent;
    writer.uvarint(source.type === 'segment' ? places.get(source.segmentId)! : segmentCount);
    writeExtent(writer, extent, removeFrom, timestamp);
  }
}

export function readMerged(reader: ByteReader, { timestamp }: CodecContext): Merged {
  const segments = reader.many(() => readSegmentReference(reader));
  const swaps = reader.many(() => {
    const topicId = reader.uuid();
    return reader.many(() => readSwap(reader, topicId, segments, timestamp));
  });
  return { type: 'merged', segments, swaps: swaps.flat() };
}

function readSwap(
  reader: ByteReader,
  topicId: string,
  segments: readonly SegmentReference[],
  timestamp: number,
): MergedSwap {
  const partition = reader.uvarint();
  const removeFrom = reader.uvarint();
  const removeCount = reader.uvarint();
  const add = reader.many(() => {
    const segment = segments[reader.uvarint()];
    if (!segment) throw new StorageCorruptError('a merged extent outside of the merged segments');
    return readExtent(reader, { type: 'segment', segmentId: segment.id }, removeFrom, timestamp);
  });
  return { topicId, partition, removeFrom, removeCount, add };
}
