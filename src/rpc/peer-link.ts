/**
 * The connection to one wanted broker, kept for as long as it is wanted:
 *
 *   connecting ──met──► up ──ended──► connecting, at once unless the last ones were brief, then with growing pauses
 *
 * `onDown` comes once it is known that the broker is gone (its address refuses connections), or says so, or when there was
 * no word for `SILENCE_MS`; not for a connection that merely was cut.
 */
import type { Address } from '../config.ts';
import type { TimerHandle } from '../runtime/clock.ts';
import type { LogLimiter } from '../runtime/log-limiter.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { CallingConnection } from './calling.ts';
import { type Hello, meet, refuse } from './hello.ts';
import type { RpcMethod } from './method.ts';
import type { DownReason, PeerEvents, WantedPeer } from './peer-events.ts';
import { type CallOptions, PeerUnavailableError } from './peers.ts';
import type { RpcMetrics } from './rpc-metrics.ts';
import { type Channel, ConnectError, type Transport } from './transport.ts';

/** No word for so long: the broker is taken for dead. */
export const SILENCE_MS = 1_500;
/** For TCP and TLS, the hello not included. */
const CONNECT_MS = 2_000;
const RETRY_MS_MIN = 50;
const RETRY_MS_MAX = 1_000;

export interface LinkHost {
  readonly runtime: Runtime;
  readonly transport: Transport;
  readonly metrics: RpcMetrics;
  readonly limited: LogLimiter;
  readonly events: PeerEvents;
  /** What this broker says of itself. */
  hello(): Hello;
}

type Ending = 'refused' | 'told' | 'starting' | 'unclear';

export class PeerLink {
  readonly brokerId: number;
  readonly #host: LinkHost;
  #address: Address;
  #brokerEpoch: number;
  #connection: CallingConnection | null = null;
  /** Under way: connecting, or waiting for the other's hello. */
  #attempt: AbortController | null = null;
  #meeting: Channel | null = null;
  #retryTimer: TimerHandle | null = null;
  #retries = 0;
  /** Connections in a row that ended as soon as they stood. */
  #brief = 0;
  #heardAt: number;
  #down: DownReason | null = null;
  #closed = false;

  constructor({ brokerId, brokerEpoch = 0, address }: WantedPeer, host: LinkHost) {
    this.brokerId = brokerId;
    this.#brokerEpoch = brokerEpoch;
    this.#address = address;
    this.#host = host;
    this.#heardAt = host.runtime.clock.monotonic();
    this.#connect();
  }

  get other(): Hello | null {
    return this.#connection?.other ?? null;
  }

  /** Of the broker's instances that are known. */
  get newestEpoch(): number {
    return Math.max(this.#brokerEpoch, this.#connection?.other.brokerEpoch ?? 0);
  }

  /** The broker is there, since it connected to this one: no pause any more. */
  hurry(): void {
    if (this.#retryTimer === null) return;
    this.#retryTimer.cancel();
    this.#connect();
  }

  /** Takes the broker where it is now. */
  want({ brokerEpoch = 0, address }: WantedPeer): void {
    const moved = address.host !== this.#address.host || address.port !== this.#address.port;
    const newer = brokerEpoch > this.#brokerEpoch;
    if (!moved && !newer) return;
    this.#address = address;
    this.#brokerEpoch = Math.max(brokerEpoch, this.#brokerEpoch);
    if (this.#connection !== null && !moved && this.#connection.other.brokerEpoch >= this.#brokerEpoch) return;
    this.#retries = 0;
    this.#down = null;
    this.#heardAt = this.#now();
    this.#abandon(`broker ${this.brokerId} was started again`, false);
    this.#connect();
  }

  call<Request, Response>(
    method: RpcMethod<Request, Response>,
    request: Request,
    options: CallOptions,
  ): Promise<Response> {
    if (this.#connection !== null) return this.#connection.call(method, request, options);
    this.#host.metrics.of(method.name).unavailable++;
    const message = `${method.name} was not sent: there is no connection to broker ${this.brokerId}`;
    return Promise.reject(new PeerUnavailableError(message, false));
  }

  ping(fresh = false): void {
    this.#connection?.ping(this.#host.events.pingPayload(this.brokerId, fresh));
  }

  /** Looks whether the broker has become silent. */
  watch(now: number): void {
    const connection = this.#connection;
    if (connection === null) {
      if (now - this.#heardAt > SILENCE_MS) this.#report('silent', `no word for ${SILENCE_MS} ms`);
      return;
    }
    const silentMs = connection.silentMs(now);
    if (silentMs <= SILENCE_MS) {
      if (connection.keysUsedUp) connection.close('its keys are used up', false);
      return;
    }
    const sentence = `no word for ${Math.round(silentMs)} ms`;
    connection.close(sentence, false);
    this.#report('silent', sentence);
  }

  /** Nothing was read for so long because this process did not run. */
  forgive(ms: number): void {
    this.#heardAt += ms;
    this.#connection?.forgive(ms);
  }

  /** Resolves when the other end was told. */
  async close(why: string): Promise<void> {
    this.#closed = true;
    await this.#abandon(why, true);
  }

  #now(): number {
    return this.#host.runtime.clock.monotonic();
  }

  async #abandon(why: string, goodbye: boolean): Promise<void> {
    this.#retryTimer?.cancel();
    this.#retryTimer = null;
    const attempt = this.#attempt;
    this.#attempt = null;
    attempt?.abort(new Error(why));
    const meeting = this.#meeting;
    this.#meeting = null;
    const connection = this.#connection;
    this.#connection = null;
    await Promise.all([meeting?.close(why), connection?.close(why, goodbye)]);
  }

  #connect(): void {
    this.#retryTimer = null;
    const { runtime, transport } = this.#host;
    const attempt = new AbortController();
    this.#attempt = attempt;
    const tooLong = () => attempt.abort(new Error(`no connection in ${CONNECT_MS} ms`));
    const timer = runtime.timers.after(CONNECT_MS, tooLong);
    transport.connect(this.#address, attempt.signal).then(
      (channel) => {
        timer.cancel();
        if (this.#attempt === attempt) this.#meet(channel);
        else channel.close('not wanted any more');
      },
      (cause: unknown) => {
        timer.cancel();
        if (this.#attempt !== attempt) return;
        const problem = cause instanceof ConnectError ? cause.problem : 'failed';
        const ending = ({ refused: 'refused', secret: 'told', failed: 'unclear' } as const)[problem];
        this.#failed(ending, cause instanceof Error ? cause.message : String(cause));
      },
    );
  }

  #meet(channel: Channel): void {
    this.#meeting = channel;
    const to = { brokerId: this.brokerId, brokerEpoch: this.#brokerEpoch };
    meet(channel, { ...this.#host.hello(), to, probe: false }, this.#host.runtime.timers, {
      onMet: (other) => {
        if (this.#meeting === channel) this.#met(channel, other);
      },
      onFailed: (problem, { sentence, succeededBy, starting }) => {
        if (this.#meeting !== channel) return;
        if (problem === 'lost') this.#failed('unclear', sentence);
        else this.#failed(starting ? 'starting' : 'told', sentence);
        if (succeededBy !== undefined) this.#host.events.onSuperseded(succeededBy);
      },
    });
  }

  #met(channel: Channel, other: Hello): void {
    const where = `${this.#address.host}:${this.#address.port}`;
    if (other.brokerId !== this.brokerId || other.brokerEpoch < this.#brokerEpoch) {
      const wanted = `epoch ${this.#brokerEpoch} of broker ${this.brokerId}`;
      const sentence = `at ${where} is epoch ${other.brokerEpoch} of broker ${other.brokerId}, not ${wanted}`;
      this.#meeting = null;
      const succeeded = other.brokerId === this.brokerId;
      refuse(channel, succeeded ? { sentence, succeededBy: this.#brokerEpoch } : { sentence });
      this.#failed('refused', sentence);
      return;
    }
    const { runtime, metrics, events } = this.#host;
    const connection = new CallingConnection(channel, other, {
      runtime,
      metrics,
      onPong: (sentAt, payload) => events.onPong(other, payload, sentAt),
      onClosed: (why, inOrder) => {
        if (this.#connection === connection) this.#lost(connection, why, inOrder);
      },
    });
    this.#attempt = null;
    this.#meeting = null;
    this.#connection = connection;
    this.#retries = 0;
    this.#down = null;
    const { brokerId, brokerEpoch, version } = other;
    runtime.logger.info({ broker: brokerId, epoch: brokerEpoch, version, where }, 'connected to a broker');
    events.onUp(other);
    if (this.#connection === connection) this.ping(true);
  }

  #lost(connection: CallingConnection, why: string, inOrder: boolean): void {
    this.#connection = null;
    this.#heardAt = connection.heardAt;
    this.#host.runtime.logger.info({ broker: this.brokerId, why }, 'the connection to a broker ended');
    if (inOrder) {
      this.#report('closed', why);
      this.#retryLater();
      return;
    }
    this.#brief = this.#now() - connection.since < RETRY_MS_MAX ? this.#brief + 1 : 0;
    // Whoever ends each connection at once would keep both brokers busy.
    if (this.#brief > 1) this.#retryLater();
    else this.#connect();
  }

  #failed(ending: Ending, why: string): void {
    this.#attempt = null;
    this.#meeting = null;
    if (ending === 'told') this.#host.limited.warn('a broker cannot be met', { broker: this.brokerId, why });
    this.#retryLater();
    if (ending === 'refused') this.#report('refused', why);
    else if (ending === 'told') this.#report('closed', why);
    // Nothing to worry about: each broker does that.
    else if (ending === 'starting') this.#report('closed', why, 'info');
  }

  #retryLater(): void {
    const { random, timers } = this.#host.runtime;
    const ms = Math.min(RETRY_MS_MIN * 2 ** this.#retries, RETRY_MS_MAX);
    this.#retries++;
    this.#retryTimer = timers.after(ms * (0.5 + random.float() / 2), () => this.#connect());
  }

  /** Once for each thing that becomes known; who is refused is gone, and nothing more can become known. */
  #report(why: DownReason, sentence: string, level: 'info' | 'warn' = 'warn'): void {
    if (this.#closed || this.#down === 'refused' || this.#down === why) return;
    if (why === 'silent' && this.#down !== null) return;
    this.#down = why;
    this.#host.runtime.logger[level]({ broker: this.brokerId, why, sentence }, 'a broker does not answer');
    this.#host.events.onDown(this.brokerId, why, sentence);
  }
}
