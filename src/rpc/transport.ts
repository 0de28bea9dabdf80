/**
 * What carries frames between two brokers: TLS over TCP (`tls-transport.ts`), or the simulator's network. A channel delivers
 * whole frames in order or closes; it knows nothing of calls.
 */
import type { Address } from '../config.ts';

export interface Transport {
  /** Accepts channels. Rejects with StartupError when it cannot listen. */
  listen(address: Address, onChannel: (channel: Channel) => void): Promise<TransportListener>;
  /** Resolves with a channel whose other end proved that it knows the secret. Rejects when it is refused, or aborted. */
  connect(address: Address, signal: AbortSignal): Promise<Channel>;
}

export interface TransportListener {
  /** Where it really listens. */
  readonly address: Address;
  close(): Promise<void>;
}

export interface Channel {
  /** Takes the parts over in order as one frame; frames of one turn leave in one write. Does nothing once closed. */
  send(parts: readonly Uint8Array[]): void;
  /** Bytes given to `send` that are not with the kernel yet. */
  readonly waitingBytes: number;
  /** Set once, in the turn in which the channel is handed out. A frame is the receiver's to keep. */
  onFrame: (frame: Buffer) => void;
  /** Called once, also after `close`. */
  onClose: (why: string) => void;
  close(why: string): void;
}
