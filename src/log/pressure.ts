import type { Timers } from '../runtime/clock.ts';
import type { Pressure } from './log.ts';
import type { Custody } from './pending.ts';

/** Records accepted and not yet answered: who waits for them to become fewer, and who for all to be answered. */
export class IngestPressure implements Pressure, Custody {
  readonly bytesMax: number;
  readonly #timers: Timers;
  readonly #waiting: (() => void)[] = [];
  #relieving = false;
  #whenEmpty: (() => void)[] = [];
  bytes = 0;
  batches = 0;

  constructor(bytesMax: number, timers: Timers) {
    this.bytesMax = bytesMax;
    this.#timers = timers;
  }

  get full(): boolean {
    return this.bytes >= this.bytesMax;
  }

  /** Doors that do not look at `full` are refused from here on. */
  get overfull(): boolean {
    return this.bytes >= 2 * this.bytesMax;
  }

  /** Somebody waits for `empty`. */
  get draining(): boolean {
    return this.#whenEmpty.length > 0;
  }

  add(bytes: number): void {
    this.bytes += bytes;
    this.batches++;
  }

  remove(bytes: number): void {
    this.bytes -= bytes;
    this.batches--;
    if (this.#waiting.length > 0 && !this.full) this.#relieve();
    if (this.batches > 0 || this.#whenEmpty.length === 0) return;
    const callbacks = this.#whenEmpty;
    this.#whenEmpty = [];
    for (const callback of callbacks) callback();
  }

  whenRelieved(callback: () => void): void {
    this.#waiting.push(callback);
    if (!this.full) this.#relieve();
  }

  /** Resolves when every accepted batch is answered. */
  empty(): Promise<void> {
    if (this.batches === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenEmpty.push(resolve));
  }

  /** Each callback reads more, so that it may be full again before the last one had its turn. */
  #relieve(): void {
    if (this.#relieving) return;
    this.#relieving = true;
    this.#timers.soon(() => {
      this.#relieving = false;
      while (!this.full) {
        const callback = this.#waiting.shift();
        if (callback === undefined) return;
        callback();
      }
    });
  }
}
