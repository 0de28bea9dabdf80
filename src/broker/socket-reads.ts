/**
 * Reads of accepted sockets into buffers of our choice. Node offers that (`onread`) only for sockets that it connects
 * itself, so the handle of an accepted one is moved into a socket made with that option. The handle is private to
 * Node: where it does not look as expected, reads come as 'data' events instead, slower but the same.
 *
 * One buffer may serve all sockets: the kernel fills it and `onRead` is called before anything else runs. That holds
 * for readiness-based systems; Windows may fill a buffer later, so there it is 'data' events, too.
 */
import { Socket, type SocketConstructorOpts } from 'node:net';

export interface SocketReads {
  /** Where the first read goes. */
  readonly firstBuffer: Buffer;
  /** Where the next read of this socket goes. Asked after each read. */
  nextBuffer(): Buffer;
  /** `length` bytes are in `buffer`, which is the one that was given, or some other. Must not throw. */
  onRead(buffer: Buffer, length: number): void;
}

/** What of Node's TCP handle is used here. */
interface TcpHandle {
  useUserBuffer(buffer: Uint8Array): void;
}

export const DIRECT_READS = process.platform !== 'win32';

/**
 * Takes over a socket of a server with `pauseOnConnect` and `allowHalfOpen`. The answer is the one to use from now on; it
 * does not read before `resume()`.
 */
export function takeSocket(accepted: Socket, reads: SocketReads, direct: boolean): Socket {
  const handle = direct ? privateHandle(accepted) : null;
  if (handle === null) {
    accepted.on('data', (chunk: Buffer) => reads.onRead(chunk, chunk.length));
    accepted.pause();
    return accepted;
  }
  let asked = false;
  const options = {
    handle,
    allowHalfOpen: true,
    pauseOnCreate: true,
    onread: {
      buffer: () => {
        if (asked) return reads.nextBuffer();
        asked = true;
        return reads.firstBuffer;
      },
      callback: (length: number, buffer: Uint8Array) => {
        reads.onRead(buffer as Buffer, length);
        return true;
      },
    },
  };
  // The shell that is left takes itself off the server's list of connections.
  (accepted as unknown as { _handle: TcpHandle | null })._handle = null;
  accepted.destroy();
  return new Socket(options as unknown as SocketConstructorOpts);
}

function privateHandle(socket: Socket): TcpHandle | null {
  const handle = (socket as unknown as { _handle?: Partial<TcpHandle> | null })._handle;
  return typeof handle?.useUserBuffer === 'function' ? (handle as TcpHandle) : null;
}
