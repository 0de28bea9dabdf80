/**
 * The network between brokers of one process: links with pings, calls through the bytes of their methods, cuts in one
 * direction or both, processes that are killed, frozen and thawed.
 */
import type { DownReason, Links, WantedPeer } from '../../../../src/cluster/links.ts';
import type { Address } from '../../../../src/config.ts';
import type { PeerIdentity, RpcHandler, RpcMethod, RpcRegistry } from '../../../../src/rpc/method.ts';
import { type CallOptions, type Peers, PeerUnavailableError } from '../../../../src/rpc/peers.ts';
import type { Runtime } from '../../../../src/runtime/runtime.ts';

const PING_MS = 500;
const SILENCE_MS = 1_500;
const RECONNECT_MS = 100;
const WAY_MS = 1;

export class Network {
  readonly nodes = new Map<number, NetworkNode>();
  /** `from>to` that nothing passes. */
  readonly cuts = new Set<string>();

  cut(a: number, b: number): void {
    this.cuts.add(`${a}>${b}`).add(`${b}>${a}`);
  }

  cutOneWay(from: number, to: number): void {
    this.cuts.add(`${from}>${to}`);
  }

  heal(): void {
    this.cuts.clear();
  }

  passes(from: number, to: number): boolean {
    return !this.cuts.has(`${from}>${to}`);
  }

  at(address: Address): NetworkNode | undefined {
    return [...this.nodes.values()].find(({ alive, port }) => alive && port === address.port);
  }
}

interface Link {
  readonly peer: WantedPeer;
  state: 'connecting' | 'up' | DownReason;
  heardAt: number;
}

/** The network as one process has it. Its timers are those of the process: they stand still while that is frozen. */
export class NetworkNode implements Links, RpcRegistry {
  readonly identity: PeerIdentity;
  readonly port: number;
  alive = true;
  frozen = false;
  readonly #network: Network;
  readonly #runtime: Runtime;
  readonly #links = new Map<number, Link>();
  readonly #handlers = new Map<number, { method: RpcMethod<never, never>; handler: RpcHandler<never, never> }>();
  #up: (peer: PeerIdentity) => void = () => {};
  #down: (brokerId: number, reason: DownReason) => void = () => {};
  #ping: (peer: PeerIdentity, payload: Buffer) => void = () => {};
  #pong: (peer: PeerIdentity, payload: Buffer, sentAt: number) => void = () => {};
  #payload: () => Uint8Array = () => Buffer.alloc(0);
  #thawed: (() => void)[] = [];
  calls = 0;

  constructor(network: Network, identity: PeerIdentity, port: number, runtime: Runtime) {
    this.#network = network;
    this.identity = identity;
    this.port = port;
    this.#runtime = runtime;
    network.nodes.set(identity.brokerId, this);
    this.#tick();
  }

  get id(): number {
    return this.identity.brokerId;
  }

  handle<Request, Response>(method: RpcMethod<Request, Response>, handler: RpcHandler<Request, Response>): void {
    this.#handlers.set(method.id, { method, handler } as never);
  }

  want(peers: readonly WantedPeer[]): void {
    const wanted = new Map(peers.map((peer) => [peer.brokerId, peer]));
    for (const [id, { peer }] of this.#links) {
      if (wanted.get(id)?.brokerEpoch !== peer.brokerEpoch) this.#links.delete(id);
    }
    for (const [id, peer] of wanted) {
      if (this.#links.has(id)) continue;
      this.#links.set(id, { peer, state: 'connecting', heardAt: this.#now() });
      this.#runtime.timers.after(WAY_MS, () => this.#connect(id));
    }
  }

  onUp(listener: (peer: PeerIdentity) => void): void {
    this.#up = listener;
  }
  onDown(listener: (brokerId: number, reason: DownReason) => void): void {
    this.#down = listener;
  }
  onPing(listener: (peer: PeerIdentity, payload: Buffer) => void): void {
    this.#ping = listener;
  }
  onPong(listener: (peer: PeerIdentity, payload: Buffer, sentAt: number) => void): void {
    this.#pong = listener;
  }
  onStall(): void {}
  setPingPayload(provider: () => Uint8Array): void {
    this.#payload = provider;
  }

  kill(): void {
    this.alive = false;
    for (const other of this.#network.nodes.values()) if (other !== this) other.#closedBy(this);
  }

  thaw(): void {
    this.frozen = false;
    for (const act of this.#thawed.splice(0)) act();
  }

  readonly peers: Peers = {
    call: (to, method, request, options) => this.#call(to, method, request, options),
  };

  async #call<Request, Response>(
    to: number,
    method: RpcMethod<Request, Response>,
    request: Request,
    { timeoutMs }: CallOptions,
  ): Promise<Response> {
    const bytes = Buffer.concat(method.encodeRequest(request));
    const other = this.#network.nodes.get(to);
    this.calls++;
    if (this.#links.get(to)?.state !== 'up' || !other?.alive) throw new PeerUnavailableError(`no broker ${to}`, false);
    return new Promise((resolve, reject) => {
      const timer = this.#runtime.timers.after(timeoutMs, () => reject(new PeerUnavailableError('late', true)));
      const answer = (act: () => void) => {
        if (!this.#network.passes(to, this.id) || !other.alive) return;
        this.#whenRunning(() => {
          timer.cancel();
          act();
        });
      };
      this.#runtime.timers.after(WAY_MS, () => {
        if (!this.#network.passes(this.id, to)) return;
        other.#whenRunning(async () => {
          const found = other.#handlers.get(method.id) as { handler: RpcHandler<Request, Response> } | undefined;
          const call = { from: this.identity, signal: new AbortController().signal, onSent: () => {} };
          try {
            if (!found) throw new PeerUnavailableError(`broker ${to} has no method ${method.name}`, false);
            const response = await found.handler(method.decodeRequest(bytes), call);
            answer(() => resolve(method.decodeResponse(Buffer.concat(method.encodeResponse(response)))));
          } catch (cause) {
            answer(() => reject(cause));
          }
        });
      });
    });
  }

  #whenRunning(act: () => void): void {
    if (!this.alive) return;
    if (this.frozen) this.#thawed.push(act);
    else act();
  }

  #connect(id: number): void {
    const link = this.#links.get(id);
    if (!link || link.state === 'up' || !this.alive) return;
    const other = this.#network.nodes.get(id);
    const reached = this.#network.passes(this.id, id) && this.#network.passes(id, this.id);
    if (reached && (!other?.alive || other.port !== link.peer.address.port)) this.#is(link, 'refused');
    else if (reached && !other!.frozen) this.#is(link, 'up', other!.identity);
    this.#runtime.timers.after(RECONNECT_MS, () => this.#connect(id));
  }

  #is(link: Link, state: Link['state'], identity?: PeerIdentity): void {
    if (link.state === state) return;
    link.state = state;
    link.heardAt = this.#now();
    if (state === 'up') this.#up(identity!);
    else if (state !== 'connecting') this.#down(link.peer.brokerId, state);
  }

  #closedBy(other: NetworkNode): void {
    if (!this.#network.passes(other.id, this.id)) return;
    const link = this.#links.get(other.id);
    this.#whenRunning(() => {
      if (link?.state !== 'up') return;
      this.#is(link, 'closed');
      this.#connect(other.id);
    });
  }

  #tick(): void {
    if (!this.alive) return;
    for (const [id, link] of this.#links) {
      const other = this.#network.nodes.get(id);
      if (link.state === 'up' && other?.alive && this.#network.passes(this.id, id)) {
        const payload = Buffer.from(this.#payload());
        const sentAt = this.#now();
        other.#whenRunning(() => {
          other.#hear(this, payload);
          const answer = Buffer.from(other.#payload());
          if (!this.#network.passes(id, this.id)) return;
          this.#whenRunning(() => this.#pong(other.identity, answer, sentAt));
        });
      }
      if (link.state !== 'refused' && link.state !== 'silent' && this.#now() - link.heardAt > SILENCE_MS) {
        this.#is(link, 'silent');
        this.#connect(id);
      }
    }
    this.#runtime.timers.after(PING_MS, () => this.#tick());
  }

  #hear(from: NetworkNode, payload: Buffer): void {
    const link = this.#links.get(from.id);
    if (link) link.heardAt = this.#now();
    else this.#up(from.identity);
    this.#ping(from.identity, payload);
  }

  #now(): number {
    return this.#runtime.clock.monotonic();
  }
}
