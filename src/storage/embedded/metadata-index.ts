import { compareSortKeys } from '../item-rules.ts';
import type { AttributeValue, Item, ItemKey, ItemRange } from '../metadata-store.ts';
import { SortedList } from '../sorted-list.ts';
import type { LogFile } from './log-file.ts';
import { decodeAttributes } from './log-frame.ts';

type Attributes = Readonly<Record<string, AttributeValue>>;

/** A durable item: everything but its body, and where that stands. Immutable: an item that moves gets a new entry. */
export class IndexEntry implements ItemKey {
  readonly partitionKey: string;
  readonly sortKey: string;
  readonly file: LogFile;
  /** In the file. */
  readonly bodyPosition: number;
  readonly bodyBytes: number;
  readonly bodyCrc: number;
  /** Room that it takes in the log; never too little, or cleaning would find no end. */
  readonly storedBytes: number;
  /** As the log has them until someone asks. */
  #attributes: Attributes | string;

  constructor(
    key: ItemKey,
    attributes: Attributes | string,
    place: Pick<IndexEntry, 'file' | 'bodyPosition' | 'bodyBytes' | 'bodyCrc' | 'storedBytes'>,
  ) {
    this.partitionKey = key.partitionKey;
    this.sortKey = key.sortKey;
    this.file = place.file;
    this.bodyPosition = place.bodyPosition;
    this.bodyBytes = place.bodyBytes;
    this.bodyCrc = place.bodyCrc;
    this.storedBytes = place.storedBytes;
    this.#attributes = attributes;
  }

  get attributes(): Attributes {
    if (typeof this.#attributes === 'string') this.#attributes = decodeAttributes(this.#attributes);
    return this.#attributes;
  }

  item(body: Uint8Array): Item {
    return { partitionKey: this.partitionKey, sortKey: this.sortKey, attributes: this.attributes, body };
  }
}

/** Every durable item in memory, in order, without bodies; and how much of each log file still counts. */
export class MetadataIndex {
  readonly #partitions = new Map<string, SortedList<IndexEntry>>();
  #liveBytes = 0;

  /** Over all files. */
  get liveBytes(): number {
    return this.#liveBytes;
  }

  get(key: ItemKey): IndexEntry | null {
    return this.#partitions.get(key.partitionKey)?.get(key.sortKey) ?? null;
  }

  set(entry: IndexEntry): void {
    let partition = this.#partitions.get(entry.partitionKey);
    if (!partition) {
      partition = new SortedList<IndexEntry>(sortKeyOf, compareSortKeys);
      this.#partitions.set(entry.partitionKey, partition);
    }
    const replaced = partition.set(entry);
    if (replaced) this.#account(replaced, -1);
    this.#account(entry, 1);
  }

  delete(key: ItemKey): void {
    const partition = this.#partitions.get(key.partitionKey);
    const removed = partition?.delete(key.sortKey);
    if (removed) this.#account(removed, -1);
    if (partition?.size === 0) this.#partitions.delete(key.partitionKey);
  }

  /** The entries of a range in its direction. The index must not change while this runs. */
  range({ partitionKey, from, to, reverse }: ItemRange): Iterable<IndexEntry> {
    const partition = this.#partitions.get(partitionKey);
    if (!partition) return [];
    return reverse ? partition.betweenReversed(from, to) : partition.between(from, to);
  }

  #account(entry: IndexEntry, sign: 1 | -1): void {
    const bytes = sign * entry.storedBytes;
    entry.file.liveBytes += bytes;
    this.#liveBytes += bytes;
  }
}

const sortKeyOf = (entry: IndexEntry): string => entry.sortKey;
