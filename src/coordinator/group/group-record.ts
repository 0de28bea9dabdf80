/**
 * The record `group` of every kind of group: JSON with a version `v` and a `type`; what else it holds is its kind's. A
 * group without it has offsets alone.
 */
import { StorageCorruptError } from '../../errors.ts';
import type { Records } from '../../journal/journal.ts';
import type { GroupType } from './live-group.ts';

export const GROUP_KEY = 'group';
const MEMBER = 'm/';

export const memberKey = (memberId: string): string => MEMBER + memberId;

/** The member id, null for records of other kinds. */
export const memberIdOf = (key: string): string | null => (key.startsWith(MEMBER) ? key.slice(MEMBER.length) : null);

/** Records that a group of another kind drops when it takes over: all but offsets, transactions and share partitions. */
export const isMembershipKey = (key: string): boolean => !/^[opts]\//.test(key);

const TYPES: readonly GroupType[] = ['classic', 'consumer', 'share'];

export function groupTypeOf(owner: string, records: Records): GroupType {
  const text = records.get(GROUP_KEY);
  if (text === undefined) return 'classic';
  const type = TYPES.find((each) => each === parseRecord(owner, text)['type']);
  if (type === undefined) throw new StorageCorruptError(`${owner}: a group of unknown type: ${text.slice(0, 100)}`);
  return type;
}

/** A record as JSON. Throws StorageCorruptError when it is none, or has a version that is not `version`. */
export function parseRecord(owner: string, text: string, version = 1): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new StorageCorruptError(`${owner}: a record is not JSON: ${text.slice(0, 100)}`, { cause });
  }
  const found = (parsed as { v?: unknown } | null)?.v;
  if (found !== version) throw new StorageCorruptError(`${owner}: a record of version ${found}, expected ${version}`);
  return parsed as Record<string, unknown>;
}
