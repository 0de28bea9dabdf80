/**
 * From a frame to its response: header, version check, decode once, handler, encode. Whatever a handler throws becomes an
 * answer: a KafkaError or a store's failure by its name, anything else UNKNOWN_SERVER_ERROR with a stack in the log.
 * Requests that cannot be answered in a way their client understands end the connection, as in Kafka.
 */

import type { Address } from '../config.ts';
import { ERRORS, type ErrorName, KafkaError, toKafkaError } from '../errors.ts';
import { APIS, type ApiName, advertise } from '../protocol/apis.ts';
import { decodeRequest, encodeResponse, type RequestHeader, readRequestHeader } from '../protocol/header.ts';
import type { Infer, Input, Message } from '../protocol/schema.ts';
import type { BrokerMetrics } from './broker-metrics.ts';
import type { Broker, Call, Handler, MaybePromise, Turn } from './handler.ts';
import type { OutgoingResponse } from './response-writer.ts';
import type { Handlers } from './served.ts';

/** What the router knows of the connection that a request came by. */
export interface Peer {
  readonly clientHost: string;
  readonly advertised: Address;
  readonly answerBytesMax: number;
  readonly signal: AbortSignal;
}

/** `close`: the connection is of no use any more; `reason` is for the log. */
export type Outcome =
  | { readonly type: 'respond'; readonly response: OutgoingResponse }
  | { readonly type: 'silent' }
  | { readonly type: 'close'; readonly reason: string };

const SILENT: Outcome = { type: 'silent' };

interface Route {
  readonly name: ApiName;
  readonly handler: Handler<any>;
}

export class Router {
  readonly #broker: Broker;
  readonly #metrics: BrokerMetrics;
  /** By API key. */
  readonly #routes: (Route | undefined)[] = [];

  constructor(broker: Broker, handlers: Handlers, metrics: BrokerMetrics) {
    this.#broker = broker;
    this.#metrics = metrics;
    for (const [name, handler] of Object.entries(handlers) as [ApiName, Handler<any>][]) {
      this.#routes[APIS[name].key] = { name, handler };
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
    return this.#run(route, request, new RequestCall(this.#broker, header, peer, this.#metrics, route.name, startedAt));
  }

  #run(route: Route, request: Infer<Message>, call: RequestCall): MaybePromise<Outcome> {
    let reply: MaybePromise<Input<Message> | null>;
    try {
      reply = route.handler.handle(request, call);
    } catch (cause) {
      return this.#fail(route, request, call, cause);
    }
    if (!(reply instanceof Promise)) return this.#answer(route, request, call, reply);
    return reply.then(
      (body) => this.#answer(route, request, call, body),
      (cause) => this.#fail(route, request, call, cause),
    );
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
    const { apiVersion, correlationId } = call.header;
    const parts =
      body === null ? null : encodeResponse(APIS[route.name].response as Message, apiVersion, correlationId, body);
    this.#metrics.answered(route.name, this.#broker.runtime.clock.monotonic() - call.startedAt);
    if (parts !== null) return { type: 'respond', response: { parts, release: call.takeRelease() } };
    call.release();
    return call.closing === null ? SILENT : close(call.closing);
  }

  /** KIP-511: a newer ApiVersions is answered in version 0, with the versions that the client may try. Others as in Kafka. */
  #wrongVersion({ name }: Route, { apiVersion, correlationId }: RequestHeader): Outcome {
    if (name !== 'ApiVersions') return close(`${name} v${apiVersion} is not served`);
    this.#metrics.failed(name, 'UNSUPPORTED_VERSION');
    const body = { errorCode: ERRORS.UNSUPPORTED_VERSION.code, apiKeys: advertise(['ApiVersions']) };
    return {
      type: 'respond',
      response: { parts: encodeResponse(APIS.ApiVersions.response, 0, correlationId, body), release: null },
    };
  }

  #bug(cause: unknown, name: string): KafkaError {
    const fields = { api: name, stack: cause instanceof Error ? cause.stack : String(cause) };
    this.#broker.runtime.logger.error(fields, 'a Kafka request failed by a bug');
    return new KafkaError('UNKNOWN_SERVER_ERROR', 'the broker failed on this request; its log tells why', { cause });
  }
}

const close = (reason: string): Outcome => ({ type: 'close', reason });

class RequestCall implements Call {
  readonly broker: Broker;
  readonly header: RequestHeader;
  readonly startedAt: number;
  /** Why the connection is closed instead of an answer. */
  closing: string | null = null;
  readonly #peer: Peer;
  readonly #metrics: BrokerMetrics;
  readonly #name: string;
  #release: (() => void) | null = null;

  constructor(
    broker: Broker,
    header: RequestHeader,
    peer: Peer,
    metrics: BrokerMetrics,
    name: string,
    startedAt: number,
  ) {
    this.broker = broker;
    this.header = header;
    this.startedAt = startedAt;
    this.#peer = peer;
    this.#metrics = metrics;
    this.#name = name;
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

  get answerBytesMax(): number {
    return this.#peer.answerBytesMax;
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
