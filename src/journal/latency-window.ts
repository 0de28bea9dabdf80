/** Latencies of the last puts and their 99th percentile. */
export class LatencyWindow {
  readonly #values = new Float64Array(WINDOW);
  #count = 0;
  #p99: number | null = null;

  add(latencyMs: number): void {
    this.#values[this.#count % WINDOW] = latencyMs;
    this.#count++;
    if (this.#count % REFRESH_EVERY === 0) this.#p99 = this.#compute();
  }

  /** Null until enough was seen to tell. */
  p99(): number | null {
    return this.#p99;
  }

  #compute(): number {
    const seen = Math.min(this.#count, WINDOW);
    const sorted = this.#values.slice(0, seen).sort();
    return sorted[Math.min(seen - 1, Math.floor(seen * 0.99))]!;
  }
}

const WINDOW = 256;
const REFRESH_EVERY = 32;
