/**
 * All that a broker has to do with other brokers' processes: it listens, keeps a connection to each broker that is wanted,
 * calls over the connections that it opened and answers over those that others did. So two brokers have two connections,
 * one in each direction, and need no agreement on who opens one.
 */
import type { Address } from '../config.ts';
import { assert } from '../runtime/assert.ts';
import type { TimerHandle } from '../runtime/clock.ts';
import { LogLimiter } from '../runtime/log-limiter.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { type Hello, meet, mismatch } from './hello.ts';
import { localCall } from './local-call.ts';
import type { RpcHandler, RpcMethod, RpcRegistry } from './method.ts';
import type { PeerEvents, ProbeResult, WantedPeer } from './peer-events.ts';
import { PeerLink } from './peer-link.ts';
import { type CallOptions, type Peers, PeerUnavailableError } from './peers.ts';
import { Reception } from './reception.ts';
import { RpcMetrics } from './rpc-metrics.ts';
import type { Served } from './serving.ts';
import { ConnectError, type Transport, type TransportListener } from './transport.ts';
import { RPC_FORMAT, RPC_MINOR } from './wire.ts';

export const PING_MS = 500;
const WATCH_MS = 250;
const PROBE_MS = 1_500;
/** Who is refused comes again every second. */
const WARN_MS = 10_000;

export interface PeerPoolOptions {
  readonly transport: Transport;
  readonly runtime: Runtime;
  readonly clusterId: string;
  /** Of both stores. */
  readonly incarnation: string;
  readonly brokerId: number;
  /** Of the program. */
  readonly version: string;
  /** For tests of what versions say to each other. */
  readonly format?: number;
  readonly minor?: number;
}

export class PeerPool implements Peers, RpcRegistry {
  readonly #options: PeerPoolOptions;
  readonly #metrics: RpcMetrics;
  readonly #limited: LogLimiter;
  readonly #handlers = new Map<number, Served>();
  readonly #links = new Map<number, PeerLink>();
  readonly #reception: Reception;
  #listener: TransportListener | null = null;
  #events: PeerEvents | null = null;
  #brokerEpoch = 0;
  #watchTimer: TimerHandle | null = null;
  #watchedAt = 0;
  #pingedAt = 0;
  #closed = false;

  constructor(options: PeerPoolOptions) {
    const { runtime } = options;
    this.#options = options;
    this.#metrics = new RpcMetrics(runtime.metrics);
    this.#limited = new LogLimiter(runtime.logger, runtime.clock, WARN_MS);
    const pool = this;
    this.#reception = new Reception({
      runtime,
      metrics: this.#metrics,
      limited: this.#limited,
      handlers: this.#handlers,
      get events() {
        return pool.#events;
      },
      hello: () => this.#hello(),
      newestEpoch: (brokerId) => this.#links.get(brokerId)?.newestEpoch ?? 0,
      onServing: (brokerId) => this.#links.get(brokerId)?.hurry(),
    });
    runtime.metrics.gauge({
      name: 'rpc_connections',
      help: 'Brokers that this one is connected to.',
      collect: () => this.#connectedCount(),
    });
  }

  handle<Request, Response>(method: RpcMethod<Request, Response>, handler: RpcHandler<Request, Response>): void {
    assert(!this.#handlers.has(method.id), `method ${method.id} has a handler already`);
    this.#handlers.set(method.id, {
      method: method as RpcMethod<unknown, unknown>,
      handler: handler as RpcHandler<unknown, unknown>,
    });
  }

  /** Answers where it really listens. Until `start` others are told that this broker is starting. */
  async listen(address: Address): Promise<Address> {
    this.#listener = await this.#options.transport.listen(address, (channel) => this.#reception.accept(channel));
    return this.#listener.address;
  }

  /** This broker is registered: from now on it has an epoch, serves others and connects to those that are wanted. */
  start(brokerEpoch: number, events: PeerEvents): void {
    assert(this.#events === null, 'the pool was started already');
    this.#brokerEpoch = brokerEpoch;
    this.#events = events;
    this.#watchedAt = this.#now();
    this.#pingedAt = this.#watchedAt;
    this.#scheduleWatch();
  }

  /** All brokers that a connection is to be kept to; this one is left out. Connections to others end. */
  want(brokers: readonly WantedPeer[]): void {
    const events = this.#events;
    if (this.#closed) return;
    assert(events !== null, 'brokers are wanted before the pool was started');
    const wanted = new Map(brokers.map((broker) => [broker.brokerId, broker]));
    wanted.delete(this.#options.brokerId);
    for (const [brokerId, link] of this.#links) {
      if (wanted.has(brokerId)) continue;
      this.#links.delete(brokerId);
      link.close('this broker is not wanted any more');
    }
    for (const [brokerId, broker] of wanted) {
      const link = this.#links.get(brokerId);
      if (link !== undefined) link.want(broker);
      else this.#links.set(brokerId, this.#link(broker, events));
    }
  }

  call<Request, Response>(
    brokerId: number,
    method: RpcMethod<Request, Response>,
    request: Request,
    options: CallOptions,
  ): Promise<Response> {
    const link = this.#links.get(brokerId);
    if (link !== undefined) return link.call(method, request, options);
    if (brokerId === this.#options.brokerId && !this.#closed) {
      const self = { brokerId, brokerEpoch: this.#brokerEpoch };
      return localCall(this.#handlers.get(method.id), self, method, request, options, this.#options.runtime);
    }
    const message = `${method.name} was not sent: broker ${brokerId} is not known to be alive`;
    return Promise.reject(new PeerUnavailableError(message, false));
  }

  /** Who is at the other end of the connection to a broker; null without one. */
  connected(brokerId: number): Hello | null {
    return this.#links.get(brokerId)?.other ?? null;
  }

  /** Learns who answers at an address, without being anybody there. Possible before `listen` and `start`. */
  async probe(address: Address, timeoutMs: number = PROBE_MS): Promise<ProbeResult> {
    const { transport, runtime } = this.#options;
    const attempt = new AbortController();
    const timer = runtime.timers.after(timeoutMs, () => attempt.abort(new Error(`no answer in ${timeoutMs} ms`)), {
      keepAlive: true,
    });
    try {
      const channel = await transport.connect(address, attempt.signal);
      return await new Promise<ProbeResult>((resolve) => {
        attempt.signal.addEventListener('abort', () => channel.close('no hello in time'), { once: true });
        meet(channel, { ...this.#hello(), to: null, probe: true }, runtime.timers, {
          onMet: (hello) => {
            channel.close('that was a probe');
            resolve({ answer: 'hello', hello });
          },
          onFailed(problem, { sentence: why }) {
            if (attempt.signal.aborted) resolve({ answer: 'silent', why });
            else resolve({ answer: problem === 'lost' ? 'failed' : 'unfit', why });
          },
        });
      });
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      if (attempt.signal.aborted) return { answer: 'silent', why };
      const problem = cause instanceof ConnectError ? cause.problem : 'failed';
      return { answer: ({ refused: 'nobody', secret: 'unfit', failed: 'failed' } as const)[problem], why };
    } finally {
      timer.cancel();
    }
  }

  /** As `probe`: who cannot work with this broker is unfit. */
  async tryOut(address: Address): Promise<ProbeResult> {
    const result = await this.probe(address);
    const why = result.answer === 'hello' ? mismatch(this.#hello(), result.hello) : null;
    return why === null ? result : { answer: 'unfit', why };
  }

  /** Says goodbye to all; resolves when they were told. What is open is rejected. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#watchTimer?.cancel();
    const why = `broker ${this.#options.brokerId} stops`;
    const told = [...this.#links.values()].map((link) => link.close(why));
    this.#links.clear();
    this.#metrics.flush();
    await Promise.all([...told, this.#reception.close(why), this.#listener?.close()]);
  }

  #link(broker: WantedPeer, events: PeerEvents): PeerLink {
    const { runtime, transport } = this.#options;
    const hello = () => this.#hello();
    return new PeerLink(broker, { runtime, transport, metrics: this.#metrics, limited: this.#limited, events, hello });
  }

  #hello(): Hello {
    const { clusterId, incarnation, brokerId, version, format = RPC_FORMAT, minor = RPC_MINOR } = this.#options;
    return { format, minor, clusterId, incarnation, brokerId, brokerEpoch: this.#brokerEpoch, version };
  }

  #now(): number {
    return this.#options.runtime.clock.monotonic();
  }

  #connectedCount(): number {
    let count = 0;
    for (const link of this.#links.values()) if (link.other !== null) count++;
    return count;
  }

  #scheduleWatch(): void {
    this.#watchTimer = this.#options.runtime.timers.after(WATCH_MS, () => {
      this.#watch();
      if (!this.#closed) this.#scheduleWatch();
    });
  }

  #watch(): void {
    const now = this.#now();
    // What others said while this process did not run is still to be read: that was not their silence.
    const lateMs = now - this.#watchedAt - WATCH_MS;
    this.#watchedAt = now;
    if (lateMs > WATCH_MS) {
      this.#reception.forgive(lateMs);
      for (const link of this.#links.values()) link.forgive(lateMs);
      this.#events?.onStall(lateMs);
    }
    this.#reception.watch(now);
    for (const link of [...this.#links.values()]) link.watch(now);
    if (now - this.#pingedAt >= PING_MS - WATCH_MS / 2) {
      this.#pingedAt = now;
      for (const link of this.#links.values()) link.ping();
    }
    this.#metrics.flush();
  }
}
