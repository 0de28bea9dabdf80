import { expect, test } from 'vitest';
import type { KnownTopic, StoredTopic } from '../history.ts';
import { TOPIC, withLedger } from './events.ts';
import { topicsAtRest } from './topics-at-rest.ts';

const STORED: StoredTopic = { topicId: TOPIC, name: 'orders', phase: 'active', partitions: 1 };
const KNOWN: KnownTopic = { topicId: TOPIC, name: 'orders', partitions: 1, retentionMs: 1_000 };

/** Batch 7 stands in the one partition, stamped 1,001. */
const look = (stored: readonly StoredTopic[], known: readonly KnownTopic[], now = 2_001) =>
  withLedger((ledger) => topicsAtRest({ ledger, now: () => now, clockSkewMsMax: 0 }), [7]).see({
    type: 'topicsAtRest',
    stored,
    known,
  });

test('topics that are active, known and in their journals pass', () => {
  expect(look([STORED], [KNOWN])).toBeNull();
});

test('a topic between two phases is a violation', () => {
  expect(look([{ ...STORED, phase: 'deleting' }], [KNOWN])).toMatch(/is still deleting/);
});

test('a topic that is only stored, or only known, is a violation', () => {
  expect(look([STORED], [])).toMatch(/is stored and not known/);
  expect(look([], [KNOWN])).toMatch(/is known and not stored/);
  expect(look([STORED], [{ ...KNOWN, partitions: 2 }])).toMatch(/known is orders with 2/);
});

test('a partition without a journal, or without a topic, is a violation', () => {
  expect(look([{ ...STORED, partitions: 2 }], [{ ...KNOWN, partitions: 2 }])).toMatch(/is in no journal/);
  expect(look([], [])).toMatch(/of no topic/);
});

test('records that retention forgets are a violation', () => {
  expect(look([STORED], [KNOWN], 2_002)).toMatch(/outlived their 1000 ms/);
});
