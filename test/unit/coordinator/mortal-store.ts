import { StorageUnavailableError } from '../../../src/errors.ts';
import type { MetadataStore } from '../../../src/storage/metadata-store.ts';

/** Passes everything on until it is told that the process dies: nothing is written any more then. */
export class MortalStore implements MetadataStore {
  readonly #inner: MetadataStore;
  writesLeft = Number.POSITIVE_INFINITY;
  /** Before the write that dies takes effect, or after it. */
  effect = false;

  constructor(inner: MetadataStore) {
    this.#inner = inner;
  }

  get pricing() {
    return this.#inner.pricing;
  }

  get dead(): boolean {
    return this.writesLeft < 0;
  }

  readonly get: MetadataStore['get'] = (...args) => this.#inner.get(...args);
  readonly query: MetadataStore['query'] = (...args) => this.#inner.query(...args);
  readonly put: MetadataStore['put'] = (...args) => this.#write(() => this.#inner.put(...args));
  readonly delete: MetadataStore['delete'] = (...args) => this.#write(() => this.#inner.delete(...args));
  readonly transact: MetadataStore['transact'] = (...args) => this.#write(() => this.#inner.transact(...args));

  /** For an end in order. */
  revive(): void {
    this.writesLeft = Number.POSITIVE_INFINITY;
  }

  async close(): Promise<void> {}

  async #write<T>(write: () => Promise<T>): Promise<T> {
    const dies = this.writesLeft <= 0;
    const wasDead = this.dead;
    this.writesLeft--;
    if (!dies || (this.effect && !wasDead)) {
      const answer = await write();
      if (!dies) return answer;
    }
    throw new StorageUnavailableError('the process is dead');
  }
}
