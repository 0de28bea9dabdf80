/**
 * What keeps chunks from being recycled while an answer is being put together or a socket still reads it. A lease that
 * nobody ends would pin memory for ever: leases are counted, and how much answers may pin together is bounded.
 */
import type { TimerHandle, Timers } from '../runtime/clock.ts';
import { linkSignals } from '../runtime/linked-signals.ts';
import type { Chunk } from './chunk-pool.ts';

export class Lease {
  readonly #leases: Leases;
  readonly #chunks = new Set<Chunk>();
  readonly #reserved: number;
  #ended = false;

  constructor(leases: Leases, reserved: number) {
    this.#leases = leases;
    this.#reserved = reserved;
  }

  /** Must be called while somebody else holds the chunk. After the end it does nothing. */
  hold(chunk: Chunk): void {
    if (this.#ended || this.#chunks.has(chunk)) return;
    this.#chunks.add(chunk);
    chunk.lease();
  }

  /** Gives up what was held and is not in `kept`. */
  keepOnly(kept: ReadonlySet<Chunk>): void {
    for (const chunk of this.#chunks) {
      if (kept.has(chunk)) continue;
      this.#chunks.delete(chunk);
      chunk.endLease();
    }
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const chunk of this.#chunks) chunk.endLease();
    this.#chunks.clear();
    this.#leases.ended(this.#reserved);
  }
}

/** From whichever has room first; null when none has after `waitMs`, or when aborted. */
export async function reserveFirst(
  pools: readonly Leases[],
  bytes: number,
  waitMs: number,
  signal: AbortSignal,
): Promise<Lease | null> {
  const given = new AbortController();
  const { signal: either, unlink } = linkSignals(signal, given.signal);
  let first: Lease | null = null;
  const asked = pools.map(async (leases) => {
    const lease = await leases.reserve(bytes, waitMs, either);
    if (first !== null) lease?.end();
    else if (lease !== null) {
      first = lease;
      given.abort();
    }
  });
  await Promise.all(asked);
  unlink();
  return first;
}

interface Waiting {
  readonly bytes: number;
  readonly admit: (lease: Lease | null) => void;
}

export class Leases {
  readonly #bytesMax: number;
  readonly #timers: Timers;
  readonly #waiting = new Set<Waiting>();
  /** Leases that were given and not ended. */
  outstanding = 0;
  /** Bytes that they may pin. */
  reservedBytes = 0;

  constructor(bytesMax: number, timers: Timers) {
    this.#bytesMax = bytesMax;
    this.#timers = timers;
  }

  /** A lease for `bytes` when there is room, in the order of asking. One that is alone always gets it. */
  tryReserve(bytes: number): Lease | null {
    return this.#waiting.size === 0 && this.#hasRoom(bytes) ? this.#give(bytes) : null;
  }

  /** As `tryReserve`, but waits for answers to reach their clients; null after `waitMs` or when aborted. */
  reserve(bytes: number, waitMs: number, signal: AbortSignal): Promise<Lease | null> {
    const lease = this.tryReserve(bytes);
    if (lease !== null || signal.aborted) return Promise.resolve(lease);
    return new Promise((resolve) => {
      let timer: TimerHandle | null = null;
      const admit = (given: Lease | null) => {
        timer?.cancel();
        signal.removeEventListener('abort', giveUp);
        this.#waiting.delete(waiting);
        resolve(given);
      };
      const giveUp = () => {
        admit(null);
        this.#admitWaiting(); // It may have stood in the way of smaller ones.
      };
      const waiting: Waiting = { bytes, admit };
      this.#waiting.add(waiting);
      signal.addEventListener('abort', giveUp, { once: true });
      timer = this.#timers.after(waitMs, giveUp);
    });
  }

  /** Only `Lease` calls this. */
  ended(bytes: number): void {
    this.outstanding--;
    this.reservedBytes -= bytes;
    this.#admitWaiting();
  }

  #admitWaiting(): void {
    for (const waiting of this.#waiting) {
      if (!this.#hasRoom(waiting.bytes)) return;
      waiting.admit(this.#give(waiting.bytes));
    }
  }

  #hasRoom(bytes: number): boolean {
    return this.outstanding === 0 || this.reservedBytes + bytes <= this.#bytesMax;
  }

  #give(bytes: number): Lease {
    this.outstanding++;
    this.reservedBytes += bytes;
    return new Lease(this, bytes);
  }
}
