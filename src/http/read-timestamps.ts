import type { PartitionId } from '../log/log.ts';
import { iterateBatches, LOG_APPEND_TIME_FLAG } from '../record/batch.ts';
import { decodeBatch } from '../record/records.ts';
import type { HttpContext } from './context.ts';

/**
 * Timestamps of the records from `baseOffset` to the end of their batch, which were appended earlier, so that a repeated request can be answered as it was the
 * first time. Empty when they are no longer readable: an answer without them is still right.
 */
export async function readTimestamps(
  { log, config }: HttpContext,
  { topicId, partition }: PartitionId,
  baseOffset: number,
): Promise<readonly number[]> {
  const fetched = await log.fetch(
    {
      partitions: [{ topicId, partition, fetchOffset: baseOffset, maxBytes: 1, currentLeaderEpoch: -1 }],
      minBytes: 0,
      maxBytes: 1, // One whole batch all the same.
      maxWaitMs: 0,
      isolation: 'read_uncommitted',
    },
    new AbortController().signal,
  );
  try {
    for (const bytes of fetched.partitions[0]!.records) {
      for (const { position, header } of iterateBatches(bytes)) {
        if (header.baseOffset + header.lastOffsetDelta < baseOffset) continue;
        if (header.attributes & LOG_APPEND_TIME_FLAG)
          return new Array<number>(header.recordCount).fill(header.maxTimestamp);
        const batch = bytes.subarray(position, position + header.length);
        const decompressedBytesMax = config['http.decompressed.bytes.max'];
        const records = await decodeBatch(batch, { decompressedBytesMax, fromOffset: baseOffset });
        return records.map(({ timestamp }) => timestamp);
      }
    }
    return [];
  } catch {
    return []; // Whatever stands there now is not worth failing an answer that is known.
  } finally {
    fetched.release();
  }
}
