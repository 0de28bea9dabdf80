import fc from 'fast-check';
import { expect, test } from 'vitest';
import { uvarintBytes, VarintReader, varintBytes, writeUvarint, writeVarint } from '../../../src/record/varint.ts';

const unsigned = (value: number) => {
  const bytes = Buffer.alloc(10);
  return bytes.subarray(0, writeUvarint(bytes, 0, value));
};
const signed = (value: number) => {
  const bytes = Buffer.alloc(10);
  return bytes.subarray(0, writeVarint(bytes, 0, value));
};

test.each([
  [0, '00'],
  [-1, '01'],
  [1, '02'],
  [63, '7e'],
  [-64, '7f'],
  [64, '8001'],
  [-65, '8101'],
  [2_147_483_647, 'feffffff0f'],
  [-2_147_483_648, 'ffffffff0f'],
])('varint %i is %s', (value, hex) => {
  expect(signed(value).toString('hex')).toBe(hex);
  expect(new VarintReader(Buffer.from(hex, 'hex')).varint()).toBe(value);
});

test('what is written is read back and has the length that was promised', () => {
  const magnitude = fc.oneof(fc.nat(300), fc.nat(), fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }));
  fc.assert(
    fc.property(magnitude, (value) => {
      const bytes = unsigned(value);
      expect(bytes.length).toBe(uvarintBytes(value));
      expect(new VarintReader(bytes).uvarint()).toBe(value);
    }),
  );
  const half = Number.MAX_SAFE_INTEGER / 2 - 1;
  fc.assert(
    fc.property(fc.integer({ min: Math.ceil(-half), max: Math.floor(half) }), (value) => {
      const bytes = signed(value);
      expect(bytes.length).toBe(varintBytes(value));
      expect(new VarintReader(bytes).varint()).toBe(value);
    }),
  );
});

test.each([
  ['', 'cut short'],
  ['80', 'cut short'],
  ['ffffffffffffffffff01', 'beyond'],
  ['80808080808080808080', 'more than'],
])('%j is refused', (hex, why) => {
  expect(() => new VarintReader(Buffer.from(hex, 'hex')).uvarint()).toThrow(why);
});
