import { type Disk, isAbsent } from './disk.ts';

export interface OpenObject {
  readonly fd: number;
  readonly size: number;
}

interface Cached {
  readonly opened: Promise<OpenObject>;
  users: number;
  /** No longer in the cache: closed by its last user. */
  isDropped: boolean;
}

/**
 * Keeps the descriptors of objects that are read open, the least recently used one goes first. Objects never change, so
 * their size is kept too.
 */
export class DescriptorCache {
  readonly #disk: Disk;
  readonly #countMax: number;
  /** Least recently used first. */
  readonly #cached = new Map<string, Cached>();

  constructor(disk: Disk, countMax: number) {
    this.#disk = disk;
    this.#countMax = countMax;
  }

  /** Runs `use` with the open object; null when there is none. */
  async with<T>(path: string, use: (object: OpenObject) => Promise<T>): Promise<T | null> {
    const cached = this.#enter(path);
    try {
      const object = await cached.opened;
      return await use(object);
    } catch (error) {
      if (!isAbsent(error)) throw error;
      return null;
    } finally {
      cached.users -= 1;
      if (cached.isDropped && cached.users === 0) this.#close(cached);
    }
  }

  /** Forgets an object: who opens it from now on sees what is there then. */
  drop(path: string): void {
    const cached = this.#cached.get(path);
    if (!cached) return;
    this.#cached.delete(path);
    cached.isDropped = true;
    if (cached.users === 0) this.#close(cached);
  }

  close(): void {
    for (const path of [...this.#cached.keys()]) this.drop(path);
  }

  #enter(path: string): Cached {
    let cached = this.#cached.get(path);
    if (cached) {
      this.#cached.delete(path); // And again below, as the most recently used one.
    } else {
      const opened = this.#open(path);
      opened.catch(() => this.drop(path));
      cached = { opened, users: 0, isDropped: false };
    }
    this.#cached.set(path, cached);
    cached.users += 1;
    for (const oldest of this.#cached.keys()) {
      if (this.#cached.size <= this.#countMax) break;
      this.drop(oldest);
    }
    return cached;
  }

  async #open(path: string): Promise<OpenObject> {
    const fd = await this.#disk.open(path, 'read');
    try {
      return { fd, size: await this.#disk.size(fd) };
    } catch (error) {
      await this.#disk.close(fd);
      throw error;
    }
  }

  #close(cached: Cached): void {
    // Nothing was written through it, so a failing close loses nothing.
    cached.opened.then(({ fd }) => this.#disk.close(fd)).catch(() => {});
  }
}
