import { writeUvarint, zigzag } from '../record/varint.ts';

/** Room that any one number, flag or id takes at most. */
const SLACK_BYTES = 32;
/** Beyond this a zigzag would leave the exact integers: such a value follows as a double. Only hostile timestamps get there. */
export const ZIGZAG_MAX = 2 ** 51;
export const WIDE_MARK = 2 ** 53 - 1;

/** What entries and snapshots are written with. Grows by doubling; `reset` keeps the memory for the next one. */
export class ByteWriter {
  length = 0;
  #buffer: Buffer;

  constructor(bytes = 4_096) {
    this.#buffer = Buffer.allocUnsafe(bytes);
  }

  /** Forgets everything from `length` on. */
  truncate(length: number): void {
    this.length = length;
  }

  byte(value: number): void {
    this.#reserve(SLACK_BYTES);
    this.#buffer[this.length++] = value;
  }

  uint32(value: number): void {
    this.#reserve(SLACK_BYTES);
    this.length = this.#buffer.writeUInt32LE(value, this.length);
  }

  /** 0 to 2^53. */
  uvarint(value: number): void {
    this.#reserve(SLACK_BYTES);
    if (value < 0x80) this.#buffer[this.length++] = value;
    else this.length = writeUvarint(this.#buffer, this.length, value);
  }

  /** Any number, small magnitudes in few bytes. */
  signed(value: number): void {
    if (value <= ZIGZAG_MAX && value >= -ZIGZAG_MAX) {
      this.uvarint(zigzag(value));
      return;
    }
    this.uvarint(WIDE_MARK);
    this.#reserve(SLACK_BYTES);
    this.length = this.#buffer.writeDoubleLE(value, this.length);
  }

  /** A number near `base`, exactly, however far away a hostile client puts it. */
  near(value: number, base: number): void {
    const delta = value - base;
    if (delta <= ZIGZAG_MAX && delta >= -ZIGZAG_MAX && base + delta === value) {
      this.uvarint(zigzag(delta));
      return;
    }
    this.uvarint(WIDE_MARK);
    this.#reserve(SLACK_BYTES);
    this.length = this.#buffer.writeDoubleLE(value, this.length);
  }

  string(value: string): void {
    const bytes = Buffer.byteLength(value);
    this.uvarint(bytes);
    this.#reserve(bytes + SLACK_BYTES);
    this.length += this.#buffer.write(value, this.length);
  }

  /** 16 bytes as 32 digits of hex. */
  hexId(value: string): void {
    this.#reserve(SLACK_BYTES);
    this.length += this.#buffer.write(value, this.length, 16, 'hex');
  }

  /** 16 bytes as Kafka prints a UUID. */
  uuid(value: string): void {
    this.#reserve(SLACK_BYTES);
    this.length += this.#buffer.write(value, this.length, 16, 'base64url');
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** What was written so far; valid until the next write. */
  view(): Buffer {
    return this.#buffer.subarray(0, this.length);
  }

  /** A copy of its own. */
  finish(): Buffer {
    return Buffer.from(this.view());
  }

  #reserve(bytes: number): void {
    const needed = this.length + bytes;
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(grown, 0, 0, this.length);
    this.#buffer = grown;
  }
}
