/**
 * Blocks read from the stores, least recently used out first. Memory is counted and given up by pages: one page is what one
 * read brought, which may be blocks of several partitions.
 */
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
}

interface Cached {
  readonly run: Run;
  readonly page: Page;
}

/** About what a page takes beside its chunk, and each of its entries: small inline blocks are mostly this. */
const PAGE_OVERHEAD_BYTES = 512;
const ENTRY_OVERHEAD_BYTES = 512;

export class BlockCache {
  readonly #bytesMax: number;
  readonly #sources = new Map<string, Map<number, Cached>>();
  /** Least recently used first. */
  readonly #pages = new Set<Page>();
  bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Good until the next turn of the event loop unless its chunk is held. */
  get(source: string, position: number): Run | undefined {
    const cached = this.#sources.get(source)?.get(position);
    if (cached === undefined) return undefined;
    this.#pages.delete(cached.page);
    this.#pages.add(cached.page);
    return cached.run;
  }

  has(source: string, position: number): boolean {
    return this.#sources.get(source)?.has(position) === true;
  }

  /** All runs lie in the chunk. Keeps a reference of its own; a page larger than the cache is not kept. */
  add(chunk: Chunk, entries: readonly PageEntry[]): void {
    const page = { chunk, entries, bytes: chunk.bytes + PAGE_OVERHEAD_BYTES + entries.length * ENTRY_OVERHEAD_BYTES };
    if (page.bytes > this.#bytesMax || entries.length === 0) return;
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
      if (this.bytes <= this.#bytesMax) return;
      this.#drop(oldest);
    }
  }

  clear(): void {
    for (const page of this.#pages) this.#drop(page);
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
