/**
 * HTTP on a socket. Everything that a client could use to hold on to the broker has an end: heads, bodies, silence, and
 * the number of connections.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import type { Address } from '../config.ts';
import { KafkaError, StartupError } from '../errors.ts';
import { app } from './app.ts';
import type { HttpContext } from './context.ts';
import { problemReply } from './problem.ts';

export interface HttpServerOptions extends Omit<HttpContext, 'closing'> {
  /** Port 0 picks a free one. */
  readonly listen: Address;
}

export interface HttpServer {
  /** Where it listens, with the real port. */
  readonly address: Address;
  /** Ends long polls, lets the other requests finish, closes what is left after some seconds. */
  close(): Promise<void>;
}

const HEAD_BYTES_MAX = 16 * 1024;
const HEAD_MS_MAX = 15_000;
/** A body of 16 MiB at 140 KB/s. */
const REQUEST_MS_MAX = 120_000;
/** No byte in either direction, a client that stopped reading included. More than the longest poll. */
const SILENCE_MS_MAX = 60_000;
/** Above the 60 s after which load balancers drop idle connections: the one that closes must not be us. */
const KEEP_ALIVE_MS = 65_000;
const TIMEOUT_CHECK_MS = 5_000;
/** Node's default is 511, and a burst of reconnecting clients is larger. */
const BACKLOG = 4_096;
const CLOSE_GRACE_MS = 5_000;

/** Throws StartupError when the address cannot be had. */
export async function listenHttp(options: HttpServerOptions): Promise<HttpServer> {
  const { runtime, config, listen } = options;
  const closing = new AbortController();
  const { fetch } = app({ ...options, closing: closing.signal });
  const onRequest = getRequestListener((request, bindings) => fetch(request, bindings), {
    hostname: listen.host, // For HTTP/1.0 requests without a Host.
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
      headersTimeout: HEAD_MS_MAX,
      requestTimeout: REQUEST_MS_MAX,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_MS,
      noDelay: true,
    },
    onRequest,
  );
  server.maxConnections = config['connections.max'];
  server.timeout = SILENCE_MS_MAX;
  // A client that asks first (curl does above 1 MB) learns that its body is too large before it sends it.
  server.on('checkContinue', (incoming, outgoing) => {
    const bytes = Number(incoming.headers['content-length'] ?? 0);
    if (bytes <= config['http.body.bytes.max']) outgoing.writeContinue();
    void onRequest(incoming, outgoing);
  });
  const address = await listening(server, listen);
  return {
    address,
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

function listening(server: Server, { host, port }: Address): Promise<Address> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      reject(new StartupError(`cannot listen for HTTP on ${host}:${port}: ${cause.message}`, { cause }));
    });
    server.listen({ host, port, backlog: BACKLOG }, () => {
      resolve({ host, port: (server.address() as AddressInfo).port });
    });
  });
}
