import fc from 'fast-check';
import { expect, test } from 'vitest';
import { StorageCorruptError } from '../../../src/errors.ts';
import { ByteReader } from '../../../src/journal/byte-reader.ts';
import { ByteWriter } from '../../../src/journal/byte-writer.ts';

function written(write: (writer: ByteWriter) => void): Buffer {
  const writer = new ByteWriter(1);
  write(writer);
  return writer.finish();
}

test('numbers take few bytes when they are small', () => {
  expect(written((w) => w.uvarint(127)).toString('hex')).toBe('7f');
  expect(written((w) => w.uvarint(300)).toString('hex')).toBe('ac02');
  expect(written((w) => w.signed(-1)).toString('hex')).toBe('01');
  expect(written((w) => w.signed(1)).toString('hex')).toBe('02');
  expect(written((w) => w.near(1_000, 1_001)).toString('hex')).toBe('01');
  expect(written((w) => w.uint32(0xdeadbeef)).toString('hex')).toBe('efbeadde');
});

test('every number comes back exactly, however large or far from its base', () => {
  const any = fc.oneof(
    fc.integer(),
    fc.maxSafeInteger(),
    fc.constantFrom(0, -1, 2 ** 31, 2 ** 51, 2 ** 51 + 1, -(2 ** 51) - 1, 2 ** 53 - 1, -(2 ** 63), 2 ** 63),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(any, any), { maxLength: 50 }), (pairs) => {
      const bytes = written((w) => {
        for (const [value, base] of pairs) {
          w.signed(value);
          w.near(value, base);
          w.uvarint(Math.min(Math.abs(value), Number.MAX_SAFE_INTEGER));
        }
      });
      const reader = new ByteReader(bytes);
      for (const [value, base] of pairs) {
        expect(reader.signed()).toBe(value + 0);
        expect(reader.near(base)).toBe(value + 0);
        expect(reader.uvarint()).toBe(Math.min(Math.abs(value), Number.MAX_SAFE_INTEGER));
      }
      expect(reader.remaining).toBe(0);
    }),
  );
});

test('texts and ids come back', () => {
  const bytes = written((w) => {
    w.string('größer als ASCII');
    w.hexId('00112233445566778899aabbccddeeff');
    w.uuid('AAAAAAAAQACAAAAAAAAAAA');
    w.raw(Buffer.alloc(10_000, 7));
  });
  const reader = new ByteReader(bytes);
  expect(reader.string()).toBe('größer als ASCII');
  expect(reader.hexId()).toBe('00112233445566778899aabbccddeeff');
  expect(reader.uuid()).toBe('AAAAAAAAQACAAAAAAAAAAA');
  expect(reader.remaining).toBe(10_000);
});

test('reading beyond the end is an error, never rubbish', () => {
  expect(() => new ByteReader(Buffer.of(0x80)).uvarint()).toThrow(StorageCorruptError);
  expect(() => new ByteReader(Buffer.of(5, 65)).string()).toThrow(StorageCorruptError);
  expect(() => new ByteReader(Buffer.alloc(15)).hexId()).toThrow(StorageCorruptError);
  expect(() => new ByteReader(Buffer.of(200, 1)).count()).toThrow('200 elements in 0 bytes');
  expect(() => new ByteReader(Buffer.alloc(0)).byte()).toThrow(StorageCorruptError);
});
