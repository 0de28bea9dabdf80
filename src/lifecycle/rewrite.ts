/** Turns the extents of a merge job into one segment with absolute offsets, and says what it swaps. */
import type { ExtentSwap, Journal, SegmentReference } from '../journal/journal.ts';
import type { Extent } from '../journal/partition-state.ts';
import { iterateBatches, placeBatch, readBatchHeader } from '../record/batch.ts';
import { layoutSegment, type PartitionInput, type PlacedBatch } from '../segment/build.ts';
import type { PartitionBatches } from '../segment/footer.ts';
import { type SegmentIds, segmentKey } from '../segment/segment-id.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { checkExtent, readExtents } from './extent-reader.ts';
import type { MergeJob, MergeRun } from './merge-plan.ts';
import type { ReadArena } from './read-arena.ts';

export interface RewriteOptions {
  readonly journal: Journal;
  readonly objects: ObjectStore;
  readonly clusterId: string;
  readonly segmentIds: SegmentIds;
  /** Free for the whole of the job. */
  readonly arena: ReadArena;
  readonly signal: AbortSignal;
}

export interface Rewritten {
  readonly segment: SegmentReference;
  readonly swaps: readonly ExtentSwap[];
}

/** Null when something that was to be read is gone: the state has moved on. Throws StorageCorruptError on damage. */
export async function rewrite(job: MergeJob, options: RewriteOptions): Promise<Rewritten | null> {
  const { journal, objects, clusterId, segmentIds, arena, signal } = options;
  const extents = job.runs.flatMap((run) => run.extents);
  const bodies = await readExtents(extents, journal, objects, clusterId, arena, signal);
  if (bodies === null) return null;
  const inputs = job.runs.map((run) => inputOf(run, bodies, journal.id));
  const { parts, reference, footer, crc32c } = layoutSegment(segmentIds.next(), inputs, 'absolute');
  // 'exists' can only be our own attempt whose answer was lost: ids are never given twice.
  await objects.create(segmentKey(clusterId, reference.id), parts, { cause: 'merge', crc32c, signal });
  const runs = new Map(job.runs.map((run) => [keyOf(run.partition), run]));
  const swaps = footer.partitions.map((written) => swapOf(runs.get(keyOf(written))!, written, reference.id));
  return { segment: reference, swaps };
}

/** Places every batch of the run at its offset, in the buffers that were read. */
function inputOf({ partition, extents }: MergeRun, bodies: Map<Extent, Buffer>, journal: number): PartitionInput {
  const batches: PlacedBatch[] = [];
  for (const extent of extents) {
    const body = bodies.get(extent)!;
    checkExtent(extent, body, `${partition.topicId}/${partition.partition}`);
    let offset = extent.baseOffset;
    for (const { position, header } of iterateBatches(body)) {
      const bytes = body.subarray(position, position + header.length);
      if (!extent.absolute) {
        placeBatch(bytes, 0, offset, extent.leaderEpoch);
        offset += header.lastOffsetDelta + 1;
      }
      batches.push({ bytes, header: extent.absolute ? header : readBatchHeader(bytes, 0) });
    }
  }
  return { topicId: partition.topicId, partition: partition.partition, journal, batches };
}

function swapOf(run: MergeRun, { topicId, partition, batches }: PartitionBatches, segmentId: string): ExtentSwap {
  const first = batches[0]!;
  const last = batches.at(-1)!;
  const merged: Extent = {
    baseOffset: run.extents[0]!.baseOffset,
    endOffset: run.extents.at(-1)!.endOffset,
    source: { type: 'segment', segmentId },
    position: first.position,
    length: last.position + last.length - first.position,
    batchCount: batches.length,
    maxTimestamp: Math.max(...run.extents.map(({ maxTimestamp }) => maxTimestamp)),
    leaderEpoch: last.leaderEpoch,
    absolute: true,
    appendedAt: Math.max(...run.extents.map(({ appendedAt }) => appendedAt)),
  };
  return { topicId, partition, remove: run.extents, add: [merged] };
}

const keyOf = ({ topicId, partition }: { readonly topicId: string; readonly partition: number }): string =>
  `${topicId}/${partition}`;
