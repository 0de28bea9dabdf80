/** Peers of one process: calls go to the registry of the broker asked, through the bytes of their methods. */
import type { PeerIdentity, RpcHandler, RpcMethod, RpcRegistry } from '../../../src/rpc/method.ts';
import { type CallOptions, type Peers, PeerUnavailableError } from '../../../src/rpc/peers.ts';

class LocalRegistry implements RpcRegistry {
  readonly handlers = new Map<number, { method: RpcMethod<unknown, unknown>; handler: RpcHandler<unknown, unknown> }>();

  handle<Request, Response>(method: RpcMethod<Request, Response>, handler: RpcHandler<Request, Response>): void {
    this.handlers.set(method.id, {
      method: method as RpcMethod<unknown, unknown>,
      handler: handler as RpcHandler<unknown, unknown>,
    });
  }
}

/** A network of brokers by id. Calls to those in `cut` fail, before or after they were carried out. */
export class LocalNetwork {
  readonly #registries = new Map<number, LocalRegistry>();
  readonly cut = new Map<number, 'before' | 'after'>();

  registry(brokerId: number): RpcRegistry {
    const known = this.#registries.get(brokerId) ?? new LocalRegistry();
    this.#registries.set(brokerId, known);
    return known;
  }

  peers(from: PeerIdentity): Peers {
    return { call: (brokerId, method, request, options) => this.#call(from, brokerId, method, request, options) };
  }

  async #call<Request, Response>(
    from: PeerIdentity,
    brokerId: number,
    method: RpcMethod<Request, Response>,
    request: Request,
    { signal }: CallOptions,
  ): Promise<Response> {
    const bytes = Buffer.concat(method.encodeRequest(request));
    const cut = this.cut.get(brokerId);
    const found = this.#registries.get(brokerId)?.handlers.get(method.id);
    if (cut === 'before' || found === undefined) throw new PeerUnavailableError(`broker ${brokerId} is away`, false);
    let release = () => {};
    const call = {
      from,
      signal: signal ?? new AbortController().signal,
      onSent: (callback: () => void) => {
        release = callback;
      },
    };
    try {
      const response = await orAborted(found.handler(method.decodeRequest(bytes), call), call.signal);
      if (cut === 'after') throw new PeerUnavailableError(`the answer of broker ${brokerId} was lost`, true);
      return method.decodeResponse(Buffer.concat(method.encodeResponse(response as Response)));
    } finally {
      release();
    }
  }
}

/** As a peer that gives up: the handler goes on, its answer is not heard. */
function orAborted<T>(answer: T | Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    Promise.resolve(answer).then(resolve, reject);
  });
}
