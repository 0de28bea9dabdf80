/**
 * Channels over TLS 1.3 whose two ends prove that they know the cluster's secret: an external pre-shared key with an
 * ephemeral key exchange (`psk_dhe_ke`) and AES-128-GCM. There are no certificates, so a listener has nothing else to offer
 * to who does not know the key, and a client takes nothing else. Each handshake has new randomness from both ends and early
 * data is off: recorded bytes are of no use.
 *
 * The key is chosen by the cluster id that a client names. So a broker of another cluster with the same secret gets through
 * the handshake, and is told in words what is wrong (`hello.ts`).
 *
 * While the secret is changed from broker to broker, each has a previous one, too: a listener takes both, told apart by the name of
 * the key, and a client that is refused with the new one tries the previous one.
 */
import type { AddressInfo, OnReadOpts, Socket } from 'node:net';
import { type ConnectionOptions, connect, createServer, type TLSSocket, type TlsOptions } from 'node:tls';
import type { Address } from '../config.ts';
import { listen, preferIPv4 } from '../runtime/listen.ts';
import { LogLimiter } from '../runtime/log-limiter.ts';
import type { Counter } from '../runtime/metrics.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { clusterKey, keyName } from './secret.ts';
import { DirectReads, TlsChannel } from './tls-channel.ts';
import { type Channel, ConnectError, type Transport, type TransportListener } from './transport.ts';

const IDENTITY_PREFIX = 'millrace/';
const CLUSTER_ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
const HANDSHAKE_MS = 3_000;
/** Who is refused comes again every second. */
const WARN_MS = 10_000;
/** Connections that have not proved anything yet. */
const STRANGERS_MAX = 256;
const BACKLOG = 511;

const SUITE = {
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  ciphers: 'TLS_AES_128_GCM_SHA256',
} as const;

export interface TlsTransportOptions {
  readonly secret: string;
  /** What others may know instead; empty: nothing. */
  readonly previousSecret?: string;
  readonly clusterId: string;
  readonly runtime: Runtime;
  readonly handshakeMs?: number;
}

export class TlsTransport implements Transport {
  /** The first is offered first. */
  readonly #secrets: readonly string[];
  readonly #clusterId: string;
  readonly #runtime: Runtime;
  readonly #limited: LogLimiter;
  readonly #handshakeMs: number;
  readonly #handshakes: Counter;

  constructor({ secret, previousSecret = '', clusterId, runtime, handshakeMs = HANDSHAKE_MS }: TlsTransportOptions) {
    this.#secrets = previousSecret === '' ? [secret] : [secret, previousSecret];
    this.#clusterId = clusterId;
    this.#runtime = runtime;
    this.#handshakeMs = handshakeMs;
    this.#limited = new LogLimiter(runtime.logger, runtime.clock, WARN_MS);
    this.#handshakes = runtime.metrics.counter({
      name: 'rpc_handshakes_total',
      help: "Connections to the internal listener, by outcome: proved (the other end knows the cluster's secret), refused, left (it hung up before either).",
      labels: ['outcome'],
    });
  }

  async listen(address: Address, onChannel: (channel: Channel) => void): Promise<TransportListener> {
    const options: TlsOptions = {
      ...SUITE,
      handshakeTimeout: this.#handshakeMs,
      pskCallback: (_socket: unknown, identity: string) => this.#keyOf(identity),
    };
    const server = createServer(options);
    const strangers = new Set<Socket>();
    server.on('connection', (socket: Socket) => {
      strangers.add(socket);
      if (strangers.size > STRANGERS_MAX) {
        // A broker proves itself in milliseconds: the one that takes longest is the one to go.
        const [oldest] = strangers;
        this.#limited.warn('too many connections to the internal listener that prove nothing', {
          remote: oldest!.remoteAddress,
        });
        strangers.delete(oldest!);
        oldest!.destroy();
      }
      socket.once('close', () => strangers.delete(socket));
    });
    server.on('secureConnection', (socket) => {
      strangers.delete(rawSocket(socket));
      this.#handshakes.add(1, { outcome: 'proved' });
      onChannel(new TlsChannel(socket, this.#runtime, null));
    });
    server.on('tlsClientError', (cause: NodeJS.ErrnoException, socket) => {
      if (cause.code === 'ECONNRESET') {
        // A broker that has a reason to begin anew does that, and who only looks whether somebody listens.
        this.#handshakes.add(1, { outcome: 'left' });
        socket.destroy();
        return;
      }
      this.#handshakes.add(1, { outcome: 'refused' });
      this.#limited.warn('a connection to the internal listener was refused', {
        remote: socket.remoteAddress,
        cause: refusalOf(cause),
      });
      socket.destroy();
    });
    const host = preferIPv4(address.host);
    await listen(server, { what: 'other brokers', host, port: address.port, backlog: BACKLOG });
    server.on('error', (cause) =>
      this.#limited.warn('a connection to the internal listener was not accepted', { cause: cause.message }),
    );
    const bound = server.address() as AddressInfo;
    return {
      address: { host: bound.address, port: bound.port },
      close: () =>
        new Promise((resolve) => {
          server.close();
          for (const socket of strangers) socket.destroy();
          resolve();
        }),
    };
  }

  async connect(address: Address, signal: AbortSignal): Promise<Channel> {
    const [secret, previous] = this.#secrets;
    try {
      return await this.#connect(address, secret!, signal);
    } catch (cause) {
      const isOther = cause instanceof ConnectError && cause.problem === 'secret';
      if (!isOther || previous === undefined) throw cause;
      // It may not have been given the new one yet.
      return this.#connect(address, previous, signal);
    }
  }

  #connect({ host, port }: Address, secret: string, signal: AbortSignal): Promise<Channel> {
    return new Promise((resolve, reject) => {
      const where = `${host}:${port}`;
      const identity = `${IDENTITY_PREFIX}${this.#clusterId}/${keyName(secret, this.#clusterId)}`;
      const psk = clusterKey(secret, this.#clusterId);
      const reads = new DirectReads();
      const options: ConnectionOptions & { readonly onread: OnReadOpts } = {
        ...SUITE,
        host: preferIPv4(host),
        port,
        // No certificate would be trusted, were one offered.
        ca: [],
        checkServerIdentity: () => undefined,
        pskCallback: () => ({ psk, identity }),
        onread: reads,
      };
      const socket = connect(options);
      const onError = (cause: NodeJS.ErrnoException) => fail(connectErrorOf(where, cause));
      const onEnd = () => fail(new ConnectError('failed', `${where} closed the connection before it proved anything`));
      const onAbort = () => fail(new ConnectError('failed', `${where} does not answer: ${reasonOf(signal)}`));
      const settle = () => {
        socket.off('error', onError);
        socket.off('close', onEnd);
        signal.removeEventListener('abort', onAbort);
      };
      const fail = (cause: ConnectError) => {
        settle();
        socket.on('error', () => {});
        socket.destroy();
        reject(cause);
      };
      socket.on('error', onError);
      socket.on('close', onEnd);
      socket.once('secureConnect', () => {
        if (!provedTheKey(socket))
          return fail(new ConnectError('secret', `${where} did not prove the cluster's secret`));
        settle();
        resolve(new TlsChannel(socket, this.#runtime, reads));
      });
      if (signal.aborted) onAbort();
      else signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  #keyOf(identity: string): Buffer | null {
    if (!identity.startsWith(IDENTITY_PREFIX)) return null;
    const [clusterId, name, more] = identity.slice(IDENTITY_PREFIX.length).split('/');
    if (clusterId === undefined || !CLUSTER_ID.test(clusterId) || more !== undefined) return null;
    const named = this.#secrets.find((secret) => keyName(secret, clusterId) === name);
    return clusterKey(named ?? this.#secrets[0]!, clusterId);
  }
}

/** TLS tells a session of a pre-shared key by the same mark as one that is resumed, and we never resume any. */
const provedTheKey = (socket: TLSSocket): boolean => socket.isSessionReused() && socket.authorized;

/** The TCP connection below: what the event 'connection' was about. */
const rawSocket = (socket: TLSSocket): Socket => (socket as unknown as { _parent: Socket })._parent;

const reasonOf = ({ reason }: AbortSignal): string => (reason instanceof Error ? reason.message : String(reason));

/** What OpenSSL says in words, without its codes and file names. */
const wordsOf = (cause: NodeJS.ErrnoException): string => (cause as { reason?: string }).reason ?? cause.message;

function refusalOf(cause: NodeJS.ErrnoException): string {
  const words = wordsOf(cause);
  switch (words) {
    case 'http request':
      return 'it speaks HTTP; this is the listener for other brokers';
    case 'wrong version number':
      return 'it does not speak TLS; this is the listener for other brokers';
    case 'binder does not verify':
    case 'no suitable signature algorithm':
      return `it does not know this cluster's secret (${words}): brokers of one cluster have the same MILLRACE_CLUSTER_SECRET`;
    default:
      return words;
  }
}

function connectErrorOf(where: string, cause: NodeJS.ErrnoException): ConnectError {
  const code = cause.code ?? '';
  if (code === 'ECONNREFUSED') return new ConnectError('refused', `nobody listens on ${where}`, { cause });
  if (code.includes('ALERT')) {
    return new ConnectError(
      'secret',
      `${where} knows another secret (${wordsOf(cause)}): brokers of one cluster have the same MILLRACE_CLUSTER_SECRET`,
      { cause },
    );
  }
  return new ConnectError('failed', `no connection to ${where}: ${wordsOf(cause)}`, { cause });
}
