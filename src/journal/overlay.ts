import { assert } from '../runtime/assert.ts';

/**
 * Changes over a map that others may be reading: reads see base and changes together, `apply` moves the changes into the
 * base at once. Values are immutable. An ordered overlay moves a changed key to the end, so that the map's own order is
 * "least recently changed first", the same wherever the same changes are applied.
 */
export class Overlay<K, V extends object | number> {
  readonly #base: Map<K, V>;
  readonly #ordered: boolean;
  /** Null marks a removed key. */
  readonly #changes = new Map<K, V | null>();
  #sizeDelta = 0;

  constructor(base: Map<K, V>, order: 'unordered' | 'ordered' = 'unordered') {
    this.#base = base;
    this.#ordered = order === 'ordered';
  }

  /** Counted for ordered overlays only: those are caches with a limit. */
  get size(): number {
    assert(this.#ordered, 'an unordered overlay does not count');
    return this.#base.size + this.#sizeDelta;
  }

  get(key: K): V | undefined {
    const changed = this.#changes.get(key);
    if (changed !== undefined) return changed ?? undefined;
    return this.#base.get(key);
  }

  has(key: K): boolean {
    return this.get(key) !== undefined;
  }

  set(key: K, value: V): void {
    if (this.#ordered) {
      if (this.get(key) === undefined) this.#sizeDelta++;
      this.#changes.delete(key);
    }
    this.#changes.set(key, value);
  }

  delete(key: K): void {
    if (this.get(key) === undefined) return;
    this.#sizeDelta--;
    this.#changes.set(key, null);
  }

  /** In the order that the base will have. */
  *entries(): Generator<[K, V]> {
    for (const entry of this.#base) {
      const changed = this.#changes.get(entry[0]);
      if (changed === undefined) yield entry;
      else if (changed !== null && !this.#ordered) yield [entry[0], changed];
    }
    for (const [key, value] of this.#changes) {
      if (value !== null && (this.#ordered || !this.#base.has(key))) yield [key, value];
    }
  }

  /** What is about to change; null for keys that go. */
  changes(): ReadonlyMap<K, V | null> {
    return this.#changes;
  }

  apply(): void {
    for (const [key, value] of this.#changes) {
      if (value === null) {
        this.#base.delete(key);
        continue;
      }
      if (this.#ordered) this.#base.delete(key);
      this.#base.set(key, value);
    }
    this.clear();
  }

  clear(): void {
    if (this.#changes.size > 0) this.#changes.clear();
    this.#sizeDelta = 0;
  }
}
