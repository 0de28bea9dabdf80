import type { RequestCause } from './object-store.ts';

/**
 * The only view of the metadata store: items under (partition key, sort key), each a body of bytes and a few attributes
 * that conditions can compare. It promises what DynamoDB promises and no more: consistent reads, conditional single
 * writes, small all-or-nothing writes. Every adapter passes `test/contract/metadata-store.contract.ts`.
 *
 * A write is durable when its promise resolves. Errors: StorageUnavailableError (the write may or may not have happened,
 * now or later), StorageThrottledError and StorageFullError (nothing was done), StorageCorruptError.
 */
export interface MetadataStore {
  readonly pricing: MetadataPricing;

  /** Consistent read of one item; null when absent. */
  get(key: ItemKey, options: MetadataOptions): Promise<Item | null>;

  /** Consistent read of a range of one partition key in order of the sort key (UTF-8 bytes). */
  query(range: ItemRange, options: MetadataOptions): Promise<ItemPage>;

  /** Writes an item when the condition holds. A failed condition tells the item that stands there, if any. */
  put(item: Item, condition: Condition, options: MetadataOptions): Promise<WriteOutcome>;

  /** Deletes when the condition holds. Deleting an absent item under `none` succeeds. */
  delete(key: ItemKey, condition: Condition, options: MetadataOptions): Promise<WriteOutcome>;

  /** All writes or none; at most `TRANSACT_COUNT_MAX`, no key twice. A failed condition names the index of the write that failed. */
  transact(writes: readonly Write[], options: MetadataOptions): Promise<TransactOutcome>;

  close(): Promise<void>;
}

export interface ItemKey {
  readonly partitionKey: string;
  readonly sortKey: string;
}

export type AttributeValue = string | number;

export interface Item extends ItemKey {
  /** Opaque; must not change until the promise settles. */
  readonly body: Uint8Array;
  /** Small values that conditions compare. Numbers are integers up to 2^53. */
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

export type Condition =
  | { readonly type: 'none' }
  /** No item stands under the key. */
  | { readonly type: 'absent' }
  /** An item stands there and each named attribute has exactly this value. */
  | { readonly type: 'equals'; readonly attributes: Readonly<Record<string, AttributeValue>> };

export const ALWAYS: Condition = { type: 'none' };
export const ABSENT: Condition = { type: 'absent' };
export const whenEquals = (attributes: Readonly<Record<string, AttributeValue>>): Condition => ({
  type: 'equals',
  attributes,
});

export interface ItemRange {
  readonly partitionKey: string;
  /** Inclusive. */
  readonly from: string;
  /** Exclusive. */
  readonly to: string;
  /** At most this many items; a page may be shorter (1 MiB), `more` tells. */
  readonly limit: number;
  /** Highest sort key first; `from` and `to` keep their meaning. */
  readonly reverse?: boolean;
  /** Leaves bodies empty: for listing keys. Costs the same. */
  readonly keysOnly?: boolean;
}

export interface ItemPage {
  readonly items: readonly Item[];
  /** True when the range holds more than this page. Continue just after the last item's sort key. */
  readonly more: boolean;
}

export type WriteOutcome = { readonly ok: true } | { readonly ok: false; readonly existing: Item | null };

export type Write =
  | { readonly type: 'put'; readonly item: Item; readonly condition: Condition }
  | { readonly type: 'delete'; readonly key: ItemKey; readonly condition: Condition };

export type TransactOutcome =
  | { readonly ok: true }
  | { readonly ok: false; readonly failed: number; readonly existing: Item | null };

export interface MetadataOptions {
  readonly signal?: AbortSignal;
  readonly cause: RequestCause;
  /** The caller repeats by its own rules (journal puts): no layer below may send the write twice. */
  readonly once?: boolean;
}

/** US dollars per million write units (1 KiB) and read units (4 KiB, consistent); zero where requests cost nothing. */
export interface MetadataPricing {
  readonly writeUnit: number;
  readonly readUnit: number;
}
