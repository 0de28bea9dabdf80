/**
 * A network of processes in memory, on the time of a runtime. Every process has a name, which is the host of its
 * addresses. Each direction between two processes has a delay and may be cut: what is sent then never arrives, and nobody
 * is told, as when a cable is pulled. A process that is killed is noticed at once by those that it has channels to.
 */
import type { Address } from '../../../src/config.ts';
import { StartupError } from '../../../src/errors.ts';
import { type Channel, ConnectError, type Transport, type TransportListener } from '../../../src/rpc/transport.ts';
import type { Timers } from '../../../src/runtime/clock.ts';

interface Listening {
  readonly owner: string;
  readonly onChannel: (channel: Channel) => void;
}

export class MemoryNetwork {
  readonly #timers: Timers;
  readonly #listeners = new Map<string, Listening>();
  readonly #channels = new Set<MemoryChannel>();
  readonly #cut = new Set<string>();
  readonly #delays = new Map<string, number>();
  #lastPort = 0;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  transport(owner: string): Transport {
    return {
      listen: async ({ host, port }, onChannel) => this.#listen(owner, host, port, onChannel),
      connect: (address, signal) => this.#connect(owner, address, signal),
    };
  }

  cut(from: string, to: string): void {
    this.#cut.add(`${from}>${to}`);
  }

  heal(from: string, to: string): void {
    this.#cut.delete(`${from}>${to}`);
  }

  delay(from: string, to: string, ms: number): void {
    this.#delays.set(`${from}>${to}`, ms);
  }

  /** The process is gone; its operating system says so. */
  kill(owner: string): void {
    for (const [where, listening] of this.#listeners) if (listening.owner === owner) this.#listeners.delete(where);
    for (const channel of [...this.#channels]) if (channel.owner === owner) channel.die();
  }

  /** All channels end, as when a load balancer is restarted. */
  reset(): void {
    for (const channel of [...this.#channels]) channel.die();
  }

  isCut(from: string, to: string): boolean {
    return this.#cut.has(`${from}>${to}`);
  }

  /** Runs `effect` when what `from` does now reaches `to`; never when that direction is cut. */
  carry(from: string, to: string, effect: () => void): void {
    if (!this.isCut(from, to)) this.#timers.after(this.#delays.get(`${from}>${to}`) ?? 0, effect);
  }

  /** Both ends of each that is open. */
  get channels(): ReadonlySet<MemoryChannel> {
    return this.#channels;
  }

  forget(channel: MemoryChannel): void {
    this.#channels.delete(channel);
  }

  #listen(owner: string, host: string, port: number, onChannel: (channel: Channel) => void): TransportListener {
    this.#lastPort++;
    const address = { host, port: port === 0 ? this.#lastPort : port };
    const where = `${host}:${address.port}`;
    if (this.#listeners.has(where)) throw new StartupError(`cannot listen for other brokers on ${where}: in use`);
    this.#listeners.set(where, { owner, onChannel });
    return {
      address,
      close: async () => {
        this.#listeners.delete(where);
      },
    };
  }

  #connect(owner: string, { host, port }: Address, signal: AbortSignal): Promise<Channel> {
    const where = `${host}:${port}`;
    return new Promise((resolve, reject) => {
      const onAbort = () => reject(new ConnectError('failed', `${where} does not answer`));
      if (signal.aborted) return onAbort();
      signal.addEventListener('abort', onAbort, { once: true });
      this.carry(owner, host, () => {
        const listening = this.#listeners.get(where);
        this.carry(host, owner, () => {
          signal.removeEventListener('abort', onAbort);
          if (signal.aborted) return;
          if (listening === undefined) return reject(new ConnectError('refused', `nobody listens on ${where}`));
          const near = new MemoryChannel(this, owner, listening.owner);
          const far = new MemoryChannel(this, listening.owner, owner);
          near.other = far;
          far.other = near;
          this.#channels.add(near).add(far);
          listening.onChannel(far);
          resolve(near);
        });
      });
    });
  }
}

class MemoryChannel implements Channel {
  readonly owner: string;
  readonly remote: string;
  other!: MemoryChannel;
  onFrame: (frame: Buffer) => void = () => {};
  onClose: (why: string) => void = () => {};
  waitingBytes = 0;
  receivedBytes = 0;
  readonly #network: MemoryNetwork;
  readonly #underWay: (() => void)[] = [];
  #closed = false;

  constructor(network: MemoryNetwork, owner: string, remote: string) {
    this.#network = network;
    this.owner = owner;
    this.remote = remote;
  }

  send(parts: readonly Uint8Array[], onTaken?: () => void): void {
    const frame = Buffer.concat(parts);
    onTaken?.();
    if (this.#closed) return;
    this.waitingBytes += frame.length;
    this.#carry(() => {
      this.waitingBytes -= frame.length;
      this.other.#arrive(frame);
    });
  }

  async close(why: string): Promise<void> {
    if (this.#closed) return;
    this.#carry(() => this.other.#end('the other end closed the connection'));
    this.#end(why);
  }

  /** This process is gone, or the connection was reset: both ends see it, unless the network between is cut. */
  die(): void {
    void this.close('the connection was cut');
  }

  /** In order: when a delay has become shorter, what was sent before arrives first all the same. */
  #carry(effect: () => void): void {
    if (this.#network.isCut(this.owner, this.remote)) return;
    this.#underWay.push(effect);
    this.#network.carry(this.owner, this.remote, () => this.#underWay.shift()!());
  }

  #arrive(frame: Buffer): void {
    if (this.#closed) return;
    this.receivedBytes += frame.length;
    this.onFrame(frame);
  }

  #end(why: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#network.forget(this);
    this.onClose(why);
  }
}
