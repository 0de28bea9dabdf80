import { type Clock, systemClock } from '../../runtime/clock.ts';
import {
  assertByteRange,
  assertDeleteBatch,
  assertListLimit,
  assertObjectKey,
  assertTailLength,
} from '../object-rules.ts';
import type {
  ByteRange,
  CreateOptions,
  ObjectEntry,
  ObjectKey,
  ObjectPage,
  ObjectPricing,
  ObjectStore,
  ObjectTail,
  RequestOptions,
  StorageClass,
} from '../object-store.ts';
import { SortedList } from '../sorted-list.ts';

const DAY_MS = 86_400_000;
const ARCHIVED: ReadonlySet<StorageClass> = new Set(['GLACIER', 'DEEP_ARCHIVE']);
/** Above every printable ASCII character, which keys consist of. */
const AFTER_ALL_KEYS = '\x7f';

export interface MemoryObjectStoreOptions {
  /** Gives `modified` and `now`. */
  readonly clock?: Clock;
  /** What requests cost, for tests of cadence and metering; zero unless given. */
  readonly pricing?: ObjectPricing;
  /** How long a restore takes by the clock. */
  readonly restoreDelayMs?: number;
}

interface StoredObject {
  readonly key: ObjectKey;
  readonly body: Buffer;
  readonly modified: number;
  readonly storageClass: StorageClass;
  /** When an archived object can be read, `[from, until)` by the clock. */
  readonly readable: { readonly from: number; readonly until: number } | null;
}

/**
 * A complete ObjectStore for tests and simulation. Not a mock: it passes the same contract as S3, archive classes
 * included. Each call takes effect before it returns its promise. Answers are copies: readers patch offsets in place.
 */
export class MemoryObjectStore implements ObjectStore {
  readonly pricing: ObjectPricing;
  readonly #clock: Clock;
  readonly #restoreDelayMs: number;
  readonly #objects = new Map<ObjectKey, StoredObject>();
  readonly #order = new SortedList<ObjectKey>((key) => key, compareAscii);

  constructor(options: MemoryObjectStoreOptions = {}) {
    this.pricing = options.pricing ?? { create: 0, read: 0, list: 0 };
    this.#clock = options.clock ?? systemClock;
    this.#restoreDelayMs = options.restoreDelayMs ?? 0;
  }

  async create(key: ObjectKey, parts: readonly Uint8Array[], options: CreateOptions): Promise<'created' | 'exists'> {
    options.signal?.throwIfAborted();
    assertObjectKey(key);
    if (this.#objects.has(key)) return 'exists';
    const body = Buffer.concat(parts); // A copy: the caller reuses its buffers.
    const storageClass = options.storageClass ?? 'STANDARD';
    this.#objects.set(key, { key, body, modified: this.#clock.now(), storageClass, readable: null });
    this.#order.set(key);
    return 'created';
  }

  async read(key: ObjectKey, range: ByteRange, options: RequestOptions): Promise<Buffer | 'archived' | null> {
    options.signal?.throwIfAborted();
    assertByteRange(range);
    const found = this.#objects.get(key);
    if (!found) return null;
    return this.#isArchived(found) ? 'archived' : Buffer.from(found.body.subarray(range.start, range.end));
  }

  async readLast(key: ObjectKey, length: number, options: RequestOptions): Promise<ObjectTail | 'archived' | null> {
    options.signal?.throwIfAborted();
    assertTailLength(length);
    const found = this.#objects.get(key);
    if (!found) return null;
    if (this.#isArchived(found)) return 'archived';
    const size = found.body.length;
    return { bytes: Buffer.from(found.body.subarray(Math.max(0, size - length))), size };
  }

  async list(prefix: string, after: string, limit: number, options: RequestOptions): Promise<ObjectPage> {
    options.signal?.throwIfAborted();
    assertListLimit(limit);
    const now = this.#clock.now();
    const objects: ObjectEntry[] = [];
    for (const key of this.#order.between(after > prefix ? after : prefix, AFTER_ALL_KEYS)) {
      if (!key.startsWith(prefix)) break; // Keys with one prefix stand together.
      if (key === after) continue;
      if (objects.length === limit) return { objects, more: true, now };
      const { body, modified, storageClass } = this.#objects.get(key)!;
      objects.push({ key, bytes: body.length, modified, storageClass });
    }
    return { objects, more: false, now };
  }

  async delete(keys: readonly ObjectKey[], options: RequestOptions): Promise<void> {
    options.signal?.throwIfAborted();
    assertDeleteBatch(keys);
    for (const key of keys) {
      if (this.#objects.delete(key)) this.#order.delete(key);
    }
  }

  async restore(key: ObjectKey, days: number, options: RequestOptions): Promise<void> {
    options.signal?.throwIfAborted();
    const found = this.#objects.get(key);
    if (!found || !ARCHIVED.has(found.storageClass)) return;
    const now = this.#clock.now();
    // A repeat while it runs or stands only moves the end.
    const from = found.readable && now < found.readable.until ? found.readable.from : now + this.#restoreDelayMs;
    this.#objects.set(key, { ...found, readable: { from, until: from + days * DAY_MS } });
  }

  async close(): Promise<void> {}

  #isArchived({ storageClass, readable }: StoredObject): boolean {
    if (!ARCHIVED.has(storageClass)) return false;
    const now = this.#clock.now();
    return readable === null || now < readable.from || now >= readable.until;
  }
}

const compareAscii = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0);
