/**
 * Everything that happens in a run, one line each, kept as a hash: two runs of one seed must agree in it (invariant 7).
 * The last lines are kept for a failure report; all of them go to a sink when one is given.
 */
import { createHash } from 'node:crypto';

const LINES_KEPT = 400;
/** Lines hashed at once. */
const LINES_PER_UPDATE = 64;

export interface TraceSummary {
  readonly lines: number;
  readonly hash: string;
}

export class Trace {
  readonly #now: () => number;
  readonly #sink: ((line: string) => void) | null;
  readonly #hash = createHash('sha256');
  readonly #kept: string[] = [];
  #pending: string[] = [];
  #lines = 0;

  constructor(now: () => number, sink: ((line: string) => void) | null = null) {
    this.#now = now;
    this.#sink = sink;
  }

  /** `who` did or saw `what`. */
  add(who: string, what: string): void {
    const line = `${this.#now().toFixed(6)} ${who} ${what}`;
    this.#kept[this.#lines % LINES_KEPT] = line;
    this.#lines++;
    this.#sink?.(line);
    this.#pending.push(line);
    if (this.#pending.length === LINES_PER_UPDATE) this.#update();
  }

  /** The newest lines, oldest first. */
  tail(count: number): readonly string[] {
    const from = Math.max(0, this.#lines - Math.min(count, LINES_KEPT));
    return Array.from({ length: this.#lines - from }, (_, index) => this.#kept[(from + index) % LINES_KEPT]!);
  }

  summary(): TraceSummary {
    this.#update();
    return { lines: this.#lines, hash: this.#hash.copy().digest('hex') };
  }

  #update(): void {
    if (this.#pending.length > 0) this.#hash.update(`${this.#pending.join('\n')}\n`);
    this.#pending = [];
  }
}
