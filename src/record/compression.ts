/**
 * Kafka's five codecs, for what must look into batches (HTTP reads, tools) and for clients and tests that make them. The
 * broker never recompresses and the Kafka produce path never comes here.
 *
 * Output is bounded: a batch that would become more than `bytesMax` is refused while it grows, whatever it claims.
 */
import { promisify } from 'node:util';
import { gunzip, gzip, type ZstdOptions, zstdCompress, zstdDecompress } from 'node:zlib';
import { KafkaError } from '../errors.ts';
import { tooLarge } from './growing-output.ts';
import { readLz4Frames } from './lz4.ts';
import { readSnappy } from './snappy.ts';

/** Index = the codec's number in the attributes of a batch. */
export const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;
export type Codec = (typeof CODECS)[number];

const gunzipAsync = promisify(gunzip);
const gzipAsync = promisify<Uint8Array, Buffer>(gzip);
const zstdDecompressAsync = promisify<Uint8Array, ZstdOptions, Buffer>(zstdDecompress);
const zstdCompressAsync = promisify<Uint8Array, Buffer>(zstdCompress);

/** Throws RECORD_LIST_TOO_LARGE beyond `bytesMax`, INVALID_RECORD for bytes that are not what the codec writes. */
export async function decompress(codec: Codec, input: Uint8Array, bytesMax: number): Promise<Buffer> {
  switch (codec) {
    case 'none':
      return Buffer.from(input.buffer, input.byteOffset, input.length);
    case 'snappy':
      return readSnappy(input, bytesMax);
    case 'lz4':
      return readLz4Frames(input, bytesMax);
    case 'gzip':
      return withZlib(codec, input, bytesMax, gunzipAsync);
    case 'zstd':
      return withZlib(codec, input, bytesMax, zstdDecompressAsync);
  }
}

async function withZlib(
  codec: Codec,
  input: Uint8Array,
  bytesMax: number,
  inflate: (input: Uint8Array, options: { maxOutputLength: number }) => Promise<Buffer>,
): Promise<Buffer> {
  try {
    return await inflate(input, { maxOutputLength: bytesMax });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      throw tooLarge(codec, input.length, bytesMax);
    }
    throw new KafkaError('INVALID_RECORD', `${codec} data does not decompress`, { cause });
  }
}

/** Snappy comes raw, as librdkafka writes it; lz4 as one frame. */
export async function compress(codec: Codec, input: Uint8Array): Promise<Uint8Array> {
  switch (codec) {
    case 'none':
      return input;
    case 'gzip':
      return gzipAsync(input);
    case 'zstd':
      return zstdCompressAsync(input);
    case 'snappy': {
      const { compress } = await import('snappy'); // Loaded when asked for: the broker never is.
      return compress(input);
    }
    case 'lz4': {
      const { compressFrame } = await import('lz4-napi');
      return compressFrame(input);
    }
  }
}
