/**
 * What a journal knows of transactions (KIP-98, design §4 rule 8), in values. Pure. A producer's transaction is open on a
 * partition from its guard to its marker:
 *
 *                    guard                          first batch
 *   none open ──────────────────────► open, empty ─────────────► open, unstable from its first offset on
 *        ▲                                 │                                   │
 *        └───────────── marker: an offset of its own; aborted ones with records are listed ─────┘
 *
 * Each transaction has a number that grows. A guard counts when its number is above all that ended or are open, a marker
 * when its number is the open one's: so a guard that comes after its abort opens nothing, and a marker that comes twice
 * ends nothing. A marker that overtakes its guard takes no offset, but is remembered: the guard opens nothing then. A
 * journal that forgets that a transaction ended could be fooled: see ENDED_TRANSACTION_MS_MIN.
 */
import { TRANSACTIONAL_FLAG } from '../record/batch.ts';
import type { BatchDescription } from '../segment/footer.ts';
import type { TransactionGuarded, TransactionMark } from './entry.ts';
import type { OpenTransaction } from './journal.ts';
import type { AbortedTransaction, AbortedTransactionList, UnstableTransaction } from './partition-state.ts';
import type { ProducerRecord } from './producers.ts';
import { SharedList } from './shared-list.ts';

export const NONE_ABORTED: SharedList<AbortedTransaction> = SharedList.of<AbortedTransaction>([]);

/** 'busy': an earlier transaction of the producer has not ended here. A coordinator never lets it come to that. */
export type GuardVerdict = 'opens' | 'stale' | 'busy';

export function checkGuard(
  known: ProducerRecord | undefined,
  { producerEpoch, transaction }: TransactionGuarded,
): GuardVerdict {
  if (!known) return 'opens';
  if (producerEpoch < known.producerEpoch || transaction <= known.endedTransaction) return 'stale';
  if (known.open === null) return 'opens';
  return transaction <= known.open.transaction ? 'stale' : 'busy';
}

/** The record under a guard that opens. */
export function guardedProducer(
  known: ProducerRecord | undefined,
  { producerId, producerEpoch, transaction }: TransactionGuarded,
  partition: string,
  now: number,
): ProducerRecord {
  return {
    partitionKey: partition,
    producerId,
    producerEpoch,
    batches: known?.producerEpoch === producerEpoch ? known.batches : [],
    lastAppendAt: now,
    coordinatorEpoch: known?.coordinatorEpoch ?? -1,
    open: { transaction, firstOffset: -1, startedAt: now },
    endedTransaction: known?.endedTransaction ?? -1,
  };
}

/**
 * Whether a producer's batch may be appended as far as transactions go: a transactional one under the open guard of its
 * epoch, and of the transaction that it was sent in where that is known; any other while no transaction is open.
 */
export function belongsToTransaction(
  known: ProducerRecord | undefined,
  { attributes, producerEpoch }: BatchDescription,
  transaction: number | undefined,
): boolean {
  const open = known?.open ?? null;
  if (!(attributes & TRANSACTIONAL_FLAG)) return open === null;
  if (open === null || known?.producerEpoch !== producerEpoch) return false;
  return transaction === undefined || transaction === open.transaction;
}

/** 'forestalls': its guard has not come, and will open nothing when it does. */
export type MarkerVerdict = 'ends' | 'forestalls' | 'stale';

/** The number tells; the coordinator's epoch is only passed on to readers. */
export function checkMarker(
  known: ProducerRecord | undefined,
  { producerEpoch, transaction }: TransactionMark,
): MarkerVerdict {
  if (!known) return 'forestalls';
  if (producerEpoch < known.producerEpoch) return 'stale';
  if (known.open !== null) return transaction === known.open.transaction ? 'ends' : 'stale';
  return transaction > known.endedTransaction ? 'forestalls' : 'stale';
}

/** The record after a marker. The batches of an older epoch are over: the next one starts at sequence 0. */
export function markedProducer(
  known: ProducerRecord | undefined,
  { producerId, producerEpoch, coordinatorEpoch, transaction }: TransactionMark,
  partition: string,
  now: number,
): ProducerRecord {
  return {
    partitionKey: partition,
    producerId,
    producerEpoch,
    batches: known?.producerEpoch === producerEpoch ? known.batches : [],
    lastAppendAt: now,
    coordinatorEpoch,
    open: null,
    endedTransaction: transaction,
  };
}

export const withFirstOffset = (record: ProducerRecord, firstOffset: number): ProducerRecord =>
  record.open === null ? record : { ...record, open: { ...record.open, firstOffset } };

export function openTransactionOf(record: ProducerRecord | undefined): OpenTransaction | undefined {
  if (!record?.open) return undefined;
  const { producerEpoch, lastAppendAt, open } = record;
  return { producerEpoch, lastAppendAt, ...open };
}

export const stableOffset = (
  logStartOffset: number,
  unstable: readonly UnstableTransaction[],
  nextOffset: number,
): number => Math.max(logStartOffset, unstable[0]?.firstOffset ?? nextOffset);

/** Without those that lie wholly below the log start. */
export function abortedFrom(list: AbortedTransactionList, logStartOffset: number): SharedList<AbortedTransaction> {
  const aborted = list as SharedList<AbortedTransaction>;
  const dropped = firstEndingFrom(aborted, logStartOffset);
  return dropped === 0 ? aborted : aborted.dropFirst(dropped);
}

/** Aborted transactions with records or markers in `[start, end)`. */
export function abortedWithin(list: AbortedTransactionList, start: number, end: number): AbortedTransaction[] {
  const found: AbortedTransaction[] = [];
  for (let index = firstEndingFrom(list, start); index < list.length; index++) {
    const aborted = list.at(index)!;
    if (aborted.firstOffset < end) found.push(aborted);
    if (aborted.lastStableOffset >= end) break; // All that ended later began there or above.
  }
  return found;
}

/** Markers ascend, so the list is in order of last offsets. */
function firstEndingFrom(list: AbortedTransactionList, offset: number): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (list.at(middle)!.lastOffset >= offset) high = middle;
    else low = middle + 1;
  }
  return low;
}
