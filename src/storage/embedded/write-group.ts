import { conditionHolds } from '../item-rules.ts';
import type { Item, ItemKey, Write } from '../metadata-store.ts';
import type { Copy } from './log-cleaner.ts';
import type { LogWrite } from './log-frame.ts';
import { IndexEntry, type MetadataIndex } from './metadata-index.ts';

/** `existing` is an entry when it is durable already, an item when it stands in this group, null when there is none. */
export type Decision =
  | { readonly ok: true }
  | { readonly ok: false; readonly failed: number; readonly existing: IndexEntry | Item | null };

const OK: Decision = { ok: true };

/**
 * The writes of one frame, decided one after the other: each sees what the ones before it in the frame will have done.
 * An answer that rests on those must wait for the frame.
 */
export class WriteGroup {
  readonly writes: LogWrite[] = [];
  readonly #index: MetadataIndex;
  /** What this group puts (an item) and deletes (null). */
  readonly #pending = new Map<string, Item | null>();

  constructor(index: MetadataIndex) {
    this.#index = index;
  }

  /** Those that still stand. To be called before `add`: what is written to the same key in this group wins. */
  addCopies(copies: readonly Copy[]): void {
    for (const { entry, body } of copies) {
      if (this.#index.get(entry) !== entry) continue;
      this.writes.push({ type: 'put', item: entry.item(body), bodyCrc: entry.bodyCrc });
    }
  }

  /** All of the writes, or none. */
  add(writes: readonly Write[]): Decision {
    for (const [failed, write] of writes.entries()) {
      const existing = this.#find(write.type === 'put' ? write.item : write.key);
      if (conditionHolds(write.condition, existing)) continue;
      // The winner's buffer is the winner's to reuse once it is answered.
      const kept =
        existing instanceof IndexEntry || existing === null
          ? existing
          : { ...existing, body: Buffer.from(existing.body) };
      return { ok: false, failed, existing: kept };
    }
    for (const write of writes) this.#push(write);
    return OK;
  }

  #find(key: ItemKey): IndexEntry | Item | null {
    if (this.#pending.size > 0) {
      const pending = this.#pending.get(nameOf(key));
      if (pending !== undefined) return pending;
    }
    return this.#index.get(key);
  }

  #push(write: Write): void {
    if (write.type === 'put') {
      this.writes.push({ type: 'put', item: write.item });
      this.#pending.set(nameOf(write.item), write.item);
      return;
    }
    if (this.#find(write.key) === null) return;
    this.writes.push({ type: 'delete', key: write.key });
    this.#pending.set(nameOf(write.key), null);
  }
}

const nameOf = (key: ItemKey): string => `${key.partitionKey.length}/${key.partitionKey}/${key.sortKey}`;
