/**
 * Bounds-checked cursors over bytes, big-endian as Kafka's. The reader never copies or allocates before it has checked a
 * length against what is there; the writer collects small fields in chunks and appends large ones as they are.
 */
import { KafkaError } from '../errors.ts';
import { AssertionError, assert } from '../runtime/assert.ts';

const TWO_32 = 0x1_0000_0000;
const TWO_63 = 2 ** 63;
const UUID_BYTES = 16;
const UUID_CHARS = 22;

/**
 * Elements of all arrays of one message. A few bytes on the wire become an object of a hundred, so what a client may send
 * is bounded more tightly than what it may be told: the metadata of 100,000 partitions.
 */
export const ELEMENTS_PER_MESSAGE_MAX = 1_000_000;
export const ELEMENTS_PER_REQUEST_MAX = 250_000;

/** Reads `[position, end)` of a buffer. Whatever is wrong with the bytes is an INVALID_REQUEST. */
export class Reader {
  readonly #bytes: Buffer;
  readonly #what: string;
  #position: number;
  #end: number;
  #elementsLeft: number;

  constructor(bytes: Buffer, what: string, position = 0, elementsMax = ELEMENTS_PER_MESSAGE_MAX) {
    this.#bytes = bytes;
    this.#what = what;
    this.#position = position;
    this.#end = bytes.length;
    this.#elementsLeft = elementsMax;
  }

  get position(): number {
    return this.#position;
  }

  get remaining(): number {
    return this.#end - this.#position;
  }

  /** Throws INVALID_REQUEST naming the message. */
  refuse(problem: string): never {
    throw new KafkaError('INVALID_REQUEST', `${this.#what}: ${problem} at byte ${this.#position}`);
  }

  int8(): number {
    const at = this.#take(1);
    return (this.#bytes[at]! << 24) >> 24;
  }

  int16(): number {
    const at = this.#take(2);
    const b = this.#bytes;
    return (((b[at]! << 8) | b[at + 1]!) << 16) >> 16;
  }

  uint16(): number {
    return this.int16() & 0xffff;
  }

  int32(): number {
    const at = this.#take(4);
    const b = this.#bytes;
    return (b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!;
  }

  uint32(): number {
    return this.int32() >>> 0;
  }

  /** Two halves, no BigInt: exact up to 2^53. */
  int64(): number {
    const high = this.int32();
    return high * TWO_32 + this.uint32();
  }

  float64(): number {
    return this.#bytes.readDoubleBE(this.#take(8));
  }

  /** Unsigned LEB128 of 32 bits at most. */
  uvarint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#bytes[this.#take(1)]!;
      if (shift === 28 && byte > 0x0f) break;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    return this.refuse('varint of more than 32 bits');
  }

  uuid(): string {
    const at = this.#take(UUID_BYTES);
    return this.#bytes.toString('base64url', at, at + UUID_BYTES);
  }

  string(length: number): string {
    const at = this.#take(length);
    return this.#bytes.toString('utf8', at, at + length);
  }

  /** A view, valid as long as the buffer is. */
  view(length: number): Buffer {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  skip(length: number): void {
    this.#take(length);
  }

  /** Checks the claim of an array before anything is allocated for it. */
  claimElements(count: number, elementBytesMin: number): void {
    if (count * elementBytesMin > this.remaining) this.refuse(`array of ${count} in ${this.remaining} bytes`);
    if (count > this.#elementsLeft) this.refuse(`array of ${count} where ${this.#elementsLeft} more are allowed`);
    this.#elementsLeft -= count;
  }

  /** Narrows the reader to the next `length` bytes and returns the outer end, for `leave`. */
  enter(length: number): number {
    if (length > this.remaining) this.#short(length);
    const outer = this.#end;
    this.#end = this.#position + length;
    return outer;
  }

  leave(outer: number): void {
    this.expectEnd();
    this.#end = outer;
  }

  expectEnd(): void {
    if (this.#position !== this.#end) this.refuse(`${this.remaining} bytes too many`);
  }

  #take(length: number): number {
    const at = this.#position;
    if (length > this.#end - at) this.#short(length);
    this.#position = at + length;
    return at;
  }

  #short(length: number): never {
    return this.refuse(`${length} bytes needed, ${this.remaining} left`);
  }
}

const CHUNK_BYTES = 256;
const CHUNK_BYTES_MAX = 64 * 1024;

/** Yields a gather list. Values out of range are bugs of ours and asserted. */
export class Writer {
  readonly #parts: Uint8Array[] = [];
  readonly #first: Buffer;
  #chunk: Buffer;
  /** Next free byte of the chunk, and the first one not yet in `#parts`. */
  #at = 0;
  #pending = 0;
  #partsBytes = 0;

  constructor(capacity = CHUNK_BYTES) {
    this.#chunk = Buffer.allocUnsafe(capacity);
    this.#first = this.#chunk;
  }

  get length(): number {
    return this.#partsBytes + this.#at - this.#pending;
  }

  int8(value: number): void {
    if ((value << 24) >> 24 !== value) outOfRange('int8', value);
    const at = this.#reserve(1);
    this.#chunk[at] = value;
  }

  int16(value: number): void {
    if ((value << 16) >> 16 !== value) outOfRange('int16', value);
    this.#put16(value);
  }

  uint16(value: number): void {
    if ((value & 0xffff) !== value) outOfRange('uint16', value);
    this.#put16(value);
  }

  int32(value: number): void {
    if ((value | 0) !== value) outOfRange('int32', value);
    this.#put32(value);
  }

  uint32(value: number): void {
    if (value >>> 0 !== value) outOfRange('uint32', value);
    this.#put32(value);
  }

  int64(value: number): void {
    if (!Number.isInteger(value)) outOfRange('int64', value);
    if (value >= TWO_63) {
      this.#put32(0x7fffffff);
      this.#put32(0xffffffff);
    } else if (value <= -TWO_63) {
      this.#put32(0x80000000);
      this.#put32(0);
    } else {
      const high = Math.floor(value / TWO_32);
      this.#put32(high);
      this.#put32(value - high * TWO_32);
    }
  }

  float64(value: number): void {
    const at = this.#reserve(8);
    this.#chunk.writeDoubleBE(value, at);
  }

  uvarint(value: number): void {
    if (value >>> 0 !== value) outOfRange('uvarint', value);
    let at = this.#reserve(5);
    let rest = value;
    while (rest > 0x7f) {
      this.#chunk[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#chunk[at++] = rest;
    this.#at = at;
  }

  uuid(value: string): void {
    const at = this.#reserve(UUID_BYTES);
    const written = value.length === UUID_CHARS ? this.#chunk.write(value, at, UUID_BYTES, 'base64url') : 0;
    assert(written === UUID_BYTES, 'a uuid is 22 characters of base64url');
  }

  /** `length` is the number of bytes that `value` takes in UTF-8. */
  string(value: string, length: number): void {
    const at = this.#reserve(length);
    this.#chunk.write(value, at, length, 'utf8');
  }

  /** Copies. */
  raw(value: Uint8Array): void {
    const at = this.#reserve(value.length);
    this.#chunk.set(value, at);
  }

  /** Appends without copying: `value` must not change until the list is on the wire. */
  gather(value: Uint8Array): void {
    if (value.length === 0) return;
    this.#flush();
    this.#parts.push(value);
    this.#partsBytes += value.length;
  }

  /** The bytes as a list. The writer must not be used afterwards. */
  finish(): readonly Uint8Array[] {
    this.#flush();
    return this.#parts;
  }

  /** As `finish`, for a writer whose first four bytes were kept free for the size of what follows. */
  finishFrame(): readonly Uint8Array[] {
    this.#first.writeInt32BE(this.length - 4, 0);
    return this.finish();
  }

  #put16(value: number): void {
    const at = this.#reserve(2);
    this.#chunk[at] = value >> 8;
    this.#chunk[at + 1] = value;
  }

  #put32(value: number): void {
    const at = this.#reserve(4);
    const chunk = this.#chunk;
    chunk[at] = value >>> 24;
    chunk[at + 1] = value >>> 16;
    chunk[at + 2] = value >>> 8;
    chunk[at + 3] = value;
  }

  #reserve(length: number): number {
    if (length > this.#chunk.length - this.#at) this.#nextChunk(length);
    const at = this.#at;
    this.#at = at + length;
    return at;
  }

  #nextChunk(length: number): void {
    this.#flush();
    this.#chunk = Buffer.allocUnsafe(Math.max(length, Math.min(this.#chunk.length * 2, CHUNK_BYTES_MAX)));
    this.#at = 0;
    this.#pending = 0;
  }

  #flush(): void {
    if (this.#at === this.#pending) return;
    this.#parts.push(this.#chunk.subarray(this.#pending, this.#at));
    this.#partsBytes += this.#at - this.#pending;
    this.#pending = this.#at;
  }
}

function outOfRange(type: string, value: number): never {
  throw new AssertionError(`${value} does not fit ${type}`);
}
