import { expect, test } from 'vitest';
import { iterateBatches, placeBatch } from '../../../src/record/batch.ts';
import { type AbortedRange, CommittedBatches } from '../../../src/record/committed.ts';
import { buildControlBatch } from '../../../src/record/control-batch.ts';
import { buildBatch } from '../../../src/record/records.ts';

const at = (batch: Buffer, offset: number): Buffer => {
  placeBatch(batch, 0, offset, 1);
  return batch;
};
const data = (offset: number, producerId = -1, transactional = producerId >= 0) =>
  at(
    buildBatch([{ key: null, value: 'v' }], {
      timestamp: 1,
      producerId,
      producerEpoch: 0,
      baseSequence: 0,
      transactional,
    }),
    offset,
  );
const marker = (offset: number, producerId: number, committed: boolean) =>
  at(buildControlBatch({ producerId, producerEpoch: 0, coordinatorEpoch: 0, committed }, 1), offset);

/** Offsets of the batches that are shown. */
function shown(batches: readonly Buffer[], aborted: readonly AbortedRange[] | null): number[] {
  const bytes = Buffer.concat(batches);
  const committed = new CommittedBatches(aborted);
  return [...iterateBatches(bytes)]
    .filter(({ header, position }) => committed.shows(header, bytes, position))
    .map(({ header }) => header.baseOffset);
}

test('batches of aborted transactions are left out from the first offset to the marker, markers always', () => {
  const batches = [
    data(0, 7),
    data(1),
    data(2, 8),
    data(3, 7),
    marker(4, 7, false),
    data(5, 7),
    marker(6, 7, true),
    marker(7, 8, true),
  ];
  expect(shown(batches, [{ producerId: 7, firstOffset: 0 }])).toEqual([1, 2, 5]);
  expect(shown(batches, [])).toEqual([0, 1, 2, 3, 5]);
  expect(shown(batches, null)).toEqual([0, 1, 2, 3, 5]);
});

test('two transactions of one producer are told apart, also when both were aborted', () => {
  const batches = [data(0, 7), marker(1, 7, false), data(2, 7), marker(3, 7, true), data(4, 7), marker(5, 7, false)];
  const aborted = [
    { producerId: 7, firstOffset: 4 },
    { producerId: 7, firstOffset: 0 },
  ];
  expect(shown(batches, aborted)).toEqual([2]);
});

test('an ordinary batch of the same producer is shown', () => {
  expect(shown([data(0, 7), data(1, 7, false)], [{ producerId: 7, firstOffset: 0 }])).toEqual([1]);
});

test('a transaction that began before the first batch is left out from there on', () => {
  expect(shown([data(5, 7), marker(6, 7, false), data(7, 7)], [{ producerId: 7, firstOffset: 2 }])).toEqual([7]);
});
