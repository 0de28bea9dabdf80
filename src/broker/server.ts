/**
 * The Kafka door: a TCP listener whose connections share one read buffer, one memory for partial requests and one count
 * of unread responses. Nothing here ticks per connection: one sweep looks for idle and stuck ones.
 */
import type { Socket } from 'node:net';
import type { Address } from '../config.ts';
import type { TimerHandle } from '../runtime/clock.ts';
import { LogLimiter } from '../runtime/log-limiter.ts';
import { BrokerMetrics } from './broker-metrics.ts';
import { ByteGate } from './byte-gate.ts';
import { Connection, type ConnectionHost, peerHost } from './connection.ts';
import { hasOthers } from './draining.ts';
import { Entrance } from './entrance.ts';
import { FrameMemory } from './frame-memory.ts';
import type { Broker } from './handler.ts';
import { ConnectionLimits } from './quotas/connection-limits.ts';
import { Router } from './router.ts';
import { HANDLERS } from './served.ts';
import { DIRECT_READS } from './socket-reads.ts';

const MIB = 1024 * 1024;
/** As much as the kernel hands over at once; larger reads gain nothing more. */
const READ_BYTES = 1 * MIB;
/** Requests in pieces, or waiting for their turn, before producers are not read any more. */
const FRAME_BYTES_SOFT = 64 * MIB;
/** On top of the soft limit and the largest frame: what other connections may hold meanwhile. */
const FRAME_BYTES_SPARE = 64 * MIB;
const FRAME_BYTES_IDLE = 16 * MIB;
/** Responses that wait for their clients before fetches get less, and before no more are started. */
const UNSENT_BYTES_SOFT = 64 * MIB;
const UNSENT_BYTES_HARD = 256 * MIB;
/** While too many responses wait, a client that has not read for this long is cut off. */
const STUCK_MS = 10_000;
const SWEEP_MS_MAX = 10_000;
const DRAIN_MS = 5_000;
/** Clients that are sent elsewhere have this long to go, and are gone when none asked for this long. */
const GRACE_MS = 1_000;
const QUIET_MS = 300;
const LOOK_MS = 25;
/** Connections that came too early for a quota and wait to be closed; more are closed at once. */
const EARLY_COUNT_MAX = 1_000;

export interface KafkaListenerOptions extends Broker {
  /** Where to listen; port 0 picks a free one. */
  readonly address: Address;
  /** What Metadata tells clients. Null: the bound address, or, where that is a wildcard, the one the client came to. */
  readonly advertised: Address | null;
  /** Listeners for the clients of one zone each, by zone: what such a client is told are the listeners of its zone. */
  readonly zones?: Readonly<Record<string, ZoneListener>>;
  /** False where sockets must not read into buffers of ours; for tests. */
  readonly directReads?: boolean;
}

export interface ZoneListener {
  readonly address: Address;
  readonly advertised: Address | null;
}

export interface KafkaListener {
  /** Where it really listens. */
  readonly address: Address;
  /** Null where clients are told the address that they came to. */
  readonly advertised: Address | null;
  /** As `address`, of the listeners of zones. */
  readonly zoneAddresses: Readonly<Record<string, Address>>;
  readonly connectionCount: number;
  readonly requestsInFlight: number;
  /**
   * Sends clients to other brokers, if there are any: ends their long polls, and answers what asks for a leader or a
   * coordinator that this is none any more. Resolves when nobody has had to be told for a while, or after `graceMs`.
   * A broker that is drained while it runs does that by itself once its journals are with others, until it is no longer.
   */
  drain(options?: { readonly graceMs?: number }): Promise<void>;
  /** Stops accepting, ends long polls, answers what is in work, and closes; after `drainMs` whatever is left. */
  close(options?: { readonly drainMs?: number }): Promise<void>;
}

/**
 * Listens for Kafka clients. Throws StartupError when the address cannot be had.
 *
 * @example
 * const listener = await listenKafka({ ...broker, address: { host: '127.0.0.1', port: 9092 }, advertised: null });
 * await listener.close();
 */
export async function listenKafka(options: KafkaListenerOptions): Promise<KafkaListener> {
  const listener = new TcpListener(options);
  await listener.listen();
  return listener;
}

class TcpListener implements KafkaListener {
  readonly #options: KafkaListenerOptions;
  readonly #connections = new Set<Connection>();
  readonly #limits: ConnectionLimits;
  /** Came too early. */
  readonly #early = new Set<Socket>();
  readonly #host: ConnectionHost;
  readonly #plain: Entrance;
  readonly #entrances: readonly Entrance[];
  readonly #router: Router;
  readonly #unsubscribes: (() => void)[] = [];
  /** `drain` was called. */
  #draining = false;
  #sweepTimer: TimerHandle | null = null;
  #onDrained: (() => void) | null = null;

  constructor(options: KafkaListenerOptions) {
    const { config, runtime } = options;
    this.#options = options;
    const doors = { '': options, ...options.zones };
    this.#entrances = Object.entries<ZoneListener>(doors).map(([zone, { address, advertised }]) =>
      this.#open(zone, address, advertised),
    );
    this.#plain = this.#entrances[0]!;
    const frameMemory = new FrameMemory({
      softBytes: FRAME_BYTES_SOFT,
      hardBytes: FRAME_BYTES_SOFT + config['socket.request.max.bytes'] + FRAME_BYTES_SPARE,
      idleBytesMax: FRAME_BYTES_IDLE,
      onFull: () => this.#pauseProducers(),
    });
    const windowSeconds = config['quota.window.num'] * config['quota.window.size.seconds'];
    this.#limits = new ConnectionLimits(options.configs.quotas, runtime.clock, windowSeconds);
    const unsent = new ByteGate(UNSENT_BYTES_HARD);
    const metrics = new BrokerMetrics(runtime.metrics, {
      connections: () => this.#connections.size,
      requestsInFlight: () => this.#host.requestsInFlight,
      frameBytes: () => frameMemory.usedBytes,
      unsentBytes: () => unsent.bytes,
    });
    this.#router = new Router(options, HANDLERS, metrics);
    this.#host = {
      router: this.#router,
      clock: runtime.clock,
      timers: runtime.timers,
      logger: runtime.logger,
      limited: new LogLimiter(runtime.logger, runtime.clock),
      metrics,
      frameMemory,
      frameBytesMax: config['socket.request.max.bytes'],
      inFlightMax: config['socket.requests.in.flight.max'],
      readBuffer: Buffer.allocUnsafeSlow(READ_BYTES),
      directReads: options.directReads ?? DIRECT_READS,
      pressure: options.log.pressure,
      unsent,
      unsentBytesSoft: UNSENT_BYTES_SOFT,
      requestsInFlight: 0,
      onClosed: (connection) => this.#onClosed(connection),
    };
  }

  get address(): Address {
    return this.#plain.address;
  }

  get advertised(): Address | null {
    return this.#plain.advertised;
  }

  get zoneAddresses(): Readonly<Record<string, Address>> {
    return Object.fromEntries(this.#entrances.slice(1).map(({ zone, address }) => [zone, address]));
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  get requestsInFlight(): number {
    return this.#host.requestsInFlight;
  }

  async listen(): Promise<void> {
    try {
      for (const entrance of this.#entrances) await entrance.listen();
    } catch (cause) {
      await this.close();
      throw cause;
    }
    const look = () => this.#lookWhetherToLeave();
    const { members, leaders } = this.#options;
    this.#unsubscribes.push(members.onChanged(look), leaders.onChanged(look));
    this.#scheduleSweep();
  }

  #open(zone: string, address: Address, advertised: Address | null): Entrance {
    return new Entrance({
      zone,
      address,
      advertised,
      onSocket: (socket, entrance) => this.#accept(socket, entrance),
      onError: (cause) => this.#host.limited.warn('a connection was not accepted', { cause: cause.message }),
    });
  }

  async drain({ graceMs = GRACE_MS }: { readonly graceMs?: number } = {}): Promise<void> {
    this.#draining = true;
    this.#lookWhetherToLeave();
    const { members, runtime } = this.#options;
    const { clock, timers } = runtime;
    const begun = clock.monotonic();
    for (;;) {
      const now = clock.monotonic();
      const quietSince = Math.max(begun, this.#router.refusedAt);
      if (now - begun >= graceMs || now - quietSince >= QUIET_MS) return;
      if (!hasOthers(members) || this.#connections.size === 0) return;
      await new Promise<void>((resolve) => timers.after(LOOK_MS, resolve, { keepAlive: true }));
    }
  }

  /** Who is drained, and leads nothing any more, sends its clients away. */
  #lookWhetherToLeave(): void {
    const { members, report } = this.#options;
    const leaving = this.#draining || (members.self.draining && !report.leadsAny);
    if (leaving === this.#router.leaving) return;
    this.#router.leaving = leaving;
    if (!leaving || !hasOthers(members)) return;
    for (const connection of this.#connections) connection.interrupt();
  }

  async close({ drainMs = DRAIN_MS }: { readonly drainMs?: number } = {}): Promise<void> {
    this.#sweepTimer?.cancel();
    for (const unsubscribe of this.#unsubscribes.splice(0)) unsubscribe();
    const stopped = Promise.all(this.#entrances.map((entrance) => entrance.close()));
    for (const connection of this.#connections) connection.end('the broker stops');
    for (const socket of this.#early) socket.destroy();
    if (this.#connections.size > 0) {
      const drained = new Promise<void>((resolve) => {
        this.#onDrained = resolve;
      });
      const { timers } = this.#options.runtime;
      const cutOff = () => {
        for (const connection of this.#connections) connection.destroy('stop');
      };
      const timer = timers.after(drainMs, cutOff, { keepAlive: true });
      await drained;
      timer.cancel();
    }
    await stopped;
  }

  #accept(socket: Socket, entrance: Entrance): void {
    if (this.#connections.size >= this.#options.config['connections.max']) {
      this.#host.limited.warn('too many Kafka connections, a new one is closed', { peer: socket.remoteAddress });
      this.#host.metrics.closed('too many');
      socket.destroy();
      return;
    }
    const earlyMs = this.#limits.opened(peerHost(socket));
    if (earlyMs > 0) this.#refuseLater(socket, earlyMs);
    else this.#connections.add(new Connection(socket, this.#host, entrance));
  }

  /** Closing at once would only make the client come again at once. */
  #refuseLater(socket: Socket, delayMs: number): void {
    this.#host.metrics.closed('too early');
    if (this.#early.size >= EARLY_COUNT_MAX) {
      socket.destroy();
      return;
    }
    this.#early.add(socket);
    const timer = this.#host.timers.after(delayMs, () => socket.destroy());
    socket.on('error', () => {});
    socket.on('close', () => {
      timer.cancel();
      this.#early.delete(socket);
    });
  }

  #onClosed(connection: Connection): void {
    this.#connections.delete(connection);
    if (this.#connections.size === 0) this.#onDrained?.();
  }

  /** Those that hold nothing yet stop; those in the middle of a request go on, or they would never give their memory back. */
  #pauseProducers(): void {
    const look = () => {
      for (const connection of this.#connections) if (connection.produces) connection.readOrPause();
    };
    look();
    this.#host.frameMemory.gate.whenRelieved(look);
  }

  #scheduleSweep(): void {
    const intervalMs = Math.min(this.#options.config['connections.max.idle.ms'] / 4, SWEEP_MS_MAX);
    this.#sweepTimer = this.#options.runtime.timers.after(intervalMs, () => {
      this.#sweep();
      this.#scheduleSweep();
    });
  }

  #sweep(): void {
    const now = this.#host.clock.monotonic();
    const idleMsMax = this.#options.config['connections.max.idle.ms'];
    const crowded = this.#host.unsent.bytes > UNSENT_BYTES_SOFT;
    for (const connection of this.#connections) {
      const idleMs = connection.idleMs(now);
      if (idleMs > idleMsMax) connection.destroy('idle');
      else if (crowded && connection.hasUnsent && idleMs > STUCK_MS) connection.destroy('stuck');
    }
  }
}
