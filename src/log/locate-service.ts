/**
 * The leader's side of locating for other brokers: a long poll over the partitions of one fetch that are led here. What is
 * told of a partition is one version of its state, from the fetch offset on, as much as the fetch can use, and what a reader
 * in sequence is likely to want next.
 */

import type { Extent } from '../journal/partition-state.ts';
import { abortedWithin } from '../journal/transactions.ts';
import { EXTENTS_TOLD_MAX, EXTENTS_TOLD_PER_PARTITION_MAX, READ_AHEAD_BYTES_MAX } from '../limits.ts';
import type { RpcRegistry } from '../rpc/method.ts';
import type { SegmentReference } from '../segment/footer.ts';
import { epochOf, type Led, type Located, notLed, outOfRange, readableEnd, type WantedPartition } from './locate.ts';
import { LOCATE, type LocateRequest, type ToldError, type ToldPartition, type ToldPiece } from './locate-codec.ts';
import type { LocateHere } from './locate-here.ts';
import type { Isolation, Watermarks } from './log.ts';
import { isCut } from './read-plan.ts';

export function answerLocate(registry: RpcRegistry, here: LocateHere): void {
  registry.handle(LOCATE, async (request, { signal }) => {
    const { partitions, maxWaitMs } = request;
    let located = await here.locate(partitions);
    if (maxWaitMs > 0 && here.mustWait(request, located)) {
      await here.wait(request, located, maxWaitMs, signal);
      located = await here.locate(partitions);
    }
    return tell(request, located);
  });
}

function tell({ partitions, isolation }: LocateRequest, located: readonly Located[]): ToldPartition[] {
  let left = EXTENTS_TOLD_MAX;
  return located.map((found, index) => {
    const wanted = partitions[index]!;
    if (found.type !== 'found') return tellError(found, wanted);
    const piece = tellPiece(found, wanted, isolation, Math.min(left, EXTENTS_TOLD_PER_PARTITION_MAX));
    left = Math.max(1, left - piece.extents.length);
    return piece;
  });
}

function tellError(found: Exclude<Located, { readonly type: 'found' }>, wanted: WantedPartition): ToldError {
  if (found.type === 'elsewhere') return { ...notLed(found.journal.id), watermarks: null };
  const { error, message, led } = found.type === 'error' ? found : outOfRange(found, wanted.fetchOffset);
  return { type: 'error', error, message, watermarks: led === undefined ? null : watermarksOf(led) };
}

export function watermarksOf(led: Led): Watermarks {
  const { nextOffset, lastStableOffset, logStartOffset } = led.state;
  return { logStartOffset, highWatermark: nextOffset, lastStableOffset, leaderEpoch: epochOf(led) };
}

function tellPiece(led: Led, wanted: WantedPartition, isolation: Isolation, countMax: number): ToldPiece {
  const { state, journal } = led;
  const bytesMax = wanted.maxBytes + READ_AHEAD_BYTES_MAX;
  const extents: Extent[] = [];
  const references = new Map<string, SegmentReference>();
  let bytes = 0;
  let index = state.extents.indexOf(wanted.fetchOffset);
  for (; index < state.extents.length && bytes < bytesMax && extents.length < countMax; index++) {
    const extent = state.extents.at(index)!;
    extents.push(extent);
    bytes += extent.length;
    if (extent.source.type !== 'segment' || !isCut(extent)) continue;
    const reference = journal.state.segment(extent.source.segmentId);
    if (reference !== undefined) references.set(reference.id, reference);
  }
  const isAll = index >= state.extents.length;
  const toldEnd = isAll ? Number.POSITIVE_INFINITY : extents.at(-1)!.endOffset;
  const end = Math.min(readableEnd(state, isolation), toldEnd);
  const aborted =
    isolation === 'read_committed' ? abortedWithin(state.abortedTransactions, wanted.fetchOffset, end) : [];
  return { type: 'found', ...watermarksOf(led), extents, toldEnd, aborted, references: [...references.values()] };
}
