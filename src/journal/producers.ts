/**
 * Idempotent producers (KIP-98), one record per (partition, producer id). Pure. A producer numbers its records; the last
 * five batches are remembered, because a client has at most five in flight at a broker. It may have more behind the first
 * one when it turns to another broker: of what came before those five it is known that it is there, since a sequence has no
 * gaps, but not where. Kafka's brokers would say OUT_OF_ORDER_SEQUENCE_NUMBER, and clients take that for a loss, while all
 * take DUPLICATE_SEQUENCE_NUMBER for success.
 */
import { ENDED_TRANSACTION_MS_MIN, PRODUCER_BATCHES_KEPT } from '../limits.ts';
import type { BatchDescription } from '../segment/footer.ts';
import type { ProducerBatch, ProducerState } from './journal.ts';

export interface ProducerRecord extends ProducerState {
  readonly partitionKey: string;
}

/** Beyond this the least recently appended producer is forgotten; some tens of megabytes. */
export const PRODUCERS_PER_JOURNAL_MAX = 100_000;

/** Sequences count to 2^31 - 1 and go on at 0. */
const SEQUENCE_MAX = 2 ** 31 - 1;

export const producerKey = (partition: string, producerId: number): string => `${partition}:${producerId}`;

export function lastSequenceOf(baseSequence: number, offsetCount: number): number {
  const last = baseSequence + offsetCount - 1;
  return last > SEQUENCE_MAX ? last - SEQUENCE_MAX - 1 : last;
}

export type ProducerVerdict =
  | { readonly type: 'accept' }
  | { readonly type: 'duplicate'; readonly batch: ProducerBatch }
  | {
      readonly type: 'refuse';
      readonly error:
        | 'OUT_OF_ORDER_SEQUENCE_NUMBER'
        | 'DUPLICATE_SEQUENCE_NUMBER'
        | 'INVALID_PRODUCER_EPOCH'
        | 'UNKNOWN_PRODUCER_ID';
    };

const ACCEPT: ProducerVerdict = { type: 'accept' };
const OUT_OF_ORDER: ProducerVerdict = { type: 'refuse', error: 'OUT_OF_ORDER_SEQUENCE_NUMBER' };
const APPENDED_LONG_AGO: ProducerVerdict = { type: 'refuse', error: 'DUPLICATE_SEQUENCE_NUMBER' };
const FENCED: ProducerVerdict = { type: 'refuse', error: 'INVALID_PRODUCER_EPOCH' };
const UNKNOWN: ProducerVerdict = { type: 'refuse', error: 'UNKNOWN_PRODUCER_ID' };

export function checkProducer(known: ProducerState | undefined, batch: BatchDescription): ProducerVerdict {
  if (!known) return batch.baseSequence === 0 ? ACCEPT : UNKNOWN;
  if (batch.producerEpoch < known.producerEpoch) return FENCED;
  if (batch.producerEpoch > known.producerEpoch) return batch.baseSequence === 0 ? ACCEPT : OUT_OF_ORDER;

  const lastSequence = lastSequenceOf(batch.baseSequence, batch.offsetCount);
  for (const kept of known.batches) {
    if (kept.baseSequence === batch.baseSequence && kept.lastSequence === lastSequence) {
      return { type: 'duplicate', batch: kept };
    }
  }
  // A guard or a marker came before its first batch: that starts at 0.
  if (known.batches.length === 0) return batch.baseSequence === 0 ? ACCEPT : UNKNOWN;
  const last = known.batches.at(-1)!.lastSequence;
  if (batch.baseSequence === (last === SEQUENCE_MAX ? 0 : last + 1)) return ACCEPT;
  return precedes(batch.baseSequence, lastSequence, known.batches) ? APPENDED_LONG_AGO : OUT_OF_ORDER;
}

/** Whether all of it comes before what is remembered: only where no sequence wrapped, and none can have been about to. */
function precedes(baseSequence: number, lastSequence: number, kept: readonly ProducerBatch[]): boolean {
  const oldest = kept[0]!.baseSequence;
  const hasWrapped = lastSequence < baseSequence || kept.at(-1)!.lastSequence < oldest;
  return !hasWrapped && lastSequence < oldest && oldest - lastSequence < SEQUENCE_MAX / 2;
}

/** The record after an accepted batch. */
export function advanceProducer(
  known: ProducerRecord | undefined,
  batch: BatchDescription,
  partition: string,
  baseOffset: number,
  appendedAt: number,
): ProducerRecord {
  const { producerId, producerEpoch, baseSequence, maxTimestamp } = batch;
  const lastSequence = lastSequenceOf(baseSequence, batch.offsetCount);
  const appended: ProducerBatch = { baseSequence, lastSequence, baseOffset, maxTimestamp };
  const goesOn = known !== undefined && known.producerEpoch === producerEpoch;
  const batches = goesOn ? known.batches.slice(1 - PRODUCER_BATCHES_KEPT) : [];
  batches.push(appended);
  return {
    partitionKey: partition,
    producerId,
    producerEpoch,
    batches,
    lastAppendAt: appendedAt,
    coordinatorEpoch: known?.coordinatorEpoch ?? -1,
    open: known?.open ?? null,
    endedTransaction: known?.endedTransaction ?? -1,
  };
}

/** Whether an `Expired` command takes the record: not while a transaction is open, nor soon after one ended. */
export function isExpired(
  { lastAppendAt, open, endedTransaction }: ProducerRecord,
  before: number,
  now: number,
): boolean {
  if (open !== null) return false;
  return lastAppendAt < (endedTransaction < 0 ? before : Math.min(before, now - ENDED_TRANSACTION_MS_MIN));
}
