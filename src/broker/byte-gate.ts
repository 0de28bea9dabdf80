import { assert } from '../runtime/assert.ts';

/** Something that may be too full to go on. `Log.pressure` is one, too. */
export interface Gate {
  readonly full: boolean;
  /** Calls back once it is not full; at once when it is not. */
  whenRelieved(callback: () => void): void;
}

/** Counts bytes that are somewhere. Full beyond `bytesMax`, and then until half of it is free again. */
export class ByteGate implements Gate {
  readonly #bytesMax: number;
  #bytes = 0;
  #full = false;
  #waiting: (() => void)[] = [];

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get full(): boolean {
    return this.#full;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > this.#bytesMax) this.#full = true;
  }

  remove(bytes: number): void {
    this.#bytes -= bytes;
    assert(this.#bytes >= 0, 'more bytes left a gate than came in');
    if (this.#full && this.#bytes <= this.#bytesMax / 2) this.#relieve();
  }

  whenRelieved(callback: () => void): void {
    if (this.#full) this.#waiting.push(callback);
    else callback();
  }

  #relieve(): void {
    this.#full = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    // A callback may fill the gate again: those after it wait on.
    for (const callback of waiting) this.whenRelieved(callback);
  }
}
