/**
 * How the AWS SDK sends a request here: node:http with one keep-alive pool, a body as a gather list that is never
 * joined, the answer collected into one buffer, and an end to every wait. The SDK's own handler does the same with
 * streams and several timers a request, and the SDK hashes bodies that it recognises as bytes: a `GatherBody` it does
 * not, so S3 payloads go out unsigned and only the headers are signed.
 *
 * Nothing here repeats a request, and the SDK's own retries are taken out by `withoutRetries`: one call of a port is at
 * most one request on the wire. A request that failed may have had its effect.
 */
import http from 'node:http';
import https from 'node:https';
import { Readable } from 'node:stream';
import { StorageUnavailableError } from '../errors.ts';
import type { TimerHandle, Timers } from '../runtime/clock.ts';

export interface RequestLimits {
  /** Connections, and so requests in flight; more wait for one. */
  readonly socketsMax: number;
  /** Until TCP and TLS stand. */
  readonly connectMs: number;
  /**
   * Longest silence on the connection while a request is under way: a store that went away without a word. Also the longest
   * that the head of an answer may take once the request is out, and each further `ANSWERED_BYTES_MIN` of its body.
   */
  readonly silenceMs: number;
  /** A longer answer is refused; a range read answers what was asked, a page a few MiB. */
  readonly answerBytesMax: number;
}

/** What a store must answer within `silenceMs` at least, unless the answer ends: less than the slowest line that is of use brings. */
const ANSWERED_BYTES_MIN = 64 * 1024;

/** A body in parts, written in order as one. Not a view of bytes, so that the SDK's signer leaves it unhashed. */
export class GatherBody {
  readonly parts: readonly Uint8Array[];
  readonly bytes: number;

  constructor(parts: readonly Uint8Array[]) {
    this.parts = parts;
    this.bytes = parts.reduce((sum, part) => sum + part.length, 0);
  }
}

/** A whole answer. The SDK insists on a stream for GetObject; nobody reads it as one. */
export class CollectedBody extends Readable {
  readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    super({ read() {} });
    this.bytes = bytes;
  }
}

/** For the SDK's `streamCollector` setting. */
export const collectedBytes = async (body: unknown): Promise<Uint8Array> =>
  body instanceof CollectedBody ? body.bytes : ((await (body as Readable).toArray()) as Buffer[]).at(0)!;

interface SdkRequest {
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly method: string;
  readonly path: string;
  readonly query?: Record<string, string | string[] | null>;
  readonly headers: Record<string, string>;
  readonly body?: unknown;
}

interface SdkResponse {
  statusCode: number;
  headers: Record<string, string>;
  body: CollectedBody;
}

export class AwsRequestHandler {
  readonly metadata = { handlerProtocol: 'http/1.1' };
  readonly #limits: RequestLimits;
  readonly #timers: Timers;
  readonly #plain: http.Agent;
  readonly #secure: https.Agent;

  constructor(limits: RequestLimits, timers: Timers) {
    this.#limits = limits;
    this.#timers = timers;
    const pool = { keepAlive: true, maxSockets: limits.socketsMax };
    this.#plain = new http.Agent(pool);
    this.#secure = new https.Agent(pool);
  }

  handle(request: SdkRequest, options: { abortSignal?: AbortSignal } = {}): Promise<{ response: SdkResponse }> {
    const secure = request.protocol === 'https:';
    const { promise, resolve, reject } = Promise.withResolvers<{ response: SdkResponse }>();
    const outgoing = (secure ? https : http).request({
      agent: secure ? this.#secure : this.#plain,
      host: request.hostname.replace(/^\[|\]$/g, ''),
      port: request.port,
      method: request.method,
      path: request.path + queryString(request.query),
      headers: request.headers,
      timeout: this.#limits.silenceMs,
      ...(options.abortSignal && { signal: options.abortSignal }),
    });
    const giveUp = (what: string) => {
      const cause = new StorageUnavailableError(`${request.hostname} ${what}`);
      reject(cause); // When some of the answer has come, its end would be reported, without the reason.
      outgoing.destroy(cause);
    };
    outgoing.on('timeout', () => giveUp(`was silent for ${this.#limits.silenceMs} ms`));
    outgoing.on('error', reject);
    outgoing.on('response', (incoming) => this.#collect(incoming, resolve, reject));
    this.#watch(outgoing, giveUp);
    outgoing.on('socket', (socket) => {
      if (!socket.connecting) return;
      const late = () => giveUp(`did not connect in ${this.#limits.connectMs} ms`);
      const timer = this.#timers.after(this.#limits.connectMs, late);
      socket.once(secure ? 'secureConnect' : 'connect', timer.cancel).once('close', timer.cancel);
    });
    writeBody(outgoing, request.body);
    return promise;
  }

  /** Part of the SDK's interface; the settings above do not change. */
  updateHttpClientConfig(): void {}
  httpHandlerConfigs(): object {
    return {};
  }

  destroy(): void {
    this.#plain.destroy();
    this.#secure.destroy();
  }

  /** A byte now and then is no silence, and would never end: what is too little of an answer is taken for silence, too. */
  #watch(outgoing: http.ClientRequest, giveUp: (what: string) => void): void {
    const { silenceMs } = this.#limits;
    let timer: TimerHandle | null = null;
    let received = 0;
    const next = () => {
      timer?.cancel();
      received = 0;
      timer = this.#timers.after(silenceMs, () => {
        if (received >= ANSWERED_BYTES_MIN) next();
        else giveUp(`answered ${received} bytes in ${silenceMs} ms`);
      });
    };
    outgoing.once('finish', next);
    outgoing.once('response', (incoming) => {
      next();
      incoming.on('data', (chunk: Buffer) => {
        received += chunk.length;
      });
    });
    outgoing.once('close', () => timer?.cancel());
  }

  #collect(
    incoming: http.IncomingMessage,
    resolve: (answer: { response: SdkResponse }) => void,
    reject: (cause: Error) => void,
  ): void {
    const chunks: Buffer[] = [];
    let received = 0;
    incoming.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      received += chunk.length;
      if (received > this.#limits.answerBytesMax) incoming.destroy(new StorageUnavailableError('an answer too long'));
    });
    incoming.on('error', reject); // An answer shorter than its content-length, too.
    incoming.on('end', () => {
      const bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, received);
      const body = new CollectedBody(bytes);
      resolve({ response: { statusCode: incoming.statusCode!, headers: joinedHeaders(incoming), body } });
    });
  }
}

function writeBody(outgoing: http.ClientRequest, body: unknown): void {
  if (body instanceof GatherBody) {
    outgoing.cork(); // Header and parts leave in one gathering write.
    for (const part of body.parts) outgoing.write(part);
    outgoing.end();
    outgoing.uncork();
  } else {
    outgoing.end(body as string | Uint8Array | undefined);
  }
}

function joinedHeaders({ headers }: http.IncomingMessage): Record<string, string> {
  const joined: Record<string, string> = {};
  for (const name in headers) {
    const value = headers[name]!;
    joined[name] = Array.isArray(value) ? value.join(',') : value;
  }
  return joined;
}

/** As SigV4 wants it: RFC 3986, sorted by the signer itself, so only the spelling must agree. */
function queryString(query: SdkRequest['query']): string {
  if (!query) return '';
  const pairs: string[] = [];
  for (const [name, value] of Object.entries(query)) {
    const values = Array.isArray(value) ? value : [value];
    for (const one of values) pairs.push(one ? `${escapeUri(name)}=${escapeUri(one)}` : `${escapeUri(name)}=`);
  }
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}

const escapeUri = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);

interface MiddlewareStack {
  add(middleware: (next: (args: any) => Promise<any>) => (args: any) => Promise<any>, options: object): void;
}

/** The SDK's repeats are invisible to the meter, and a journal put must not be sent twice at all. */
export function withoutRetries(client: { readonly middlewareStack: unknown }): void {
  // Others anchor to this name, so it stays, and does nothing.
  (client.middlewareStack as MiddlewareStack).add((next) => (args) => next(args), {
    name: 'retryMiddleware',
    step: 'finalizeRequest',
    priority: 'high',
    override: true,
  });
}
