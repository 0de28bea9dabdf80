/**
 * The segment: one immutable object that can be read without the metadata store.
 *
 *   ┌──────────────────────────────────────────────────────────────────┐ 0
 *   │ record batches, sorted by topic id, then partition; no gaps      │
 *   ├──────────────────────────────────────────────────────────────────┤ footerPosition
 *   │ footer: every batch, as below                                    │
 *   ├──────────────────────────────────────────────────────────────────┤ footerPosition + footerLength
 *   │ trailer, 36 bytes: footerPosition 8 │ footerLength 4 │ footerCrc 4
 *   │   bodyCrc 4 │ version 4 │ CRC of these 24 bytes 4 │ 'MILLRACE'   │
 *   └──────────────────────────────────────────────────────────────────┘ end
 *
 *   footer     partition count │ partition*
 *   partition  0, topic id 16 bytes, partition │ 1 (same topic), partition - previous - 1
 *              journal │ batch count │ batch*
 *   batch      flags │ length │ offset count │ attributes? │ base timestamp - previous batch's (any partition)
 *              max timestamp - base timestamp ? │ producer id - previous one's, epoch, base sequence ?
 *              base offset - end of the previous batch, leader epoch - previous one's ?
 *
 * The trailer's integers are big-endian, the footer's are varints, zigzag where a difference may be negative. CRCs are
 * CRC-32C. What the flags leave out is told there. Positions follow from the lengths. Persisted: never change a
 * version's meaning; a new one gets a new number.
 */
import { StorageCorruptError } from '../errors.ts';
import { crc32c } from '../record/crc32c.ts';
import { readInt32, readInt64, writeInt32, writeInt64 } from '../record/int64.ts';

export const SEGMENT_VERSION = 1;
export const TRAILER_BYTES = 36;
const MAGIC = Buffer.from('MILLRACE');
const SEALED_BYTES = 24;

/** What a batch of the footer leaves out. Persisted: never renumber. */
export const BATCH_FLAGS = {
  /** Producer id, epoch and sequence follow; else all are -1. */
  producer: 1,
  /** With `producer`: id and epoch are those of the partition's previous batch and its sequence is the next: nothing follows. */
  sameProducer: 2,
  /** Attributes follow; else they are those of the previous batch, at first 0. */
  attributes: 4,
  /** The difference of the timestamps follows; else they are equal. */
  maxTimestamp: 8,
  /** Base offset and leader epoch follow; else both are -1, as in every fresh segment. */
  absolute: 16,
  /** With `producer` and without `sameProducer`: no sequence follows, it is -1, as in markers of transactions. */
  noSequence: 32,
} as const;

export interface Trailer {
  readonly footerPosition: number;
  readonly footerLength: number;
  readonly footerCrc: number;
  /** CRC-32C of all batches. */
  readonly bodyCrc: number;
}

export function encodeTrailer({ footerPosition, footerLength, footerCrc, bodyCrc }: Trailer): Buffer {
  const bytes = Buffer.allocUnsafe(TRAILER_BYTES);
  writeInt64(bytes, 0, footerPosition);
  writeInt32(bytes, 8, footerLength);
  writeInt32(bytes, 12, footerCrc);
  writeInt32(bytes, 16, bodyCrc);
  writeInt32(bytes, 20, SEGMENT_VERSION);
  writeInt32(bytes, SEALED_BYTES, crc32c(bytes.subarray(0, SEALED_BYTES)));
  MAGIC.copy(bytes, SEALED_BYTES + 4);
  return bytes;
}

/** Reads the trailer at the end of `tail`, the last bytes of an object of `objectBytes`. Throws StorageCorruptError. */
export function decodeTrailer(name: string, tail: Uint8Array, objectBytes: number): Trailer {
  const start = tail.length - TRAILER_BYTES;
  if (start < 0) throw corrupt(name, objectBytes, `it has ${objectBytes} bytes, a trailer alone has ${TRAILER_BYTES}`);
  const bytes = tail.subarray(start);
  const at = objectBytes - TRAILER_BYTES;
  if (!MAGIC.equals(bytes.subarray(SEALED_BYTES + 4)))
    throw corrupt(name, at, "the trailer does not end in 'MILLRACE'");
  if (crc32c(bytes.subarray(0, SEALED_BYTES)) !== readInt32(bytes, SEALED_BYTES) >>> 0) {
    throw corrupt(name, at, 'the checksum of the trailer is wrong');
  }
  const version = readInt32(bytes, 20);
  if (version !== SEGMENT_VERSION) throw corrupt(name, at, `format version ${version} is unknown here`);
  const trailer = {
    footerPosition: readInt64(bytes, 0),
    footerLength: readInt32(bytes, 8) >>> 0,
    footerCrc: readInt32(bytes, 12) >>> 0,
    bodyCrc: readInt32(bytes, 16) >>> 0,
  };
  if (trailer.footerPosition < 0 || trailer.footerPosition + trailer.footerLength !== at) {
    throw corrupt(
      name,
      at,
      `a footer of ${trailer.footerLength} bytes at ${trailer.footerPosition} does not end where the trailer begins`,
    );
  }
  return trailer;
}

export const corrupt = (name: string, position: number, what: string, cause?: unknown): StorageCorruptError =>
  new StorageCorruptError(`segment ${name} is damaged at byte ${position}: ${what}`, { cause });
