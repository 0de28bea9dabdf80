/**
 * Variable-length integers, seven bits a byte, lowest first: unsigned, and Kafka's signed ones in zigzag (0, -1, 1, -2 …
 * become 0, 1, 2, 3 …). Values are JavaScript numbers up to 2^53; a longer one is a lie and throws INVALID_RECORD.
 */
import { KafkaError } from '../errors.ts';

/** Seven bits a byte: eight bytes hold 2^56, more than a number can. */
const VARINT_BYTES_MAX = 10;

export class VarintReader {
  readonly bytes: Uint8Array;
  position: number;
  readonly end: number;

  constructor(bytes: Uint8Array, position = 0, end = bytes.length) {
    this.bytes = bytes;
    this.position = position;
    this.end = end;
  }

  get remaining(): number {
    return this.end - this.position;
  }

  uvarint(): number {
    if (this.position < this.end) {
      const first = this.bytes[this.position]!;
      if (first < 0x80) {
        this.position++;
        return first;
      }
    }
    return this.#uvarintLong();
  }

  #uvarintLong(): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < VARINT_BYTES_MAX; count++) {
      if (this.position >= this.end) throw new KafkaError('INVALID_RECORD', 'a varint is cut short');
      const byte = this.bytes[this.position++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) throw new KafkaError('INVALID_RECORD', 'a varint beyond 2^53');
        return value;
      }
      scale *= 128;
    }
    throw new KafkaError('INVALID_RECORD', `a varint of more than ${VARINT_BYTES_MAX} bytes`);
  }

  varint(): number {
    const zigzag = this.uvarint();
    if (zigzag <= 0x7fffffff) return (zigzag >>> 1) ^ -(zigzag & 1);
    return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
  }
}

/** Bytes that `writeUvarint` takes. */
export function uvarintBytes(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x200000) return 3;
  let bytes = 4;
  for (let rest = value / 0x10000000; rest >= 1; rest /= 128) bytes++;
  return bytes;
}

export const zigzag = (value: number): number => (value >= 0 ? value * 2 : value * -2 - 1);
export const varintBytes = (value: number): number => uvarintBytes(zigzag(value));

/** Returns the position after the last byte. */
export function writeUvarint(bytes: Uint8Array, at: number, value: number): number {
  let rest = value;
  while (rest >= 0x80000000) {
    bytes[at++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  while (rest >= 0x80) {
    bytes[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  bytes[at++] = rest;
  return at;
}

export const writeVarint = (bytes: Uint8Array, at: number, value: number): number =>
  writeUvarint(bytes, at, zigzag(value));
