/**
 * A TCP proxy in front of the internal listener of one broker. It finds out who connects and treats each direction of each
 * pair of brokers on its own: cut (bytes stay where they are, as on a network that drops packets and repairs itself later)
 * or slow. For systems without network namespaces; Linux only, because /proc tells whose a connection is.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { LinkState, Links } from './links.ts';

interface Pipe {
  readonly from: string;
  readonly to: string;
  update(): void;
}

export interface Member {
  /** 0 while it does not run. */
  readonly pid: () => number;
  /** Where it really listens, `HOST:PORT`; empty while it does not. */
  readonly internal: () => string;
}

export class ProxyLinks implements Links {
  /** Told of everything that passes, and on which connection. */
  observe: (from: string, to: string, chunk: Buffer, connection: number) => void = () => {};
  readonly #members: ReadonlyMap<string, Member>;
  readonly #state = new Map<string, LinkState>();
  readonly #pipes = new Set<Pipe>();
  readonly #sockets = new Set<Socket>();
  readonly #servers: ReturnType<typeof createServer>[] = [];
  #connections = 0;

  constructor(members: ReadonlyMap<string, Member>) {
    this.#members = members;
  }

  /** What others shall be told of `name`'s internal address, `127.0.0.1:PORT`. */
  async front(name: string): Promise<string> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => this.#accept(name, socket));
    this.#servers.push(server);
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
    return `127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  set(from: string, to: string, state: LinkState): void {
    this.#state.set(`${from} ${to}`, state);
    for (const pipe of this.#pipes) pipe.update();
  }

  heal(): void {
    this.#state.clear();
    for (const pipe of this.#pipes) pipe.update();
  }

  async close(): Promise<void> {
    for (const server of this.#servers) server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(to: string, incoming: Socket): void {
    const from = this.#ownerOf(incoming.remotePort!) ?? 'somebody';
    const [host, port] = this.#members.get(to)!.internal().split(':');
    this.#keep(incoming);
    if (!port) {
      incoming.resetAndDestroy();
      return;
    }
    const outgoing = connect({ host: host!, port: Number(port), noDelay: true, allowHalfOpen: true });
    this.#keep(outgoing);
    incoming.setNoDelay(true);
    const connection = ++this.#connections;
    outgoing.once('connect', () => {
      this.#pipe(from, to, incoming, outgoing, connection);
      this.#pipe(to, from, outgoing, incoming, connection);
    });
    incoming.once('close', () => outgoing.destroy());
    outgoing.once('close', () => incoming.destroy());
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => this.#sockets.delete(socket));
  }

  #pipe(from: string, to: string, source: Socket, sink: Socket, connection: number): void {
    const state = () => this.#state.get(`${from} ${to}`) ?? 'open';
    let held: Buffer | null = null;
    let timer: NodeJS.Timeout | undefined;
    const pass = (chunk: Buffer) => {
      if (sink.write(chunk)) source.resume();
      else sink.once('drain', update);
      held = null;
    };
    const update = () => {
      clearTimeout(timer);
      const now = state();
      if (now === 'cut') source.pause();
      else if (held === null) source.resume();
      else if (now === 'open') pass(held);
      else timer = setTimeout(() => pass(held!), now.delayMs + (held.length / now.bytesPerSecond) * 1_000);
    };
    source.on('data', (chunk: Buffer) => {
      this.observe(from, to, chunk, connection);
      source.pause();
      held = chunk;
      update();
    });
    source.once('end', () => sink.end());
    const pipe = { from, to, update };
    this.#pipes.add(pipe);
    source.once('close', () => this.#pipes.delete(pipe));
    update();
  }

  /** Which member has a connection from this local port. */
  #ownerOf(port: number): string | null {
    const hex = port.toString(16).toUpperCase().padStart(4, '0');
    const line = readFileSync('/proc/net/tcp', 'utf8')
      .split('\n')
      .find((each) => each.trim().split(/\s+/)[1]?.endsWith(`:${hex}`));
    const inode = line?.trim().split(/\s+/)[9];
    if (inode === undefined) return null;
    for (const [name, { pid }] of this.#members) {
      const directory = `/proc/${pid()}/fd`;
      try {
        for (const fd of readdirSync(directory)) {
          if (linkOf(`${directory}/${fd}`) === `socket:[${inode}]`) return name;
        }
      } catch {
        // It is not there any more.
      }
    }
    return null;
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
