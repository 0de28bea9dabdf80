/**
 * Reads the inline bodies of entries. The newest are kept in memory, since the tail is what most readers want; others
 * come from the store, concurrent reads of one entry joined.
 */

import { decodeBody } from './entry-codec.ts';
import type { JournalStore } from './journal-store.ts';
import type { ExtentPlace } from './partition-state.ts';

const CACHE_BYTES_MAX = 4 * 1024 * 1024;

interface InlineBody {
  readonly id: string;
  readonly body: Buffer;
}

export class InlineBodies {
  readonly #store: JournalStore;
  /** Oldest first. */
  readonly #kept = new Map<number, InlineBody>();
  readonly #reading = new Map<number, Promise<InlineBody | null>>();
  #bytes = 0;

  constructor(store: JournalStore) {
    this.#store = store;
  }

  /** Remembers a durable entry. */
  keep(seq: number, id: string, body: Buffer): void {
    if (body.length === 0 || this.#kept.has(seq)) return;
    this.#kept.set(seq, { id, body });
    this.#bytes += body.length;
    for (const [oldest, { body: old }] of this.#kept) {
      if (this.#bytes <= CACHE_BYTES_MAX) return;
      this.#kept.delete(oldest);
      this.#bytes -= old.length;
    }
  }

  /** Null when the entry is gone, or another one than the extent knows stands there. */
  async read({ source, position, length }: ExtentPlace): Promise<Buffer | null> {
    if (source.type !== 'inline') return null;
    const found = this.#kept.get(source.seq) ?? (await this.#readJoined(source.seq));
    if (!found || found.id !== source.entryId) return null;
    return found.body.subarray(position, position + length);
  }

  #readJoined(seq: number): Promise<InlineBody | null> {
    let reading = this.#reading.get(seq);
    if (!reading) {
      reading = this.#readEntry(seq).finally(() => this.#reading.delete(seq));
      this.#reading.set(seq, reading);
    }
    return reading;
  }

  async #readEntry(seq: number): Promise<InlineBody | null> {
    const entry = await this.#store.readEntry(seq, 'fetch');
    if (!entry) return null;
    const body = decodeBody(this.#store.journal, seq, entry.bytes);
    this.keep(seq, body.id, body.body);
    return body;
  }
}
