/**
 * What carries frames between two brokers: TLS over TCP (`tls-transport.ts`), or the simulator's network. A channel delivers
 * whole frames in order or closes; it knows nothing of calls.
 */
import type { Address } from '../config.ts';

export interface Transport {
  /** Accepts channels whose other end proved that it knows the secret. Rejects with StartupError when it cannot listen. */
  listen(address: Address, onChannel: (channel: Channel) => void): Promise<TransportListener>;
  /** Resolves with a channel whose other end proved that it knows the secret. Rejects with ConnectError, also when aborted. */
  connect(address: Address, signal: AbortSignal): Promise<Channel>;
}

export interface TransportListener {
  /** Where it really listens. */
  readonly address: Address;
  /** Accepts no more; channels stay. */
  close(): Promise<void>;
}

export interface Channel {
  /** The other end, for logs: `10.0.1.7:41022`. */
  readonly remote: string;
  /**
   * Takes the parts over in order as one frame; frames of one turn leave in one write. Parts must not change until
   * `onTaken`, which is called once: when they are copied, with the kernel, or dropped. Once closed, frames are dropped.
   * Frames that are `bulk` may be overtaken by others, which would wait behind megabytes otherwise.
   */
  send(parts: readonly Uint8Array[], onTaken?: () => void, bulk?: boolean): void;
  /** Bytes given to `send` that are not with the kernel yet. */
  readonly waitingBytes: number;
  /** All bytes that ever came, of unfinished frames too: tells life from silence. */
  readonly receivedBytes: number;
  /** To be set in the turn in which the channel is handed out; may be set anew. A frame is the receiver's to keep. */
  onFrame: (frame: Buffer) => void;
  /** Called once, also from within `close`. */
  onClose: (why: string) => void;
  /** What was given to `send` before still leaves, if the other end takes it soon. Resolves when that is over. */
  close(why: string): Promise<void>;
}

/** `refused`: nobody listens there. `secret`: who listens does not know our secret. `failed`: anything else, or no answer. */
export type ConnectProblem = 'refused' | 'secret' | 'failed';

export class ConnectError extends Error {
  override readonly name = 'ConnectError';
  readonly problem: ConnectProblem;

  constructor(problem: ConnectProblem, message: string, options?: ErrorOptions) {
    super(message, options);
    this.problem = problem;
  }
}

/** Of a length-prefixed frame. */
export const FRAME_SIZE_BYTES = 4;
