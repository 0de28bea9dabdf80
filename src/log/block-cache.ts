/**
 * Blocks read from the stores, least recently used out first. Memory is counted and given up by pages: one page is what one
 * read brought, which may be blocks of several partitions. No page lives long: not so long that what it holds may have been
 * deleted from the store since.
 */
import type { Clock } from '../runtime/clock.ts';
import type { Chunk } from './chunk-pool.ts';
import type { Run } from './run.ts';

export interface PageEntry {
  readonly source: string;
  readonly position: number;
  readonly run: Run;
}

interface Page {
  readonly chunk: Chunk;
  readonly entries: readonly PageEntry[];
  readonly bytes: number;
  readonly addedAt: number;
}

interface Cached {
  readonly run: Run;
  readonly page: Page;
}

/** About what a page takes beside its chunk, and each of its entries: small inline blocks are mostly this. */
const PAGE_OVERHEAD_BYTES = 512;
const ENTRY_OVERHEAD_BYTES = 512;

export interface BlockCacheOptions {
  readonly bytesMax: number;
  /** A page is as good as gone after this. */
  readonly ageMsMax: number;
  readonly clock: Clock;
}

export class BlockCache {
  readonly #options: BlockCacheOptions;
  readonly #sources = new Map<string, Map<number, Cached>>();
  /** Least recently used first. */
  readonly #pages = new Set<Page>();
  bytes = 0;

  constructor(options: BlockCacheOptions) {
    this.#options = options;
  }

  /** Good until the next turn of the event loop unless its chunk is held. */
  get(source: string, position: number): Run | undefined {
    const cached = this.#find(source, position);
    if (cached === undefined) return undefined;
    this.#pages.delete(cached.page);
    this.#pages.add(cached.page);
    return cached.run;
  }

  has(source: string, position: number): boolean {
    return this.#find(source, position) !== undefined;
  }

  /** All runs lie in the chunk. Keeps a reference of its own; a page larger than the cache is not kept. */
  add(chunk: Chunk, entries: readonly PageEntry[]): void {
    const { bytesMax, clock } = this.#options;
    const bytes = chunk.bytes + PAGE_OVERHEAD_BYTES + entries.length * ENTRY_OVERHEAD_BYTES;
    const page = { chunk, entries, bytes, addedAt: clock.monotonic() };
    if (bytes > bytesMax || entries.length === 0) return;
    chunk.retain();
    this.#pages.add(page);
    this.bytes += page.bytes;
    for (const { source, position, run } of entries) {
      const blocks = this.#sources.get(source);
      const cached = { run, page };
      if (blocks === undefined) this.#sources.set(source, new Map([[position, cached]]));
      else blocks.set(position, cached);
    }
    for (const oldest of this.#pages) {
      if (this.bytes <= bytesMax) return;
      this.#drop(oldest);
    }
  }

  clear(): void {
    for (const page of this.#pages) this.#drop(page);
  }

  #find(source: string, position: number): Cached | undefined {
    const cached = this.#sources.get(source)?.get(position);
    if (cached === undefined) return undefined;
    const { clock, ageMsMax } = this.#options;
    if (clock.monotonic() - cached.page.addedAt < ageMsMax) return cached;
    this.#drop(cached.page);
    return undefined;
  }

  #drop(page: Page): void {
    this.#pages.delete(page);
    this.bytes -= page.bytes;
    for (const { source, position } of page.entries) {
      const blocks = this.#sources.get(source);
      // A later read of the same block may have taken its place.
      if (blocks?.get(position)?.page !== page) continue;
      blocks.delete(position);
      if (blocks.size === 0) this.#sources.delete(source);
    }
    page.chunk.release();
  }
}
