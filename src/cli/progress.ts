import { type Clock, systemClock } from '../runtime/clock.ts';
import type { Terminal } from './terminal.ts';

const INTERVAL_MS = 250;

/** One line on stderr that is written over again and again, and only where a person looks at it. */
export class Progress {
  readonly #terminal: Terminal;
  readonly #clock: Clock;
  readonly #startedAt: number;
  #shownAt = -Infinity;
  #shown = false;

  constructor(terminal: Terminal, clock: Clock = systemClock) {
    this.#terminal = terminal;
    this.#clock = clock;
    this.#startedAt = clock.monotonic();
  }

  /** Cheap to call often. */
  update(records: number, bytes: number): void {
    if (this.#terminal.stderr.isTTY !== true) return;
    const now = this.#clock.monotonic();
    if (now - this.#shownAt < INTERVAL_MS) return;
    this.#shownAt = now;
    this.#shown = true;
    const seconds = (now - this.#startedAt) / 1_000;
    const rate = seconds > 0 ? bytes / 1e6 / seconds : 0;
    this.#terminal.stderr.write(`\r\x1b[K${records} records, ${(bytes / 1e6).toFixed(1)} MB, ${rate.toFixed(1)} MB/s`);
  }

  /** Clears the line. */
  end(): void {
    if (this.#shown) this.#terminal.stderr.write('\r\x1b[K');
    this.#shown = false;
  }
}
