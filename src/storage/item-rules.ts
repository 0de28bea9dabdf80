/**
 * What every MetadataStore decides the same way: how large an item is, which writes are refused as bugs of the caller,
 * whether a condition holds, and the order of sort keys. Sizes follow DynamoDB, so that what an embedded store accepts
 * fits the table too. Pure.
 */

import {
  ITEM_BYTES_MAX,
  PARTITION_KEY_BYTES_MAX,
  SORT_KEY_BYTES_MAX,
  TRANSACT_BYTES_MAX,
  TRANSACT_COUNT_MAX,
} from '../limits.ts';
import { assert } from '../runtime/assert.ts';
import type { AttributeValue, Condition, Item, ItemKey, ItemRange, Write } from './metadata-store.ts';

/** Room for the names of the key and body attributes in the table. */
const ITEM_OVERHEAD_BYTES = 64;
/** DynamoDB: a number takes up to 21 bytes. */
const NUMBER_BYTES = 21;

/** Attributes beside the body; conditions compare a handful. */
export const ATTRIBUTE_COUNT_MAX = 16;
export const ATTRIBUTE_NAME_BYTES_MAX = 255;

/** Size as the limits count it; never less than what DynamoDB counts. */
export const itemBytes = (item: Item): number => itemBytesWith(item, item.attributes, item.body.length);

/** The same for an item whose body is elsewhere. */
export function itemBytesWith(key: ItemKey, attributes: Item['attributes'], bodyBytes: number): number {
  let bytes = ITEM_OVERHEAD_BYTES + Buffer.byteLength(key.partitionKey) + Buffer.byteLength(key.sortKey) + bodyBytes;
  for (const name in attributes) {
    const value = attributes[name]!;
    bytes += Buffer.byteLength(name) + (typeof value === 'string' ? Buffer.byteLength(value) : NUMBER_BYTES);
  }
  return bytes;
}

export function assertKey(key: ItemKey): void {
  const partitionKeyBytes = Buffer.byteLength(key.partitionKey);
  const sortKeyBytes = Buffer.byteLength(key.sortKey);
  assert(partitionKeyBytes > 0 && sortKeyBytes > 0, 'a partition key and a sort key have at least one character');
  assert(key.partitionKey.isWellFormed() && key.sortKey.isWellFormed(), 'a key holds half of a surrogate pair');
  assert(
    partitionKeyBytes <= PARTITION_KEY_BYTES_MAX,
    `partition key of ${partitionKeyBytes} bytes; at most ${PARTITION_KEY_BYTES_MAX}`,
  );
  assert(sortKeyBytes <= SORT_KEY_BYTES_MAX, `sort key of ${sortKeyBytes} bytes; at most ${SORT_KEY_BYTES_MAX}`);
}

export function assertItem(item: Item): void {
  assertKey(item);
  let count = 0;
  for (const name in item.attributes) {
    count += 1;
    assertAttribute(name, item.attributes[name]!);
  }
  assert(count <= ATTRIBUTE_COUNT_MAX, `${count} attributes; at most ${ATTRIBUTE_COUNT_MAX}`);
  const bytes = itemBytes(item);
  assert(bytes <= ITEM_BYTES_MAX, `item ${describeKey(item)} of ${bytes} bytes; at most ${ITEM_BYTES_MAX}`);
}

function assertAttribute(name: string, value: AttributeValue): void {
  const nameBytes = Buffer.byteLength(name);
  assert(
    nameBytes > 0 && nameBytes <= ATTRIBUTE_NAME_BYTES_MAX,
    `attribute name of ${nameBytes} bytes; at most ${ATTRIBUTE_NAME_BYTES_MAX}`,
  );
  assert(
    typeof value === 'string' || Number.isSafeInteger(value),
    `attribute ${name} is ${value}: neither a string nor a safe integer`,
  );
}

/** Refuses what DynamoDB would refuse: too many writes, too many bytes, one key twice. */
export function assertWrites(writes: readonly Write[]): void {
  assert(
    writes.length >= 1 && writes.length <= TRANSACT_COUNT_MAX,
    `${writes.length} writes in one transact; 1 to ${TRANSACT_COUNT_MAX}`,
  );
  const seen = new Set<string>();
  let bytes = 0;
  for (const write of writes) {
    const key = write.type === 'put' ? write.item : write.key;
    if (write.type === 'put') {
      assertItem(write.item);
      bytes += itemBytes(write.item);
    } else {
      assertKey(key);
    }
    const name = `${key.partitionKey.length}/${key.partitionKey}/${key.sortKey}`;
    assert(!seen.has(name), `key ${describeKey(key)} twice in one transact`);
    seen.add(name);
  }
  assert(bytes <= TRANSACT_BYTES_MAX, `transact of ${bytes} bytes; at most ${TRANSACT_BYTES_MAX}`);
}

export function assertRange(range: ItemRange): void {
  assert(range.partitionKey.length > 0, 'a partition key has at least one character');
  assert(Number.isSafeInteger(range.limit) && range.limit >= 1, `limit is ${range.limit}; at least 1`);
}

export function conditionHolds(condition: Condition, existing: Pick<Item, 'attributes'> | null): boolean {
  switch (condition.type) {
    case 'none':
      return true;
    case 'absent':
      return existing === null;
    case 'equals': {
      if (existing === null) return false;
      for (const name in condition.attributes) {
        if (existing.attributes[name] !== condition.attributes[name]) return false;
      }
      return true;
    }
  }
}

/**
 * Order of the UTF-8 bytes, which is the order of code points. UTF-16 units disagree in one place: surrogates, which
 * stand for the highest code points, lie below U+E000.
 */
export function compareSortKeys(left: string, right: string): number {
  const length = Math.min(left.length, right.length);
  for (let index = 0; index < length; index += 1) {
    const a = left.charCodeAt(index);
    const b = right.charCodeAt(index);
    if (a !== b) return a >= 0xd800 && b >= 0xd800 ? aboveSurrogates(a) - aboveSurrogates(b) : a - b;
  }
  return left.length - right.length;
}

const aboveSurrogates = (unit: number): number => (unit >= 0xe000 ? unit - 0x800 : unit + 0x2000);

export const describeKey = (key: ItemKey): string =>
  `${JSON.stringify(key.partitionKey)} / ${JSON.stringify(key.sortKey)}`;
