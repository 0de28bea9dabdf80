import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkBatch, placeBatch, stampLogAppendTime } from '../../../src/record/batch.ts';
import { CODECS } from '../../../src/record/compression.ts';
import { crc32c } from '../../../src/record/crc32c.ts';
import {
  buildBatch,
  compressBatch,
  type DecodedRecord,
  decodeBatch,
  type NewRecord,
} from '../../../src/record/records.ts';
import { BATCHES, TEXT } from './fixtures.ts';

const limits = { decompressedBytesMax: 1_000_000 };
const timestamp = 1_763_683_200_000;

describe.each(Object.entries(BATCHES))('a %s batch of another client', (_, hex) => {
  const batch = Buffer.from(hex, 'hex');

  test('decodes to its records', async () => {
    const bytes = Buffer.from(batch);
    placeBatch(bytes, 0, 1_000, 2);
    expect(await decodeBatch(bytes, limits)).toEqual([
      {
        offset: 1_000,
        timestamp,
        key: Buffer.from('k1'),
        value: Buffer.from(TEXT),
        headers: [
          ['h', Buffer.from('1')],
          ['h', null],
        ],
      },
      { offset: 1_001, timestamp: timestamp + 5, key: null, value: Buffer.from(TEXT).reverse(), headers: [] },
      { offset: 1_002, timestamp: timestamp - 5, key: Buffer.from('k3'), value: null, headers: [] },
    ] satisfies DecodedRecord[]);
  });

  test('has the time of its append in every record once it is stamped', async () => {
    const bytes = Buffer.from(batch);
    stampLogAppendTime(bytes, 0, 42);
    expect((await decodeBatch(bytes, limits)).map((record) => record.timestamp)).toEqual([42, 42, 42]);
  });

  test('is refused wherever its payload is cut, without a crash', async () => {
    for (let length = 61; length < batch.length; length++) {
      const cut = Buffer.from(batch.subarray(0, length));
      cut.writeInt32BE(length - 12, 8);
      await expect(decodeBatch(cut, limits), `${length} bytes`).rejects.toMatchObject({ error: 'INVALID_RECORD' });
    }
  });

  test('is refused or decoded with any byte changed, without a crash', async () => {
    for (let at = 61; at < batch.length; at++) {
      const changed = Buffer.from(batch);
      changed[at] = changed[at]! ^ 0xff;
      await decodeBatch(changed, limits).catch((error) => {
        expect(['INVALID_RECORD', 'RECORD_LIST_TOO_LARGE']).toContain(error.error);
      });
    }
  });
});

const bytesOrNull = fc.option(fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)));
const records = fc.array(
  fc.record({
    timestamp: fc.integer({ min: -1, max: 2 ** 45 }),
    key: bytesOrNull,
    value: bytesOrNull,
    headers: fc.array(fc.tuple(fc.string({ unit: 'grapheme' }), bytesOrNull), { maxLength: 4 }),
  }),
  { minLength: 1, maxLength: 200 },
);

describe('buildBatch', () => {
  test('what is built passes the check and decodes to the same records, with every codec', async () => {
    await fc.assert(
      fc.asyncProperty(records, fc.constantFrom(...CODECS), async (given, codec) => {
        const batch = await compressBatch(buildBatch(given, { timestamp }), codec);
        const header = checkBatch(batch);
        expect(header.maxTimestamp).toBe(Math.max(...given.map((record) => record.timestamp)));
        const expected = given.map((record, offset) => ({ offset, ...record }));
        expect(await decodeBatch(batch, limits)).toEqual(expected);
      }),
      { numRuns: 50 },
    );
  });

  test.each([
    '',
    'plain',
    'naïve',
    '✓ unicode 😀',
    'x'.repeat(31),
    'lone \ud800 surrogate',
    'é'.repeat(4_000),
  ])('text %j is stored as its UTF-8', async (text) => {
    const record: NewRecord = { key: text, value: text, headers: [[text, text]] };
    const [decoded] = await decodeBatch(buildBatch([record], { timestamp }), limits);
    const stored = Buffer.from(text);
    expect(decoded).toMatchObject({ key: stored, value: stored, timestamp });
    expect(decoded!.headers).toEqual([[stored.toString(), stored]]);
  });

  test('carries the producer', () => {
    const batch = buildBatch([{ key: null, value: null }], {
      timestamp,
      producerId: 2 ** 40,
      producerEpoch: 32_767,
      baseSequence: 2_147_483_647,
    });
    expect(checkBatch(batch)).toMatchObject({
      producerId: 2 ** 40,
      producerEpoch: 32_767,
      baseSequence: 2_147_483_647,
    });
  });
});

describe('records that contradict their header', () => {
  const [body, count] = [buildBatch([{ key: 'k', value: 'v', headers: [['h', 'v']] }], { timestamp }), 57];
  const patched = (at: number, value: number) => {
    const batch = Buffer.from(body);
    batch[at] = value;
    batch.writeUInt32BE(crc32c(batch.subarray(21)), 17);
    return batch;
  };

  test.each([
    ['more records than there are', patched(count + 3, 2)],
    ['fewer records than there are', patched(count + 3, 0)],
    ['a record beyond the end', patched(61, 0x7e)],
    ['a record of negative length', patched(61, 0x01)],
    ['a key of length -2', patched(65, 0x03)],
    ['a key beyond the end', patched(65, 0x7e)],
    ['a negative count of headers', patched(69, 0x01)],
    ['more headers than fit', patched(69, 0x7e)],
    ['a header without a name', patched(70, 0x01)],
  ])('%s is INVALID_RECORD', async (_, batch) => {
    await expect(decodeBatch(batch, limits)).rejects.toMatchObject({ error: 'INVALID_RECORD' });
  });
});
