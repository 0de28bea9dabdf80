/**
 * The only view of object storage the rest of the broker has. It promises what S3 promises and no more: strong
 * read-after-write, create-once, no rename, no append. Every adapter passes `test/contract/object-store.contract.ts`.
 *
 * Errors: StorageUnavailableError (retry is safe, the effect of the attempt is unknown), StorageThrottledError and
 * StorageFullError (nothing was done), StorageCorruptError.
 */
export interface ObjectStore {
  /** What a request costs here, for the cadence of flushes and for the meter. */
  readonly pricing: ObjectPricing;

  /**
   * Creates an object once. `exists` means that another writer owns the key, or that our own earlier attempt succeeded
   * and its answer was lost: keys carry random parts, so a caller that made the key itself takes it as its own.
   * The parts are written in order as one body. They must not change until the promise settles.
   */
  create(key: ObjectKey, parts: readonly Uint8Array[], options: CreateOptions): Promise<'created' | 'exists'>;

  /** Reads `[start, end)`, cut at the object's end. Null when the object is gone, which merging makes normal. */
  read(key: ObjectKey, range: ByteRange, options: ReadOptions): Promise<Buffer | 'archived' | null>;

  /** Reads the last `length` bytes (all of a shorter object), and tells the object's whole size. */
  readLast(key: ObjectKey, length: number, options: RequestOptions): Promise<ObjectTail | 'archived' | null>;

  /** Lists up to `limit` objects with the prefix in byte order of their keys, strictly after `after`. `now` is the store's own clock. */
  list(prefix: string, after: string, limit: number, options: RequestOptions): Promise<ObjectPage>;

  /** Deletes up to `DELETE_BATCH_COUNT_MAX` objects. Deleting a missing object succeeds. */
  delete(keys: readonly ObjectKey[], options: RequestOptions): Promise<void>;

  /** Asks for an archived object to be made readable for `days`. Idempotent; `read` says `archived` until it is. */
  restore(key: ObjectKey, days: number, options: RequestOptions): Promise<void>;

  close(): Promise<void>;
}

/** Slash-separated, printable ASCII, at most 1,000 characters; never starts or ends with a slash. */
export type ObjectKey = string & { readonly __brand: 'ObjectKey' };
export const objectKey = (text: string): ObjectKey => text as ObjectKey;

/** Half-open, in bytes. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

export type StorageClass =
  | 'STANDARD'
  | 'STANDARD_IA'
  | 'INTELLIGENT_TIERING'
  | 'GLACIER_IR'
  | 'GLACIER'
  | 'DEEP_ARCHIVE';

export interface RequestOptions {
  readonly signal?: AbortSignal;
  /** Who asks, for the meter: dollars are reported per cause. */
  readonly cause: RequestCause;
}

export interface ReadOptions extends RequestOptions {
  /**
   * At least as long as the range: where an adapter may put the bytes, and then answers a view of its beginning. It never
   * writes there once its promise has settled. An adapter may ignore it and answer memory of its own.
   */
  readonly into?: Uint8Array;
}

/** Why a request is made. Fixed words, so that the meter's label has few values. */
export type RequestCause =
  | 'ingest'
  | 'fetch'
  | 'journal'
  | 'snapshot'
  | 'trim'
  | 'merge'
  | 'retention'
  | 'reclaim'
  | 'topics'
  | 'placements'
  | 'configs'
  | 'membership'
  | 'startup'
  | 'tool';

export interface CreateOptions extends RequestOptions {
  readonly storageClass?: StorageClass;
  /** CRC-32C of the whole body when the caller knows it already, so that the adapter need not hash. */
  readonly crc32c?: number;
}

export interface ObjectTail {
  readonly bytes: Buffer;
  readonly size: number;
}

export interface ObjectEntry {
  readonly key: ObjectKey;
  readonly bytes: number;
  /** By the store's clock, milliseconds since 1970. */
  readonly modified: number;
  readonly storageClass: StorageClass;
}

export interface ObjectPage {
  readonly objects: readonly ObjectEntry[];
  /** True when more follow after the last one of this page. */
  readonly more: boolean;
  /** The store's clock when it answered, milliseconds since 1970. Reclaim and retention judge by this one. */
  readonly now: number;
}

/** US dollars per request; zero where requests cost nothing. */
export interface ObjectPricing {
  readonly create: number;
  readonly read: number;
  readonly list: number;
}
