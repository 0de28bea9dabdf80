/**
 * Requests over HTTP, repeated until they succeed, fail for good, or the time is up. Only what is safe to repeat is
 * repeated: reads, and writes that the broker recognises (see `Repeat`).
 */
import { type Clock, sleep, type Timers } from '../runtime/clock.ts';
import type { Random } from '../runtime/random.ts';
import { ClientError, errorOfAnswer } from './client-error.ts';

/** Time and chance, as everywhere. */
export interface ClientRuntime {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
}

export interface TransportOptions {
  /** Where the broker is, `http://HOST:PORT`, perhaps with a path in front of `/v1`. */
  readonly url: string;
  /** Replaced in tests; default the platform's. */
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
  /** A call that has not succeeded by then fails with REQUEST_TIMED_OUT. Default 60 s. */
  readonly timeoutMs?: number;
}

/**
 * `safe`: again after any failure that may pass, whatever became of the first attempt. `unsent`: only while it is certain
 * that no attempt changed anything.
 */
export type Repeat = 'safe' | 'unsent';

export interface Request {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Path and query after the base URL. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly repeat: Repeat;
  /** How long the broker may wait on purpose before it answers. */
  readonly waitMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Answer {
  readonly status: number;
  readonly body: string;
}

const TIMEOUT_MS_DEFAULT = 60_000;
/** One attempt: far above what a store takes, below what people endure. */
const ATTEMPT_MS_MAX = 30_000;
const BACKOFF_MS_FIRST = 50;
const BACKOFF_MS_MAX = 2_000;

/** Milliseconds before attempt `attempt` (2, 3, …), half of it by chance, so that clients do not return all at once. */
export function backoffMs(attempt: number, chance: number): number {
  const full = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_FIRST * 2 ** Math.min(attempt - 2, 10));
  return full / 2 + (full / 2) * chance;
}

export function mayRepeat(error: ClientError, repeat: Repeat): boolean {
  if (!error.retriable) return false;
  if (error.status === 404) return false; // Kafka calls an unknown topic retriable; to a person it is a typing error.
  return repeat === 'safe' || error.noSideEffects;
}

export class Transport {
  readonly runtime: ClientRuntime;
  readonly #base: string;
  readonly #fetch: NonNullable<TransportOptions['fetch']>;
  readonly #timeoutMs: number;

  constructor(runtime: ClientRuntime, options: TransportOptions) {
    this.runtime = runtime;
    this.#base = baseOf(options.url);
    this.#fetch = options.fetch ?? ((url, init) => fetch(url, init));
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS_DEFAULT;
  }

  /** Throws ClientError, or the signal's reason when it aborts. */
  async request(request: Request): Promise<Answer> {
    const { clock, timers, random } = this.runtime;
    const timeoutMs = this.#timeoutMs + (request.waitMs ?? 0);
    const deadline = clock.monotonic() + timeoutMs;
    for (let attempt = 1; ; attempt++) {
      const error = await this.#attempt(request, deadline - clock.monotonic());
      if (!(error instanceof ClientError)) return error;
      const pauseMs = backoffMs(attempt + 1, random.float());
      if (!mayRepeat(error, request.repeat)) throw error;
      if (clock.monotonic() + pauseMs >= deadline) throw timedOut(timeoutMs, error);
      await sleep(timers, pauseMs, request.signal);
    }
  }

  async #attempt(request: Request, leftMs: number): Promise<Answer | ClientError> {
    const { signal } = request;
    signal?.throwIfAborted();
    const controller = new AbortController();
    const limitMs = Math.min(ATTEMPT_MS_MAX + (request.waitMs ?? 0), leftMs);
    const timer = this.runtime.timers.after(limitMs, () => controller.abort(), { keepAlive: true });
    const onAbort = () => controller.abort();
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      const response = await this.#fetch(this.#base + request.path, {
        method: request.method,
        headers: { accept: 'application/json', ...request.headers },
        signal: controller.signal,
        redirect: 'error',
        ...(request.body !== undefined && { body: request.body }),
      });
      const body = await response.text();
      return response.ok ? { status: response.status, body } : errorOfAnswer(response.status, body);
    } catch (cause) {
      signal?.throwIfAborted();
      return controller.signal.aborted ? noAnswer(limitMs, cause) : unreachable(this.#base, cause);
    } finally {
      timer.cancel();
      signal?.removeEventListener('abort', onAbort);
    }
  }
}

/** Without a trailing slash. Throws TypeError for what is not an http or https URL. */
function baseOf(text: string): string {
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol) || url.username !== '' || url.search !== '' || url.hash !== '') {
    throw new TypeError(`${JSON.stringify(text)} is not the URL of a broker, such as http://127.0.0.1:8080`);
  }
  return url.href.replace(/\/+$/, '');
}

/** What `fetch` throws says little itself; the socket's error is its cause. */
function unreachable(base: string, cause: unknown): ClientError {
  const socket = (cause as { cause?: { code?: string; message?: string } }).cause;
  const neverConnected = ['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH', 'EAI_AGAIN'];
  return new ClientError(
    {
      code: 'NETWORK_EXCEPTION',
      status: 0,
      detail: `no answer from ${base}: ${socket?.code ?? socket?.message ?? (cause as Error).message}`,
      retriable: true,
      noSideEffects: neverConnected.includes(socket?.code ?? ''),
    },
    { cause },
  );
}

const noAnswer = (ms: number, cause: unknown) =>
  new ClientError(
    {
      code: 'REQUEST_TIMED_OUT',
      status: 0,
      detail: `no answer within ${Math.round(ms)} ms`,
      retriable: true,
      noSideEffects: false,
    },
    { cause },
  );

const timedOut = (timeoutMs: number, last: ClientError) =>
  new ClientError(
    {
      code: 'REQUEST_TIMED_OUT',
      status: last.status,
      detail: `given up after ${timeoutMs} ms; last: ${last.message}`,
      retriable: true,
      noSideEffects: last.noSideEffects,
    },
    { cause: last },
  );
