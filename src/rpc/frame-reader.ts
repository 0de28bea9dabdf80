/**
 * Cuts the bytes of a channel into frames: a 4-byte length, then as many bytes. One that spans chunks gets memory of its
 * own, which is filled in place: by the socket itself where that takes a buffer (`target`).
 */
import { FRAME_SIZE_BYTES } from './transport.ts';

/** Up to here a frame that spans chunks gets all its memory at once; a larger one doubles as bytes arrive. */
const EAGER_BYTES = 4 * 1024 * 1024;

/** What came cannot be frames. */
export class FrameError extends Error {
  override readonly name = 'FrameError';
}

/** One per channel. After it has thrown the channel is of no use any more. */
export class FrameReader {
  readonly #frameBytesMax: number;
  readonly #deliver: (frame: Buffer) => void;
  /** The frame that is being assembled. */
  #partial: Buffer | null = null;
  #filled = 0;
  #size = 0;
  /** How many bytes of a length that was itself cut are there; their value is in `size`. */
  #sizeBytes = 0;

  constructor(frameBytesMax: number, deliver: (frame: Buffer) => void) {
    this.#frameBytesMax = frameBytesMax;
    this.#deliver = deliver;
  }

  /** Where the next bytes should be read to: what a frame that has begun lacks, or null when anywhere will do. */
  get target(): Buffer | null {
    const partial = this.#partial;
    return partial === null || this.#filled === partial.length ? null : partial.subarray(this.#filled);
  }

  /** So many bytes were read into `target`. */
  filled(bytes: number): void {
    this.#filled += bytes;
    if (this.#filled === this.#size) this.#finish();
  }

  /**
   * Takes what was read elsewhere. The chunk belongs to the frames from now on, unless it is `borrowed`. Throws FrameError
   * for a length that cannot be.
   */
  feed(chunk: Buffer, borrowed: boolean): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#partial !== null) {
        at = this.#fill(chunk, at);
        continue;
      }
      at = this.#readSize(chunk, at);
      if (this.#sizeBytes < FRAME_SIZE_BYTES) return;
      const size = this.#size;
      if (chunk.length - at >= size) {
        this.#sizeBytes = 0;
        const frame = chunk.subarray(at, at + size);
        at += size;
        this.#deliver(borrowed ? Buffer.from(frame) : frame);
      } else {
        this.#partial = Buffer.allocUnsafeSlow(Math.min(size, EAGER_BYTES));
        this.#filled = 0;
      }
    }
  }

  #readSize(chunk: Buffer, from: number): number {
    let at = from;
    if (this.#sizeBytes === 0 && chunk.length - at >= FRAME_SIZE_BYTES) {
      this.#size = chunk.readUInt32BE(at);
      this.#sizeBytes = FRAME_SIZE_BYTES;
      at += FRAME_SIZE_BYTES;
    }
    while (this.#sizeBytes < FRAME_SIZE_BYTES && at < chunk.length) {
      this.#size = (this.#sizeBytes === 0 ? 0 : this.#size * 256) + chunk[at++]!;
      this.#sizeBytes++;
    }
    if (this.#sizeBytes === FRAME_SIZE_BYTES && (this.#size === 0 || this.#size > this.#frameBytesMax)) {
      throw new FrameError(`a frame of ${this.#size} bytes; allowed are 1 to ${this.#frameBytesMax}`);
    }
    return at;
  }

  #fill(chunk: Buffer, at: number): number {
    let partial = this.#partial!;
    if (this.#filled === partial.length) {
      const larger = Buffer.allocUnsafeSlow(Math.min(this.#size, partial.length * 2));
      partial.copy(larger);
      partial = larger;
      this.#partial = larger;
    }
    const copied = chunk.copy(partial, this.#filled, at, at + partial.length - this.#filled);
    this.#filled += copied;
    if (this.#filled === this.#size) this.#finish();
    return at + copied;
  }

  #finish(): void {
    const frame = this.#partial!;
    this.#partial = null;
    this.#sizeBytes = 0;
    this.#deliver(frame);
  }
}
