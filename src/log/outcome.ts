/** Answers of `produce`, from what admission, stores and journals say. */
import { KafkaError, toKafkaError } from '../errors.ts';
import type { BatchAnswer } from '../journal/journal.ts';
import { RefusedRecords } from './admission.ts';
import type { ProduceOutcome } from './log.ts';
import type { PendingBatch } from './pending.ts';

export function outcomeOf(answer: BatchAnswer, batch: PendingBatch): ProduceOutcome {
  switch (answer.type) {
    case 'appended':
      return {
        error: 'NONE',
        baseOffset: answer.baseOffset,
        logAppendTimeMs: batch.logAppendTimeMs,
        logStartOffset: answer.logStartOffset,
        duplicate: false,
      };
    case 'duplicate':
      return {
        error: 'NONE',
        baseOffset: answer.baseOffset,
        logAppendTimeMs: batch.logAppendTimeMs < 0 ? -1 : answer.maxTimestamp,
        logStartOffset: answer.logStartOffset,
        duplicate: true,
      };
    case 'refused':
      return {
        error: answer.error,
        message: answer.message,
        nextOffset: answer.error === 'OFFSET_MISMATCH' ? answer.nextOffset : -1,
        // Of what is there nobody may say that nothing was done.
        noSideEffects: answer.error !== 'DUPLICATE_SEQUENCE_NUMBER',
        logStartOffset: -1,
      };
  }
}

/** `maybeDone`: the batch may be appended all the same, or may still be. */
export function failedOutcome(cause: unknown, maybeDone: boolean): ProduceOutcome {
  const error = toKafkaError(cause) ?? new KafkaError('UNKNOWN_SERVER_ERROR', 'internal error', { cause });
  return {
    // What brokers say to each other: to a client it means that another broker leads now.
    error: error.error === 'STALE_BROKER_EPOCH' ? 'NOT_LEADER_OR_FOLLOWER' : error.error,
    message: error.message,
    nextOffset: -1,
    noSideEffects: !maybeDone,
    logStartOffset: -1,
    ...(cause instanceof RefusedRecords && { recordErrors: cause.recordErrors }),
  };
}
