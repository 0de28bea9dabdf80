/**
 * The embedded ObjectStore: one file per object, byte for byte, so that `millrace segment show` reads it where it lies.
 *
 * A body is written to a file under `uploads/`, synced, and renamed to its place; the directory is synced before the
 * create is answered. So an object is there whole and durable, or not at all. Two creates of one key meet in memory:
 * the data directory belongs to one process. Whether bytes are still what they were is for the reader to check:
 * segments and snapshots carry their own checksums.
 */
import { StorageUnavailableError } from '../../errors.ts';
import type { Clock } from '../../runtime/clock.ts';
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
  ObjectStore,
  ObjectTail,
  ReadOptions,
  RequestOptions,
} from '../object-store.ts';
import { DescriptorCache } from './descriptor-cache.ts';
import { type Disk, errorCode, failureBeforeEffect } from './disk.ts';
import { listKeys } from './object-listing.ts';
import { namesOf } from './object-paths.ts';

const OPEN_OBJECTS_MAX = 256;
/** Directories that are known to be durable; forgotten all at once when there are more. */
const KNOWN_DIRECTORIES_MAX = 10_000;

export interface EmbeddedObjectStoreOptions {
  readonly disk: Disk;
  /** Holds `objects` and `uploads`, which exist. */
  readonly directory: string;
  readonly clock: Clock;
}

export class EmbeddedObjectStore implements ObjectStore {
  readonly pricing = { create: 0, read: 0, list: 0 };
  readonly #disk: Disk;
  readonly #clock: Clock;
  readonly #root: string;
  readonly #uploads: string;
  readonly #open: DescriptorCache;
  readonly #knownDirectories = new Set<string>();
  /** Creates in flight, by path: true when it came to be. */
  readonly #creating = new Map<string, Promise<boolean>>();
  #uploadCount = 0;
  #isClosed = false;

  private constructor({ disk, directory, clock }: EmbeddedObjectStoreOptions) {
    this.#disk = disk;
    this.#clock = clock;
    this.#root = `${directory}/objects`;
    this.#uploads = `${directory}/uploads`;
    this.#open = new DescriptorCache(disk, OPEN_OBJECTS_MAX);
  }

  /** Removes what creates left half-written when the broker died. */
  static async open(options: EmbeddedObjectStoreOptions): Promise<EmbeddedObjectStore> {
    const store = new EmbeddedObjectStore(options);
    for (const name of (await options.disk.names(store.#uploads)) ?? []) {
      await options.disk.remove(`${store.#uploads}/${name}`);
    }
    return store;
  }

  async create(key: ObjectKey, parts: readonly Uint8Array[], options: CreateOptions): Promise<'created' | 'exists'> {
    this.#assertUsable(options);
    assertObjectKey(key);
    const path = this.#pathOf(key);
    for (;;) {
      const other = this.#creating.get(path);
      if (!other) break;
      if (await other.catch(() => false)) return 'exists';
    }
    const creating = this.#createFile(path, parts, options.signal);
    this.#creating.set(path, creating);
    try {
      return (await creating) ? 'created' : 'exists';
    } finally {
      this.#creating.delete(path);
    }
  }

  async read(key: ObjectKey, range: ByteRange, options: ReadOptions): Promise<Buffer | null> {
    this.#assertUsable(options);
    assertObjectKey(key);
    assertByteRange(range);
    const rangeOf = ({ size }: { readonly size: number }) => ({
      start: Math.min(range.start, size),
      end: Math.min(range.end, size),
    });
    const tail = await this.#read(key, rangeOf, options.into);
    return tail === null ? null : tail.bytes;
  }

  async readLast(key: ObjectKey, length: number, options: RequestOptions): Promise<ObjectTail | null> {
    this.#assertUsable(options);
    assertObjectKey(key);
    assertTailLength(length);
    return await this.#read(key, ({ size }) => ({ start: Math.max(0, size - length), end: size }));
  }

  async list(prefix: string, after: string, limit: number, options: RequestOptions): Promise<ObjectPage> {
    this.#assertUsable(options);
    assertListLimit(limit);
    try {
      for (let from = after; ; ) {
        const now = this.#clock.now();
        const keys = await listKeys(this.#disk, this.#root, prefix, from, limit + 1);
        const more = keys.length > limit;
        if (more) keys.pop();
        const objects = (await Promise.all(keys.map((key) => this.#entryOf(key)))).filter((entry) => entry !== null);
        // All of the page may have been deleted meanwhile; a page that says `more` gets its caller somewhere.
        if (objects.length > 0 || !more) return { objects, more, now };
        from = keys.at(-1)!;
      }
    } catch (error) {
      throw failureBeforeEffect(error, `listing ${prefix}`);
    }
  }

  async delete(keys: readonly ObjectKey[], options: RequestOptions): Promise<void> {
    this.#assertUsable(options);
    assertDeleteBatch(keys);
    const directories = new Set<string>();
    try {
      await Promise.all(keys.map((key) => this.#deleteFile(this.#pathOf(key), directories)));
      await Promise.all([...directories].map((directory) => this.#disk.syncDirectory(directory)));
    } catch (error) {
      throw new StorageUnavailableError(`deleting objects failed: ${errorCode(error)}`, { cause: error });
    }
  }

  /** Nothing is ever archived here. */
  async restore(_key: ObjectKey, _days: number, options: RequestOptions): Promise<void> {
    this.#assertUsable(options);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled(this.#creating.values());
    this.#open.close();
  }

  #assertUsable(options: RequestOptions): void {
    options.signal?.throwIfAborted();
    if (this.#isClosed) throw new StorageUnavailableError('the object store is closed');
  }

  #pathOf(key: ObjectKey): string {
    return [this.#root, ...namesOf(key)].join('/');
  }

  async #entryOf(key: ObjectKey): Promise<ObjectEntry | null> {
    const found = await this.#disk.stat(this.#pathOf(key));
    return found && { key, bytes: found.size, modified: Math.floor(found.modifiedMs), storageClass: 'STANDARD' };
  }

  async #read(
    key: ObjectKey,
    rangeOf: (object: { readonly size: number }) => ByteRange,
    into?: Uint8Array,
  ): Promise<ObjectTail | null> {
    const path = this.#pathOf(key);
    try {
      return await this.#open.with(path, async ({ fd, size }) => {
        const { start, end } = rangeOf({ size });
        const bytes = into ? Buffer.from(into.buffer, into.byteOffset, end - start) : Buffer.allocUnsafe(end - start);
        const count = await this.#disk.read(fd, bytes, start);
        return { bytes: count === bytes.length ? bytes : bytes.subarray(0, count), size };
      });
    } catch (error) {
      throw failureBeforeEffect(error, `reading ${key}`);
    }
  }

  async #deleteFile(path: string, directories: Set<string>): Promise<void> {
    const isThere = await this.#disk.remove(path);
    // After the removal: who opened the file in between must not leave it in the cache.
    this.#open.drop(path);
    if (isThere) directories.add(parentOf(path));
  }

  /** False when the object exists. */
  async #createFile(path: string, parts: readonly Uint8Array[], signal: AbortSignal | undefined): Promise<boolean> {
    const doing = `object ${path.slice(this.#root.length + 1)}`;
    const directory = parentOf(path);
    if (await this.#exists(path, directory, doing)) return false;
    const upload = `${this.#uploads}/${this.#uploadCount}`;
    this.#uploadCount += 1;
    try {
      await this.#writeUpload(upload, parts);
      signal?.throwIfAborted();
      await this.#makeDirectories(directory);
      await this.#disk.rename(upload, path);
    } catch (error) {
      await this.#disk.remove(upload).catch(() => {}); // Else the next start removes it.
      if (signal?.aborted) throw error;
      throw failureBeforeEffect(error, doing);
    }
    try {
      await this.#disk.syncDirectory(directory);
    } catch (error) {
      throw new StorageUnavailableError(`${doing}: its directory could not be synced: ${errorCode(error)}`, {
        cause: error,
      });
    }
    return true;
  }

  /** What exists may stem from a create whose last step failed, or that a crash cut short: the answer makes it durable. */
  async #exists(path: string, directory: string, doing: string): Promise<boolean> {
    try {
      if ((await this.#disk.stat(path)) === null) return false;
      await this.#disk.syncDirectory(directory);
      return true;
    } catch (error) {
      throw failureBeforeEffect(error, doing);
    }
  }

  async #writeUpload(upload: string, parts: readonly Uint8Array[]): Promise<void> {
    const fd = await this.#disk.open(upload, 'create');
    try {
      await this.#disk.write(fd, parts, 0);
      await this.#disk.sync(fd);
    } finally {
      await this.#disk.close(fd);
    }
  }

  /** Each name is synced once per run of the broker, whoever made it: the run before may have died in between. */
  async #makeDirectories(directory: string): Promise<void> {
    if (this.#knownDirectories.has(directory)) return;
    if (this.#knownDirectories.size >= KNOWN_DIRECTORIES_MAX) this.#knownDirectories.clear();
    let parent = this.#root;
    for (const name of directory.slice(this.#root.length + 1).split('/')) {
      const child = `${parent}/${name}`;
      if (!this.#knownDirectories.has(child)) {
        await this.#disk.makeDirectory(child);
        await this.#disk.syncDirectory(parent);
        this.#knownDirectories.add(child);
      }
      parent = child;
    }
  }
}

const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/'));
