/**
 * Memory for requests that did not arrive in one read, shared by all connections of a broker. Buffers of usual sizes are
 * recycled: fresh pages cost twice as much as warm ones.
 *
 * Beyond `softBytes` the `gate` is full and the server stops reading from producers. Beyond `hardBytes` nothing is given,
 * and the connection that asks is closed.
 */
import { assert } from '../runtime/assert.ts';
import { ByteGate } from './byte-gate.ts';

const KIB = 1024;
/** Buffers above the small ones are multiples of this, so that frames of about the same size share them. */
const GRAIN_BYTES = 64 * KIB;
const SMALL_BYTES_MAX = 16 * KIB;
/** Larger ones are rare and not kept. */
const RECYCLED_BYTES_MAX = 4 * KIB * KIB;

export interface FrameMemoryLimits {
  readonly softBytes: number;
  readonly hardBytes: number;
  /** Sum of the buffers kept for the next frames. */
  readonly idleBytesMax: number;
  /** Called each time the gate becomes full. */
  readonly onFull: () => void;
}

export class FrameMemory {
  readonly gate: ByteGate;
  readonly #limits: FrameMemoryLimits;
  readonly #idle = new Map<number, Buffer[]>();
  #idleBytes = 0;

  constructor(limits: FrameMemoryLimits) {
    assert(limits.softBytes < limits.hardBytes, 'the soft limit lies below the hard one');
    this.#limits = limits;
    this.gate = new ByteGate(limits.softBytes);
  }

  get usedBytes(): number {
    return this.gate.bytes;
  }

  /** A buffer of at least `bytes`, or null when that would go beyond the hard limit. */
  take(bytes: number): Buffer | null {
    const size = bytes <= SMALL_BYTES_MAX ? bytes : Math.ceil(bytes / GRAIN_BYTES) * GRAIN_BYTES;
    if (this.gate.bytes + size > this.#limits.hardBytes) return null;
    const wasFull = this.gate.full;
    this.gate.add(size);
    if (this.gate.full && !wasFull) this.#limits.onFull();
    const warm = this.#idle.get(size)?.pop();
    if (warm === undefined) return Buffer.allocUnsafeSlow(size);
    this.#idleBytes -= size;
    return warm;
  }

  /** Gives back what `take` gave. Nobody may read from or write to it any longer. */
  give(buffer: Buffer): void {
    const size = buffer.length;
    if (size >= GRAIN_BYTES && size <= RECYCLED_BYTES_MAX && this.#idleBytes + size <= this.#limits.idleBytesMax) {
      const list = this.#idle.get(size);
      if (list) list.push(buffer);
      else this.#idle.set(size, [buffer]);
      this.#idleBytes += size;
    }
    this.gate.remove(size);
  }
}
