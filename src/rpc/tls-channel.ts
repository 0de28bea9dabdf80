import type { TLSSocket } from 'node:tls';
import { RPC_FRAME_BYTES_MAX } from '../limits.ts';
import type { TimerHandle } from '../runtime/clock.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { FrameError, FrameReader } from './frame-reader.ts';
import { FrameWriter } from './frame-writer.ts';
import type { Channel } from './transport.ts';

/** How long `close` waits for the other end to take what was sent before. */
const LINGER_MS = 500;

/** Where sockets read to whose channel has no frame to be filled: what is there is taken before anything else is read. */
const shared = Buffer.allocUnsafeSlow(64 * 1024);

/**
 * Reads of a socket that takes its buffers from us: large frames are decrypted into their memory. Node offers that for
 * sockets that connect; it is their `onread` option.
 */
export class DirectReads {
  channel: TlsChannel | null = null;
  #target: Buffer | null = null;

  readonly buffer = (): Buffer => {
    this.#target = this.channel?.target ?? null;
    return this.#target ?? shared;
  };

  readonly callback = (bytes: number, buffer: Uint8Array): boolean => {
    this.channel?.read(buffer as Buffer, bytes, buffer !== this.#target);
    return true;
  };
}

export class TlsChannel implements Channel {
  readonly remote: string;
  onFrame: (frame: Buffer) => void = () => {};
  onClose: (why: string) => void = () => {};
  receivedBytes = 0;
  readonly #socket: TLSSocket;
  readonly #runtime: Runtime;
  readonly #reader: FrameReader;
  readonly #writer: FrameWriter;
  #lingerTimer: TimerHandle | null = null;
  readonly #gone = Promise.withResolvers<void>();
  #closed = false;

  /** Of a socket that is through with its handshake, and was made with these `reads` if with any. */
  constructor(socket: TLSSocket, runtime: Runtime, reads: DirectReads | null) {
    this.#socket = socket;
    this.#runtime = runtime;
    this.remote = `${socket.remoteAddress}:${socket.remotePort}`;
    this.#reader = new FrameReader(RPC_FRAME_BYTES_MAX, (frame) => {
      if (!this.#closed) this.onFrame(frame);
    });
    this.#writer = new FrameWriter(socket, runtime.timers);
    socket.setNoDelay(true);
    if (reads === null) socket.on('data', (chunk: Buffer) => this.#take(chunk, false));
    else reads.channel = this;
    socket.on('error', (cause) => this.#end(cause.message));
    socket.on('end', () => this.#end('the other end closed the connection'));
    socket.on('close', () => {
      this.#end('the connection was cut');
      this.#lingerTimer?.cancel();
      this.#writer.close();
      this.#gone.resolve();
    });
  }

  get waitingBytes(): number {
    return this.#writer.waitingBytes;
  }

  send(parts: readonly Uint8Array[], onTaken?: () => void, bulk = false): void {
    if (this.#closed) onTaken?.();
    else this.#writer.send(parts, onTaken ?? null, bulk);
  }

  close(why: string): Promise<void> {
    if (!this.#closed) {
      this.#writer.drain(() => this.#socket.end());
      this.#lingerTimer = this.#runtime.timers.after(LINGER_MS, () => this.#socket.destroy(), { keepAlive: true });
      this.#finish(why);
    }
    return this.#gone.promise;
  }

  /** For `DirectReads`. */
  get target(): Buffer | null {
    return this.#reader.target;
  }

  /** For `DirectReads`: so many bytes are in `buffer`, which is `target` or is `borrowed`. */
  read(buffer: Buffer, bytes: number, borrowed: boolean): void {
    if (borrowed) {
      this.#take(buffer.subarray(0, bytes), true);
      return;
    }
    this.receivedBytes += bytes;
    this.#guard(() => this.#reader.filled(bytes));
  }

  #take(chunk: Buffer, borrowed: boolean): void {
    this.receivedBytes += chunk.length;
    if (!this.#closed) this.#guard(() => this.#reader.feed(chunk, borrowed));
  }

  #guard(read: () => void): void {
    try {
      read();
    } catch (cause) {
      if (!(cause instanceof FrameError)) {
        this.#runtime.logger.error({ remote: this.remote, cause }, 'a bug: handling a frame failed');
      }
      this.#end(cause instanceof Error ? cause.message : String(cause));
    }
  }

  /** Ends at once: nobody is there any more, or nothing that it says can be understood. */
  #end(why: string): void {
    this.#socket.destroy();
    if (!this.#closed) this.#finish(why);
  }

  #finish(why: string): void {
    this.#closed = true;
    this.onClose(why);
  }
}
