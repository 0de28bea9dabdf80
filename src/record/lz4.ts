/**
 * Reads LZ4 frames, which is what Kafka's lz4 codec is. In JavaScript, because the output must be bounded while it
 * grows, which the native module does not offer. Frame and content checksums are not verified: the CRC-32C of the batch
 * covers the same bytes (and old clients wrote wrong header checksums).
 *
 *   frame  magic 04 22 4D 18 │ flags │ block size │ content size? 8 │ dictionary id? 4 │ header checksum
 *          block* │ 0 (4 bytes) │ content checksum? 4
 *   block  length 4, highest bit set = stored as it is │ bytes │ checksum? 4        (integers little-endian)
 *   bytes  (token: literals 4 bits, match 4 bits │ length bytes │ literals │ offset 2 │ length bytes)*
 */
import { KafkaError } from '../errors.ts';
import { GrowingOutput } from './growing-output.ts';

const FRAME_MAGIC = 0x184d2204;
const SKIPPABLE_MAGIC = 0x184d2a50;
const STORED_FLAG = 0x80000000;
const MATCH_BYTES_MIN = 4;

export function readLz4Frames(input: Uint8Array, bytesMax: number): Buffer {
  const output = new GrowingOutput('lz4', input.length, bytesMax);
  let at = 0;
  do {
    const magic = uint32(input, at);
    if (Math.floor(magic / 16) === SKIPPABLE_MAGIC / 16) at += 8 + uint32(input, at + 4);
    else if (magic === FRAME_MAGIC) at = readFrame(input, at + 4, output);
    else throw new KafkaError('INVALID_RECORD', `no lz4 frame: it starts with ${magic.toString(16)}`);
  } while (at < input.length);
  return output.finish();
}

function readFrame(input: Uint8Array, start: number, output: GrowingOutput): number {
  if (start + 3 > input.length) throw cutShort();
  const flags = input[start]!;
  if (flags >>> 6 !== 1) throw new KafkaError('INVALID_RECORD', `lz4 frame of unknown version ${flags >>> 6}`);
  if (flags & 0x01) throw new KafkaError('INVALID_RECORD', 'lz4 frame with a dictionary, which Kafka does not have');
  const blockChecksumBytes = flags & 0x10 ? 4 : 0;
  const contentChecksumBytes = flags & 0x04 ? 4 : 0;
  let at = start + 3 + (flags & 0x08 ? 8 : 0);
  for (;;) {
    const length = uint32(input, at);
    at += 4;
    if (length === 0) break;
    const blockBytes = length % STORED_FLAG;
    const end = at + blockBytes;
    if (end > input.length) throw cutShort();
    if (length >= STORED_FLAG) output.append(input, at, blockBytes);
    else readBlock(input, at, end, output);
    at = end + blockChecksumBytes;
  }
  at += contentChecksumBytes;
  if (at > input.length) throw cutShort();
  return at;
}

function readBlock(input: Uint8Array, start: number, end: number, output: GrowingOutput): void {
  let at = start;
  while (at < end) {
    const token = input[at++]!;
    let literals = token >>> 4;
    if (literals === 15) {
      let more: number;
      do {
        if (at >= end) throw cutShort();
        more = input[at++]!;
        literals += more;
      } while (more === 255);
    }
    if (at + literals > end) throw cutShort();
    output.append(input, at, literals);
    at += literals;
    if (at === end) return; // The last sequence of a block has no match.

    if (at + 2 > end) throw cutShort();
    const offset = input[at]! | (input[at + 1]! << 8);
    at += 2;
    let match = token & 15;
    if (match === 15) {
      let more: number;
      do {
        if (at >= end) throw cutShort();
        more = input[at++]!;
        match += more;
      } while (more === 255);
    }
    output.repeat(offset, match + MATCH_BYTES_MIN);
  }
}

function uint32(input: Uint8Array, at: number): number {
  if (at + 4 > input.length) throw cutShort();
  return (input[at]! | (input[at + 1]! << 8) | (input[at + 2]! << 16) | (input[at + 3]! << 24)) >>> 0;
}

const cutShort = () => new KafkaError('INVALID_RECORD', 'lz4 data is cut short');
