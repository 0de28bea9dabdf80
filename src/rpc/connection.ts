/** What both ends of a connection have in common: who is at the other end, when it was last heard, and how it ends. */
import { RPC_KEY_BYTES_MAX } from '../limits.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Hello } from './hello.ts';
import type { Channel } from './transport.ts';
import { KIND, worded } from './wire.ts';

export abstract class Connection {
  readonly other: Hello;
  /** By the monotonic clock; may lag until `silentMs` is asked. */
  heardAt: number;
  /** When the two met. */
  readonly since: number;
  protected readonly channel: Channel;
  protected readonly runtime: Runtime;
  #seenBytes = 0;

  constructor(channel: Channel, other: Hello, runtime: Runtime) {
    this.other = other;
    this.channel = channel;
    this.runtime = runtime;
    this.since = runtime.clock.monotonic();
    this.heardAt = this.since;
    channel.onFrame = (frame) => this.#take(frame);
    channel.onClose = (why) => this.ended(why);
  }

  /** How long the other end has been silent. Parts of a frame are a sign of life, too. */
  silentMs(now: number): number {
    const { receivedBytes } = this.channel;
    if (receivedBytes !== this.#seenBytes) {
      this.#seenBytes = receivedBytes;
      this.heardAt = now;
    }
    return now - this.heardAt;
  }

  /** Nothing was read for so long because this process did not run. */
  forgive(ms: number): void {
    this.heardAt += ms;
  }

  get keysUsedUp(): boolean {
    return this.channel.receivedBytes > RPC_KEY_BYTES_MAX;
  }

  /** `goodbye` tells the other end that it is on purpose. */
  close(why: string, goodbye: boolean): Promise<void> {
    if (goodbye) this.channel.send([worded(KIND.goodbye, why)]);
    return this.channel.close(why);
  }

  /** Kinds that are not known are left alone. Throws when the frame is malformed. */
  protected abstract take(frame: Buffer): void;

  /** Once. */
  protected abstract ended(why: string): void;

  #take(frame: Buffer): void {
    try {
      this.take(frame);
    } catch (cause) {
      const { brokerId } = this.other;
      this.runtime.logger.error({ broker: brokerId, cause }, 'a frame of another broker was not understood');
      this.channel.close(`broker ${brokerId} sent what was not understood`);
    }
  }
}
