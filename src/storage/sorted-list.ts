import { assert } from '../runtime/assert.ts';

/** Small enough that an insertion moves few elements, large enough that few chunks are searched. */
const CHUNK_COUNT_MAX = 512;

/**
 * Values in order of a string key, unique by key: a list of sorted chunks. Insertion, removal and search take about the
 * logarithm of the size; appending at the end and removing from the front, which is what journals do, take less.
 */
export class SortedList<T> {
  readonly #keyOf: (value: T) => string;
  readonly #compare: (left: string, right: string) => number;
  /** Never empty chunks; every key of a chunk is below every key of the next. */
  readonly #chunks: T[][] = [];
  #size = 0;

  constructor(keyOf: (value: T) => string, compare: (left: string, right: string) => number) {
    this.#keyOf = keyOf;
    this.#compare = compare;
  }

  get size(): number {
    return this.#size;
  }

  get(key: string): T | undefined {
    const chunk = this.#chunks[this.#chunkOf(key)];
    if (!chunk) return undefined;
    const value = chunk[this.#indexIn(chunk, key)];
    return value !== undefined && this.#keyOf(value) === key ? value : undefined;
  }

  /** Adds the value, or replaces the one of the same key and tells that one. */
  set(value: T): T | undefined {
    const key = this.#keyOf(value);
    if (this.#append(key, value)) return undefined;
    const chunkIndex = Math.min(this.#chunkOf(key), this.#chunks.length - 1);
    const chunk = this.#chunks[chunkIndex]!;
    const index = this.#indexIn(chunk, key);
    const standing = chunk[index];
    if (standing !== undefined && this.#keyOf(standing) === key) {
      chunk[index] = value;
      return standing;
    }
    chunk.splice(index, 0, value);
    this.#size += 1;
    if (chunk.length > CHUNK_COUNT_MAX) this.#chunks.splice(chunkIndex + 1, 0, chunk.splice(chunk.length >>> 1));
    return undefined;
  }

  delete(key: string): T | undefined {
    const chunkIndex = this.#chunkOf(key);
    const chunk = this.#chunks[chunkIndex];
    if (!chunk) return undefined;
    const index = this.#indexIn(chunk, key);
    const value = chunk[index];
    if (value === undefined || this.#keyOf(value) !== key) return undefined;
    chunk.splice(index, 1);
    this.#size -= 1;
    if (chunk.length === 0) this.#chunks.splice(chunkIndex, 1);
    return value;
  }

  /** Values with `from <= key < to`, lowest first. The list must not change while this runs. */
  *between(from: string, to: string): Generator<T> {
    let chunkIndex = this.#chunkOf(from);
    let index = this.#indexIn(this.#chunks[chunkIndex] ?? [], from);
    for (; chunkIndex < this.#chunks.length; chunkIndex += 1, index = 0) {
      const chunk = this.#chunks[chunkIndex]!;
      for (; index < chunk.length; index += 1) {
        const value = chunk[index]!;
        if (this.#compare(this.#keyOf(value), to) >= 0) return;
        yield value;
      }
    }
  }

  /** The same range, highest first. */
  *betweenReversed(from: string, to: string): Generator<T> {
    let chunkIndex = Math.min(this.#chunkOf(to), this.#chunks.length - 1);
    for (; chunkIndex >= 0; chunkIndex -= 1) {
      const chunk = this.#chunks[chunkIndex]!;
      for (let index = this.#indexIn(chunk, to) - 1; index >= 0; index -= 1) {
        const value = chunk[index]!;
        if (this.#compare(this.#keyOf(value), from) < 0) return;
        yield value;
      }
    }
  }

  *[Symbol.iterator](): Generator<T> {
    for (const chunk of this.#chunks) yield* chunk;
  }

  /** Index of the first chunk whose last key is at or above `key`, or the number of chunks. */
  #chunkOf(key: string): number {
    const last = this.#chunks.length - 1;
    // Journals append: the last chunk is the usual answer.
    if (last >= 1 && this.#compare(this.#lastKey(last - 1), key) < 0) {
      return this.#compare(this.#lastKey(last), key) < 0 ? last + 1 : last;
    }
    let low = 0;
    let high = last + 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#compare(this.#lastKey(middle), key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #lastKey(chunkIndex: number): string {
    const chunk = this.#chunks[chunkIndex];
    assert(chunk !== undefined && chunk.length > 0, 'an empty chunk in a sorted list');
    return this.#keyOf(chunk[chunk.length - 1]!);
  }

  /** Index of the first value in the chunk at or above `key`. */
  #indexIn(chunk: readonly T[], key: string): number {
    const last = chunk.length - 1;
    if (last >= 0 && this.#compare(this.#keyOf(chunk[last]!), key) < 0) return chunk.length;
    let low = 0;
    let high = chunk.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#compare(this.#keyOf(chunk[middle]!), key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The usual case, and the cheap one: the key is above all others. Fills chunks to the brim. */
  #append(key: string, value: T): boolean {
    const chunk = this.#chunks[this.#chunks.length - 1];
    if (chunk && this.#compare(this.#keyOf(chunk[chunk.length - 1]!), key) >= 0) return false;
    if (chunk && chunk.length < CHUNK_COUNT_MAX) chunk.push(value);
    else this.#chunks.push([value]);
    this.#size += 1;
    return true;
  }
}
