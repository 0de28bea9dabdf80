import { StorageCorruptError } from '../errors.ts';
import { VarintReader } from '../record/varint.ts';
import { WIDE_MARK } from './byte-writer.ts';

/** Reads what `ByteWriter` wrote. Anything that does not fit is a StorageCorruptError: a checksum was passed before. */
export class ByteReader {
  readonly buffer: Buffer;
  readonly #varints: VarintReader;

  constructor(buffer: Buffer, position = 0, end = buffer.length) {
    this.buffer = buffer;
    this.#varints = new VarintReader(buffer, position, end);
  }

  get position(): number {
    return this.#varints.position;
  }

  get remaining(): number {
    return this.#varints.remaining;
  }

  byte(): number {
    return this.buffer[this.#take(1)]!;
  }

  uint32(): number {
    return this.buffer.readUInt32LE(this.#take(4));
  }

  uvarint(): number {
    try {
      return this.#varints.uvarint();
    } catch (cause) {
      throw new StorageCorruptError('a number is cut short or too long', { cause });
    }
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
    const start = this.#varints.position;
    if (bytes > this.#varints.remaining) {
      throw new StorageCorruptError(`${bytes} bytes wanted, ${this.#varints.remaining} left`);
    }
    this.#varints.position = start + bytes;
    return start;
  }
}
