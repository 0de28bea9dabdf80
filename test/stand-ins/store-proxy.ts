/**
 * An HTTP proxy in front of a stand-in for S3 or DynamoDB, which makes it behave as the real ones do on a bad day. One for
 * each broker and store, so that a fault can hit one broker alone.
 *
 *   broker ──latency/2──► store ──latency/2──► broker
 *          │ throttled: 503 SlowDown, ProvisionedThroughputExceededException: nothing done
 *          │ error: 500, nothing done           │ answer-lost: done, the connection is reset
 *          │ reset: nothing done                │
 *          │ late-effect: reset at once, done up to `LATE_MS` later
 *          │ hang: goes on at `release`, or when the caller has given up: then nobody hears the answer
 *          │ denied, gone: rights, bucket or table were taken away: nothing done
 */
import { Agent, createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { type Chance, chance } from './chance.ts';

export type StoreFault = 'throttled' | 'error' | 'reset' | 'answer-lost' | 'late-effect' | 'hang' | 'denied' | 'gone';

export interface StoreWeather {
  /** Lognormal, of a whole request, milliseconds. */
  readonly latency?: { readonly median: number; readonly p99: number };
  /** Probabilities of one request; together at most 1. */
  readonly faults?: Partial<Record<StoreFault, number>>;
  /** Which requests the faults are for, by operation: `PutItem`, `PUT` and so on. All unless given. */
  readonly matches?: (operation: string) => boolean;
}

export interface StoreProxy {
  /** `http://127.0.0.1:PORT` */
  readonly endpoint: string;
  /** May be replaced at any time; requests on their way keep what they drew. */
  weather: StoreWeather;
  /** Requests by operation. */
  readonly requests: ReadonlyMap<string, number>;
  readonly faults: ReadonlyMap<StoreFault, number>;
  /** No faults and no latency any more, and what hangs goes on. */
  heal(): void;
  release(): void;
  close(): Promise<void>;
}

export interface StoreProxyOptions {
  readonly kind: 's3' | 'dynamodb';
  readonly upstream: string;
  readonly seed?: number;
  /** Where it listens; loopback unless given. */
  readonly host?: string;
  readonly weather?: StoreWeather;
}

const LATE_MS = 1_000;

export async function startStoreProxy(options: StoreProxyOptions): Promise<StoreProxy> {
  const proxy = new HttpProxy(options);
  await proxy.listen(options.host ?? '127.0.0.1');
  return proxy;
}

class HttpProxy implements StoreProxy {
  weather: StoreWeather;
  readonly requests = new Map<string, number>();
  readonly faults = new Map<StoreFault, number>();
  endpoint = '';
  readonly #kind: 's3' | 'dynamodb';
  readonly #upstream: URL;
  readonly #chance: Chance;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    this.#serve(request, response).catch(() => response.destroy());
  });
  #hanging: (() => void)[] = [];

  constructor({ kind, upstream, seed = 1, weather = {} }: StoreProxyOptions) {
    this.#kind = kind;
    this.#upstream = new URL(upstream);
    this.#chance = chance(seed);
    this.weather = weather;
  }

  async listen(host: string): Promise<void> {
    await new Promise<void>((resolve, reject) => this.#server.once('error', reject).listen(0, host, resolve));
    this.endpoint = `http://${host}:${(this.#server.address() as AddressInfo).port}`;
  }

  heal(): void {
    this.weather = {};
    this.release();
  }

  release(): void {
    for (const resume of this.#hanging.splice(0)) resume();
  }

  close(): Promise<void> {
    this.release();
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
      this.#agent.destroy();
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const operation = this.#operation(request);
    count(this.requests, operation);
    const { latency } = this.weather;
    const ms = latency ? this.#chance.lognormal(latency.median, latency.p99) : 0;
    const fault = this.#draw(operation);
    if (fault !== null) count(this.faults, fault);
    response.on('error', () => {});
    request.on('error', () => {});
    if (ms > 0) await pause(ms / 2);
    if (fault === null) return this.#forward(request, response, ms / 2);
    if (fault === 'reset') {
      request.socket.resetAndDestroy();
      return;
    }
    const body = await wholeBody(request);
    if (fault === 'hang') {
      await new Promise<void>((resolve) => {
        this.#hanging.push(resolve);
        request.socket.once('close', resolve);
      });
      await this.#send(request, body, response);
    } else if (fault === 'answer-lost') {
      await this.#send(request, body, null);
      request.socket.resetAndDestroy();
    } else if (fault === 'late-effect') {
      request.socket.resetAndDestroy();
      await pause(this.#chance.within(1, LATE_MS));
      await this.#send(request, body, null);
    } else this.#refuse(fault, response);
  }

  #draw(operation: string): StoreFault | null {
    const { faults, matches } = this.weather;
    if (!faults || matches?.(operation) === false) return null;
    let draw = this.#chance.float();
    for (const [fault, probability] of Object.entries(faults) as [StoreFault, number][]) {
      if (draw < probability) return fault;
      draw -= probability;
    }
    return null;
  }

  /** `PutItem`, and of S3 the method: a query tells lists and deletions. */
  #operation({ headers, method = '', url = '' }: IncomingMessage): string {
    if (this.#kind === 'dynamodb')
      return (
        String(headers['x-amz-target'] ?? '')
          .split('.')
          .at(-1) ?? ''
      );
    if (method === 'GET' && url.includes('list-type=2')) return 'LIST';
    return method === 'POST' && url.includes('?delete') ? 'DELETE' : method;
  }

  /** As it comes, without keeping the bodies. */
  async #forward(request: IncomingMessage, response: ServerResponse, answerAfterMs: number): Promise<void> {
    const upstream = this.#ask(request);
    request.pipe(upstream);
    const answer = await answerOf(upstream);
    if (answerAfterMs > 0) await pause(answerAfterMs);
    response.writeHead(answer.statusCode!, answer.headers);
    answer.pipe(response);
  }

  async #send(request: IncomingMessage, body: Buffer, response: ServerResponse | null): Promise<void> {
    const upstream = this.#ask(request);
    upstream.end(body);
    const answer = await answerOf(upstream);
    const answered = await wholeBody(answer);
    if (response && !response.destroyed) response.writeHead(answer.statusCode!, answer.headers).end(answered);
  }

  #ask(request: IncomingMessage) {
    return httpRequest({
      host: this.#upstream.hostname,
      port: this.#upstream.port,
      method: request.method!,
      path: request.url!,
      headers: request.headers,
      agent: this.#agent,
    });
  }

  #refuse(fault: 'throttled' | 'error' | 'denied' | 'gone', response: ServerResponse): void {
    if (this.#kind === 's3') {
      const [status, code] = S3_ANSWERS[fault];
      const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>injected</Message></Error>`;
      response.writeHead(status, { 'content-type': 'application/xml', 'content-length': body.length }).end(body);
      return;
    }
    const [status, code] = DYNAMODB_ANSWERS[fault];
    const body = JSON.stringify({ __type: `com.amazonaws.dynamodb.v20120810#${code}`, message: 'injected' });
    const type = 'application/x-amz-json-1.0';
    response.writeHead(status, { 'content-type': type, 'content-length': body.length }).end(body);
  }
}

const S3_ANSWERS = {
  throttled: [503, 'SlowDown'],
  error: [500, 'InternalError'],
  denied: [403, 'AccessDenied'],
  gone: [404, 'NoSuchBucket'],
} as const;

const DYNAMODB_ANSWERS = {
  throttled: [400, 'ProvisionedThroughputExceededException'],
  error: [500, 'InternalServerError'],
  denied: [400, 'AccessDeniedException'],
  gone: [400, 'ResourceNotFoundException'],
} as const;

const count = <Key>(counts: Map<Key, number>, key: Key) => void counts.set(key, (counts.get(key) ?? 0) + 1);

async function wholeBody(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

const answerOf = (request: ReturnType<typeof httpRequest>): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => request.once('response', resolve).once('error', reject));
