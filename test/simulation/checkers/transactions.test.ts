import { describe, expect, test } from 'vitest';
import type { HistoryEvent, LedgerBatch } from '../history.ts';
import type { SeenRecord } from '../payload.ts';
import { fetched, ledgerBatch, NAME, see, sentBatch } from './events.ts';
import { transactions } from './transactions.ts';

const PRODUCER = 4;
const OTHER = { ...NAME, partition: 1 };

const sent = (batchId: number, transaction: number): HistoryEvent => ({
  type: 'sent',
  batch: sentBatch(batchId, { kind: 'transactional', transaction }),
  process: 'p1',
});
const guarded = (number: number, name = NAME, producerEpoch = 0): HistoryEvent => ({
  type: 'transactionGuarded',
  ...name,
  producerId: PRODUCER,
  producerEpoch,
  number,
});
const ofProducer = (batchId: number, more: Partial<LedgerBatch> = {}) =>
  ledgerBatch(batchId, 0, { producerId: PRODUCER, producerEpoch: 0, transactional: true, ...more });
const appended = (batchId: number, more: Partial<LedgerBatch> = {}): HistoryEvent => ({
  type: 'batchAppended',
  batch: ofProducer(batchId, more),
});
const marked = (number: number, committed: boolean, name = NAME): HistoryEvent => ({
  type: 'markerAppended',
  marker: { ...ofProducer(-1, { ...name, count: 1 }), committed, number },
});
const told = (transaction: number, committed: boolean): HistoryEvent => ({
  type: 'transactionEnded',
  transaction,
  committed,
});

describe('in the journals', () => {
  test('a transaction passes', () => {
    const begun = [sent(7, 1), guarded(1), appended(7), marked(1, true), told(1, true)];
    expect(see(transactions(), ...begun, guarded(2), marked(2, false), { type: 'quiet' })).toBeNull();
  });

  test('records after the marker are seen', () => {
    const ended = [sent(7, 1), guarded(1), marked(1, false)];
    expect(see(transactions(), ...ended, appended(7))).toContain('stands outside of any transaction');
  });

  test('records of one transaction within the next are seen', () => {
    const mixed = [sent(7, 1), sent(8, 2), guarded(1), appended(8)];
    expect(see(transactions(), ...mixed, appended(7))).toContain('of transaction 1 stands within 2');
  });

  test('records of an older epoch are seen', () => {
    expect(see(transactions(), sent(7, 1), guarded(1, NAME, 3), appended(7))).toContain('outside of any transaction');
  });

  test('a marker that ends nothing, or the next transaction, is seen', () => {
    expect(see(transactions(), guarded(1), marked(1, true), marked(1, true))).toContain('open is none');
    expect(see(transactions(), guarded(2), marked(1, true))).toContain('ends 1, open is 2');
  });

  test('a guard that comes after its end is seen', () => {
    expect(see(transactions(), guarded(2), marked(2, false), guarded(2))).toContain('begins after 2');
  });

  test('a guard that comes after the marker that overtook it is seen', () => {
    const overtook = { type: 'markerRemembered', ...NAME, producerId: PRODUCER, number: 2 } as const;
    expect(see(transactions(), overtook, guarded(2))).toContain('begins after 2');
    expect(see(transactions(), overtook, guarded(3))).toBeNull();
  });

  test('a transaction that ends in both ways is seen', () => {
    const both = [sent(7, 1), sent(8, 1), guarded(1), guarded(1, OTHER), appended(7), appended(8, OTHER)];
    expect(see(transactions(), ...both, marked(1, true), marked(1, false, OTHER))).toContain('another committed');
  });

  test('an end that is not what the client was told is seen', () => {
    const begun = [sent(7, 1), guarded(1), appended(7)];
    expect(see(transactions(), ...begun, told(1, true), marked(1, false))).toContain('was told that it committed');
    expect(see(transactions(), ...begun, marked(1, false), told(1, true))).toContain('was told that it committed');
  });

  test('a transaction that never ends is seen', () => {
    expect(see(transactions(), guarded(1), { type: 'quiet' })).toContain('never ends');
  });
});

describe('in answers', () => {
  const record = (offset: number, batchId: number): SeenRecord => ({
    offset,
    batchId,
    index: 0,
    timestamp: 0,
    producerId: PRODUCER,
    transactional: true,
    marker: null,
  });
  const answered = (records: readonly SeenRecord[], firstOffset: number | null, lastStableOffset = 10) =>
    fetched({
      isolation: 'read_committed',
      records,
      lastStableOffset,
      aborted: firstOffset === null ? [] : [{ producerId: PRODUCER, firstOffset }],
    });
  const ended = (committed: boolean) => [sent(7, 1), guarded(1), appended(7), marked(1, committed)];

  test('what is decided passes', () => {
    expect(see(transactions(), ...ended(true), answered([record(0, 7)], null))).toBeNull();
    expect(see(transactions(), ...ended(false), answered([record(0, 7)], 0))).toBeNull();
  });

  test('an aborted record that is kept is seen, and a committed one that is skipped', () => {
    expect(see(transactions(), ...ended(false), answered([record(0, 7)], null))).toContain('is kept');
    expect(see(transactions(), ...ended(true), answered([record(0, 7)], 0))).toContain('is skipped');
  });

  test('an undecided record is seen', () => {
    const open = [sent(7, 1), guarded(1), appended(7)];
    expect(see(transactions(), ...open, answered([record(0, 7)], null))).toContain('is open');
  });

  test('a record beyond the last stable offset is seen', () => {
    expect(see(transactions(), ...ended(true), answered([record(0, 7)], null, 0))).toContain('its last stable offset');
  });
});
