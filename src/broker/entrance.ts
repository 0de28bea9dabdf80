/** One address that the Kafka door listens on: the plain one, or the one for the clients of a zone. */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { Address } from '../config.ts';
import { listen, preferIPv4 } from '../runtime/listen.ts';

const BACKLOG = 1_024;

export interface EntranceOptions {
  /** Port 0 picks a free one. */
  readonly address: Address;
  /** What clients are told. Null: the bound address, or, where that is a wildcard, the one the client came to. */
  readonly advertised: Address | null;
  /** Whose clients come here; empty for the plain one. */
  readonly zone: string;
  onSocket(socket: Socket, entrance: Entrance): void;
  onError(cause: Error): void;
}

export class Entrance {
  readonly zone: string;
  readonly #options: EntranceOptions;
  readonly #server: Server;
  #address: Address;
  #advertised: Address | null;

  constructor(options: EntranceOptions) {
    this.zone = options.zone;
    this.#options = options;
    this.#address = options.address;
    this.#advertised = options.advertised;
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) =>
      options.onSocket(socket, this),
    );
  }

  /** Where it really listens. */
  get address(): Address {
    return this.#address;
  }

  get advertised(): Address | null {
    return this.#advertised;
  }

  /** Throws StartupError when the address cannot be had. */
  async listen(): Promise<void> {
    const { port } = this.#options.address;
    const host = preferIPv4(this.#options.address.host);
    await listen(this.#server, { what: 'Kafka clients', host, port, backlog: BACKLOG });
    this.#server.on('error', (cause) => this.#options.onError(cause));
    const bound = this.#server.address() as AddressInfo;
    this.#address = { host: bound.address, port: bound.port };
    const wildcard = bound.address === '0.0.0.0' || bound.address === '::';
    this.#advertised ??= wildcard ? null : this.#address;
    if (this.#advertised !== null && bound.address !== '::1') {
      this.#advertised = { ...this.#advertised, host: preferIPv4(this.#advertised.host) };
    }
  }

  /** Takes no more connections; resolves when those that came in are gone. */
  async close(): Promise<void> {
    if (!this.#server.listening) return;
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
