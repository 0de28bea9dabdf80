/**
 * Asks the store for what an image in memory does not have: another broker may have made it a moment ago. Questions for the same
 * name share one answer; that there is nothing is remembered for a moment, so that clients that ask for what does not exist do
 * not cost a request each time.
 */
import type { Runtime } from '../runtime/runtime.ts';

export const ABSENT_MS = 1_000;
/** Names that are known not to be there; the oldest goes first. */
const ABSENT_COUNT_MAX = 10_000;
/** Questions under way; more are answered with nothing, and nothing is remembered. */
const ASKED_COUNT_MAX = 64;

export class StoreLookup<Found> {
  readonly #runtime: Pick<Runtime, 'clock'>;
  readonly #ask: (name: string) => Promise<Found | undefined>;
  readonly #asked = new Map<string, Promise<Found | undefined>>();
  readonly #absent = new Map<string, number>();

  constructor(runtime: Pick<Runtime, 'clock'>, ask: (name: string) => Promise<Found | undefined>) {
    this.#runtime = runtime;
    this.#ask = ask;
  }

  find(name: string): Promise<Found | undefined> {
    const until = this.#absent.get(name);
    if (until !== undefined && this.#runtime.clock.monotonic() < until) return Promise.resolve(undefined);
    const asked = this.#asked.get(name);
    if (asked) return asked;
    if (this.#asked.size >= ASKED_COUNT_MAX) return Promise.resolve(undefined);
    const answer = this.#find(name).finally(() => this.#asked.delete(name));
    this.#asked.set(name, answer);
    return answer;
  }

  async #find(name: string): Promise<Found | undefined> {
    const found = await this.#ask(name);
    this.#absent.delete(name);
    if (found !== undefined) return found;
    this.#absent.set(name, this.#runtime.clock.monotonic() + ABSENT_MS);
    if (this.#absent.size > ABSENT_COUNT_MAX) {
      const [oldest] = this.#absent.keys();
      this.#absent.delete(oldest!);
    }
    return undefined;
  }
}
