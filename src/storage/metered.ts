/**
 * Stores that book every request with the meter.
 *
 * Units follow DynamoDB: a write takes 1 per begun KiB of the item, twice that in a transaction, a failed condition
 * included; a consistent read takes 1 per begun 4 KiB. A delete is charged by the size of what it deletes, which the
 * caller does not know: sizes of larger items that went through here are remembered, everything else counts 1.
 */
import type { Item, ItemKey, MetadataStore, Write } from './metadata-store.ts';
import type { Charge, StorageMeter } from './meter.ts';
import type { ObjectStore } from './object-store.ts';

const KIB = 1024;
const WRITE_UNIT_BYTES = KIB;
const READ_UNIT_BYTES = 4 * KIB;
/** Larger items whose size is remembered for their deletion, oldest out first. */
const SIZES_COUNT_MAX = 16_384;

export function meteredObjectStore(inner: ObjectStore, meter: StorageMeter): ObjectStore {
  const book = meter.bookkeeper('objects');
  const { pricing } = inner;
  const bytesOf = (answer: Buffer | 'archived' | null | undefined) =>
    answer instanceof Uint8Array ? answer.length : 0;
  return {
    pricing,
    create(key, parts, options) {
      const bytes = parts.reduce((sum, part) => sum + part.length, 0);
      const charge = () => ({ bytes, dollars: pricing.create });
      return book('create', options, () => inner.create(key, parts, options), charge);
    },
    read(key, range, options) {
      const send = () => inner.read(key, range, options);
      return book('read', options, send, (answer) => ({ bytes: bytesOf(answer), dollars: pricing.read }));
    },
    readLast(key, length, options) {
      const send = () => inner.readLast(key, length, options);
      const tail = (answer: Awaited<ReturnType<typeof send>>) => (answer === 'archived' ? null : answer?.bytes);
      return book('readLast', options, send, (answer) => ({ bytes: bytesOf(tail(answer)), dollars: pricing.read }));
    },
    list(prefix, after, limit, options) {
      const send = () => inner.list(prefix, after, limit, options);
      return book('list', options, send, () => ({ dollars: pricing.list }));
    },
    delete: (keys, options) => book('delete', options, () => inner.delete(keys, options), free),
    restore: (key, days, options) => book('restore', options, () => inner.restore(key, days, options), free),
    close: () => inner.close(),
  };
}

const free = () => ({});

export function meteredMetadataStore(inner: MetadataStore, meter: StorageMeter): MetadataStore {
  const book = meter.bookkeeper('metadata');
  const { pricing } = inner;
  const sizes = new LargeItemSizes();
  const written = (bytes: number, writeUnits: number): Partial<Charge> => ({
    bytes,
    writeUnits,
    dollars: (writeUnits * pricing.writeUnit) / 1e6,
  });
  const seen = (items: readonly Item[]): Partial<Charge> => {
    const bytes = items.reduce((sum, item) => sum + billedItemBytes(item), 0);
    const readUnits = Math.max(1, Math.ceil(bytes / READ_UNIT_BYTES));
    return { bytes, readUnits, dollars: (readUnits * pricing.readUnit) / 1e6 };
  };
  return {
    pricing,
    get: (key, options) =>
      book(
        'get',
        options,
        () => inner.get(key, options),
        (item) => seen(item ? [item] : []),
      ),
    query: (range, options) =>
      book(
        'query',
        options,
        () => inner.query(range, options),
        (page) => seen(page?.items ?? []),
      ),
    put(item, condition, options) {
      const send = () => inner.put(item, condition, options);
      return book('put', options, send, (outcome) => written(item.body.length, sizes.put(item, outcome?.ok !== false)));
    },
    delete(key, condition, options) {
      const send = () => inner.delete(key, condition, options);
      return book('delete', options, send, (outcome) => written(0, sizes.delete(key, outcome?.ok === true)));
    },
    transact(writes, options) {
      const bytes = writes.reduce((sum, write) => sum + (write.type === 'put' ? write.item.body.length : 0), 0);
      const send = () => inner.transact(writes, options);
      return book('transact', options, send, (outcome) => written(bytes, 2 * sizes.write(writes, outcome?.ok)));
    },
    close: () => inner.close(),
  };
}

/** As DynamoDB counts an item: names and values of its attributes, see `dynamodb/keys.ts`. */
export function billedItemBytes(item: Item): number {
  let bytes = 'pk'.length + Buffer.byteLength(item.partitionKey) + 'sk'.length + Buffer.byteLength(item.sortKey);
  if (item.body.length > 0) bytes += 'b'.length + item.body.length;
  let map = 0;
  for (const name in item.attributes) {
    const value = item.attributes[name]!;
    // A number takes a byte per two digits and one; a map one more byte per element.
    const valueBytes = typeof value === 'string' ? Buffer.byteLength(value) : Math.ceil(String(value).length / 2) + 1;
    map += Buffer.byteLength(name) + valueBytes + 1;
  }
  return map === 0 ? bytes : bytes + 'a'.length + 3 + map;
}

/** Write units of the larger items that were put here, for the time when they are deleted. Answers what a write costs. */
class LargeItemSizes {
  readonly #units = new Map<string, number>();

  /** `stands` when the item may now be in the store. A replacement is charged by the larger of the two. */
  put(item: Item, stands: boolean): number {
    const units = Math.max(1, Math.ceil(billedItemBytes(item) / WRITE_UNIT_BYTES));
    const name = nameOf(item);
    const before = this.#units.get(name) ?? 1;
    if (stands) {
      this.#units.delete(name);
      if (units > 1) this.#units.set(name, units);
      if (this.#units.size > SIZES_COUNT_MAX) this.#units.delete(this.#units.keys().next().value!);
    }
    return Math.max(units, before);
  }

  delete(key: ItemKey, gone: boolean): number {
    const name = nameOf(key);
    const units = this.#units.get(name) ?? 1;
    if (gone) this.#units.delete(name);
    return units;
  }

  write(writes: readonly Write[], ok: boolean | undefined): number {
    return writes.reduce((sum, write) => {
      return sum + (write.type === 'put' ? this.put(write.item, ok !== false) : this.delete(write.key, ok === true));
    }, 0);
  }
}

const nameOf = (key: ItemKey): string => `${key.partitionKey}\n${key.sortKey}`;
