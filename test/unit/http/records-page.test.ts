import { describe, expect, test } from 'vitest';
import { RecordsPage } from '../../../src/http/records-page.ts';
import { Gate } from '../../../src/log/gate.ts';
import { CONTROL_FLAG, placeBatch } from '../../../src/record/batch.ts';
import { crc32c } from '../../../src/record/crc32c.ts';
import { writeInt32 } from '../../../src/record/int64.ts';
import { buildBatch, type NewRecord } from '../../../src/record/records.ts';

/** A stored batch: of records with these values, at this offset. */
function stored(baseOffset: number, values: readonly string[], fields: Partial<NewRecord> = {}): Buffer {
  const records = values.map((value) => ({ key: null, value, ...fields }));
  const batch = buildBatch(records, { timestamp: 1 });
  placeBatch(batch, 0, baseOffset, 1);
  return batch;
}

function sealed(batch: Buffer): Buffer {
  writeInt32(batch, 17, crc32c(batch.subarray(21)));
  return batch;
}

function control(baseOffset: number): Buffer {
  const batch = stored(baseOffset, ['marker']);
  batch[22]! |= CONTROL_FLAG;
  return sealed(batch);
}

/** As compaction leaves a batch: it still ends where it ended. */
function endingAt(batch: Buffer, lastOffsetDelta: number): Buffer {
  writeInt32(batch, 23, lastOffsetDelta);
  return sealed(batch);
}

async function page(offset: number, fetched: readonly Buffer[], limits: { limit?: number; maxBytes?: number } = {}) {
  const read = new RecordsPage({
    offset,
    limit: 10_000,
    maxBytes: 1_000_000,
    format: 'text',
    lines: false,
    decompressedBytesMax: 1_000_000,
    decompressing: new Gate(1),
    ...limits,
  });
  await read.fill(fetched);
  const { records, next } = JSON.parse(read.finish(99).toString());
  return { values: records.map(({ value }: any) => value), next };
}

describe('next moves past', () => {
  test('control batches, also when there is nothing else', async () => {
    expect(await page(0, [control(0)])).toEqual({ values: [], next: 1 });
    expect(await page(0, [control(0), stored(1, ['a']), control(2)])).toEqual({ values: ['a'], next: 3 });
  });

  test('offsets that compaction removed, between batches and at the end of one', async () => {
    expect(await page(5, [stored(9, ['a'])])).toEqual({ values: ['a'], next: 10 });
    expect(await page(0, [endingAt(stored(0, ['a', 'b']), 6)])).toEqual({ values: ['a', 'b'], next: 7 });
    expect(await page(4, [endingAt(stored(0, ['a', 'b']), 6)])).toEqual({ values: [], next: 7 });
  });

  test('batches that end before where the fetch began', async () => {
    const bytes = Buffer.concat([stored(0, ['a']), stored(1, ['b', 'c'])]);
    expect(await page(2, [bytes])).toEqual({ values: ['c'], next: 3 });
  });

  test('nothing that was not there: a page of no batches stays', async () => {
    expect(await page(7, [])).toEqual({ values: [], next: 7 });
  });
});

describe('a page ends', () => {
  const batches = [stored(0, ['a', 'b', 'c']), stored(3, ['d', 'e'])];

  test.each([
    [1, ['a'], 1],
    [2, ['a', 'b'], 2],
    [3, ['a', 'b', 'c'], 3],
    [4, ['a', 'b', 'c', 'd'], 4],
    [5, ['a', 'b', 'c', 'd', 'e'], 5],
    [6, ['a', 'b', 'c', 'd', 'e'], 5],
  ])('at a limit of %d', async (limit, values, next) => {
    expect(await page(0, batches, { limit })).toEqual({ values, next });
  });

  test('before the record that would exceed max_bytes, but not before the first', async () => {
    expect(await page(0, batches, { maxBytes: 4 })).toEqual({ values: ['a', 'b', 'c', 'd'], next: 4 });
    expect(await page(1, batches, { maxBytes: 0 })).toEqual({ values: ['b'], next: 2 });
  });

  test('once its records have as many headers as one page may hold', async () => {
    const headers = Array(60_000).fill(['', null]);
    const heavy = stored(0, ['a', 'b', 'c'], { headers });
    expect(await page(0, [heavy])).toEqual({ values: ['a', 'b'], next: 2 });
    expect(await page(2, [heavy])).toEqual({ values: ['c'], next: 3 });
  });
});

describe('what cannot be shown is told, and where to read on', () => {
  const refusal = (fetched: Buffer) =>
    page(0, [fetched]).then(
      () => null,
      ({ error, options }) => [error, options.status, options.members],
    );

  test('a batch that does not match its CRC', async () => {
    const batch = stored(0, ['a', 'b']);
    batch[batch.length - 1]! ^= 1;
    expect(await refusal(batch)).toEqual(['CORRUPT_MESSAGE', 422, { next: 2 }]);
  });

  test('records whose offsets do not grow, or leave the batch', async () => {
    expect(await refusal(endingAt(stored(0, ['a', 'b']), 0))).toEqual(['INVALID_RECORD', 422, { next: 1 }]);
    const twice = stored(0, ['a', 'b']);
    const second = twice.lastIndexOf(Buffer.from([0, 0, 2])); // Attributes, timestamp delta, offset delta 1.
    twice[second + 2] = 0;
    expect(await refusal(sealed(twice))).toEqual(['INVALID_RECORD', 422, { next: 2 }]);
  });

  test('a record with more headers than memory is worth', async () => {
    const headers = Array(100_001).fill(['', null]);
    expect(await refusal(stored(0, ['a'], { headers }))).toEqual(['RECORD_LIST_TOO_LARGE', 422, { next: 1 }]);
  });

  test('but first the records before it are answered', async () => {
    const broken = stored(1, ['b']);
    broken[broken.length - 1]! ^= 1;
    expect(await page(0, [stored(0, ['a']), broken])).toEqual({ values: ['a'], next: 1 });
  });
});
