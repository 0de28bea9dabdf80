import { describe, expect, test } from 'vitest';
import { CODECS, type Codec, compress, decompress } from '../../../src/record/compression.ts';
import { LZ4_FRAME, RAW_SNAPPY, TEXT, XERIAL_SNAPPY } from './fixtures.ts';

const MIB = 1_048_576;
const text = (codec: Codec, hex: string) => decompress(codec, Buffer.from(hex, 'hex'), MIB).then(String);

describe('what other programs compressed', () => {
  test('raw snappy', async () => expect(await text('snappy', RAW_SNAPPY)).toBe(TEXT));
  test('snappy in xerial framing', async () => expect(await text('snappy', XERIAL_SNAPPY)).toBe(TEXT));
  test('two xerial streams, one after the other', async () => {
    expect(await text('snappy', XERIAL_SNAPPY + XERIAL_SNAPPY)).toBe(TEXT + TEXT);
  });
  test('an lz4 frame with linked blocks and checksums', async () => {
    expect(await text('lz4', LZ4_FRAME)).toBe(TEXT);
  });
  test('two lz4 frames around one to skip', async () => {
    expect(await text('lz4', `${LZ4_FRAME}532a4d1802000000aaaa${LZ4_FRAME}`)).toBe(TEXT + TEXT);
  });
  test('an lz4 block that is stored as it is', async () => {
    const stored = `04224d18604000${'05000080'}${Buffer.from('hello').toString('hex')}00000000`;
    expect(await text('lz4', stored)).toBe('hello');
  });
});

describe.each(CODECS)('%s', (codec) => {
  const input = Buffer.from(Array.from({ length: 40_000 }, (_, n) => `${n % 977}-${n * 7919}`).join(' '));

  test('gives back what it was given', async () => {
    const compressed = await compress(codec, input);
    expect((await decompress(codec, compressed, 2 * MIB)).equals(input)).toBe(true);
  });

  test('takes nothing at all', async () => {
    expect(await decompress(codec, await compress(codec, Buffer.alloc(0)), MIB)).toHaveLength(0);
  });

  test.skipIf(codec === 'none')('refuses a bomb, naming limit and way out', async () => {
    const bomb = await compress(codec, Buffer.alloc(40 * MIB));
    await expect(decompress(codec, bomb, MIB)).rejects.toMatchObject({
      error: 'RECORD_LIST_TOO_LARGE',
      message: expect.stringMatching(/1048576 bytes: raise http\.decompressed\.bytes\.max/),
    });
  });

  test.skipIf(codec === 'none')('is exact about its limit', async () => {
    const compressed = await compress(codec, input);
    expect(await decompress(codec, compressed, input.length)).toHaveLength(input.length);
    await expect(decompress(codec, compressed, input.length - 1)).rejects.toMatchObject({
      error: 'RECORD_LIST_TOO_LARGE',
    });
  });
});

describe('hostile lengths', () => {
  test.each<[string, Codec, string]>([
    ['a raw snappy block that declares 4 GiB', 'snappy', 'ffffffff0f00'],
    ['a snappy copy from before the start', 'snappy', '0a0061010a'],
    ['a snappy literal beyond the end', 'snappy', '0af0ff61'],
    ['a xerial block of negative length', 'snappy', '82534e41505059000000000100000001ffffffff'],
    ['a xerial block beyond the end', 'snappy', '82534e415050590000000001000000017fffffff00'],
    ['an lz4 frame of version 0', 'lz4', '04224d1820400000000000'],
    ['an lz4 frame with a dictionary', 'lz4', '04224d18614000'],
    ['an lz4 block beyond the end', 'lz4', '04224d18604000ffffff7f00'],
    ['an lz4 match from before the start', 'lz4', '04224d186040000400000010610900'],
    ['an lz4 match of distance 0', 'lz4', '04224d186040000400000010610000'],
    ['no lz4 at all', 'lz4', '0123456789'],
    ['no gzip at all', 'gzip', '0123456789'],
    ['no zstd at all', 'zstd', '0123456789'],
  ])('%s is refused', async (_, codec, hex) => {
    await expect(decompress(codec, Buffer.from(hex, 'hex'), MIB)).rejects.toMatchObject({
      error: expect.stringMatching(/INVALID_RECORD|RECORD_LIST_TOO_LARGE/),
    });
  });
});
