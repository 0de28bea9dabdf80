import type { TLSSocket } from 'node:tls';
import { RPC_FRAME_BYTES_MAX } from '../limits.ts';
import type { TimerHandle } from '../runtime/clock.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { FrameError, FrameReader } from './frame-reader.ts';
import { FrameWriter } from './frame-writer.ts';
import type { Channel } from './transport.ts';

/** How long `close` waits for the other end to take what was sent before. */
const LINGER_MS = 500;

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

  /** Of a socket that is through with its handshake. */
  constructor(socket: TLSSocket, runtime: Runtime) {
    this.#socket = socket;
    this.#runtime = runtime;
    this.remote = `${socket.remoteAddress}:${socket.remotePort}`;
    this.#reader = new FrameReader(RPC_FRAME_BYTES_MAX, (frame) => {
      if (!this.#closed) this.onFrame(frame);
    });
    this.#writer = new FrameWriter(socket, runtime.timers);
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
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

  #take(chunk: Buffer): void {
    this.receivedBytes += chunk.length;
    if (this.#closed) return;
    try {
      this.#reader.feed(chunk);
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
