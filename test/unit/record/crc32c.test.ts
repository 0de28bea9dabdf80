import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { crc32c, crc32cCombine, crc32cNative, crc32cPortable } from '../../../src/record/crc32c.ts';

const ascending = Uint8Array.from({ length: 32 }, (_, index) => index);

// RFC 3720 appendix B.4, and the check value of the CRC catalogue.
const KNOWN: [name: string, bytes: Uint8Array, crc: number][] = [
  ['nothing', new Uint8Array(0), 0],
  ['123456789', Buffer.from('123456789'), 0xe3069283],
  ['32 zeroes', new Uint8Array(32), 0x8a9136aa],
  ['32 ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ['0 to 31', ascending, 0x46dd794e],
  ['31 to 0', ascending.toReversed(), 0x113fdb5c],
];

describe.each([
  ['crc32c', crc32c],
  ['crc32cPortable', crc32cPortable],
  ['crc32cNative', crc32cNative ?? crc32cPortable],
] as const)('%s', (_, hash) => {
  test.each(KNOWN)('knows the sum of %s', (_name, bytes, crc) => {
    expect(hash(bytes)).toBe(crc);
  });

  test('continues from a seed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 300 }), (a, b) => {
        expect(hash(b, hash(a))).toBe(crc32cPortable(Buffer.concat([a, b])));
      }),
    );
  });
});

test('native and portable agree', () => {
  if (crc32cNative === null) return;
  const native = crc32cNative;
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 5_000 }), fc.nat(0xffffffff), (bytes, seed) => {
      expect(native(bytes, seed)).toBe(crc32cPortable(bytes, seed));
    }),
  );
});

describe('crc32cCombine', () => {
  test('gives the sum of a whole from the sums of its parts', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1_000 }), fc.uint8Array({ maxLength: 1_000 }), (a, b) => {
        expect(crc32cCombine(crc32c(a), crc32c(b), b.length)).toBe(crc32c(Buffer.concat([a, b])));
      }),
    );
  });

  test.each([255, 256, 257, 65_535, 65_536, 65_537, 16_777_216, 16_843_009])('is right over %i bytes', (length) => {
    const a = Buffer.from('what comes first');
    const b = Buffer.alloc(length, 'and what follows');
    expect(crc32cCombine(crc32c(a), crc32c(b), length)).toBe(crc32c(b, crc32c(a)));
  });
});
