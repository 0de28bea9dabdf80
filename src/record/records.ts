/**
 * The records inside a batch: what HTTP and tools decode and build. The Kafka path never comes here.
 *
 *   record   length varint │ attributes int8 │ timestampDelta varint │ offsetDelta varint
 *            key length varint (-1 null) │ key │ value length varint (-1 null) │ value
 *            header count varint │ headers: key length varint │ key │ value length varint (-1 null) │ value
 */
import { KafkaError } from '../errors.ts';
import { BATCH_HEADER_BYTES } from '../limits.ts';
import { assert } from '../runtime/assert.ts';
import { type BatchHeader, CODEC_MASK, LOG_APPEND_TIME_FLAG, readBatchHeader, TRANSACTIONAL_FLAG } from './batch.ts';
import { CODECS, type Codec, compress, decompress } from './compression.ts';
import { crc32c } from './crc32c.ts';
import { writeInt32, writeInt64 } from './int64.ts';
import { uvarintBytes, VarintReader, varintBytes, writeUvarint, writeVarint } from './varint.ts';

/** Buffers share memory with the batch when it is not compressed. */
export interface DecodedRecord {
  readonly offset: number;
  /** Milliseconds since 1970; -1 when there is none. */
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  /** In order, names may repeat. */
  readonly headers: readonly RecordHeader[];
}
export type RecordHeader = readonly [name: string, value: Buffer | null];

const NO_HEADERS: readonly RecordHeader[] = Object.freeze([]);

export interface DecodeOptions {
  readonly decompressedBytesMax: number;
  /** Leaves out the records below. */
  readonly fromOffset?: number;
  /** Stops after so many records, or once they have so many headers: what follows is not looked at. */
  readonly recordsMax?: number;
  readonly headersMax?: number;
}

/**
 * All records of one batch, which must be whole and have passed its CRC; offsets count from its `baseOffset`. Throws
 * KafkaError: INVALID_RECORD for records that contradict the header, RECORD_LIST_TOO_LARGE for a decompression bomb or a
 * record with more than `headersMax` headers. Uncompressed, snappy and lz4 batches are decoded before it returns.
 */
export async function decodeBatch(batch: Uint8Array, options: DecodeOptions): Promise<readonly DecodedRecord[]> {
  if (batch.length < BATCH_HEADER_BYTES) throw new KafkaError('CORRUPT_MESSAGE', 'record batch cut short');
  const header = readBatchHeader(batch, 0);
  const codec = CODECS[header.attributes & CODEC_MASK];
  if (codec === undefined) {
    throw new KafkaError('UNSUPPORTED_COMPRESSION_TYPE', `unknown codec ${header.attributes & CODEC_MASK}`);
  }
  if (header.length > batch.length) throw new KafkaError('CORRUPT_MESSAGE', 'record batch cut short');
  const payload = batch.subarray(BATCH_HEADER_BYTES, header.length);
  if (codec === 'none') return decodeRecords(header, asBuffer(payload), options);
  return decodeRecords(header, await decompress(codec, payload, options.decompressedBytesMax), options);
}

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);

function decodeRecords(header: BatchHeader, payload: Buffer, options: DecodeOptions): readonly DecodedRecord[] {
  const { fromOffset = 0, recordsMax = Infinity, headersMax = Infinity } = options;
  const reader = new VarintReader(payload);
  const records: DecodedRecord[] = [];
  let previousOffset = header.baseOffset - 1;
  let headerCount = 0;
  for (let index = 0; index < header.recordCount; index++) {
    const length = reader.varint();
    const end = reader.position + length;
    if (length < 0 || end > payload.length) throw contradiction(`record ${index} has ${length} bytes`, reader);
    const record = decodeRecord(header, payload, reader, headersMax);
    if (reader.position !== end) throw contradiction(`record ${index} does not end at byte ${end}`, reader);
    const { offset } = record;
    if (offset <= previousOffset || offset > header.baseOffset + header.lastOffsetDelta) {
      throw contradiction(`record ${index} has offset ${offset}`, reader);
    }
    previousOffset = offset;
    if (offset < fromOffset) continue;
    records.push(record);
    headerCount += record.headers.length;
    if (records.length >= recordsMax || headerCount >= headersMax) return records;
  }
  if (reader.remaining > 0) throw contradiction(`${header.recordCount} records end early`, reader);
  return records;
}

function decodeRecord(header: BatchHeader, payload: Buffer, reader: VarintReader, headersMax: number): DecodedRecord {
  reader.position++; // Attributes: none are defined.
  const timestampDelta = reader.varint();
  const offsetDelta = reader.varint();
  const appendTime = (header.attributes & LOG_APPEND_TIME_FLAG) !== 0;
  const key = readNullable(payload, reader);
  const value = readNullable(payload, reader);
  return {
    offset: header.baseOffset + offsetDelta,
    timestamp: appendTime ? header.maxTimestamp : header.baseTimestamp + timestampDelta,
    key,
    value,
    headers: readHeaders(payload, reader, headersMax),
  };
}

function readHeaders(payload: Buffer, reader: VarintReader, headersMax: number): readonly RecordHeader[] {
  const count = reader.varint();
  if (count === 0) return NO_HEADERS;
  // A header takes two bytes at least: a count beyond that is a lie.
  if (count < 0 || count * 2 > reader.remaining) throw contradiction(`${count} headers`, reader);
  if (count > headersMax) throw new KafkaError('RECORD_LIST_TOO_LARGE', `a record with ${count} headers`);
  const headers: RecordHeader[] = [];
  for (let index = 0; index < count; index++) {
    const name = readNullable(payload, reader);
    if (name === null) throw contradiction('a header without a name', reader);
    headers.push([name.toString(), readNullable(payload, reader)]);
  }
  return headers;
}

function readNullable(payload: Buffer, reader: VarintReader): Buffer | null {
  const length = reader.varint();
  if (length === -1) return null;
  if (length < 0 || length > reader.remaining) throw contradiction(`${length} bytes`, reader);
  const start = reader.position;
  reader.position = start + length;
  return payload.subarray(start, start + length);
}

const contradiction = (what: string, reader: VarintReader) =>
  new KafkaError('INVALID_RECORD', `record batch: ${what} at byte ${reader.position} of ${reader.end}`);

/** Strings are stored as UTF-8. */
export interface NewRecord {
  readonly key: Uint8Array | string | null;
  readonly value: Uint8Array | string | null;
  readonly headers?: readonly NewRecordHeader[];
  /** Milliseconds since 1970; absent: that of the batch. */
  readonly timestamp?: number;
}
export type NewRecordHeader = readonly [name: string, value: Uint8Array | string | null];

export interface BuildOptions {
  /** For records that carry none, milliseconds since 1970. */
  readonly timestamp: number;
  /** Default -1, -1, -1: not idempotent. */
  readonly producerId?: number;
  readonly producerEpoch?: number;
  readonly baseSequence?: number;
  /** Default false. Needs a producer id. */
  readonly transactional?: boolean;
}

/** One uncompressed batch of at least one record, at base offset 0. */
export function buildBatch(records: readonly NewRecord[], options: BuildOptions): Buffer {
  assert(records.length > 0, 'a batch needs a record');
  const baseTimestamp = records[0]!.timestamp ?? options.timestamp;
  const bodyBytes = records.map((record, index) => recordBytes(record, index, baseTimestamp, options.timestamp));
  let length = BATCH_HEADER_BYTES;
  for (const bytes of bodyBytes) length += varintBytes(bytes) + bytes;

  const batch = Buffer.allocUnsafe(length);
  let maxTimestamp = baseTimestamp;
  let at = BATCH_HEADER_BYTES;
  for (let index = 0; index < records.length; index++) {
    const record = records[index]!;
    const timestamp = record.timestamp ?? options.timestamp;
    if (timestamp > maxTimestamp) maxTimestamp = timestamp;
    at = writeVarint(batch, at, bodyBytes[index]!);
    at = writeRecord(batch, at, record, index, timestamp - baseTimestamp);
  }
  assert(at === length, `wrote ${at} of ${length} bytes`);
  const attributes = options.transactional ? TRANSACTIONAL_FLAG : 0;
  writeBatchHeader(batch, { ...options, attributes, baseTimestamp, maxTimestamp, recordCount: records.length });
  return batch;
}

/** The same batch compressed, for clients and tests. */
export async function compressBatch(batch: Buffer, codec: Codec): Promise<Buffer> {
  const header = readBatchHeader(batch, 0);
  const payload = await compress(codec, batch.subarray(BATCH_HEADER_BYTES));
  const compressed = Buffer.concat([batch.subarray(0, BATCH_HEADER_BYTES), payload]);
  writeBatchHeader(compressed, { ...header, attributes: header.attributes | CODECS.indexOf(codec) });
  return compressed;
}

export interface HeaderValues extends Partial<BatchHeader> {
  readonly attributes: number;
  readonly baseTimestamp: number;
  readonly maxTimestamp: number;
  readonly recordCount: number;
}

/** Everything before the records, CRC included: those must stand behind it already. */
export function writeBatchHeader(batch: Buffer, header: HeaderValues): void {
  writeInt64(batch, 0, header.baseOffset ?? 0);
  writeInt32(batch, 8, batch.length - 12);
  writeInt32(batch, 12, -1);
  batch[16] = 2;
  batch.writeInt16BE(header.attributes, 21);
  writeInt32(batch, 23, header.recordCount - 1);
  writeInt64(batch, 27, header.baseTimestamp);
  writeInt64(batch, 35, header.maxTimestamp);
  writeInt64(batch, 43, header.producerId ?? -1);
  batch.writeInt16BE(header.producerEpoch ?? -1, 51);
  writeInt32(batch, 53, header.baseSequence ?? -1);
  writeInt32(batch, 57, header.recordCount);
  writeInt32(batch, 17, crc32c(batch.subarray(21)));
}

/** Bytes of a record after its length. */
function recordBytes(record: NewRecord, index: number, baseTimestamp: number, defaultTimestamp: number): number {
  const { headers } = record;
  let bytes =
    1 +
    varintBytes((record.timestamp ?? defaultTimestamp) - baseTimestamp) +
    varintBytes(index) +
    nullableBytes(record.key) +
    nullableBytes(record.value);
  if (headers === undefined) return bytes + 1;
  bytes += varintBytes(headers.length);
  for (const [name, value] of headers) bytes += nullableBytes(name) + nullableBytes(value);
  return bytes;
}

function nullableBytes(value: Uint8Array | string | null): number {
  if (value === null) return 1;
  const length = typeof value === 'string' ? Buffer.byteLength(value) : value.length;
  return uvarintBytes(length * 2) + length;
}

function writeRecord(batch: Buffer, start: number, record: NewRecord, index: number, timestampDelta: number): number {
  let at = start;
  batch[at++] = 0;
  at = writeVarint(batch, at, timestampDelta);
  at = writeVarint(batch, at, index);
  at = writeNullable(batch, at, record.key);
  at = writeNullable(batch, at, record.value);
  const { headers } = record;
  if (headers === undefined) {
    batch[at++] = 0;
    return at;
  }
  at = writeVarint(batch, at, headers.length);
  for (const [name, value] of headers) at = writeNullable(batch, writeNullable(batch, at, name), value);
  return at;
}

function writeNullable(batch: Buffer, start: number, value: Uint8Array | string | null): number {
  if (value === null) return writeUvarint(batch, start, 1); // -1 in zigzag.
  if (typeof value !== 'string') {
    const at = writeUvarint(batch, start, value.length * 2);
    batch.set(value, at);
    return at + value.length;
  }
  const length = Buffer.byteLength(value);
  const at = writeUvarint(batch, start, length * 2);
  writeText(batch, at, value, length);
  return at + length;
}

/** Short ASCII is written here: a call into native code costs as much as 30 characters. */
function writeText(batch: Buffer, at: number, text: string, length: number): void {
  if (text.length !== length) batch.write(text, at, length, 'utf8');
  else if (length > 30) batch.write(text, at, length, 'latin1');
  else for (let index = 0; index < length; index++) batch[at + index] = text.charCodeAt(index);
}
