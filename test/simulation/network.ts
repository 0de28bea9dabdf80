/**
 * The network between the brokers of a run, as a `Transport` for each process, on simulated time. It behaves as TCP does:
 *
 *   - frames of a channel arrive in order, or the channel closes; what was under way then arrives or is lost, by chance;
 *   - a frozen process receives when it thaws; what is sent to it meanwhile waits;
 *   - the channels of a dead process close, unless its machine is gone, too: then nobody tells;
 *   - connecting to a dead process is refused, to a frozen, vanished or cut one it hangs;
 *   - a cut holds frames back, in one direction or both, and when it heals they arrive late, or the channel is reset.
 *
 * Places are what faults name: a broker's place stays when its process is replaced.
 */
import type { Address } from '../../src/config.ts';
import { StartupError } from '../../src/errors.ts';
import { type Channel, ConnectError, type Transport, type TransportListener } from '../../src/rpc/transport.ts';
import type { Gate } from './gate.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { SimulatedTime } from './simulated-time.ts';

export interface NetworkLatency {
  /** One way, milliseconds. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Frames that take up to `tailMs` instead. */
  readonly tailChance: number;
  readonly tailMs: number;
}

export interface NetworkOptions {
  readonly time: SimulatedTime;
  readonly random: SeededRandom;
  readonly latency: NetworkLatency;
  readonly trace: (who: string, what: string) => void;
}

/** A process on the network. */
export interface Station {
  readonly name: string;
  readonly place: number;
  readonly gate: Gate;
}

/** Bytes that sockets take of what the other side does not read. */
const KERNEL_BUFFER_BYTES = 128 * 1024;
/** After a cut heals: until the senders try again. */
const RETRANSMIT_MS_MAX = 400;
const RESET_AFTER_CUT_CHANCE = 0.3;
/** Frames of one turn that arrive in several. */
const SPLIT_CHANCE = 0.1;
const LOSE_ALL_CHANCE = 0.3;
const FIRST_FREE_PORT = 40_000;

/** One direction between two places. */
class Link {
  isCut = false;
  extraMs = 0;
  #waiting: (() => void)[] = [];

  /** Calls back when the cut has healed. */
  onHealed(resume: () => void): void {
    this.#waiting.push(resume);
  }

  /** Answers who waited: they try again, each in its own time. */
  heal(): readonly (() => void)[] {
    this.isCut = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    return waiting;
  }
}

interface Listening {
  readonly station: Station;
  readonly onChannel: (channel: Channel) => void;
}

/** Somebody who wants to connect. */
interface Visit {
  readonly station: Station;
  readonly key: string;
  readonly signal: AbortSignal;
  readonly resolve: (channel: Channel) => void;
  readonly reject: (cause: Error) => void;
}

export class SimulatedNetwork {
  readonly #options: NetworkOptions;
  readonly #links = new Map<string, Link>();
  readonly #listening = new Map<string, Listening>();
  /** Where each address was last listened on: cuts hold for those that are gone, too. */
  readonly #placeOf = new Map<string, number>();
  readonly #vanished = new Set<string>();
  readonly #channels = new Set<ChannelEnd>();
  #freePort = FIRST_FREE_PORT;
  #frames = 0;

  constructor(options: NetworkOptions) {
    this.#options = options;
  }

  /** Frames that arrived. */
  get frames(): number {
    return this.#frames;
  }

  /** Channels whose both ends are open. */
  get channelCount(): number {
    return this.#channels.size / 2;
  }

  transport(station: Station): Transport {
    return {
      listen: async (address, onChannel) => this.#listen(station, address, onChannel),
      connect: (address, signal) => this.#connect(station, address, signal),
    };
  }

  /** Nothing gets from one place to the other any more. */
  cut(from: number, to: number): void {
    this.#link(from, to).isCut = true;
  }

  slow(from: number, to: number, extraMs: number): void {
    this.#link(from, to).extraMs = extraMs;
  }

  /** All links are whole and fast. */
  heal(): void {
    const { time, random } = this.#options;
    const cut = new Set([...this.#links].filter(([, { isCut }]) => isCut).map(([key]) => key));
    for (const link of this.#links.values()) {
      link.extraMs = 0;
      for (const resume of link.heal()) time.after(random.between(0, RETRANSMIT_MS_MAX), resume);
    }
    for (const end of [...this.#channels]) {
      const { place, otherPlace } = end;
      const wasCut = cut.has(linkKey(place, otherPlace)) || cut.has(linkKey(otherPlace, place));
      if (wasCut && random.chance(RESET_AFTER_CUT_CHANCE)) end.reset();
    }
  }

  /** Cuts the connections of a place to another one, or to all; new ones can be made. */
  reset(place: number, other: number | null = null): void {
    for (const end of [...this.#channels]) {
      if (end.place === place && (other === null || end.otherPlace === other)) end.reset();
    }
  }

  /** Its machine goes down with it: nobody is told, and nobody answers at its address. Call before the process is killed. */
  vanish(station: Station): void {
    this.#vanished.add(station.name);
  }

  #listen(station: Station, wanted: Address, onChannel: (channel: Channel) => void): TransportListener {
    const address = wanted.port === 0 ? { ...wanted, port: this.#freePort++ } : wanted;
    const key = addressKey(address);
    const taken = this.#listening.get(key);
    if (taken && taken.station.gate.state !== 'dead') throw new StartupError(`${key} is in use`);
    const listening = { station, onChannel };
    this.#listening.set(key, listening);
    this.#placeOf.set(key, station.place);
    const stop = () => {
      if (this.#listening.get(key) === listening && !this.#vanished.has(station.name)) this.#listening.delete(key);
    };
    station.gate.onDeath(stop);
    return { address, close: async () => stop() };
  }

  #connect(station: Station, address: Address, signal: AbortSignal): Promise<Channel> {
    const key = addressKey(address);
    return new Promise((resolve, reject) => {
      const onAbort = () => reject(new ConnectError('failed', `${key} does not answer`, { cause: signal.reason }));
      if (signal.aborted) return onAbort();
      signal.addEventListener('abort', onAbort, { once: true });
      const settled = () => signal.removeEventListener('abort', onAbort);
      this.#knock({
        station,
        key,
        signal,
        resolve: (channel) => {
          settled();
          resolve(channel);
        },
        reject: (cause) => {
          settled();
          reject(cause);
        },
      });
    });
  }

  /** The first packet: it waits for both directions, and is repeated. */
  #knock(visit: Visit): void {
    const { station, key, signal, reject } = visit;
    const { time } = this.#options;
    const place = this.#placeOf.get(key) ?? station.place;
    if (signal.aborted) return;
    const cut = [this.#link(station.place, place), this.#link(place, station.place)].find(({ isCut }) => isCut);
    if (cut) {
      cut.onHealed(() => this.#knock(visit));
      return;
    }
    time.after(this.#latency(station.place, place), () => {
      const found = this.#listening.get(key);
      const backMs = this.#latency(place, station.place);
      if (found === undefined) {
        const refused = new ConnectError('refused', `nobody listens on ${key}`);
        time.after(backMs, () => station.gate.enter(() => reject(refused)));
        return;
      }
      // A vanished machine answers nothing; a frozen process when it thaws.
      found.station.gate.enter(() => this.#accept(visit, found, backMs));
    });
  }

  #accept({ station, signal, resolve }: Visit, { station: other, onChannel }: Listening, backMs: number): void {
    const near = new ChannelEnd(this, this.#options, station, other.place);
    const far = new ChannelEnd(this, this.#options, other, station.place);
    near.join(far, this.#link(station.place, other.place), backMs);
    far.join(near, this.#link(other.place, station.place), backMs);
    this.#channels.add(near).add(far);
    this.#options.trace(station.name, `connects to ${other.name}`);
    onChannel(far);
    this.#options.time.after(backMs, () => {
      station.gate.enter(() => (signal.aborted ? near.close('given up while connecting') : resolve(near)));
    });
  }

  /** One way. */
  #latency(from: number, to: number): number {
    return drawLatency(this.#options) + this.#link(from, to).extraMs;
  }

  #link(from: number, to: number): Link {
    const key = linkKey(from, to);
    const link = this.#links.get(key) ?? new Link();
    this.#links.set(key, link);
    return link;
  }

  /** For channels. */
  forget(end: ChannelEnd): void {
    this.#channels.delete(end);
  }

  hasVanished(name: string): boolean {
    return this.#vanished.has(name);
  }

  countFrame(): void {
    this.#frames++;
  }
}

type Parcel =
  | { readonly type: 'frame'; readonly bytes: Buffer; readonly at: number }
  | { readonly type: 'end'; readonly why: string; readonly at: number };

/** One end of a channel, with what is on its way from here to the other one. */
class ChannelEnd implements Channel {
  onFrame: (frame: Buffer) => void = () => {};
  onClose: (why: string) => void = () => {};
  receivedBytes = 0;
  readonly #network: SimulatedNetwork;
  readonly #options: NetworkOptions;
  readonly #station: Station;
  readonly otherPlace: number;
  #other: ChannelEnd | null = null;
  #link: Link | null = null;
  #open = true;
  #underWay: Parcel[] = [];
  #lastSentAt = -1;
  #lastArrival = 0;
  #moving = false;
  /** Sent, and not read by the other side yet. */
  #unreadBytes = 0;

  constructor(network: SimulatedNetwork, options: NetworkOptions, station: Station, otherPlace: number) {
    this.#network = network;
    this.#options = options;
    this.#station = station;
    this.otherPlace = otherPlace;
  }

  get place(): number {
    return this.#station.place;
  }

  get remote(): string {
    return this.#other!.#station.name;
  }

  get waitingBytes(): number {
    return Math.max(0, this.#unreadBytes - KERNEL_BUFFER_BYTES);
  }

  /** Nothing arrives at the other end before the connection stands there. */
  join(other: ChannelEnd, link: Link, standsAfterMs: number): void {
    this.#other = other;
    this.#link = link;
    this.#lastArrival = this.#options.time.monotonic() + standsAfterMs;
    this.#station.gate.onDeath(() => this.#died());
  }

  send(parts: readonly Uint8Array[], onTaken?: () => void): void {
    const bytes = this.#open ? Buffer.concat(parts) : null;
    onTaken?.();
    if (bytes === null) return;
    this.#unreadBytes += bytes.length;
    this.#push({ type: 'frame', bytes, at: this.#arrival() });
  }

  async close(why: string): Promise<void> {
    if (!this.#open) return;
    this.#ends();
    this.#options.time.soon(() => this.#station.gate.enter(() => this.onClose(why)));
    this.#finish(why);
  }

  /** Both ends learn of it, each by itself. */
  reset(): void {
    if (!this.#open) return;
    this.#options.trace(this.#station.name, 'loses a channel');
    this.#ends();
    this.#options.time.soon(() => this.#station.gate.enter(() => this.onClose('reset')));
    this.#finish('reset');
  }

  #died(): void {
    if (!this.#open) return;
    this.#ends();
    // A machine that is gone sends nothing more.
    if (this.#network.hasVanished(this.#station.name)) this.#underWay = [];
    else this.#finish('closed by the other side');
  }

  #ends(): void {
    this.#open = false;
    this.#network.forget(this);
  }

  /** What is under way gets there, or some of it, or nothing; then the end of the channel does. */
  #finish(why: string): void {
    const { random } = this.#options;
    const kept = random.chance(LOSE_ALL_CHANCE) ? 0 : random.integer(0, this.#underWay.length + 1);
    this.#underWay.length = Math.min(this.#underWay.length, kept);
    this.#push({ type: 'end', why, at: this.#arrival() });
  }

  /** Frames of one turn arrive in one turn, mostly. */
  #arrival(): number {
    const { time, random } = this.#options;
    const now = time.monotonic();
    if (now !== this.#lastSentAt || random.chance(SPLIT_CHANCE)) {
      this.#lastArrival = Math.max(this.#lastArrival, now + drawLatency(this.#options) + this.#link!.extraMs);
    }
    this.#lastSentAt = now;
    return this.#lastArrival;
  }

  #push(parcel: Parcel): void {
    this.#underWay.push(parcel);
    if (!this.#moving) this.#move();
  }

  #move(): void {
    const [first] = this.#underWay;
    this.#moving = first !== undefined;
    if (first === undefined) return;
    const { time } = this.#options;
    time.after(first.at - time.monotonic(), () => {
      if (this.#link!.isCut) this.#link!.onHealed(() => this.#move());
      else this.#arrive();
    });
  }

  #arrive(): void {
    const now = this.#options.time.monotonic();
    const arrived: Parcel[] = [];
    while (this.#underWay[0] !== undefined && this.#underWay[0].at <= now) arrived.push(this.#underWay.shift()!);
    const other = this.#other!;
    if (arrived.length > 0) {
      other.#station.gate.enter(() => {
        for (const parcel of arrived) this.#hand(other, parcel);
      });
    }
    this.#move();
  }

  #hand(other: ChannelEnd, parcel: Parcel): void {
    if (parcel.type === 'frame') {
      this.#unreadBytes -= parcel.bytes.length;
      if (!other.#open) return;
      this.#network.countFrame();
      other.receivedBytes += parcel.bytes.length;
      other.onFrame(parcel.bytes);
    } else if (other.#open) {
      other.#ends();
      other.#underWay = [];
      other.onClose(parcel.why);
    }
  }
}

const linkKey = (from: number, to: number): string => `${from}>${to}`;
const addressKey = ({ host, port }: Address): string => `${host}:${port}`;

function drawLatency({ latency, random }: NetworkOptions): number {
  const { fromMs, toMs, tailChance, tailMs } = latency;
  return random.chance(tailChance) ? random.between(toMs, tailMs) : random.between(fromMs, toMs);
}
