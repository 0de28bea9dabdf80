/** Somebody on the network between two brokers: hears, keeps and changes what passes. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Address } from '../../../src/config.ts';

export class WireTap {
  readonly address: Address;
  /** From the one that connected, in order. */
  readonly sent: Buffer[] = [];
  readonly answered: Buffer[] = [];
  /** What is passed on instead of these bytes of the one that connected. */
  change: (bytes: Buffer) => Buffer = (bytes) => bytes;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, to: Address) {
    this.#server = server;
    this.address = { host: '127.0.0.1', port: (server.address() as { port: number }).port };
    server.on('connection', (near) => {
      const far = connect(to.port, to.host);
      for (const [socket, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => other.destroy());
      }
      near.on('data', (bytes) => {
        this.sent.push(bytes);
        far.write(this.change(bytes));
      });
      far.on('data', (bytes) => {
        this.answered.push(bytes);
        near.write(bytes);
      });
    });
  }

  static async open(to: Address): Promise<WireTap> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new WireTap(server, to);
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}
