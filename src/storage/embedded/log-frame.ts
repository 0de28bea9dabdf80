/**
 * The bytes of the metadata log. A file is a header and frames; a frame is one durable write of everything that waited,
 * and counts whole or not at all. All numbers are little-endian; everything starts on a block of 4 KiB, so that a write
 * never touches a block that holds acknowledged bytes.
 *
 *   file:   header | copy of the header | frame | frame | … | zeros, or leftovers of the file's earlier life
 *   frame:  head | bodies | zeros | copy of the head | copyBytes u32, END_MAGIC u32      (a multiple of 4 KiB)
 *   head:   MAGIC u32 | crc u32 of the rest | file sequence u32 | position u32 in blocks | length u32 in blocks
 *           | record count u32 | table bytes u32 | body bytes u32 | number f64 | table
 *   table:  per record: type u8 | attribute count u8 | partition key bytes u16 | sort key bytes u16 | text u16
 *           | body bytes u32 | body crc u32 | partition key | sort key | attributes
 *   attribute: type u8 | name bytes u8 | name | string: bytes u32, text | number: f64
 *
 * Heads are written twice, at both ends, so that damage in one place never hides which items it hit. Their CRC starts
 * from the file's random nonce, so that stored data which happens to look like a frame is never taken for one. Numbers
 * count up by one from frame to frame, through all files. Pure.
 */
import { crc32 } from 'node:zlib';
import { assert } from '../../runtime/assert.ts';
import type { AttributeValue, Item, ItemKey } from '../metadata-store.ts';

export const BLOCK_BYTES = 4_096;
/** Two copies of the file header. */
export const FILE_HEADER_BYTES = 2 * BLOCK_BYTES;
export const HEAD_BYTES = 40;

const FILE_MAGIC = 0x474f4c4d; // "MLOG"
const FILE_VERSION = 1;
const FRAME_MAGIC = 0x4d52464d; // "MFRM"
const END_MAGIC = 0x444e454d; // "MEND"
const END_BYTES = 8;
const RECORD_BYTES = 16;

/** Persisted: never renumber. */
const RECORD_PUT = 1;
const RECORD_DELETE = 2;
const ATTRIBUTE_STRING = 1;
const ATTRIBUTE_NUMBER = 2;
/** The keys of a record are ASCII, which decodes in half the time: most of what a start takes. */
const TEXT_ASCII = 0;
const TEXT_UTF8 = 1;

export const blocksUp = (bytes: number): number => Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;

export interface FileHeader {
  /** Files are numbered 1, 2, 3, … in the order of writing. */
  readonly sequence: number;
  readonly nonce: number;
  readonly fileBytes: number;
  /** Where the frames of the file before this one end; whatever follows there never happened. */
  readonly previousEnd: number;
}

export function encodeFileHeader({ sequence, nonce, fileBytes, previousEnd }: FileHeader): Buffer {
  const bytes = Buffer.alloc(FILE_HEADER_BYTES);
  const fields = [FILE_MAGIC, FILE_VERSION, sequence, nonce, fileBytes, previousEnd];
  for (const [index, field] of fields.entries()) bytes.writeUInt32LE(field, index * 4);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, fields.length * 4)), fields.length * 4);
  bytes.copy(bytes, BLOCK_BYTES, 0, BLOCK_BYTES);
  return bytes;
}

/** Null when both copies are damaged. */
export function decodeFileHeader(bytes: Buffer): FileHeader | 'unknown version' | null {
  for (const start of [0, BLOCK_BYTES]) {
    if (bytes.length < start + 28) return null;
    if (bytes.readUInt32LE(start) !== FILE_MAGIC) continue;
    if (crc32(bytes.subarray(start, start + 24)) !== bytes.readUInt32LE(start + 24)) continue;
    if (bytes.readUInt32LE(start + 4) !== FILE_VERSION) return 'unknown version';
    return {
      sequence: bytes.readUInt32LE(start + 8),
      nonce: bytes.readUInt32LE(start + 12),
      fileBytes: bytes.readUInt32LE(start + 16),
      previousEnd: bytes.readUInt32LE(start + 20),
    };
  }
  return null;
}

/** A put with its body, or a delete. `bodyCrc` is given when the body is copied as it stands in an older file. */
export type LogWrite =
  | { readonly type: 'put'; readonly item: Item; readonly bodyCrc?: number }
  | { readonly type: 'delete'; readonly key: ItemKey };

export interface FramePlace {
  readonly sequence: number;
  readonly nonce: number;
  /** In the file, a multiple of a block. */
  readonly position: number;
}

export interface LogRecord extends ItemKey {
  readonly type: 'put' | 'delete';
  /** For `decodeAttributes`: a start reads many records, and most attributes are never asked for. */
  readonly encodedAttributes: string;
  /** In the file. */
  readonly bodyPosition: number;
  readonly bodyBytes: number;
  readonly bodyCrc: number;
  /** Room that the record takes in its frame. */
  readonly storedBytes: number;
}

export interface Frame {
  readonly position: number;
  readonly end: number;
  readonly number: number;
  /** Head and table: what a reader must have before it can decode the records. */
  readonly headBytes: number;
  readonly recordCount: number;
}

/** Room that one record takes in a frame, at most: its part of the head, twice, and its body. */
export function recordBytesMax(
  key: ItemKey,
  attributes: Readonly<Record<string, AttributeValue>>,
  bodyBytes: number,
): number {
  let bytes = RECORD_BYTES + textBytesMax(key.partitionKey) + textBytesMax(key.sortKey);
  for (const name in attributes) {
    const value = attributes[name]!;
    bytes += 2 + textBytesMax(name) + (typeof value === 'string' ? 4 + textBytesMax(value) : 8);
  }
  return 2 * bytes + bodyBytes;
}

const NO_ATTRIBUTES = {};

export const writeBytesMax = (write: LogWrite): number =>
  write.type === 'put'
    ? recordBytesMax(write.item, write.item.attributes, write.item.body.length)
    : recordBytesMax(write.key, NO_ATTRIBUTES, 0);

/** A UTF-16 unit takes at most three bytes of UTF-8; counting exactly pays only for long texts. */
const textBytesMax = (text: string): number => (text.length <= 128 ? 3 * text.length : Buffer.byteLength(text));

/** Bytes of an empty frame before it is rounded up to blocks. */
export const FRAME_OVERHEAD_BYTES = 2 * HEAD_BYTES + END_BYTES;

/** Larger frames get a buffer of their own. */
const BUFFER_BYTES_KEPT = 1024 * 1024;

/** Encodes one frame at a time into a buffer that it keeps: the last frame must be written before the next is encoded. */
export class FrameEncoder {
  readonly #kept = Buffer.allocUnsafeSlow(BUFFER_BYTES_KEPT);
  /** In the file, per record of the frame encoded last. */
  readonly bodyPositions: number[] = [];
  readonly bodyCrcs: number[] = [];

  encode(writes: readonly LogWrite[], place: FramePlace, number: number): Buffer {
    let room = FRAME_OVERHEAD_BYTES;
    for (const write of writes) room += writeBytesMax(write);
    const capacity = blocksUp(room);
    const bytes = capacity <= BUFFER_BYTES_KEPT ? this.#kept : Buffer.allocUnsafe(capacity);

    this.bodyCrcs.length = 0;
    this.bodyPositions.length = 0;
    let at = HEAD_BYTES;
    for (const write of writes) at = this.#encodeRecord(bytes, at, write);
    const headBytes = at;
    for (const write of writes) {
      this.bodyPositions.push(place.position + at);
      if (write.type !== 'put') continue;
      bytes.set(write.item.body, at);
      at += write.item.body.length;
    }
    const frameBytes = blocksUp(at + headBytes + END_BYTES);
    const copyStart = frameBytes - END_BYTES - headBytes;
    bytes.fill(0, at, copyStart);

    bytes.writeUInt32LE(FRAME_MAGIC, 0);
    bytes.writeUInt32LE(place.sequence, 8);
    bytes.writeUInt32LE(place.position / BLOCK_BYTES, 12);
    bytes.writeUInt32LE(frameBytes / BLOCK_BYTES, 16);
    bytes.writeUInt32LE(writes.length, 20);
    bytes.writeUInt32LE(headBytes - HEAD_BYTES, 24);
    bytes.writeUInt32LE(at - headBytes, 28);
    bytes.writeDoubleLE(number, 32);
    bytes.writeUInt32LE(crc32(bytes.subarray(8, headBytes), place.nonce), 4);
    bytes.copy(bytes, copyStart, 0, headBytes);
    bytes.writeUInt32LE(headBytes, frameBytes - END_BYTES);
    bytes.writeUInt32LE(END_MAGIC, frameBytes - END_BYTES + 4);
    return bytes.subarray(0, frameBytes);
  }

  #encodeRecord(bytes: Buffer, start: number, write: LogWrite): number {
    const key = write.type === 'put' ? write.item : write.key;
    let at = start + RECORD_BYTES;
    const partitionKeyBytes = bytes.write(key.partitionKey, at);
    at += partitionKeyBytes;
    const sortKeyBytes = bytes.write(key.sortKey, at);
    at += sortKeyBytes;
    const isAscii = partitionKeyBytes === key.partitionKey.length && sortKeyBytes === key.sortKey.length;
    let attributeCount = 0;
    let bodyBytes = 0;
    let bodyCrc = 0;
    if (write.type === 'put') {
      const { attributes, body } = write.item;
      for (const name in attributes) {
        at = encodeAttribute(bytes, at, name, attributes[name]!);
        attributeCount += 1;
      }
      bodyBytes = body.length;
      bodyCrc = write.bodyCrc ?? crc32(body);
    }
    bytes[start] = write.type === 'put' ? RECORD_PUT : RECORD_DELETE;
    bytes[start + 1] = attributeCount;
    bytes.writeUInt16LE(partitionKeyBytes, start + 2);
    bytes.writeUInt16LE(sortKeyBytes, start + 4);
    bytes.writeUInt16LE(isAscii ? TEXT_ASCII : TEXT_UTF8, start + 6);
    bytes.writeUInt32LE(bodyBytes, start + 8);
    bytes.writeUInt32LE(bodyCrc, start + 12);
    this.bodyCrcs.push(bodyCrc);
    return at;
  }
}

function encodeAttribute(bytes: Buffer, start: number, name: string, value: AttributeValue): number {
  const nameBytes = bytes.write(name, start + 2);
  bytes[start] = typeof value === 'string' ? ATTRIBUTE_STRING : ATTRIBUTE_NUMBER;
  bytes[start + 1] = nameBytes;
  const at = start + 2 + nameBytes;
  if (typeof value === 'number') return bytes.writeDoubleLE(value, at);
  const valueBytes = bytes.write(value, at + 4);
  bytes.writeUInt32LE(valueBytes, at);
  return at + 4 + valueBytes;
}

/**
 * Looks at the first bytes of what may be a frame. Tells how long the head would be, not yet that its CRC is right;
 * null when this is no frame of this file at this position.
 */
export function peekFrame(bytes: Buffer, start: number, place: FramePlace, fileEnd: number): Frame | null {
  if (start + HEAD_BYTES > bytes.length || bytes.readUInt32LE(start) !== FRAME_MAGIC) return null;
  if (bytes.readUInt32LE(start + 8) !== place.sequence) return null;
  if (bytes.readUInt32LE(start + 12) * BLOCK_BYTES !== place.position) return null;
  const frameBytes = bytes.readUInt32LE(start + 16) * BLOCK_BYTES;
  const headBytes = HEAD_BYTES + bytes.readUInt32LE(start + 24);
  const bodyBytes = bytes.readUInt32LE(start + 28);
  const end = place.position + frameBytes;
  if (end > fileEnd || 2 * headBytes + bodyBytes + END_BYTES > frameBytes) return null;
  return {
    position: place.position,
    end,
    number: bytes.readDoubleLE(start + 32),
    headBytes,
    recordCount: bytes.readUInt32LE(start + 20),
  };
}

/** Whether the head that `peekFrame` saw is what was written. `bytes` holds all of it. */
export function isHeadWhole(bytes: Buffer, start: number, frame: Frame, nonce: number): boolean {
  return crc32(bytes.subarray(start + 8, start + frame.headBytes), nonce) === bytes.readUInt32LE(start + 4);
}

/** Length of the copy of the head in front of a frame's end, given the last bytes of the frame; null when this is no end. */
export function copyBytesAt(lastBytes: Buffer): number | null {
  const start = lastBytes.length - END_BYTES;
  return lastBytes.readUInt32LE(start + 4) === END_MAGIC ? lastBytes.readUInt32LE(start) : null;
}

export const COPY_END_BYTES = END_BYTES;

/** The records of a head that `isHeadWhole`. */
export function decodeRecords(bytes: Buffer, start: number, frame: Frame): LogRecord[] {
  const records: LogRecord[] = [];
  let at = start + HEAD_BYTES;
  let bodyPosition = frame.position + frame.headBytes;
  let lastPartitionKey = '';
  for (let index = 0; index < frame.recordCount; index += 1) {
    const isPut = bytes[at] === RECORD_PUT;
    assert(isPut || bytes[at] === RECORD_DELETE, `record of type ${bytes[at]} in the metadata log`);
    const partitionKeyEnd = at + RECORD_BYTES + bytes.readUInt16LE(at + 2);
    const sortKeyEnd = partitionKeyEnd + bytes.readUInt16LE(at + 4);
    const encoding = bytes.readUInt16LE(at + 6) === TEXT_ASCII ? 'latin1' : 'utf8';
    const bodyBytes = bytes.readUInt32LE(at + 8);
    const end = attributesEnd(bytes, sortKeyEnd, bytes[at + 1]!);
    const partitionKey = bytes.toString(encoding, at + RECORD_BYTES, partitionKeyEnd);
    if (partitionKey !== lastPartitionKey) lastPartitionKey = partitionKey; // One string for all: most are the same.
    records.push({
      type: isPut ? 'put' : 'delete',
      partitionKey: lastPartitionKey,
      sortKey: bytes.toString(encoding, partitionKeyEnd, sortKeyEnd),
      encodedAttributes: bytes.toString('latin1', sortKeyEnd, end),
      bodyPosition,
      bodyBytes,
      bodyCrc: bytes.readUInt32LE(at + 12),
      storedBytes: 2 * (end - at) + bodyBytes,
    });
    bodyPosition += bodyBytes;
    at = end;
  }
  return records;
}

function attributesEnd(bytes: Buffer, start: number, count: number): number {
  let at = start;
  for (let left = count; left > 0; left -= 1) {
    const nameEnd = at + 2 + bytes[at + 1]!;
    at = bytes[at] === ATTRIBUTE_NUMBER ? nameEnd + 8 : nameEnd + 4 + bytes.readUInt32LE(nameEnd);
  }
  return at;
}

export function decodeAttributes(encoded: string): Record<string, AttributeValue> {
  const attributes: Record<string, AttributeValue> = {};
  const bytes = Buffer.from(encoded, 'latin1');
  for (let at = 0; at < bytes.length; ) {
    const nameEnd = at + 2 + bytes[at + 1]!;
    const end = attributesEnd(bytes, at, 1);
    attributes[bytes.toString('utf8', at + 2, nameEnd)] =
      bytes[at] === ATTRIBUTE_NUMBER ? bytes.readDoubleLE(nameEnd) : bytes.toString('utf8', nameEnd + 4, end);
    at = end;
  }
  return attributes;
}
