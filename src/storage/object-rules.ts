/** What every ObjectStore refuses as a bug of its caller. Pure. */
import { DELETE_BATCH_COUNT_MAX } from '../limits.ts';
import { assert } from '../runtime/assert.ts';
import type { ByteRange, ObjectKey } from './object-store.ts';

export const OBJECT_KEY_CHARS_MAX = 1_000;

export function assertObjectKey(key: ObjectKey): void {
  assert(
    key.length <= OBJECT_KEY_CHARS_MAX && /^[\x20-\x7e]+$/.test(key) && !key.startsWith('/') && !key.endsWith('/'),
    `not an object key: ${JSON.stringify(key.slice(0, OBJECT_KEY_CHARS_MAX))}`,
  );
}

export function assertByteRange({ start, end }: ByteRange): void {
  assert(
    Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && start < end,
    `empty or negative range [${start}, ${end})`,
  );
}

export function assertTailLength(length: number): void {
  assert(Number.isSafeInteger(length) && length >= 1, `last ${length} bytes of an object; at least 1`);
}

export function assertListLimit(limit: number): void {
  assert(Number.isSafeInteger(limit) && limit >= 1, `limit is ${limit}; at least 1`);
}

export function assertDeleteBatch(keys: readonly ObjectKey[]): void {
  assert(keys.length <= DELETE_BATCH_COUNT_MAX, `${keys.length} keys in one delete; at most ${DELETE_BATCH_COUNT_MAX}`);
}
