/**
 * Offsets that belong to a transaction, as pure functions for decisions on the group's journal (design §4, rule 8).
 *
 *   guardGroup ──► addPendingOffsets … ──► endGroupTransaction
 *   t/<id> open    p/<id>/… written         t/<id> ended; committed: p/<id>/… become o/…, else they go
 *
 * The transaction's coordinator writes the guard before it lets the producer add offsets, and ends each transaction in every
 * group before the producer's next one begins. Both may be repeated and come late: the number of the transaction, which
 * grows with each of a producer id, tells. A guard of a transaction that has ended, and an end of any but the open one,
 * change nothing. An end whose guard never came is remembered as well, so that the late guard finds it.
 */
import { KafkaError } from '../../../errors.ts';
import type { CoordinatorCommand, DecisionView, RecordChange, Records } from '../../../journal/journal.ts';
import { RECORDS_CHANGED_BYTES_MAX } from '../../../limits.ts';
import { groupOwner } from '../../owner.ts';
import {
  type CommittedOffset,
  decodeGuard,
  decodePending,
  encodeGuard,
  encodeOffset,
  encodePending,
  GUARDS,
  guardKey,
  type OffsetPlace,
  offsetKey,
  type PendingPlace,
  pendingKey,
  pendingOffsets,
  type TransactionGuard,
  transactionGuards,
} from './offset-records.ts';

/** What the functions here look at. */
export type GroupView = Pick<DecisionView, 'records' | 'record' | 'timestamp'>;

/** All offsets of one transaction in one group become visible with one entry, so they must fit it: some 700 partitions. */
export const PENDING_BYTES_MAX = RECORDS_CHANGED_BYTES_MAX - 8 * 1024;
/** Ended guards of one group; beyond it the oldest go, long before their time. */
export const GUARDS_PER_GROUP_MAX = 1_000;

/**
 * Lets the producer add offsets of this group to the transaction. Empty when that is so already, or when the transaction
 * has ended or is older than the one that is open.
 */
export function guardGroup(
  view: GroupView,
  groupId: string,
  producerId: number,
  producerEpoch: number,
  transaction: number,
): CoordinatorCommand[] {
  const guard = guardOf(view, groupId, producerId);
  if (guard && isStaleGuard(guard, producerEpoch, transaction)) return [];
  // An older transaction that is still open has ended everywhere, or this one would not have begun: nothing of it counts.
  const leftOver = guard?.open && guard.transaction < transaction ? [...pendingOf(view, groupId, producerId)] : [];
  const opened = { producerEpoch, transaction, open: true, at: view.timestamp };
  return change(groupId, [
    ...leftOver.map(({ key }) => ({ key, value: null })),
    { key: guardKey(producerId), value: encodeGuard(opened) },
    ...surplusGuards(view.records(groupOwner(groupId)), producerId),
  ]);
}

function isStaleGuard(guard: TransactionGuard, producerEpoch: number, transaction: number): boolean {
  if (transaction !== guard.transaction) return transaction < guard.transaction;
  return !guard.open || producerEpoch <= guard.producerEpoch;
}

export interface EndedTransaction {
  readonly producerId: number;
  /** May be higher than that of the guard: fencing, and every end since KIP-890, raises it. */
  readonly producerEpoch: number;
  readonly transaction: number;
  readonly committed: boolean;
}

/** Applies or drops what the transaction holds in this group. Empty when it has ended before. Fits an entry. */
export function endGroupTransaction(view: GroupView, groupId: string, ended: EndedTransaction): CoordinatorCommand[] {
  const { producerId, transaction, committed } = ended;
  const guard = guardOf(view, groupId, producerId);
  if (guard && (transaction < guard.transaction || (transaction === guard.transaction && !guard.open))) return [];
  const producerEpoch = Math.max(ended.producerEpoch, guard?.producerEpoch ?? -1);
  const changes: RecordChange[] = [];
  for (const { key } of pendingOf(view, groupId, producerId)) changes.push({ key, value: null });
  if (committed && guard?.transaction === transaction) changes.push(...applied(view, groupId, producerId));
  const closed = { producerEpoch, transaction, open: false, at: view.timestamp };
  changes.push({ key: guardKey(producerId), value: encodeGuard(closed) });
  return change(groupId, changes);
}

/** The committed offsets that come of a producer's pending ones, and what they supersede of other transactions. */
function* applied(view: GroupView, groupId: string, producerId: number): Generator<RecordChange> {
  const orders = new Map<string, number>();
  for (const { topicId, partition, value } of pendingOf(view, groupId, producerId)) {
    const { order, superseded, ...committed } = decodePending(value);
    if (superseded) continue;
    orders.set(offsetKey(topicId, partition), order);
    yield { key: offsetKey(topicId, partition), value: encodeOffset(committed) };
  }
  yield* supersede(view.records(groupOwner(groupId)), (place) => {
    if (place.producerId === producerId) return null;
    return orders.get(offsetKey(place.topicId, place.partition)) ?? null;
  });
}

export interface TransactionalProducer {
  readonly producerId: number;
  readonly producerEpoch: number;
  /** Since v4 of TxnOffsetCommit clients know TRANSACTION_ABORTABLE. */
  readonly knowsAbortable: boolean;
}

export interface OffsetToCommit extends OffsetPlace, Omit<CommittedOffset, 'committedAt'> {}

/** Adds offsets to the producer's open transaction. Throws when it has none, or is fenced. */
export function addPendingOffsets(
  view: GroupView,
  groupId: string,
  producer: TransactionalProducer,
  offsets: readonly OffsetToCommit[],
): CoordinatorCommand[] {
  requireOpen(view, groupId, producer);
  const { producerId } = producer;
  const records = view.records(groupOwner(groupId));
  let order = 0;
  let bytes = 0;
  const sizes = new Map<string, number>();
  for (const { key, value, producerId: holder } of pendingOffsets(records)) {
    order = Math.max(order, decodePending(value).order);
    if (holder === producerId) sizes.set(key, sizeOf(key, value));
  }
  const changes = offsets.map(({ topicId, partition, ...committed }): RecordChange & { readonly value: string } => ({
    key: pendingKey(producerId, topicId, partition),
    value: encodePending({ ...committed, committedAt: view.timestamp, order: ++order }),
  }));
  for (const { key, value } of changes) sizes.set(key, sizeOf(key, value));
  for (const size of sizes.values()) bytes += size;
  if (bytes > PENDING_BYTES_MAX) {
    const message = `offsets of ${bytes} bytes in one transaction of a group: at most ${PENDING_BYTES_MAX}`;
    throw new KafkaError('INVALID_COMMIT_OFFSET_SIZE', message);
  }
  return change(groupId, changes);
}

/** What ending it writes: the pending key once more, and the value under its new one. */
const sizeOf = (key: string, value: string): number => 2 * key.length + Buffer.byteLength(value) + 16;

function requireOpen(view: GroupView, groupId: string, producer: TransactionalProducer): void {
  const { producerId, producerEpoch } = producer;
  const guard = guardOf(view, groupId, producerId);
  if (guard && producerEpoch < guard.producerEpoch) {
    const message = `epoch ${producerEpoch} of producer ${producerId} is over, it is ${guard.producerEpoch}`;
    throw new KafkaError('INVALID_PRODUCER_EPOCH', message);
  }
  if (guard?.open && producerEpoch === guard.producerEpoch) return;
  throw noTransaction(groupId, producer);
}

/** The group is not part of a transaction of this producer. */
export function noTransaction(groupId: string, { producerId, knowsAbortable }: TransactionalProducer): KafkaError {
  return new KafkaError(
    knowsAbortable ? 'TRANSACTION_ABORTABLE' : 'INVALID_TXN_STATE',
    `producer ${producerId} has no transaction with group ${JSON.stringify(groupId)}`,
  );
}

/** Pending offsets that are older than what is being committed outside of their transactions. */
export function supersedeBy(records: Records, places: readonly OffsetPlace[]): RecordChange[] {
  const keys = new Set(places.map(({ topicId, partition }) => offsetKey(topicId, partition)));
  return [
    ...supersede(records, ({ topicId, partition }) =>
      keys.has(offsetKey(topicId, partition)) ? Number.POSITIVE_INFINITY : null,
    ),
  ];
}

/** `below` answers the order beneath which a pending offset is superseded, null where it is not. */
function* supersede(records: Records, below: (place: PendingPlace) => number | null): Generator<RecordChange> {
  for (const place of pendingOffsets(records)) {
    const bound = below(place);
    if (bound === null) continue;
    const pending = decodePending(place.value);
    if (!pending.superseded && pending.order < bound) {
      yield { key: place.key, value: encodePending({ ...pending, superseded: true }) };
    }
  }
}

/** Ended guards from before `before`, and open ones that hold nothing: their transactions are long over. */
export function expiredGuards(records: Records, before: number): RecordChange[] {
  const holders = new Set<number>();
  for (const { producerId } of pendingOffsets(records)) holders.add(producerId);
  const changes: RecordChange[] = [];
  for (const { producerId, guard } of transactionGuards(records)) {
    if (guard.at < before && !holders.has(producerId)) changes.push({ key: guardKey(producerId), value: null });
  }
  return changes;
}

function surplusGuards(records: Records, exceptFor: number): RecordChange[] {
  let count = 0;
  for (const key of records.keys()) if (key.startsWith(GUARDS)) count++;
  if (count < GUARDS_PER_GROUP_MAX) return [];
  const ended = [...transactionGuards(records)]
    .filter(({ producerId, guard }) => !guard.open && producerId !== exceptFor)
    .sort((a, b) => a.guard.at - b.guard.at || a.producerId - b.producerId);
  return ended
    .slice(0, count - GUARDS_PER_GROUP_MAX + 1)
    .map(({ producerId }) => ({ key: guardKey(producerId), value: null }));
}

function guardOf(view: GroupView, groupId: string, producerId: number): TransactionGuard | undefined {
  const value = view.record(groupOwner(groupId), guardKey(producerId));
  return value === undefined ? undefined : decodeGuard(value);
}

const pendingOf = (view: GroupView, groupId: string, producerId: number) =>
  pendingOffsets(view.records(groupOwner(groupId)), producerId);

const change = (groupId: string, changes: readonly RecordChange[]): CoordinatorCommand[] =>
  changes.length === 0 ? [] : [{ type: 'recordsChanged', owner: groupOwner(groupId), changes }];
