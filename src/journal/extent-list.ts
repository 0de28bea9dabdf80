import type { EncodedExtents } from './encoded-extents.ts';
import type { Extent, ExtentList } from './partition-state.ts';
import { SharedList } from './shared-list.ts';

/**
 * The extents of a partition; versions share memory. Those that came with a snapshot stay as they are in it until somebody
 * looks at one of them.
 */
export class SharedExtentList implements ExtentList {
  static readonly empty: SharedExtentList = new SharedExtentList(SharedList.of<Extent>([]));

  /** What the snapshot had, before everything in `#list`. */
  readonly #encoded: EncodedExtents | null;
  readonly #list: SharedList<Extent>;

  private constructor(list: SharedList<Extent>, encoded: EncodedExtents | null = null) {
    this.#list = list;
    this.#encoded = encoded;
  }

  static encoded(extents: EncodedExtents): SharedExtentList {
    return new SharedExtentList(SharedList.of<Extent>([]), extents);
  }

  static of(extents: Iterable<Extent>): SharedExtentList {
    return new SharedExtentList(SharedList.of(extents));
  }

  /** Takes `extents` over: the caller gives them up. */
  static adopt(extents: Extent[]): SharedExtentList {
    return extents.length === 0 ? SharedExtentList.empty : new SharedExtentList(SharedList.adopt(extents));
  }

  get length(): number {
    return this.#encodedCount + this.#list.length;
  }

  at(index: number): Extent | undefined {
    const encodedCount = this.#encodedCount;
    if (index < 0) return undefined;
    return index < encodedCount ? this.#encoded!.at(index) : this.#list.at(index - encodedCount);
  }

  indexOf(offset: number): number {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.at(middle)!.endOffset > offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Whoever walks over all of them, once, keeps nothing of it. */
  *[Symbol.iterator](): Iterator<Extent> {
    if (this.#encoded !== null) yield* this.#encoded;
    yield* this.#list;
  }

  append(extent: Extent): SharedExtentList {
    return new SharedExtentList(this.#list.append(extent), this.#encoded);
  }

  dropFirst(count: number): SharedExtentList {
    if (count === this.length) return SharedExtentList.empty;
    return new SharedExtentList(this.#decoded().dropFirst(count));
  }

  /** Replaces `count` extents from `index` on. */
  splice(index: number, count: number, added: readonly Extent[]): SharedExtentList {
    return new SharedExtentList(this.#decoded().splice(index, count, added));
  }

  get #encodedCount(): number {
    return this.#encoded?.length ?? 0;
  }

  #decoded(): SharedList<Extent> {
    return this.#encoded === null ? this.#list : SharedList.adopt([...this]);
  }
}
