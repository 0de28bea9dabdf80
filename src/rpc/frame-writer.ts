/**
 * The sending half of a channel. Small parts are copied into the write that leaves next, so that the frames of one turn
 * are one write and one TLS record; large ones are handed to the socket as they are. The next write begins when the kernel
 * has taken the one before.
 */
import type { Socket } from 'node:net';
import type { Timers } from '../runtime/clock.ts';
import { FRAME_SIZE_BYTES } from './transport.ts';

/** A part from here on is not copied: encrypting it costs more than a write of its own. */
const LARGE_BYTES = 32 * 1024;
/** The buffers that small parts are copied into. */
const BATCH_BYTES = 64 * 1024;
const BATCHES_KEPT = 2;
/** Writes that may overtake a bulk frame: else a stream of small frames would hold it up for ever. */
const OVERTAKINGS_MAX = 32;

interface Write {
  readonly bytes: Uint8Array;
  /** The buffer of ours that nothing is left in after this write. */
  readonly spare: Buffer | null;
  onTaken: (() => void) | null;
}

interface Frame {
  readonly parts: readonly Uint8Array[];
  readonly size: number;
  readonly onTaken: (() => void) | null;
}

export class FrameWriter {
  readonly #socket: Socket;
  readonly #timers: Timers;
  /** What is written is not in it any more, also while others keep it from ever being empty. */
  readonly #queue: Write[] = [];
  /** Frames that wait until nothing else does. */
  readonly #bulk: Frame[] = [];
  #overtakings = 0;
  /** What small parts are being copied into: from `batchAt` to `filled` is not in the queue yet. */
  #batch: Buffer | null = null;
  #batchAt = 0;
  #filled = 0;
  readonly #spare: Buffer[] = [];
  #waitingBytes = 0;
  #scheduled = false;
  #writing = false;
  #closed = false;
  #onDrained: (() => void) | null = null;

  constructor(socket: Socket, timers: Timers) {
    this.#socket = socket;
    this.#timers = timers;
  }

  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Of frames that are `bulk` one is written at a time, and what else there is first. */
  send(parts: readonly Uint8Array[], onTaken: (() => void) | null, bulk: boolean): void {
    if (this.#closed) {
      onTaken?.();
      return;
    }
    let size = 0;
    for (let index = 0; index < parts.length; index++) size += parts[index]!.length;
    this.#waitingBytes += FRAME_SIZE_BYTES + size;
    const frame = { parts, size, onTaken };
    if (bulk) this.#bulk.push(frame);
    else this.#append(frame);
    if (this.#scheduled || this.#writing) return;
    this.#scheduled = true;
    this.#timers.soon(this.#start);
  }

  /** Calls back when everything is with the kernel. */
  drain(onDrained: () => void): void {
    if (this.#waitingBytes === 0 || this.#closed) onDrained();
    else this.#onDrained = onDrained;
  }

  /** Nothing is written after this. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#waitingBytes = 0;
    const dropped = [...this.#queue.splice(0), ...this.#bulk.splice(0)];
    this.#batch = null;
    this.#spare.length = 0;
    for (const { onTaken } of dropped) onTaken?.();
  }

  #append({ parts, size, onTaken }: Frame): void {
    const batch = this.#room(FRAME_SIZE_BYTES);
    batch.writeUInt32BE(size, this.#filled);
    this.#filled += FRAME_SIZE_BYTES;
    let large: Write | null = null;
    for (let index = 0; index < parts.length; index++) {
      const part = parts[index]!;
      if (part.length < LARGE_BYTES) {
        this.#copy(part);
      } else {
        this.#queueBatch(false);
        large = { bytes: part, spare: null, onTaken: null };
        this.#queue.push(large);
      }
    }
    if (large === null) onTaken?.();
    else large.onTaken = onTaken;
  }

  #copy(part: Uint8Array): void {
    if (part.length === 0) return;
    this.#room(part.length).set(part, this.#filled);
    this.#filled += part.length;
  }

  /** A batch with room for `bytes` more from `filled` on. */
  #room(bytes: number): Buffer {
    if (this.#batch !== null && this.#filled + bytes > BATCH_BYTES) this.#queueBatch(true);
    if (this.#batch === null) {
      this.#batch = this.#spare.pop() ?? Buffer.allocUnsafeSlow(BATCH_BYTES);
      this.#batchAt = 0;
      this.#filled = 0;
    }
    return this.#batch;
  }

  #queueBatch(last: boolean): void {
    const batch = this.#batch;
    if (batch === null) return;
    const spare = last ? batch : null;
    if (this.#filled > this.#batchAt) {
      this.#queue.push({ bytes: batch.subarray(this.#batchAt, this.#filled), spare, onTaken: null });
    }
    this.#batchAt = this.#filled;
    if (last) this.#batch = null;
  }

  #fillQueue(): void {
    if (this.#bulk.length > 0) this.#overtakings++;
    const filled = this.#filled > this.#batchAt;
    if (filled && this.#overtakings <= OVERTAKINGS_MAX) this.#queueBatch(true);
    if (this.#queue.length > 0 || this.#bulk.length === 0) return;
    this.#overtakings = 0;
    this.#append(this.#bulk.shift()!);
    this.#queueBatch(false);
  }

  readonly #start = (): void => {
    this.#scheduled = false;
    if (!this.#writing) this.#writeNext();
  };

  #writeNext(): void {
    if (this.#closed || this.#socket.destroyed) return;
    if (this.#queue.length === 0) {
      this.#fillQueue();
      if (this.#queue.length === 0) {
        this.#onDrained?.();
        return;
      }
    }
    const next = this.#queue.shift()!;
    this.#writing = true;
    this.#socket.write(next.bytes, (cause) => {
      this.#writing = false;
      // After an error the socket closes, and `close` drops what is left.
      if (!cause && !this.#closed) {
        this.#waitingBytes -= next.bytes.length;
        if (next.spare !== null && this.#spare.length < BATCHES_KEPT) this.#spare.push(next.spare);
      }
      next.onTaken?.();
      this.#writeNext();
    });
  }
}
