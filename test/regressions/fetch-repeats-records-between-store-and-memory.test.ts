import { expect, test } from 'vitest';
import { AnswerCutter } from '../../src/log/answer.ts';
import { ChunkPool, ChunkWriter } from '../../src/log/chunk-pool.ts';
import type { Run } from '../../src/log/run.ts';
import { iterateBatches, placeBatch } from '../../src/record/batch.ts';
import { buildBatch } from '../../src/record/records.ts';

const writer = new ChunkWriter(new ChunkPool({ idleBytesMax: 0 }));

/** Batches of one record at `offsets`, one after the other in memory. */
function run(baseOffset: number, endOffset: number): Run {
  const batches = Array.from({ length: endOffset - baseOffset }, (_, index) => {
    const batch = buildBatch([{ key: null, value: `record ${baseOffset + index}` }], { timestamp: 0 });
    placeBatch(batch, 0, baseOffset + index, 1);
    return batch;
  });
  const bytes = Buffer.concat(batches);
  const { chunk, start } = writer.write(bytes);
  return { chunk, start, end: start + bytes.length, baseOffset, endOffset };
}

test('records that were read from the store and are in memory as well are answered once', () => {
  const wanted = { topicId: 'A', partition: 0, fetchOffset: 1, maxBytes: 1_000_000, currentLeaderEpoch: -1 };
  const runs = [
    { run: run(0, 5), source: 'store' as const },
    // Ingest joined batches of two entries: the run begins in the middle of the extent before.
    { run: run(3, 8), source: 'tail' as const },
  ];
  const { records, nextOffset } = new AnswerCutter(1_000_000).cut(wanted, runs, Number.POSITIVE_INFINITY);
  const offsets = [...iterateBatches(Buffer.concat(records))].map(({ header }) => header.baseOffset);
  expect(offsets).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(nextOffset).toBe(8);
});
