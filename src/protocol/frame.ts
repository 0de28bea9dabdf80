/**
 * Cuts the bytes of a connection into frames: an int32 size, then as many bytes. Built for one read buffer that all
 * connections share and every read overwrites:
 *
 *   splitter.feed(chunk)                 // borrows the chunk
 *   while ((frame = splitter.next()))    // views into the chunk where a frame lies wholly inside
 *     handle(frame)
 *   splitter.keep()                      // copies what is left over; now the chunk may be overwritten
 *
 * A frame that spans reads is assembled in a buffer of its own, which grows with the bytes that arrive: a size that is
 * announced and never sent costs at most `FRAME_EAGER_BYTES`.
 */
import { KafkaError } from '../errors.ts';
import { assert } from '../runtime/assert.ts';

const SIZE_BYTES = 4;

/** Up to here the buffer of a spanning frame has its final size at once; a larger one doubles as bytes arrive. */
export const FRAME_EAGER_BYTES = 1024 * 1024;

export interface Frame {
  /** What follows the size. */
  readonly bytes: Buffer;
  /** True when `bytes` is a view into the chunk that was fed, valid only until that is overwritten. Else it is the receiver's. */
  readonly borrowed: boolean;
  /** The whole buffer that `FrameMemory` gave for this frame, to be released by the receiver; null when it gave none. */
  readonly memory: Buffer | null;
}

/** Where the buffers of spanning frames come from, so that they can be recycled: fresh pages cost more than the copy. */
export interface FrameMemory {
  /** At least `bytes` bytes. */
  allocate(bytes: number): Buffer;
  release(memory: Buffer): void;
}

const heap: FrameMemory = { allocate: (bytes) => Buffer.allocUnsafeSlow(bytes), release: () => {} };

export interface FrameSplitterOptions {
  /** Frames above are refused; the size prefix does not count. */
  readonly frameBytesMax: number;
  readonly memory?: FrameMemory;
}

/** One per connection. After it has thrown the connection is of no use any more. */
export class FrameSplitter {
  readonly #frameBytesMax: number;
  readonly #memory: FrameMemory;
  #chunk: Buffer = EMPTY;
  #at = 0;
  /** False when the rest of the chunk is a copy of ours. */
  #borrowed = false;
  /** Bytes of a size that was itself cut: how many came, and their value so far. */
  #sizeBytes = 0;
  #size = 0;
  /** The spanning frame, if one is being assembled. */
  #partial: Buffer | null = null;
  #partialBytes = 0;

  constructor({ frameBytesMax, memory = heap }: FrameSplitterOptions) {
    this.#frameBytesMax = frameBytesMax;
    this.#memory = memory;
  }

  /** Bytes held in buffers of our own: an unfinished frame and what `keep` kept. */
  get heldBytes(): number {
    return (this.#partial?.length ?? 0) + (this.#borrowed ? 0 : this.#chunk.length - this.#at);
  }

  /** Takes what one read brought. The chunk before must have been used up or kept. */
  feed(chunk: Buffer): void {
    if (this.#at < this.#chunk.length) {
      assert(!this.#borrowed, 'the chunk before was neither used up nor kept');
      this.#chunk = Buffer.concat([this.#chunk.subarray(this.#at), chunk]);
    } else {
      this.#chunk = chunk;
      this.#borrowed = true;
    }
    this.#at = 0;
  }

  /** The next whole frame, or null when more bytes are needed. Throws INVALID_REQUEST for a size that cannot be. */
  next(): Frame | null {
    if (this.#partial) return this.#fillPartial();
    if (!this.#readSize()) return null;
    const size = this.#size;
    const left = this.#chunk.length - this.#at;
    if (left >= size) {
      const bytes = this.#chunk.subarray(this.#at, this.#at + size);
      this.#at += size;
      this.#sizeBytes = 0;
      return { bytes, borrowed: this.#borrowed, memory: null };
    }
    this.#partial = this.#memory.allocate(Math.min(size, Math.max(FRAME_EAGER_BYTES, left)));
    this.#partialBytes = 0;
    return this.#fillPartial();
  }

  /** Copies what `next` has not consumed, so that the chunk may be overwritten. Needed only when stopping before null. */
  keep(): void {
    if (this.#borrowed) this.#chunk = Buffer.from(this.#chunk.subarray(this.#at));
    else this.#chunk = this.#chunk.subarray(this.#at);
    this.#at = 0;
    this.#borrowed = false;
  }

  /** Gives back the memory of an unfinished frame. The splitter is of no use afterwards. */
  close(): void {
    if (this.#partial) this.#memory.release(this.#partial);
    this.#partial = null;
    this.#chunk = EMPTY;
    this.#at = 0;
  }

  /** True when the four bytes of a size are there; they are consumed. */
  #readSize(): boolean {
    const chunk = this.#chunk;
    if (this.#sizeBytes === 0 && chunk.length - this.#at >= SIZE_BYTES) {
      this.#size = chunk.readInt32BE(this.#at);
      this.#at += SIZE_BYTES;
      this.#sizeBytes = SIZE_BYTES;
      this.#checkSize();
      return true;
    }
    while (this.#sizeBytes < SIZE_BYTES) {
      if (this.#at === chunk.length) return false;
      this.#size = (this.#size << 8) | chunk[this.#at++]!;
      this.#sizeBytes++;
    }
    this.#checkSize();
    return true;
  }

  #checkSize(): void {
    const size = this.#size;
    if (size > 0 && size <= this.#frameBytesMax) return;
    const foreign = foreignProtocol(size);
    throw new KafkaError(
      'INVALID_REQUEST',
      foreign
        ? `the peer speaks ${foreign}; this is a listener for the Kafka protocol without TLS`
        : `a frame of ${size} bytes; allowed are 1 to ${this.#frameBytesMax}`,
    );
  }

  #fillPartial(): Frame | null {
    const size = this.#size;
    let partial = this.#partial!;
    while (this.#partialBytes < size && this.#at < this.#chunk.length) {
      if (this.#partialBytes === partial.length) partial = this.#growPartial(partial);
      const room = Math.min(partial.length, size) - this.#partialBytes;
      const copied = this.#chunk.copy(partial, this.#partialBytes, this.#at, this.#at + room);
      this.#partialBytes += copied;
      this.#at += copied;
    }
    if (this.#partialBytes < size) return null;
    this.#partial = null;
    this.#sizeBytes = 0;
    return { bytes: partial.subarray(0, size), borrowed: false, memory: partial };
  }

  #growPartial(partial: Buffer): Buffer {
    const larger = this.#memory.allocate(Math.min(this.#size, partial.length * 2));
    partial.copy(larger, 0, 0, this.#partialBytes);
    this.#memory.release(partial);
    this.#partial = larger;
    return larger;
  }
}

const EMPTY = Buffer.alloc(0);

/** What is being spoken, when the first four bytes of a connection are no size: a hint for the log, or for a polite answer. */
export function foreignProtocol(size: number): 'HTTP' | 'TLS' | null {
  if (HTTP_METHODS.has(size)) return 'HTTP';
  // A TLS record: handshake (22), version 3.x.
  if (size >>> 16 === 0x1603) return 'TLS';
  return null;
}

const HTTP_METHODS = new Set(
  ['GET ', 'POST', 'PUT ', 'HEAD', 'DELE', 'PATC', 'OPTI', 'CONN', 'TRAC', 'PRI '].map((start) =>
    Buffer.from(start, 'latin1').readInt32BE(),
  ),
);
