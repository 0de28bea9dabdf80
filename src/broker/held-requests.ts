/**
 * Produce requests that wait until a topic was looked for (`topic-lookup.ts`). The records of a request are views of the buffer
 * that its connection reads into, good for one turn: what waits is a copy. Requests of one connection go on in their order,
 * also those that would not have had to wait.
 */
import { KafkaError } from '../errors.ts';

/** Of all connections. Waiting is rare and short, unless the store is slow. */
const HELD_BYTES_MAX = 64 * 1024 * 1024;

export class HeldRequests {
  /** By connection, what its next request waits for. */
  readonly #last = new Map<object, Promise<void>>();
  #bytes = 0;

  isBehind(peer: object): boolean {
    return this.#last.has(peer);
  }

  /** Resolves when a request of `bytes` may go on. Throws NOT_ENOUGH_REPLICAS when too much waits. */
  hold(peer: object, bytes: number, looking: Promise<void> | null): Promise<void> {
    if (this.#bytes + bytes > HELD_BYTES_MAX) {
      const message = `${this.#bytes} bytes of records wait until their topics were looked for, at most ${HELD_BYTES_MAX} may: send them again in a moment`;
      throw new KafkaError('NOT_ENOUGH_REPLICAS', message);
    }
    this.#bytes += bytes;
    const before = this.#last.get(peer)?.catch(() => {});
    const ready = Promise.all([before, looking]).then(() => {});
    this.#last.set(peer, ready);
    const end = () => {
      this.#bytes -= bytes;
      if (this.#last.get(peer) === ready) this.#last.delete(peer);
    };
    ready.then(end, end);
    return ready;
  }
}
