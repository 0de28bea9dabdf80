import type { Extent, ExtentList } from './partition-state.ts';
import { SharedList } from './shared-list.ts';

/** The extents of a partition; versions share memory. */
export class SharedExtentList implements ExtentList {
  static readonly empty: SharedExtentList = new SharedExtentList(SharedList.of<Extent>([]));

  readonly #list: SharedList<Extent>;

  private constructor(list: SharedList<Extent>) {
    this.#list = list;
  }

  static of(extents: Iterable<Extent>): SharedExtentList {
    return new SharedExtentList(SharedList.of(extents));
  }

  /** Takes `extents` over: the caller gives them up. */
  static adopt(extents: Extent[]): SharedExtentList {
    return extents.length === 0 ? SharedExtentList.empty : new SharedExtentList(SharedList.adopt(extents));
  }

  get length(): number {
    return this.#list.length;
  }

  at(index: number): Extent | undefined {
    return this.#list.at(index);
  }

  indexOf(offset: number): number {
    let low = 0;
    let high = this.#list.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#list.at(middle)!.endOffset > offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  [Symbol.iterator](): Iterator<Extent> {
    return this.#list[Symbol.iterator]();
  }

  append(extent: Extent): SharedExtentList {
    return new SharedExtentList(this.#list.append(extent));
  }

  dropFirst(count: number): SharedExtentList {
    return count === this.length ? SharedExtentList.empty : new SharedExtentList(this.#list.dropFirst(count));
  }

  /** Replaces `count` extents from `index` on. */
  splice(index: number, count: number, added: readonly Extent[]): SharedExtentList {
    return new SharedExtentList(this.#list.splice(index, count, added));
  }
}
