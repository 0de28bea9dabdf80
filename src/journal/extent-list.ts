import type { Extent, ExtentList } from './partition-state.ts';

/** Below this many dropped extents at the front their memory is not worth a copy. */
const DROPPED_MIN = 32;

/**
 * An immutable view `[start, end)` of an array that versions share. Appending to the newest version pushes onto the
 * shared array, beyond what older versions see; appending to an older one copies.
 */
export class SharedExtentList implements ExtentList {
  static readonly empty = new SharedExtentList([], 0, 0);

  readonly #items: Extent[];
  readonly #start: number;
  readonly #end: number;

  private constructor(items: Extent[], start: number, end: number) {
    this.#items = items;
    this.#start = start;
    this.#end = end;
  }

  static of(extents: Iterable<Extent>): SharedExtentList {
    const items = [...extents];
    return new SharedExtentList(items, 0, items.length);
  }

  get length(): number {
    return this.#end - this.#start;
  }

  at(index: number): Extent | undefined {
    return index >= 0 && index < this.length ? this.#items[this.#start + index] : undefined;
  }

  indexOf(offset: number): number {
    let low = this.#start;
    let high = this.#end;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#items[middle]!.endOffset > offset) high = middle;
      else low = middle + 1;
    }
    return low - this.#start;
  }

  *[Symbol.iterator](): Iterator<Extent> {
    for (let at = this.#start; at < this.#end; at++) yield this.#items[at]!;
  }

  append(extent: Extent): SharedExtentList {
    // The shared empty list must stay empty: it never owns the tip.
    if (this.#items.length === this.#end && this !== SharedExtentList.empty) {
      this.#items.push(extent);
      return new SharedExtentList(this.#items, this.#start, this.#end + 1);
    }
    const items = this.#items.slice(this.#start, this.#end);
    items.push(extent);
    return new SharedExtentList(items, 0, items.length);
  }

  dropFirst(count: number): SharedExtentList {
    const start = this.#start + count;
    const left = this.#end - start;
    if (left === 0) return SharedExtentList.empty;
    if (start > DROPPED_MIN && start > left) {
      return new SharedExtentList(this.#items.slice(start, this.#end), 0, left);
    }
    return new SharedExtentList(this.#items, start, this.#end);
  }

  /** Replaces `count` extents from `index` on. */
  splice(index: number, count: number, added: readonly Extent[]): SharedExtentList {
    const items = this.#items.slice(this.#start, this.#end);
    items.splice(index, count, ...added);
    return new SharedExtentList(items, 0, items.length);
  }
}
