/**
 * Cuts the bytes of one connection into request frames: a 4-byte size, then as many bytes. Frames that lie whole in a
 * read are handed over as views of it; the rest of a read is kept in a buffer of its own, into which the next read can
 * go directly, so that a large frame is not copied either.
 *
 * A frame is valid until the `deliver` that took it returns. `deliver` may refuse it for now: it is kept then, and
 * `resume` offers it again.
 */
import { foreignProtocol } from '../protocol/frame.ts';
import { assert } from '../runtime/assert.ts';
import type { FrameMemory } from './frame-memory.ts';

const SIZE_BYTES = 4;
/** API key, version and correlation id: no request is shorter. */
const FRAME_BYTES_MIN = 8;
/** A frame of unknown honesty starts with this much memory, and doubles as bytes arrive. */
const FIRST_BYTES_MIN = 16 * 1024;
/** A connection that once delivered a frame of some size gets memory for another at once, up to this. */
const TRUSTED_BYTES_MAX = 8 * 1024 * 1024;

/** Why the bytes cannot be requests. */
export type FrameProblem = 'HTTP' | 'TLS' | 'size' | 'memory';

export class FrameError extends Error {
  override readonly name = 'FrameError';
  readonly problem: FrameProblem;

  constructor(problem: FrameProblem, message: string) {
    super(message);
    this.problem = problem;
  }
}

/** Answers false to be asked again later, and takes no notice of the frame then. */
export type Deliver = (frame: Buffer) => boolean;

export class FrameAssembler {
  readonly #memory: FrameMemory;
  readonly #frameBytesMax: number;
  readonly #deliver: Deliver;
  /** Bytes not yet delivered are `[start, end)` of `held`. */
  #held: Buffer | null = null;
  #start = 0;
  #end = 0;
  #trustedBytes = 0;
  #target: Buffer | null = null;

  constructor(memory: FrameMemory, frameBytesMax: number, deliver: Deliver) {
    this.#memory = memory;
    this.#frameBytesMax = frameBytesMax;
    this.#deliver = deliver;
  }

  get heldBytes(): number {
    return this.#end - this.#start;
  }

  /**
   * Where the next read should go: the rest of a frame that has begun, or null when anywhere will do. Until that read is
   * taken nothing may be delivered, since the memory stays where it is.
   */
  target(): Buffer | null {
    this.#target = this.#held === null || this.#end === this.#held.length ? null : this.#held.subarray(this.#end);
    return this.#target;
  }

  /** Takes `length` bytes that were read into `buffer`. Throws FrameError; the connection is of no use then. */
  take(buffer: Buffer, length: number): void {
    if (buffer === this.#target) {
      this.#target = null;
      this.#end += length;
      this.resume();
      return;
    }
    if (this.#held === null) {
      this.#cut(buffer, 0, length);
      return;
    }
    this.#hold(this.#held, this.#start, this.#end, this.heldBytes + length);
    buffer.copy(this.#held, this.#end, 0, length);
    this.#end += length;
    this.resume();
  }

  /** Delivers what is held and complete. */
  resume(): void {
    if (this.#held !== null) this.#cut(this.#held, this.#start, this.#end);
  }

  /** Gives the memory back. No read may be under way. */
  close(): void {
    this.#target = null;
    this.#release();
  }

  #release(): void {
    assert(this.#target === null, 'memory that a read may write to is given back');
    if (this.#held !== null) this.#memory.give(this.#held);
    this.#held = null;
    this.#start = 0;
    this.#end = 0;
  }

  #cut(source: Buffer, from: number, end: number): void {
    let at = from;
    let missing = 0;
    while (end - at >= SIZE_BYTES) {
      const size = source.readInt32BE(at);
      if (size < FRAME_BYTES_MIN || size > this.#frameBytesMax) throw this.#refuse(source.subarray(at, end), size);
      const next = at + SIZE_BYTES + size;
      if (next > end) {
        missing = next - end;
        break;
      }
      if (!this.#deliver(source.subarray(at + SIZE_BYTES, next))) break;
      if (size > this.#trustedBytes) this.#trustedBytes = Math.min(size, TRUSTED_BYTES_MAX);
      at = next;
    }
    this.#keep(source, at, end, missing);
  }

  /** Keeps `[at, end)` of `source`, with room for `missing` more bytes when they may be trusted to come. */
  #keep(source: Buffer, at: number, end: number, missing: number): void {
    if (at === end) {
      this.#release();
      return;
    }
    if (source === this.#held && end < source.length) {
      this.#start = at;
      return;
    }
    const have = end - at;
    const whole = have + missing;
    const room =
      whole <= this.#trustedBytes + SIZE_BYTES ? whole : Math.min(whole, Math.max(2 * have, FIRST_BYTES_MIN));
    this.#hold(source, at, end, room);
  }

  #hold(source: Buffer, at: number, end: number, room: number): void {
    const held = this.#held;
    if (held === source && at + room <= held.length) {
      this.#start = at;
      this.#end = end;
      return;
    }
    assert(this.#target === null, 'memory that a read may write to is moved');
    const buffer = this.#memory.take(room);
    if (buffer === null) throw new FrameError('memory', 'requests that arrive in pieces take too much memory together');
    assert(buffer.length >= room, 'a frame buffer is too small');
    source.copy(buffer, 0, at, end);
    if (held !== null) this.#memory.give(held);
    this.#held = buffer;
    this.#start = 0;
    this.#end = end - at;
  }

  #refuse(bytes: Buffer, size: number): FrameError {
    const foreign = foreignProtocol(size);
    if (foreign !== null) return new FrameError(foreign, `the peer speaks ${foreign}, this listener plain Kafka`);
    const shown = bytes.subarray(0, 8).toString('hex');
    const allowed = `${FRAME_BYTES_MIN} to ${this.#frameBytesMax} are allowed`;
    return new FrameError('size', `a frame of ${size} bytes, ${allowed}; it starts with ${shown}`);
  }
}
