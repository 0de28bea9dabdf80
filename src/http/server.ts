/**
 * HTTP on a socket. Everything that a client could use to hold on to the broker has an end: heads, bodies, silence, and
 * the number of connections.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import type { Address } from '../config.ts';
import { KafkaError } from '../errors.ts';
import { listen } from '../runtime/listen.ts';
import { LogLimiter } from '../runtime/log-limiter.ts';
import { app } from './app.ts';
import type { HttpContext } from './context.ts';
import { problemReply } from './problem.ts';

export interface HttpServerOptions extends Omit<HttpContext, 'closing'> {
  /** Port 0 picks a free one. */
  readonly listen: Address;
  /** Shortened by tests. */
  readonly patience?: Patience;
}

/** How long clients may take, in milliseconds. */
export interface Patience {
  /** For the head of a request. */
  readonly head: number;
  /** For a whole request, its body included. */
  readonly request: number;
  /** Without a byte in either direction while a request is under way: a client that stopped reading, too. */
  readonly silence: number;
  /** Between requests. */
  readonly keepAlive: number;
  /** How often head and request are looked at. */
  readonly check: number;
}

const PATIENCE: Patience = {
  head: 15_000,
  request: 120_000, // 16 MiB at 140 KB/s.
  silence: 60_000, // More than the longest poll.
  keepAlive: 65_000, // Load balancers drop idle connections after 60 s: the one that closes must not be us.
  check: 5_000,
};

export interface HttpServer {
  /** Where it listens, with the real port. */
  readonly address: Address;
  /** Ends long polls, lets the other requests finish, closes what is left after some seconds. */
  close(): Promise<void>;
}

const HEAD_BYTES_MAX = 16 * 1024;
/** Node's default is 511, and a burst of reconnecting clients is larger. */
const BACKLOG = 4_096;
const CLOSE_GRACE_MS = 5_000;

/** Throws StartupError when the address cannot be had. */
export async function listenHttp(options: HttpServerOptions): Promise<HttpServer> {
  const { runtime, config, listen: at, patience = PATIENCE } = options;
  const closing = new AbortController();
  const { fetch } = app({ ...options, closing: closing.signal });
  const onRequest = getRequestListener((request, bindings) => fetch(request, bindings), {
    hostname: at.host, // For HTTP/1.0 requests without a Host.
    errorHandler(cause) {
      // Only what is wrong before there is a Request comes here: a Host or a target that makes no URL.
      const refused = new KafkaError('INVALID_REQUEST', 'the request line or the Host header makes no URL', { cause });
      const { status, headers, body } = problemReply(refused, runtime.logger);
      return new Response(body, { status, headers: { ...headers } });
    },
  });
  const server = createServer(
    {
      maxHeaderSize: HEAD_BYTES_MAX,
      headersTimeout: patience.head,
      requestTimeout: patience.request,
      keepAliveTimeout: patience.keepAlive,
      connectionsCheckingInterval: patience.check,
      noDelay: true,
    },
    onRequest,
  );
  server.maxConnections = config['connections.max'];
  server.timeout = patience.silence;
  // A client that asks first (curl does above 1 MB) learns that its body is too large before it sends it.
  server.on('checkContinue', (incoming, outgoing) => {
    const bytes = Number(incoming.headers['content-length'] ?? 0);
    if (bytes <= config['http.body.bytes.max']) outgoing.writeContinue();
    void onRequest(incoming, outgoing);
  });
  await listen(server, { what: 'HTTP', ...at, backlog: BACKLOG });
  // Such as too many open files: the next connection may be taken.
  const limited = new LogLimiter(runtime.logger, runtime.clock);
  server.on('error', (cause) => limited.warn('a connection was not accepted', { cause: cause.message }));
  return {
    address: { host: at.host, port: (server.address() as AddressInfo).port },
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      closing.abort(new KafkaError('LEADER_NOT_AVAILABLE', 'the broker is stopping'));
      server.closeIdleConnections();
      const timer = runtime.timers.after(CLOSE_GRACE_MS, () => server.closeAllConnections());
      await closed;
      timer.cancel();
    },
  };
}
