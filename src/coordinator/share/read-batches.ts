/** What the log answered, as the share partition and its consumer need it. */
import type { AbortedTransaction } from '../../journal/partition-state.ts';
import type { FetchedPartition } from '../../log/log.ts';
import { type BatchHeader, CONTROL_FLAG, iterateBatches, TRANSACTIONAL_FLAG } from '../../record/batch.ts';
import type { FetchedBatch } from './acquire.ts';

export interface ReadBatch extends FetchedBatch {
  readonly bytes: Buffer;
}

/** Batches of markers are never deliverable, those of aborted transactions not when the reader wants committed ones. */
export function readBatches({ records, abortedTransactions }: FetchedPartition): ReadBatch[] {
  const batches: ReadBatch[] = [];
  for (const buffer of records) {
    for (const { position, header } of iterateBatches(buffer)) {
      const { baseOffset: first, lastOffsetDelta, length } = header;
      const deliverable = (header.attributes & CONTROL_FLAG) === 0 && !isAborted(header, abortedTransactions ?? []);
      const bytes = buffer.subarray(position, position + length);
      batches.push({ first, last: first + lastOffsetDelta, deliverable, bytes });
    }
  }
  return batches;
}

const isAborted = (header: BatchHeader, aborted: readonly AbortedTransaction[]): boolean =>
  (header.attributes & TRANSACTIONAL_FLAG) !== 0 &&
  aborted.some(
    ({ producerId, firstOffset, lastOffset }) =>
      producerId === header.producerId && firstOffset <= header.baseOffset && header.baseOffset < lastOffset,
  );
