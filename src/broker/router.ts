/**
 * From a frame to its response: header, version check, decode once, handler, encode. Whatever a handler throws becomes an
 * answer: a KafkaError or a store's failure by its name, anything else UNKNOWN_SERVER_ERROR with a stack in the log.
 * Requests that cannot be answered in a way their client understands end the connection, as in Kafka.
 */

import type { FeatureName } from '../cluster/features.ts';
import type { Address } from '../config.ts';
import { ERRORS, type ErrorName, KafkaError, toKafkaError } from '../errors.ts';
import { APIS, type ApiName, advertise } from '../protocol/apis.ts';
import { decodeRequest, encodeResponse, type RequestHeader, readRequestHeader } from '../protocol/header.ts';
import type { Infer, Input, Message } from '../protocol/schema.ts';
import type { BrokerMetrics } from './broker-metrics.ts';
import { ClientView } from './client-view.ts';
import { zoneOf } from './client-zone.ts';
import { hasOthers, refusalOf } from './draining.ts';
import { featureOf } from './features.ts';
import type { Broker, Call, Handler, MaybePromise, Turn } from './handler.ts';
import { HeldRequests } from './held-requests.ts';
import { type ClientLimit, ClientLimits, type QuotaWindow } from './quotas/client-limits.ts';
import type { OutgoingResponse } from './response-writer.ts';
import type { Handlers } from './served.ts';
import { lookForTopics } from './topic-lookup.ts';

/** What the router knows of the connection that a request came by. */
export interface Peer {
  readonly clientHost: string;
  readonly advertised: Address;
  /** Of the listener; empty for the plain one. */
  readonly listenerZone: string;
  readonly answerBytesMax: number;
  readonly signal: AbortSignal;
}

/**
 * `close`: the connection is of no use any more; `reason` is for the log. A client that is over its quota gets its answer,
 * and its connection is not read for `throttleMs` (KIP-219).
 */
export type Outcome =
  | { readonly type: 'respond'; readonly response: OutgoingResponse; readonly throttleMs: number }
  | { readonly type: 'silent'; readonly throttleMs: number }
  | { readonly type: 'close'; readonly reason: string };

interface Route {
  readonly name: ApiName;
  readonly handler: Handler<any>;
  /** At level 0 of it, the API is not supported. */
  readonly feature: FeatureName | null;
}

export class Router {
  readonly #broker: Broker;
  readonly #metrics: BrokerMetrics;
  readonly #limits: ClientLimits;
  /** By API key. */
  readonly #routes: (Route | undefined)[] = [];
  readonly #held = new HeldRequests();
  /** Clients are sent to other brokers, as long as there are any. */
  leaving = false;
  /** When a client was last sent elsewhere. */
  refusedAt = Number.NEGATIVE_INFINITY;

  constructor(broker: Broker, handlers: Handlers, metrics: BrokerMetrics) {
    this.#broker = broker;
    this.#metrics = metrics;
    const { config, configs, runtime } = broker;
    this.#limits = new ClientLimits(configs.quotas, runtime.clock, quotaWindow(config));
    for (const [name, handler] of Object.entries(handlers) as [ApiName, Handler<any>][]) {
      this.#routes[APIS[name].key] = { name, handler, feature: featureOf(name) };
    }
  }

  /** Looks at the API key alone. */
  turnOf(frame: Buffer): Turn | undefined {
    return this.#routes[frame.readInt16BE(0)]?.handler.turn;
  }

  /** Never throws or rejects. What the handler does before its first `await` is done when this returns. */
  handle(frame: Buffer, peer: Peer): MaybePromise<Outcome> {
    const startedAt = this.#broker.runtime.clock.monotonic();
    let header: RequestHeader;
    let request: Infer<Message>;
    let route: Route | undefined;
    try {
      header = readRequestHeader(frame);
      route = this.#routes[header.apiKey];
      if (route === undefined) return close(`unknown API key ${header.apiKey}`);
      const { min, max, request: message } = APIS[route.name];
      if (header.apiVersion < min || header.apiVersion > max) return this.#wrongVersion(route, header);
      request = decodeRequest(message as Message, header, frame);
    } catch (cause) {
      if (cause instanceof KafkaError) return close(cause.message);
      return close(this.#bug(cause, route?.name ?? 'request header').message);
    }
    this.#metrics.requested(route.name);
    const limit = this.#limits.of(header.clientId);
    const call = new RequestCall(this.#broker, header, peer, this.#metrics, route.name, startedAt, limit, frame.length);
    return this.#run(route, request, call, frame, peer);
  }

  #run(route: Route, request: Infer<Message>, call: RequestCall, frame: Buffer, peer: Peer): MaybePromise<Outcome> {
    let reply: MaybePromise<Input<Message> | null>;
    try {
      this.#requireFeature(route);
      this.#requireStaying(route);
      const looking = lookForTopics(route.name, request, this.#broker.topics);
      const produces = route.handler.turn === 'produce';
      if (looking === null && !(produces && this.#held.isBehind(peer))) {
        reply = route.handler.handle(request, call);
      } else if (produces) {
        const ready = this.#held.hold(peer, frame.length, looking);
        const kept = decodeRequest(APIS[route.name].request as Message, call.header, Buffer.from(frame));
        reply = ready.then(() => this.#handleLater(route, kept, call));
      } else {
        reply = looking!.then(() => this.#handleLater(route, request, call));
      }
    } catch (cause) {
      return this.#fail(route, request, call, cause);
    }
    if (!(reply instanceof Promise)) return this.#answer(route, request, call, reply);
    call.pauseWork();
    return reply.then(
      (body) => this.#answer(route, request, call.resumeWork(), body),
      (cause) => this.#fail(route, request, call.resumeWork(), cause),
    );
  }

  #handleLater({ handler }: Route, request: Infer<Message>, call: RequestCall): MaybePromise<Input<Message> | null> {
    try {
      return handler.handle(request, call.resumeWork());
    } finally {
      call.pauseWork();
    }
  }

  #answer(route: Route, request: Infer<Message>, call: RequestCall, body: Input<Message> | null): Outcome {
    try {
      return this.#respond(route, call, body);
    } catch (cause) {
      return this.#fail(route, request, call, cause);
    }
  }

  /** A response that cannot be encoded comes here, too; a refusal that cannot be encoded ends the connection. */
  #fail(route: Route, request: Infer<Message>, call: RequestCall, cause: unknown): Outcome {
    call.release();
    const error = toKafkaError(cause) ?? this.#bug(cause, route.name);
    try {
      call.code(error.error);
      return this.#respond(route, call, route.handler.refuse(request, error, call));
    } catch (again) {
      return close(this.#bug(again, route.name).message);
    }
  }

  #respond(route: Route, call: RequestCall, body: Input<Message> | null): Outcome {
    let parts = body === null ? null : encode(route, call, body);
    const throttleMs = call.throttle(route.name, parts);
    if (throttleMs > 0) {
      this.#metrics.throttled(route.name, throttleMs);
      if (body !== null) parts = encode(route, call, { ...body, throttleTimeMs: throttleMs });
    }
    this.#metrics.answered(route.name, this.#broker.runtime.clock.monotonic() - call.startedAt);
    if (parts !== null) return { type: 'respond', response: { parts, release: call.takeRelease() }, throttleMs };
    call.release();
    return call.closing === null ? { type: 'silent', throttleMs } : close(call.closing);
  }

  #requireFeature({ name, feature }: Route): void {
    if (feature === null || this.#broker.configs.features.level(feature) > 0) return;
    throw new KafkaError('UNSUPPORTED_VERSION', `${name} is not supported while ${feature} is 0`);
  }

  #requireStaying({ name }: Route): void {
    if (!this.leaving || !hasOthers(this.#broker.members)) return;
    const refusal = refusalOf(name);
    if (refusal === null) return;
    this.refusedAt = this.#broker.runtime.clock.monotonic();
    throw refusal;
  }

  /** KIP-511: a newer ApiVersions is answered in version 0, with the versions that the client may try. Others as in Kafka. */
  #wrongVersion({ name }: Route, { apiVersion, correlationId }: RequestHeader): Outcome {
    if (name !== 'ApiVersions') return close(`${name} v${apiVersion} is not served`);
    this.#metrics.failed(name, 'UNSUPPORTED_VERSION');
    const body = { errorCode: ERRORS.UNSUPPORTED_VERSION.code, apiKeys: advertise(['ApiVersions']) };
    return {
      type: 'respond',
      response: { parts: encodeResponse(APIS.ApiVersions.response, 0, correlationId, body), release: null },
      throttleMs: 0,
    };
  }

  #bug(cause: unknown, name: string): KafkaError {
    const fields = { api: name, stack: cause instanceof Error ? cause.stack : String(cause) };
    this.#broker.runtime.logger.error(fields, 'a Kafka request failed by a bug');
    return new KafkaError('UNKNOWN_SERVER_ERROR', 'the broker failed on this request; its log tells why', { cause });
  }
}

const close = (reason: string): Outcome => ({ type: 'close', reason });

const encode = ({ name }: Route, { header: { apiVersion, correlationId } }: RequestCall, body: Input<Message>) =>
  encodeResponse(APIS[name].response as Message, apiVersion, correlationId, body);

const quotaWindow = (config: Broker['config']): QuotaWindow => ({
  seconds: config['quota.window.num'] * config['quota.window.size.seconds'],
  sampleSeconds: config['quota.window.size.seconds'],
});

const FETCHES: ReadonlySet<ApiName> = new Set<ApiName>(['Fetch', 'ShareFetch']);

const bytesOf = (parts: readonly Uint8Array[]): number => parts.reduce((bytes, { length }) => bytes + length, 0);

class RequestCall implements Call {
  readonly broker: Broker;
  readonly header: RequestHeader;
  readonly startedAt: number;
  /** Why the connection is closed instead of an answer. */
  closing: string | null = null;
  readonly #peer: Peer;
  readonly #metrics: BrokerMetrics;
  readonly #name: string;
  readonly #limit: ClientLimit | null;
  readonly #requestBytes: number;
  #throttleMs = 0;
  #workedMs = 0;
  #workingSince: number;
  #release: (() => void) | null = null;

  constructor(
    broker: Broker,
    header: RequestHeader,
    peer: Peer,
    metrics: BrokerMetrics,
    name: string,
    startedAt: number,
    limit: ClientLimit | null,
    requestBytes: number,
  ) {
    this.broker = broker;
    this.header = header;
    this.startedAt = startedAt;
    this.#peer = peer;
    this.#metrics = metrics;
    this.#name = name;
    this.#limit = limit;
    this.#requestBytes = requestBytes;
    this.#workingSince = startedAt;
  }

  get apiVersion(): number {
    return this.header.apiVersion;
  }

  get clientId(): string | null {
    return this.header.clientId;
  }

  get clientHost(): string {
    return this.#peer.clientHost;
  }

  get advertised(): Address {
    return this.#peer.advertised;
  }

  get listenerZone(): string {
    return this.#peer.listenerZone;
  }

  get clientZone(): string {
    return this.#peer.listenerZone === '' ? zoneOf(this.header.clientId) : this.#peer.listenerZone;
  }

  get view(): ClientView {
    return new ClientView(this.broker, this);
  }

  get answerBytesMax(): number {
    const { answerBytesMax } = this.#peer;
    return this.#limit === null ? answerBytesMax : Math.min(answerBytesMax, this.#limit.answerBytesMax);
  }

  get signal(): AbortSignal {
    return this.#peer.signal;
  }

  code(error: ErrorName): number {
    if (error !== 'NONE') this.#metrics.failed(this.#name, error);
    return ERRORS[error].code;
  }

  onSent(release: () => void): void {
    const before = this.#release;
    this.#release =
      before === null
        ? release
        : () => {
            before();
            release();
          };
  }

  countMutations(partitions: number, strictSince: number): void {
    if (this.#limit === null) return;
    this.#throttleMs = Math.max(this.#throttleMs, this.#limit.mutate(partitions, this.apiVersion >= strictSince));
  }

  /** Counts what the request was; milliseconds that its client should wait. */
  throttle(name: ApiName, parts: readonly Uint8Array[] | null): number {
    const limit = this.#limit;
    if (limit === null) return 0;
    this.pauseWork();
    return Math.max(
      this.#throttleMs,
      limit.worked(this.#workedMs),
      name === 'Produce' ? limit.produced(this.#requestBytes) : 0,
      parts !== null && FETCHES.has(name) ? limit.consumed(bytesOf(parts)) : 0,
    );
  }

  /** The handler waits for something. */
  pauseWork(): void {
    if (this.#limit !== null) this.#workedMs += this.broker.runtime.clock.monotonic() - this.#workingSince;
  }

  resumeWork(): this {
    if (this.#limit !== null) this.#workingSince = this.broker.runtime.clock.monotonic();
    return this;
  }

  closeConnection(reason: string): null {
    this.closing = reason;
    return null;
  }

  takeRelease(): (() => void) | null {
    const release = this.#release;
    this.#release = null;
    return release;
  }

  release(): void {
    this.takeRelease()?.();
  }
}
