import { StorageCorruptError } from '../errors.ts';
import { WIDE_MARK } from './byte-writer.ts';

const NUMBER_BYTES_MAX = 10;
/** Seven bits a byte of a number of 53. */
const WIDE_MARK_BYTES = 8;
/** Of the tenth byte of a number: no writer makes more. */
const SCALE_MAX = 128 ** 9;

/** Reads what `ByteWriter` wrote. Anything that does not fit is a StorageCorruptError: a checksum was passed before. */
export class ByteReader {
  readonly buffer: Buffer;
  readonly #end: number;
  position: number;

  constructor(buffer: Buffer, position = 0, end = buffer.length) {
    this.buffer = buffer;
    this.position = position;
    this.#end = end;
  }

  get remaining(): number {
    return this.#end - this.position;
  }

  byte(): number {
    return this.buffer[this.#take(1)]!;
  }

  uint32(): number {
    return this.buffer.readUInt32LE(this.#take(4));
  }

  uvarint(): number {
    const { buffer, position } = this;
    // Nearly all numbers are short; those near the end are left to the careful way.
    if (position + 4 <= this.#end) {
      const first = buffer[position]!;
      if (first < 0x80) {
        this.position = position + 1;
        return first;
      }
      const second = buffer[position + 1]!;
      if (second < 0x80) {
        this.position = position + 2;
        return (first & 0x7f) | (second << 7);
      }
      const third = buffer[position + 2]!;
      if (third < 0x80) {
        this.position = position + 3;
        return (first & 0x7f) | ((second & 0x7f) << 7) | (third << 14);
      }
    }
    return this.#longUvarint();
  }

  #longUvarint(): number {
    let value = 0;
    for (let scale = 1; scale <= SCALE_MAX; scale *= 128) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte >= 0x80) continue;
      if (value > Number.MAX_SAFE_INTEGER) break;
      return value;
    }
    throw new StorageCorruptError('a number is too long');
  }

  skipUvarint(): void {
    const { buffer } = this;
    const start = this.position;
    let at = start;
    while (at < this.#end && buffer[at]! >= 0x80) at++;
    if (at >= this.#end || at - start >= NUMBER_BYTES_MAX)
      throw new StorageCorruptError('a number is cut short or too long');
    this.position = at + 1;
  }

  skipNear(): void {
    const start = this.position;
    this.skipUvarint();
    if (this.position - start < WIDE_MARK_BYTES) return;
    this.position = start;
    this.near(0);
  }

  /** A count of things that take at least one byte each: a larger claim is a lie. */
  count(): number {
    const count = this.uvarint();
    if (count > this.remaining) throw new StorageCorruptError(`${count} elements in ${this.remaining} bytes`);
    return count;
  }

  /** A counted list. */
  many<T>(read: () => T): T[] {
    const count = this.count();
    const values: T[] = [];
    for (let at = 0; at < count; at++) values.push(read());
    return values;
  }

  signed(): number {
    return this.near(0);
  }

  near(base: number): number {
    const zigzag = this.uvarint();
    if (zigzag === WIDE_MARK) return this.buffer.readDoubleLE(this.#take(8));
    return base + (zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2);
  }

  string(): string {
    const bytes = this.uvarint();
    const start = this.#take(bytes);
    return this.buffer.toString('utf8', start, start + bytes);
  }

  hexId(): string {
    const start = this.#take(16);
    return this.buffer.toString('hex', start, start + 16);
  }

  uuid(): string {
    const start = this.#take(16);
    return this.buffer.toString('base64url', start, start + 16);
  }

  /** A view of the next `count` bytes. */
  bytes(count: number): Buffer {
    const start = this.#take(count);
    return this.buffer.subarray(start, start + count);
  }

  /** Steps over `bytes` and returns where they start. */
  #take(bytes: number): number {
    const start = this.position;
    if (bytes > this.remaining) throw new StorageCorruptError(`${bytes} bytes wanted, ${this.remaining} left`);
    this.position = start + bytes;
    return start;
  }
}
