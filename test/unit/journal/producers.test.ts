import { describe, expect, test } from 'vitest';
import { advanceProducer, checkProducer, lastSequenceOf, type ProducerRecord } from '../../../src/journal/producers.ts';
import { batch } from './harness.ts';

const of = (baseSequence: number, count = 1, producerEpoch = 0) =>
  batch(0, { producerId: 7, producerEpoch, baseSequence, count });

/** The record after batches of these sequences. */
function having(...batches: ReturnType<typeof of>[]): ProducerRecord | undefined {
  let record: ProducerRecord | undefined;
  let offset = 100;
  for (const each of batches) {
    record = advanceProducer(record, each, 't:0', offset, 5);
    offset += each.offsetCount;
  }
  return record;
}

const verdictOf = (known: ProducerRecord | undefined, next: ReturnType<typeof of>): string => {
  const verdict = checkProducer(known, next);
  if (verdict.type === 'refuse') return verdict.error;
  return verdict.type === 'duplicate' ? `duplicate of ${verdict.batch.baseOffset}` : 'accept';
};

const MAX = 2 ** 31 - 1;
const six = having(of(0, 10), of(10, 10), of(20, 10), of(30, 10), of(40, 10), of(50, 10));

describe('a batch of an idempotent producer', () => {
  test.each<[what: string, verdict: string, known: ProducerRecord | undefined, next: ReturnType<typeof of>]>([
    ['of an unknown producer from 0 on', 'accept', undefined, of(0, 5)],
    ['of an unknown producer from elsewhere', 'UNKNOWN_PRODUCER_ID', undefined, of(5)],
    ['that follows', 'accept', having(of(0, 5)), of(5)],
    ['that leaves a gap', 'OUT_OF_ORDER_SEQUENCE_NUMBER', having(of(0, 5)), of(6)],
    ['that overlaps', 'OUT_OF_ORDER_SEQUENCE_NUMBER', having(of(0, 5)), of(4)],
    ['that repeats the last one', 'duplicate of 100', having(of(0, 5)), of(0, 5)],
    ['that repeats the fifth last one', 'duplicate of 110', six, of(10, 10)],
    ['that repeats an older one', 'DUPLICATE_SEQUENCE_NUMBER', six, of(0, 10)],
    ['that reaches from older ones into the remembered ones', 'OUT_OF_ORDER_SEQUENCE_NUMBER', six, of(5, 6)],
    ['that repeats an older one of an older epoch', 'INVALID_PRODUCER_EPOCH', having(of(0, 1, 3)), of(0, 1, 2)],
    ['that leaves a gap behind the wrap', 'OUT_OF_ORDER_SEQUENCE_NUMBER', having(of(MAX - 5, 5)), of(3)],
    ['that leaves a gap behind a batch that wrapped', 'OUT_OF_ORDER_SEQUENCE_NUMBER', having(of(MAX, 3)), of(5)],
    ['that wraps and leaves a gap', 'OUT_OF_ORDER_SEQUENCE_NUMBER', having(of(MAX - 9, 5)), of(MAX, 3)],
    ['that repeats an older one from before the wrap', 'OUT_OF_ORDER_SEQUENCE_NUMBER', having(of(2)), of(MAX)],
    ['that repeats another start with another length', 'OUT_OF_ORDER_SEQUENCE_NUMBER', six, of(50, 9)],
    ['of an older epoch', 'INVALID_PRODUCER_EPOCH', having(of(0, 1, 3)), of(1, 1, 2)],
    ['of a newer epoch from 0 on', 'accept', having(of(0, 5)), of(0, 5, 1)],
    ['of a newer epoch that goes on', 'OUT_OF_ORDER_SEQUENCE_NUMBER', having(of(0, 5)), of(5, 1, 1)],
    ['that starts at 0 behind the last sequence', 'duplicate of 100', having(of(0, 1), of(MAX, 1)), of(0)],
    ['that goes on at 0 behind the last sequence', 'accept', having(of(MAX - 4, 5)), of(0, 3)],
    ['that goes on behind a batch that wrapped', 'accept', having(of(MAX, 3)), of(2)],
    ['that repeats a batch that wrapped', 'duplicate of 100', having(of(MAX, 3)), of(MAX, 3)],
  ])('%s: %s', (_what, verdict, known, next) => {
    expect(verdictOf(known, next)).toBe(verdict);
  });

  test('wraps its sequence behind 2^31 - 1', () => {
    expect(lastSequenceOf(5, 1)).toBe(5);
    expect(lastSequenceOf(MAX, 1)).toBe(MAX);
    expect(lastSequenceOf(MAX, 2)).toBe(0);
    expect(lastSequenceOf(MAX - 1, 5)).toBe(2);
  });

  test('of a newer epoch makes the older ones forgotten', () => {
    expect(having(of(0), of(1), of(0, 1, 1))?.batches).toHaveLength(1);
  });
});
