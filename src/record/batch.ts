/**
 * The header of a RecordBatch v2 (magic 2), all that the broker looks at. Records stay opaque bytes from socket to store.
 *
 *    0 baseOffset            int64   ┐ assigned by the broker,
 *    8 batchLength           int32   │ outside the CRC
 *   12 partitionLeaderEpoch  int32   ┘
 *   16 magic                 int8
 *   17 crc                   uint32    CRC-32C of everything from 21 on
 *   21 attributes            int16     0-2 codec, 3 LogAppendTime, 4 transactional, 5 control, 6 delete horizon
 *   23 lastOffsetDelta       int32
 *   27 baseTimestamp         int64
 *   35 maxTimestamp          int64
 *   43 producerId            int64
 *   51 producerEpoch         int16
 *   53 baseSequence          int32
 *   57 recordCount           int32
 *   61 records, compressed as the attributes say
 *
 * Integers are big-endian. `batchLength` counts from byte 12.
 */
import { KafkaError } from '../errors.ts';
import { BATCH_HEADER_BYTES } from '../limits.ts';
import { crc32c, crc32cCombine } from './crc32c.ts';
import { readInt32, readInt64, writeInt32, writeInt64 } from './int64.ts';

/** Bytes before those that `batchLength` counts. */
const LENGTH_PREFIX_BYTES = 12;
const MAGIC_AT = 16;
const CRC_AT = 17;
/** From here on the CRC counts. */
const CHECKED_FROM = 21;
const ATTRIBUTES_AT = 21;
const MAX_TIMESTAMP_AT = 35;
/** Length, attributes, two deltas, two lengths and a header count take at least one byte each. */
const RECORD_BYTES_MIN = 7;

/** 35,000 years: the difference of any two still fits a varint of a footer exactly. */
const TIMESTAMP_MAX = 2 ** 50;
/** Ids are handed out by the journal from 0 upwards; a client that invents one beyond this is refused. */
const PRODUCER_ID_MAX = 2 ** 51;

export const CODEC_MASK = 0x07;
export const CODEC_MAX = 4;
export const LOG_APPEND_TIME_FLAG = 0x08;
export const TRANSACTIONAL_FLAG = 0x10;
export const CONTROL_FLAG = 0x20;
export const DELETE_HORIZON_FLAG = 0x40;

export interface BatchHeader {
  readonly baseOffset: number;
  /** Bytes of the whole batch, header included. */
  readonly length: number;
  readonly leaderEpoch: number;
  readonly magic: number;
  readonly crc: number;
  readonly attributes: number;
  readonly lastOffsetDelta: number;
  readonly baseTimestamp: number;
  readonly maxTimestamp: number;
  /** -1 when the producer is not idempotent; epoch and sequence say nothing then. */
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly recordCount: number;
}

/** Reads the fields without judging them. At least `BATCH_HEADER_BYTES` must be there. */
export function readBatchHeader(bytes: Uint8Array, at: number): BatchHeader {
  return {
    baseOffset: readInt64(bytes, at),
    length: LENGTH_PREFIX_BYTES + readInt32(bytes, at + 8),
    leaderEpoch: readInt32(bytes, at + 12),
    magic: (bytes[at + MAGIC_AT]! << 24) >> 24,
    crc: readInt32(bytes, at + CRC_AT) >>> 0,
    attributes: (bytes[at + 21]! << 8) | bytes[at + 22]!,
    lastOffsetDelta: readInt32(bytes, at + 23),
    baseTimestamp: readInt64(bytes, at + 27),
    maxTimestamp: readInt64(bytes, at + MAX_TIMESTAMP_AT),
    producerId: readInt64(bytes, at + 43),
    producerEpoch: ((bytes[at + 51]! << 24) >> 16) | bytes[at + 52]!,
    baseSequence: readInt32(bytes, at + 53),
    recordCount: readInt32(bytes, at + 57),
  };
}

/**
 * The one batch that `bytes` must be, as a client may produce it. Throws KafkaError: CORRUPT_MESSAGE (cut short, wrong
 * length, wrong CRC), UNSUPPORTED_FOR_MESSAGE_FORMAT (magic 0 or 1), UNSUPPORTED_COMPRESSION_TYPE, INVALID_TIMESTAMP,
 * INVALID_RECORD. Whether a transactional batch is welcome and how large one may be is for the caller to say.
 */
export function checkBatch(bytes: Uint8Array): BatchHeader {
  if (bytes.length === 0) throw new KafkaError('INVALID_RECORD', 'no record batch: at least one is needed');
  if (bytes.length <= MAGIC_AT) throw truncated(bytes.length, BATCH_HEADER_BYTES);
  const magic = bytes[MAGIC_AT]!;
  if (magic === 0 || magic === 1) {
    throw new KafkaError(
      'UNSUPPORTED_FOR_MESSAGE_FORMAT',
      `message format ${magic} is not supported: send RecordBatch v2 (Kafka 0.11 or newer)`,
    );
  }
  if (magic !== 2) throw new KafkaError('INVALID_RECORD', `unknown message format ${magic}: expected 2`);
  if (bytes.length < BATCH_HEADER_BYTES) throw truncated(bytes.length, BATCH_HEADER_BYTES);

  const header = readBatchHeader(bytes, 0);
  if (header.length < BATCH_HEADER_BYTES) {
    throw new KafkaError(
      'CORRUPT_MESSAGE',
      `a record batch says it has ${header.length} bytes, its header alone has ${BATCH_HEADER_BYTES}`,
    );
  }
  if (header.length > bytes.length) throw truncated(bytes.length, header.length);
  if (header.length < bytes.length) {
    throw new KafkaError(
      'INVALID_RECORD',
      `${bytes.length - header.length} bytes follow the record batch: exactly one batch per partition is accepted`,
    );
  }
  const crc = crc32c(bytes.subarray(CHECKED_FROM));
  if (crc !== header.crc) {
    throw new KafkaError('CORRUPT_MESSAGE', `record batch with CRC ${hex(header.crc)}, its bytes give ${hex(crc)}`);
  }
  checkFields(header);
  return header;
}

function checkFields(header: BatchHeader): void {
  const { attributes, lastOffsetDelta, recordCount } = header;
  const codec = attributes & CODEC_MASK;
  if (codec > CODEC_MAX) {
    throw new KafkaError('UNSUPPORTED_COMPRESSION_TYPE', `unknown compression codec ${codec}`);
  }
  if (attributes & CONTROL_FLAG) throw new KafkaError('INVALID_RECORD', 'clients may not write control batches');
  if (attributes & DELETE_HORIZON_FLAG) {
    throw new KafkaError('INVALID_RECORD', 'clients may not write batches with a delete horizon');
  }
  if (recordCount <= 0 || lastOffsetDelta !== recordCount - 1) {
    throw new KafkaError(
      'INVALID_RECORD',
      `record batch with ${recordCount} records and last offset delta ${lastOffsetDelta}: expected one less than records`,
    );
  }
  const recordsBytes = header.length - BATCH_HEADER_BYTES;
  if (codec === 0 && recordCount * RECORD_BYTES_MIN > recordsBytes) {
    throw new KafkaError('INVALID_RECORD', `${recordCount} records cannot fit ${recordsBytes} bytes`);
  }
  checkProducer(header);
  if (attributes & LOG_APPEND_TIME_FLAG) {
    throw new KafkaError('INVALID_TIMESTAMP', 'clients may not set the timestamp type to LogAppendTime');
  }
  if (Math.abs(header.baseTimestamp) > TIMESTAMP_MAX || Math.abs(header.maxTimestamp) > TIMESTAMP_MAX) {
    throw new KafkaError('INVALID_TIMESTAMP', 'timestamps beyond 2^50 ms are not accepted');
  }
}

function checkProducer({ producerId, producerEpoch, baseSequence, attributes }: BatchHeader): void {
  if (producerId === -1) {
    if (attributes & TRANSACTIONAL_FLAG) {
      throw new KafkaError('INVALID_RECORD', 'a transactional batch needs a producer id');
    }
    return;
  }
  if (producerId < 0 || producerId > PRODUCER_ID_MAX || producerEpoch < 0 || baseSequence < 0) {
    throw new KafkaError(
      'INVALID_RECORD',
      `record batch with producer id ${producerId}, epoch ${producerEpoch}, sequence ${baseSequence}: out of range`,
    );
  }
}

const truncated = (have: number, need: number) =>
  new KafkaError('CORRUPT_MESSAGE', `record batch cut short: ${have} bytes of ${need}`);
const hex = (crc: number) => crc.toString(16).padStart(8, '0');

/** Assigns offset and leader epoch in place; both are outside the CRC. */
export function placeBatch(bytes: Uint8Array, at: number, baseOffset: number, leaderEpoch: number): void {
  writeInt64(bytes, at, baseOffset);
  writeInt32(bytes, at + 12, leaderEpoch);
}

/**
 * Makes a checked batch one of LogAppendTime: every record has the time `nowMs`. The CRC is moved by the difference of
 * the changed bytes alone, so that damage elsewhere in the batch still shows.
 */
export function stampLogAppendTime(bytes: Uint8Array, at: number, nowMs: number): void {
  const changedEnd = at + MAX_TIMESTAMP_AT + 8;
  const changed = bytes.subarray(at + CHECKED_FROM, changedEnd);
  const before = crc32c(changed);
  bytes[at + ATTRIBUTES_AT + 1]! |= LOG_APPEND_TIME_FLAG;
  writeInt64(bytes, at + MAX_TIMESTAMP_AT, nowMs);
  const after = crc32c(changed);
  const batchEnd = at + LENGTH_PREFIX_BYTES + readInt32(bytes, at + 8);
  // A CRC is linear: the CRC of the difference, moved over the unchanged rest, is the difference of the CRCs.
  const crc = crc32cCombine(before ^ after, readInt32(bytes, at + CRC_AT) >>> 0, batchEnd - changedEnd);
  writeInt32(bytes, at + CRC_AT, crc);
}

/**
 * CRC-32C of all bytes of a batch, which its own CRC knows already for all but the first 21. Wrong for a batch whose own
 * CRC is wrong: that is the point, the sum of a segment shows damage that came between the check and the upload.
 */
export function wholeBatchCrc(bytes: Uint8Array, at: number, length: number): number {
  const prefix = crc32c(bytes.subarray(at, at + CHECKED_FROM));
  return crc32cCombine(prefix, readInt32(bytes, at + CRC_AT) >>> 0, length - CHECKED_FROM);
}

export interface LocatedBatch {
  readonly position: number;
  readonly header: BatchHeader;
}

/**
 * The batches that lie one after the other in `bytes`. A last one that is cut short is left out, as consumers do with
 * the end of a fetch. Throws CORRUPT_MESSAGE on a length that cannot be. CRCs are not checked.
 */
export function* iterateBatches(bytes: Uint8Array, start = 0, end = bytes.length): Generator<LocatedBatch> {
  let position = start;
  while (end - position >= BATCH_HEADER_BYTES) {
    const header = readBatchHeader(bytes, position);
    if (header.length < BATCH_HEADER_BYTES || header.magic !== 2) {
      throw new KafkaError(
        'CORRUPT_MESSAGE',
        `no record batch at byte ${position}: length ${header.length}, format ${header.magic}`,
      );
    }
    if (header.length > end - position) return;
    yield { position, header };
    position += header.length;
  }
}

/** Whether the bytes of the batch at `at`, which must lie wholly within `bytes`, match its CRC. */
export function hasValidCrc(bytes: Uint8Array, at: number, length: number): boolean {
  return crc32c(bytes.subarray(at + CHECKED_FROM, at + length)) === readInt32(bytes, at + CRC_AT) >>> 0;
}
