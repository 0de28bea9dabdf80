/**
 * Recycled buffers for record bytes. A fresh megabyte costs more than twice what a used one costs to fill, so chunks go
 * back to the pool, and each is owned by counted references: a batch on its way to the store, the caches, and every
 * answer that a socket may still be reading hold one each. Only at zero is a chunk written again.
 *
 * A chunk is shared: whoever holds a reference may read what was published, nobody writes published bytes.
 */
import { assert } from '../runtime/assert.ts';

/** One mebibyte, and room for the header that the default `max.message.bytes` allows on top of it. */
export const CHUNK_BYTES = 1024 * 1024 + 4096;

/** Sizes that are recycled. Ingest fills whole chunks; reads take the least that will do, at most twice what they need. */
const SIZES = [64 * 1024, 128 * 1024, 256 * 1024, 512 * 1024, CHUNK_BYTES];
/** Below this a fresh buffer costs no more than a recycled one. */
const RECYCLED_BYTES_MIN = 32 * 1024;

export class Chunk {
  readonly buffer: Buffer;
  readonly #pool: ChunkPool;
  #references = 1;
  #leases = 0;

  constructor(pool: ChunkPool, buffer: Buffer) {
    this.#pool = pool;
    this.buffer = buffer;
  }

  get bytes(): number {
    return this.buffer.length;
  }

  retain(): void {
    assert(this.#references > 0, 'a chunk was retained after it went back to the pool');
    this.#references++;
  }

  release(): void {
    assert(this.#references > 0, 'a chunk was released more often than retained');
    if (--this.#references === 0) this.#pool.recycle(this);
  }

  /** A reference that an answer to a client holds: counted apart, because only the client's pace ends it. */
  lease(): void {
    this.retain();
    if (this.#leases++ === 0) this.#pool.leasedBytes += this.bytes;
  }

  endLease(): void {
    assert(this.#leases > 0, 'a lease was ended twice');
    if (--this.#leases === 0) this.#pool.leasedBytes -= this.bytes;
    this.release();
  }
}

export interface ChunkPoolOptions {
  /** Unused buffers kept for the next writer; more are left to the garbage collector. */
  readonly idleBytesMax: number;
  /** Overwrites what comes back, so that a test sees whoever still reads it. */
  readonly poison?: boolean;
}

export class ChunkPool {
  /** By size. */
  readonly #idle = new Map<number, Buffer[]>(SIZES.map((size) => [size, []]));
  readonly #idleBytesMax: number;
  readonly #poison: boolean;
  idleBytes = 0;
  /** Chunks out of the pool, foreign ones included. */
  liveCount = 0;
  liveBytes = 0;
  /** Bytes of chunks that at least one answer still reads. Kept by `Chunk`. */
  leasedBytes = 0;

  constructor({ idleBytesMax, poison = false }: ChunkPoolOptions) {
    this.#idleBytesMax = idleBytesMax;
    this.#poison = poison;
  }

  /** A chunk of at least `bytesMin`, with one reference that the caller owns. What it holds is undefined. */
  take(bytesMin = CHUNK_BYTES): Chunk {
    const size = bytesMin < RECYCLED_BYTES_MIN ? undefined : SIZES.find((each) => each >= bytesMin);
    if (size === undefined) return this.wrap(Buffer.allocUnsafeSlow(bytesMin));
    const recycled = this.#idle.get(size)!.pop();
    if (recycled === undefined) return this.wrap(Buffer.allocUnsafeSlow(size));
    this.idleBytes -= size;
    return this.wrap(recycled);
  }

  /** Takes a buffer that nobody else writes under counting. It joins the pool if it has the right size. */
  wrap(buffer: Buffer): Chunk {
    this.liveCount++;
    this.liveBytes += buffer.length;
    return new Chunk(this, buffer);
  }

  /** Only `Chunk` calls this. A new `Chunk` wraps the buffer next time, so a late release of this one is noticed. */
  recycle(chunk: Chunk): void {
    const { buffer } = chunk;
    this.liveCount--;
    this.liveBytes -= buffer.length;
    if (this.#poison) buffer.fill(0xdd);
    const idle = this.#idle.get(buffer.length);
    const whole = buffer.buffer.byteLength === buffer.length;
    if (idle === undefined || !whole || this.idleBytes + buffer.length > this.#idleBytesMax) return;
    idle.push(buffer);
    this.idleBytes += buffer.length;
  }
}

export interface Placed {
  readonly chunk: Chunk;
  readonly start: number;
}

/** Copies bytes one after the other into chunks. What lies in one chunk was written in one go, so neighbours stay neighbours. */
export class ChunkWriter {
  readonly #pool: ChunkPool;
  #chunk: Chunk | null = null;
  #used = 0;

  constructor(pool: ChunkPool) {
    this.#pool = pool;
  }

  /** The caller owns one reference to the chunk that is answered. */
  write(bytes: Uint8Array): Placed {
    const { length } = bytes;
    if (length > CHUNK_BYTES) {
      const chunk = this.#pool.take(length);
      chunk.buffer.set(bytes);
      return { chunk, start: 0 };
    }
    if (this.#chunk === null || this.#used + length > CHUNK_BYTES) {
      this.#chunk?.release();
      this.#chunk = this.#pool.take();
      this.#used = 0;
    }
    const chunk = this.#chunk;
    const start = this.#used;
    chunk.buffer.set(bytes, start);
    chunk.retain();
    this.#used += length;
    return { chunk, start };
  }

  close(): void {
    this.#chunk?.release();
    this.#chunk = null;
  }
}
