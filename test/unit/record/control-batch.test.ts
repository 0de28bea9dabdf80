import { expect, test } from 'vitest';
import { hasValidCrc, iterateBatches, placeBatch } from '../../../src/record/batch.ts';
import { buildControlBatch, CONTROL_BATCH_BYTES, readControlBatch } from '../../../src/record/control-batch.ts';
import { crc32c } from '../../../src/record/crc32c.ts';
import { buildBatch, decodeBatch } from '../../../src/record/records.ts';

const TIMESTAMP = 0x0102030405;
const marker = { producerId: 7, producerEpoch: 3, coordinatorEpoch: 9, committed: true };

// Written out by hand from KIP-98 and the record format.
const body = (type: string) =>
  [
    '0030', // attributes: transactional, control
    '00000000', // last offset delta
    '0000000102030405', // base timestamp
    '0000000102030405', // max timestamp
    '0000000000000007', // producer id
    '0003', // producer epoch
    'ffffffff', // base sequence
    '00000001', // records
    '20', // 16 bytes of record
    '00', // attributes
    '00', // timestamp delta
    '00', // offset delta
    '08', // 4 bytes of key
    '0000', // version
    type,
    '0c', // 6 bytes of value
    '0000', // version
    '00000009', // coordinator epoch
    '00', // no headers
  ].join('');

test.each([
  ['commit', true, '0001'],
  ['abort', false, '0000'],
])('a %s marker has the bytes of KIP-98', (_what, committed, type) => {
  const batch = buildControlBatch({ ...marker, committed }, TIMESTAMP);
  const checked = Buffer.from(body(type), 'hex');
  expect(batch.length).toBe(CONTROL_BATCH_BYTES);
  expect(batch.subarray(0, 17).toString('hex')).toBe(`${'00'.repeat(8)}00000042ffffffff02`);
  expect(batch.readUInt32BE(17)).toBe(crc32c(checked));
  expect(batch.subarray(21).toString('hex')).toBe(checked.toString('hex'));
});

test('a marker comes back, wherever it lies and wherever it was placed', () => {
  const bytes = Buffer.concat([Buffer.alloc(5), buildControlBatch({ ...marker, committed: false }, TIMESTAMP)]);
  placeBatch(bytes, 5, 1_000, 4);
  expect(readControlBatch(bytes, 5)).toEqual({ ...marker, committed: false });
  expect(hasValidCrc(bytes, 5, CONTROL_BATCH_BYTES)).toBe(true);
});

test('it is one record of a batch like any other', async () => {
  const batch = buildControlBatch(marker, TIMESTAMP);
  expect([...iterateBatches(batch)].map(({ header }) => header.recordCount)).toEqual([1]);
  const [record] = await decodeBatch(batch, { decompressedBytesMax: 100 });
  expect(record).toMatchObject({ offset: 0, timestamp: TIMESTAMP, key: Buffer.from([0, 0, 0, 1]) });
});

test('what is no marker is not taken for one', () => {
  const records = buildBatch([{ key: null, value: 'v' }], { timestamp: TIMESTAMP });
  expect(readControlBatch(records)).toBeNull();
  const unknown = buildControlBatch(marker, TIMESTAMP);
  unknown[69] = 5; // A type of the future.
  expect(readControlBatch(unknown)).toBeNull();
});
