import { describe, expect, test } from 'vitest';
import type { HistoryEvent, LedgerBatch, SentBatch } from '../history.ts';
import { acked, ledgerBatch, NAME, refused, see, sentBatch } from './events.ts';
import { idempotence } from './idempotence.ts';

const sent = (batchId: number, more: Partial<SentBatch> = {}): HistoryEvent => ({
  type: 'sent',
  batch: sentBatch(batchId, more),
  process: 'p1',
});
const appended = (batchId: number, baseOffset: number, more: Partial<LedgerBatch> = {}): HistoryEvent => ({
  type: 'batchAppended',
  batch: ledgerBatch(batchId, baseOffset, more),
});
const produced = (batchId: number, baseSequence: number, producerEpoch = 0): HistoryEvent =>
  appended(batchId, 0, { producerId: 4, producerEpoch, baseSequence });

describe('an idempotent producer', () => {
  test('passes with each batch once, in order, and from 0 in a new epoch', () => {
    expect(see(idempotence(), produced(1, 0), produced(2, 2), produced(3, 0, 1), produced(4, 2, 1))).toBeNull();
    const deleted: HistoryEvent = { type: 'partitionDeleted', ...NAME };
    expect(see(idempotence(), produced(1, 0), deleted, produced(2, 0))).toBeNull();
  });

  test('with a batch twice is a violation', () => {
    expect(see(idempotence(), produced(1, 0), produced(1, 0))).toMatch(/is there twice/);
    expect(see(idempotence(), produced(1, 0), produced(2, 0))).toMatch(/has sequence 0, 2 was due/);
  });

  test('with a gap, or an older epoch after a newer one, is a violation', () => {
    expect(see(idempotence(), produced(1, 0), produced(2, 4))).toMatch(/has sequence 4, 2 was due/);
    expect(see(idempotence(), produced(1, 2))).toMatch(/has sequence 2, 0 was due/);
    expect(see(idempotence(), produced(1, 0, 1), produced(2, 0, 0))).toMatch(/comes after epoch 1/);
  });

  test('whose next batch is refused as out of order is a violation', () => {
    expect(see(idempotence(), { type: 'sequenceLost', batch: sentBatch(1) })).toMatch(/out of order/);
  });

  test('whose batch is said to be there and is not is a violation', () => {
    const answered = (batchId: number): HistoryEvent => ({
      type: 'answered',
      batch: sentBatch(batchId, { kind: 'idempotent' }),
      process: 'p1',
      outcome: refused({ error: 'DUPLICATE_SEQUENCE_NUMBER', noSideEffects: false }),
    });
    expect(see(idempotence(), produced(1, 0), answered(1))).toBeNull();
    expect(see(idempotence(), produced(1, 0), answered(2))).toMatch(/appended long ago, and it is not there/);
  });

  test('with the id of another one is a violation', () => {
    const given: HistoryEvent = { type: 'producerIdGiven', id: 3 };
    expect(see(idempotence(), given, { type: 'producerIdGiven', id: 4 }, given)).toMatch(/3 was given twice/);
  });
});

describe('a batch that is sent once', () => {
  const answered = (batchId: number, outcome = refused()): HistoryEvent => ({
    type: 'answered',
    batch: sentBatch(batchId),
    process: 'p1',
    outcome,
  });

  test('and is there although nothing was done is a violation', () => {
    expect(see(idempotence(), answered(1), appended(1, 0))).toMatch(/answered with "nothing was done" before/);
    expect(see(idempotence(), appended(1, 0), answered(1))).toMatch(/and it is there/);
    expect(see(idempotence(), answered(1, refused({ noSideEffects: false })), appended(1, 0))).toBeNull();
  });

  test('and overtakes an earlier one of its partition is a violation', () => {
    expect(see(idempotence(), sent(1), sent(2), appended(1, 0), appended(2, 2))).toBeNull();
    expect(see(idempotence(), sent(1), sent(2), appended(2, 0), appended(1, 2))).toMatch(/overtaken/);
  });
});

describe('a condition', () => {
  const conditional = { kind: 'conditional', expectedOffset: 6 } as const;

  test('that let a batch pass at another offset is a violation', () => {
    expect(see(idempotence(), sent(1, conditional), appended(1, 6))).toBeNull();
    expect(see(idempotence(), sent(1, conditional), appended(1, 8))).toMatch(/was to go to 6 only/);
  });

  test('that refused a batch although it held is a violation', () => {
    const mismatch = (nextOffset: number): HistoryEvent => ({
      type: 'answered',
      batch: sentBatch(1, conditional),
      process: 'p1',
      outcome: refused({ error: 'OFFSET_MISMATCH', nextOffset }),
    });
    expect(see(idempotence(), mismatch(7))).toBeNull();
    expect(see(idempotence(), mismatch(6))).toMatch(/but it is/);
  });
});

test('a request under an Idempotency-Key that is there twice is a violation', () => {
  const twice = [sent(1, { kind: 'keyed' }), appended(1, 0), sent(1, { kind: 'keyed' }), appended(1, 2)];
  expect(see(idempotence(), ...twice)).toMatch(/is there twice/);
  const answered: HistoryEvent = {
    type: 'answered',
    batch: sentBatch(1, { kind: 'keyed' }),
    process: 'p1',
    outcome: acked(0),
  };
  expect(see(idempotence(), sent(1, { kind: 'keyed' }), appended(1, 0), answered)).toBeNull();
});

test('an Idempotency-Key that passes for another request is a violation', () => {
  const reused = sent(2, { kind: 'reused' });
  const batch = sentBatch(2, { kind: 'reused' });
  const answered = (outcome = refused({ error: 'IDEMPOTENCY_KEY_REUSED' })): HistoryEvent => ({
    type: 'answered',
    batch,
    process: 'p1',
    outcome,
  });
  expect(see(idempotence(), reused, answered())).toBeNull();
  expect(see(idempotence(), reused, answered(acked(0)))).toMatch(/whose Idempotency-Key it bears/);
  expect(see(idempotence(), reused, appended(2, 0))).toMatch(/was used before/);
});
