import { QUERY_PAGE_BYTES_MAX } from '../../limits.ts';
import {
  assertItem,
  assertKey,
  assertRange,
  assertWrites,
  compareSortKeys,
  conditionHolds,
  itemBytes,
} from '../item-rules.ts';
import type {
  Condition,
  Item,
  ItemKey,
  ItemPage,
  ItemRange,
  MetadataOptions,
  MetadataPricing,
  MetadataStore,
  TransactOutcome,
  Write,
  WriteOutcome,
} from '../metadata-store.ts';
import { SortedList } from '../sorted-list.ts';

const NO_BODY = new Uint8Array(0);

export interface MemoryMetadataStoreOptions {
  /** What requests cost, for tests of cadence and metering; zero unless given. */
  readonly pricing?: MetadataPricing;
}

/**
 * A complete MetadataStore for tests and simulation. Not a mock: it passes the same contract as DynamoDB. Each call takes
 * effect before it returns its promise, so calls happen in the order in which they are made. Bodies are copied on the way
 * in and on the way out.
 */
export class MemoryMetadataStore implements MetadataStore {
  readonly pricing: MetadataPricing;
  readonly #partitions = new Map<string, SortedList<Item>>();

  constructor(options: MemoryMetadataStoreOptions = {}) {
    this.pricing = options.pricing ?? { writeUnit: 0, readUnit: 0 };
  }

  async get(key: ItemKey, options: MetadataOptions): Promise<Item | null> {
    options.signal?.throwIfAborted();
    assertKey(key);
    return copied(this.#find(key));
  }

  async query(range: ItemRange, options: MetadataOptions): Promise<ItemPage> {
    options.signal?.throwIfAborted();
    assertRange(range);
    const partition = this.#partitions.get(range.partitionKey);
    if (!partition) return { items: [], more: false };
    const found = range.reverse
      ? partition.betweenReversed(range.from, range.to)
      : partition.between(range.from, range.to);
    const items: Item[] = [];
    let bytes = 0;
    for (const item of found) {
      bytes += itemBytes(item);
      if (items.length === range.limit || (items.length > 0 && bytes > QUERY_PAGE_BYTES_MAX)) {
        return { items, more: true };
      }
      items.push(range.keysOnly ? { ...item, body: NO_BODY } : copied(item));
    }
    return { items, more: false };
  }

  async put(item: Item, condition: Condition, options: MetadataOptions): Promise<WriteOutcome> {
    options.signal?.throwIfAborted();
    assertItem(item);
    const existing = this.#find(item);
    if (!conditionHolds(condition, existing)) return { ok: false, existing: copied(existing) };
    this.#store(item);
    return { ok: true };
  }

  async delete(key: ItemKey, condition: Condition, options: MetadataOptions): Promise<WriteOutcome> {
    options.signal?.throwIfAborted();
    assertKey(key);
    const existing = this.#find(key);
    if (!conditionHolds(condition, existing)) return { ok: false, existing: copied(existing) };
    this.#remove(key);
    return { ok: true };
  }

  async transact(writes: readonly Write[], options: MetadataOptions): Promise<TransactOutcome> {
    options.signal?.throwIfAborted();
    assertWrites(writes);
    for (const [failed, write] of writes.entries()) {
      const existing = this.#find(write.type === 'put' ? write.item : write.key);
      if (!conditionHolds(write.condition, existing)) return { ok: false, failed, existing: copied(existing) };
    }
    for (const write of writes) {
      if (write.type === 'put') this.#store(write.item);
      else this.#remove(write.key);
    }
    return { ok: true };
  }

  async close(): Promise<void> {}

  /** Every item, for the simulator's checkers. */
  *items(): Generator<Item> {
    for (const partition of this.#partitions.values()) yield* partition;
  }

  #find(key: ItemKey): Item | null {
    return this.#partitions.get(key.partitionKey)?.get(key.sortKey) ?? null;
  }

  #store(item: Item): void {
    let partition = this.#partitions.get(item.partitionKey);
    if (!partition) {
      partition = new SortedList<Item>((stored) => stored.sortKey, compareSortKeys);
      this.#partitions.set(item.partitionKey, partition);
    }
    const { partitionKey, sortKey } = item;
    // Copies: the caller reuses its buffers.
    partition.set({ partitionKey, sortKey, body: Buffer.from(item.body), attributes: { ...item.attributes } });
  }

  #remove(key: ItemKey): void {
    const partition = this.#partitions.get(key.partitionKey);
    partition?.delete(key.sortKey);
    if (partition?.size === 0) this.#partitions.delete(key.partitionKey);
  }
}

function copied(item: Item): Item;
function copied(item: Item | null): Item | null;
function copied(item: Item | null): Item | null {
  return item && { ...item, body: Buffer.from(item.body) };
}
