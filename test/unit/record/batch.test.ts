import { describe, expect, test } from 'vitest';
import { type ErrorName, KafkaError } from '../../../src/errors.ts';
import {
  type BatchHeader,
  checkBatch,
  hasValidCrc,
  iterateBatches,
  placeBatch,
  readBatchHeader,
  stampLogAppendTime,
  wholeBatchCrc,
} from '../../../src/record/batch.ts';
import { crc32c } from '../../../src/record/crc32c.ts';
import { buildBatch } from '../../../src/record/records.ts';
import { BATCHES } from './fixtures.ts';

// One record "k" -> "v" without headers, written out from the protocol guide.
const BYTES = [
  '0000000000000000', // baseOffset
  '0000003a', // batchLength: 70 - 12
  'ffffffff', // partitionLeaderEpoch
  '02', // magic
  '00000000', // crc, filled in below
  '0000', // attributes
  '00000000', // lastOffsetDelta
  '0000019aa3b5ec00', // baseTimestamp 1763683200000
  '0000019aa3b5ec00', // maxTimestamp
  'ffffffffffffffff', // producerId
  'ffff', // producerEpoch
  'ffffffff', // baseSequence
  '00000001', // recordCount
  '10 00 00 00 02 6b 02 76 00'.replaceAll(' ', ''), // length 8, attributes, deltas, "k", "v", no headers
].join('');

function sealed(change: (batch: Buffer) => void = () => {}): Buffer {
  const batch = Buffer.from(BYTES, 'hex');
  change(batch);
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17);
  return batch;
}

function errorOf(bytes: Uint8Array): ErrorName {
  try {
    checkBatch(bytes);
  } catch (error) {
    if (error instanceof KafkaError) return error.error;
    throw error;
  }
  return 'NONE';
}

describe('checkBatch', () => {
  test('reads every field of a batch written out by hand', () => {
    const batch = sealed();
    expect(checkBatch(batch)).toEqual({
      baseOffset: 0,
      length: 70,
      leaderEpoch: -1,
      magic: 2,
      crc: batch.readUInt32BE(17),
      attributes: 0,
      lastOffsetDelta: 0,
      baseTimestamp: 1_763_683_200_000,
      maxTimestamp: 1_763_683_200_000,
      producerId: -1,
      producerEpoch: -1,
      baseSequence: -1,
      recordCount: 1,
    } satisfies BatchHeader);
  });

  test('agrees with the builder', () => {
    const built = buildBatch([{ key: 'k', value: 'v' }], { timestamp: 1_763_683_200_000 });
    expect(built.toString('hex')).toBe(sealed().toString('hex'));
  });

  test.each(Object.keys(BATCHES) as (keyof typeof BATCHES)[])('takes the %s batch of another client', (codec) => {
    const header = checkBatch(Buffer.from(BATCHES[codec], 'hex'));
    expect(header).toMatchObject({ producerId: 7, producerEpoch: 3, baseSequence: 11, recordCount: 3 });
  });

  test('every truncation is CORRUPT_MESSAGE, nothing at all is INVALID_RECORD', () => {
    const batch = sealed();
    expect(errorOf(batch.subarray(0, 0))).toBe('INVALID_RECORD');
    for (let length = 1; length < batch.length; length++) {
      expect(errorOf(batch.subarray(0, length)), `${length} bytes`).toBe('CORRUPT_MESSAGE');
    }
  });

  test('every flipped bit under the CRC is found', () => {
    for (let bit = 21 * 8; bit < 70 * 8; bit++) {
      const batch = sealed();
      batch[bit >> 3]! ^= 1 << (bit & 7);
      expect(errorOf(batch), `bit ${bit}`).toBe('CORRUPT_MESSAGE');
    }
  });

  test.each<[string, ErrorName, Buffer]>([
    ['magic 0', 'UNSUPPORTED_FOR_MESSAGE_FORMAT', sealed((b) => b.writeInt8(0, 16))],
    ['magic 1', 'UNSUPPORTED_FOR_MESSAGE_FORMAT', sealed((b) => b.writeInt8(1, 16))],
    ['magic 3', 'INVALID_RECORD', sealed((b) => b.writeInt8(3, 16))],
    ['a negative length', 'CORRUPT_MESSAGE', sealed((b) => b.writeInt32BE(-1, 8))],
    ['a length within the header', 'CORRUPT_MESSAGE', sealed((b) => b.writeInt32BE(48, 8))],
    ['a length of 2 GiB', 'CORRUPT_MESSAGE', sealed((b) => b.writeInt32BE(0x7fffffff, 8))],
    ['a wrong CRC', 'CORRUPT_MESSAGE', Buffer.from(BYTES, 'hex')],
    ['two batches', 'INVALID_RECORD', Buffer.concat([sealed(), sealed()])],
    ['codec 5', 'UNSUPPORTED_COMPRESSION_TYPE', sealed((b) => b.writeInt16BE(5, 21))],
    ['no records', 'INVALID_RECORD', sealed((b) => b.writeInt32BE(0, 57) && b.writeInt32BE(-1, 23))],
    ['a negative count', 'INVALID_RECORD', sealed((b) => b.writeInt32BE(-2, 57) && b.writeInt32BE(-3, 23))],
    ['a count beyond the offsets', 'INVALID_RECORD', sealed((b) => b.writeInt32BE(2, 57))],
    ['offsets beyond the count', 'INVALID_RECORD', sealed((b) => b.writeInt32BE(7, 23))],
    ['more records than fit', 'INVALID_RECORD', sealed((b) => b.writeInt32BE(9, 57) && b.writeInt32BE(8, 23))],
    ['a control batch', 'INVALID_RECORD', sealed((b) => b.writeInt16BE(0x20, 21))],
    ['a delete horizon', 'INVALID_RECORD', sealed((b) => b.writeInt16BE(0x40, 21))],
    ['a transaction without producer', 'INVALID_RECORD', sealed((b) => b.writeInt16BE(0x10, 21))],
    ['producer id -2', 'INVALID_RECORD', sealed((b) => b.writeBigInt64BE(-2n, 43))],
    ['producer id 2^52', 'INVALID_RECORD', sealed((b) => b.writeBigInt64BE(2n ** 52n, 43) && b.writeUIntBE(0, 51, 6))],
    ['a producer without epoch', 'INVALID_RECORD', sealed((b) => b.writeBigInt64BE(5n, 43) && b.writeInt32BE(0, 53))],
    [
      'a producer without sequence',
      'INVALID_RECORD',
      sealed((b) => b.writeBigInt64BE(5n, 43) && b.writeInt16BE(0, 51)),
    ],
    ['LogAppendTime', 'INVALID_TIMESTAMP', sealed((b) => b.writeInt16BE(0x08, 21))],
    ['a timestamp of 2^51', 'INVALID_TIMESTAMP', sealed((b) => b.writeBigInt64BE(2n ** 51n, 35))],
    ['a timestamp of -2^51', 'INVALID_TIMESTAMP', sealed((b) => b.writeBigInt64BE(-(2n ** 51n), 27))],
  ])('%s is %s', (_, error, bytes) => {
    expect(errorOf(bytes)).toBe(error);
  });

  test('a producer id of -1 makes epoch and sequence meaningless, whatever a client writes there', () => {
    expect(errorOf(sealed((b) => b.writeInt16BE(0, 51) && b.writeInt32BE(0, 53)))).toBe('NONE');
  });
});

describe('placeBatch', () => {
  test.each([0, 1, 0xffffffff, 2 ** 32, Number.MAX_SAFE_INTEGER])('writes offset %i in place', (offset) => {
    const bytes = Buffer.concat([Buffer.alloc(5), sealed()]);
    placeBatch(bytes, 5, offset, 9);
    expect(bytes.readBigInt64BE(5)).toBe(BigInt(offset));
    expect(readBatchHeader(bytes, 5)).toMatchObject({ baseOffset: offset, leaderEpoch: 9 });
    expect(errorOf(bytes.subarray(5))).toBe('NONE');
  });
});

describe('stampLogAppendTime', () => {
  test('sets flag and time and leaves a right CRC', () => {
    const bytes = Buffer.concat([Buffer.alloc(3), Buffer.from(BATCHES.none, 'hex'), Buffer.alloc(3)]);
    const length = bytes.length - 6;
    stampLogAppendTime(bytes, 3, 1_800_000_000_123);
    const header = readBatchHeader(bytes, 3);
    expect(header).toMatchObject({ attributes: 0x08, maxTimestamp: 1_800_000_000_123 });
    expect(header.crc).toBe(crc32c(bytes.subarray(3 + 21, 3 + length)));
    expect(hasValidCrc(bytes, 3, length)).toBe(true);
  });

  test('does not hide damage that happened before', () => {
    const batch = sealed();
    batch[68]! ^= 1;
    stampLogAppendTime(batch, 0, 5);
    expect(hasValidCrc(batch, 0, batch.length)).toBe(false);
  });
});

test('wholeBatchCrc is the sum of all bytes of an intact batch', () => {
  const batch = Buffer.from(BATCHES.zstd, 'hex');
  placeBatch(batch, 0, 77, 3);
  const bytes = Buffer.concat([Buffer.alloc(9), batch]);
  expect(wholeBatchCrc(bytes, 9, batch.length)).toBe(crc32c(batch));
});

describe('iterateBatches', () => {
  const batches = [sealed(), Buffer.from(BATCHES.lz4, 'hex'), sealed()];

  test('finds each, and leaves out a last one that is cut short', () => {
    const bytes = Buffer.concat(batches);
    const whole = [...iterateBatches(bytes)];
    expect(whole.map(({ position }) => position)).toEqual([0, 70, 70 + batches[1]!.length]);
    expect(whole.map(({ header }) => header.recordCount)).toEqual([1, 3, 1]);
    for (let cut = 1; cut <= 70; cut++) {
      expect([...iterateBatches(bytes.subarray(0, bytes.length - cut))]).toHaveLength(2);
    }
  });

  test('stops with an error at a length that cannot be', () => {
    const bytes = Buffer.concat([sealed(), sealed((b) => b.writeInt32BE(-40, 8))]);
    expect(() => [...iterateBatches(bytes)]).toThrow('no record batch at byte 70');
  });
});
