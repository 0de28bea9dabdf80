/**
 * What is kept of a group's offsets, under `group/<group id>`:
 *
 *   o/<topic id>/<partition>                a committed offset
 *   p/<producer id>/<topic id>/<partition>  an offset of a transaction that has not ended
 *   t/<producer id>                         the guard of a producer's transaction: open, or the last one that ended
 *
 * Times are those of the entry that wrote the record.
 */
import { StorageCorruptError } from '../../../errors.ts';
import type { Records } from '../../../journal/journal.ts';
import { partitionPart } from '../../owner.ts';

export interface CommittedOffset {
  readonly offset: number;
  /** Of what was consumed; -1 when the client did not say. */
  readonly leaderEpoch: number;
  readonly metadata: string;
  readonly committedAt: number;
  /** Set by a client's retention time (v2 to v4); absent: the broker's setting decides. */
  readonly expiresAt?: number;
}

export interface PendingOffset extends CommittedOffset {
  /** Grows with every offset that is added while others wait: Kafka keeps the one that was added last. */
  readonly order: number;
  /** Something later was committed meanwhile: it is not applied when the transaction commits. */
  readonly superseded?: true;
}

/** One producer's transactions on a group. */
export interface TransactionGuard {
  readonly producerEpoch: number;
  /** Number of the transaction that is open, or was the last one to end. */
  readonly transaction: number;
  readonly open: boolean;
  readonly at: number;
}

export interface OffsetPlace {
  readonly topicId: string;
  readonly partition: number;
}

export interface PendingPlace extends OffsetPlace {
  readonly producerId: number;
}

export const OFFSETS = 'o/';
export const PENDING = 'p/';
export const GUARDS = 't/';

export const offsetKey = (topicId: string, partition: number): string => OFFSETS + partitionPart(topicId, partition);
export const pendingKey = (producerId: number, topicId: string, partition: number): string =>
  `${pendingPrefix(producerId)}${partitionPart(topicId, partition)}`;
export const guardKey = (producerId: number): string => `${GUARDS}${producerId}`;

const pendingPrefix = (producerId: number): string => `${PENDING}${producerId}/`;

/** All that is committed. */
export function* committedOffsets(records: Records): Generator<OffsetPlace & { readonly committed: CommittedOffset }> {
  for (const [key, value] of records) {
    if (!key.startsWith(OFFSETS)) continue;
    yield { ...placeAfter(key, OFFSETS.length), committed: decodeOffset(value) };
  }
}

/** Where offsets are committed; values are not looked at. */
export function* committedPlaces(records: Records): Generator<OffsetPlace> {
  for (const key of records.keys()) if (key.startsWith(OFFSETS)) yield placeAfter(key, OFFSETS.length);
}

/** What transactions that have not ended hold, of one producer or of all. */
export function* pendingOffsets(
  records: Records,
  producerId?: number,
): Generator<PendingPlace & { readonly key: string; readonly value: string }> {
  const prefix = producerId === undefined ? PENDING : pendingPrefix(producerId);
  for (const [key, value] of records) {
    if (!key.startsWith(prefix)) continue;
    const slash = key.indexOf('/', PENDING.length);
    yield { key, value, producerId: Number(key.slice(PENDING.length, slash)), ...placeAfter(key, slash + 1) };
  }
}

export function* transactionGuards(
  records: Records,
): Generator<{ readonly producerId: number; readonly guard: TransactionGuard }> {
  for (const [key, value] of records) {
    if (key.startsWith(GUARDS)) yield { producerId: Number(key.slice(GUARDS.length)), guard: decodeGuard(value) };
  }
}

/** True when there is anything but offsets: most groups have no transactions, and need no second look. */
export function hasPending(records: Records): boolean {
  for (const key of records.keys()) if (key.startsWith(PENDING)) return true;
  return false;
}

function placeAfter(key: string, start: number): OffsetPlace {
  const slash = key.indexOf('/', start);
  return { topicId: key.slice(start, slash), partition: Number(key.slice(slash + 1)) };
}

interface StoredOffset {
  readonly v: number;
  readonly offset: number;
  readonly leaderEpoch?: number;
  readonly metadata?: string;
  readonly at: number;
  readonly expireAt?: number;
  readonly order?: number;
  readonly superseded?: true;
}

const VERSION = 1;

/** What is as usual is left out: entries are paid for by the kilobyte. */
export function encodeOffset(committed: CommittedOffset): string {
  return JSON.stringify(storedOffset(committed));
}

export function encodePending({ order, superseded, ...committed }: PendingOffset): string {
  return JSON.stringify({ ...storedOffset(committed), order, ...(superseded && { superseded }) });
}

function storedOffset({ offset, leaderEpoch, metadata, committedAt, expiresAt }: CommittedOffset): StoredOffset {
  return {
    v: VERSION,
    offset,
    ...(leaderEpoch !== -1 && { leaderEpoch }),
    ...(metadata !== '' && { metadata }),
    at: committedAt,
    ...(expiresAt !== undefined && { expireAt: expiresAt }),
  };
}

export function decodeOffset(value: string): CommittedOffset {
  return committedOf(parse<StoredOffset>(value));
}

export function decodePending(value: string): PendingOffset {
  const stored = parse<StoredOffset>(value);
  return { ...committedOf(stored), order: stored.order ?? 0, ...(stored.superseded && { superseded: true }) };
}

const committedOf = ({ offset, leaderEpoch = -1, metadata = '', at, expireAt }: StoredOffset): CommittedOffset => ({
  offset,
  leaderEpoch,
  metadata,
  committedAt: at,
  ...(expireAt !== undefined && { expiresAt: expireAt }),
});

export const encodeGuard = (guard: TransactionGuard): string => JSON.stringify({ v: VERSION, ...guard });

export function decodeGuard(value: string): TransactionGuard {
  const { producerEpoch, transaction, open, at } = parse<TransactionGuard & { readonly v: number }>(value);
  return { producerEpoch, transaction, open, at };
}

function parse<T extends { readonly v: number }>(value: string): T {
  const parsed: T = JSON.parse(value);
  if (parsed.v !== VERSION) throw new StorageCorruptError(`an offset record has version ${parsed.v}, not ${VERSION}`);
  return parsed;
}
