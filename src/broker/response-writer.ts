/**
 * The sending half of a connection. Responses wait in a queue of buffers and go out in slices, one writev each, the next
 * when the kernel has taken the one before: so a client that stops reading shows as a slice that never ends, and what is
 * answered while a slice is under way leaves together.
 *
 * `release` of a response runs exactly once: after its last byte is with the kernel, or when the socket is closed.
 */
import type { Socket } from 'node:net';
import { assert } from '../runtime/assert.ts';

/** One writev. About what a loopback socket takes at once; the kernel takes 1,024 pieces. */
const SLICE_BYTES = 1024 * 1024;
const SLICE_PIECES_MAX = 1_000;

export interface OutgoingResponse {
  readonly parts: readonly Uint8Array[];
  readonly release: (() => void) | null;
}

export class ResponseWriter {
  readonly #socket: Socket;
  /** Called after each slice that the kernel took. */
  readonly #onProgress: (bytes: number) => void;
  #queue: Uint8Array[] = [];
  #queueAt = 0;
  #queuedBytes = 0;
  /** Releases in order, each with the count of pieces, from the first ever, that must have left before. */
  readonly #releases: { readonly afterPiece: number; readonly release: () => void }[] = [];
  #piecesQueued = 0;
  #piecesSent = 0;
  #sending = false;
  #scheduled = false;
  #closed = false;

  constructor(socket: Socket, onProgress: (bytes: number) => void) {
    this.#socket = socket;
    this.#onProgress = onProgress;
  }

  /** Bytes answered that the kernel has not taken. */
  get waitingBytes(): number {
    return this.#queuedBytes;
  }

  /** Answers how many bytes that is. */
  send(response: OutgoingResponse): number {
    const { parts, release } = response;
    assert(!this.#closed, 'a response for a closed socket');
    let bytes = 0;
    for (const part of parts) {
      this.#queue.push(part);
      bytes += part.length;
    }
    this.#queuedBytes += bytes;
    this.#piecesQueued += parts.length;
    if (release !== null) this.#releases.push({ afterPiece: this.#piecesQueued, release });
    this.#schedule();
    return bytes;
  }

  /** Nothing is read from any buffer after this. To be called once the socket is closed. */
  close(): void {
    this.#closed = true;
    this.#queue = [];
    this.#queuedBytes = 0;
    for (const { release } of this.#releases.splice(0)) release();
  }

  /** Responses that become ready in the same turn leave in one slice. */
  #schedule(): void {
    if (this.#sending || this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(this.#sendSlice);
  }

  readonly #sendSlice = (): void => {
    this.#scheduled = false;
    if (this.#closed || this.#sending || this.#queueAt === this.#queue.length) return;
    const socket = this.#socket;
    if (socket.destroyed || !socket.writable) return;
    this.#sending = true;
    let bytes = 0;
    let pieces = 0;
    const last = Math.min(this.#queue.length - this.#queueAt, SLICE_PIECES_MAX);
    if (last > 1) socket.cork();
    while (pieces < last && bytes < SLICE_BYTES) {
      const part = this.#queue[this.#queueAt++]!;
      bytes += part.length;
      pieces++;
      if (pieces === last || bytes >= SLICE_BYTES) socket.write(part, this.#sliceTaken(bytes, pieces));
      else socket.write(part);
    }
    if (last > 1) socket.uncork();
    this.#forgetSent();
  };

  #forgetSent(): void {
    if (this.#queueAt < this.#queue.length && this.#queueAt < SLICE_PIECES_MAX) return;
    this.#queue = this.#queue.slice(this.#queueAt);
    this.#queueAt = 0;
  }

  #sliceTaken(bytes: number, pieces: number): (cause?: Error | null) => void {
    return (cause) => {
      // After an error the kernel may still read from the slice until the socket is closed; `close` releases it.
      if (cause || this.#closed) return;
      this.#sending = false;
      this.#queuedBytes -= bytes;
      this.#piecesSent += pieces;
      while (this.#releases.length > 0 && this.#releases[0]!.afterPiece <= this.#piecesSent) {
        this.#releases.shift()!.release();
      }
      this.#onProgress(bytes);
      this.#sendSlice();
    };
  }
}
