/** Below this many dropped items at the front their memory is not worth a copy. */
const DROPPED_MIN = 32;

/**
 * An immutable view `[start, end)` of an array that versions share. Appending to the newest version pushes onto the
 * shared array, beyond what older versions see; appending to an older one copies.
 */
export class SharedList<T> implements Iterable<T> {
  readonly #items: T[];
  readonly #start: number;
  readonly #end: number;

  private constructor(items: T[], start: number, end: number) {
    this.#items = items;
    this.#start = start;
    this.#end = end;
  }

  static of<T>(items: Iterable<T>): SharedList<T> {
    const own = [...items];
    return new SharedList(own, 0, own.length);
  }

  /** Takes `items` over: the caller gives them up. */
  static adopt<T>(items: T[]): SharedList<T> {
    return new SharedList(items, 0, items.length);
  }

  get length(): number {
    return this.#end - this.#start;
  }

  at(index: number): T | undefined {
    return index >= 0 && index < this.length ? this.#items[this.#start + index] : undefined;
  }

  *[Symbol.iterator](): Iterator<T> {
    for (let at = this.#start; at < this.#end; at++) yield this.#items[at]!;
  }

  append(item: T): SharedList<T> {
    // An empty list never owns the tip: one is shared by all that begin.
    if (this.#items.length === this.#end && this.#end > 0) {
      this.#items.push(item);
      return new SharedList(this.#items, this.#start, this.#end + 1);
    }
    const items = this.#items.slice(this.#start, this.#end);
    items.push(item);
    return new SharedList(items, 0, items.length);
  }

  dropFirst(count: number): SharedList<T> {
    const start = this.#start + count;
    const left = this.#end - start;
    if (left === 0) return new SharedList<T>([], 0, 0);
    if (start > DROPPED_MIN && start > left) return new SharedList(this.#items.slice(start, this.#end), 0, left);
    return new SharedList(this.#items, start, this.#end);
  }

  /** Replaces `count` items from `index` on. */
  splice(index: number, count: number, added: readonly T[]): SharedList<T> {
    const items = this.#items.slice(this.#start, this.#end);
    items.splice(index, count, ...added);
    return new SharedList(items, 0, items.length);
  }
}
