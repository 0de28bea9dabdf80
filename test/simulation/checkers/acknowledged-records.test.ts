import { describe, expect, test } from 'vitest';
import { acknowledgedRecords } from './acknowledged-records.ts';
import { acked, entry, fetched, ledgerBatch, NAME, sentBatch, TOPIC, withLedger } from './events.ts';

const open = (batchIds: readonly number[], clockSkewMsMax = 0) =>
  withLedger((ledger) => acknowledgedRecords({ ledger, clockSkewMsMax }), batchIds);

const answered = (batchId: number, baseOffset: number) =>
  ({ type: 'answered', batch: sentBatch(batchId), process: 'p1', outcome: acked(baseOffset) }) as const;

const removal = {
  type: 'logStartAdvanced',
  ...NAME,
  logStartOffset: 2,
  dropped: [ledgerBatch(7, 0)],
  bytesLeft: 500,
  now: 11_000,
} as const;

describe('an acknowledgement', () => {
  test('passes when the journals have the batch at that offset', () => {
    expect(open([7, 8]).see(answered(7, 0), answered(8, 2))).toBeNull();
  });

  test('before any entry has the batch is a violation', () => {
    expect(open([7]).see(answered(8, 2))).toMatch(/which no journal has/);
  });

  test('with another offset than that of the entry is a violation', () => {
    expect(open([7, 8]).see(answered(8, 0))).toMatch(/it is at .*@2/);
  });
});

describe('a removal', () => {
  test('without reason is a violation', () => {
    expect(open([]).see(removal)).toMatch(/removed for no reason/);
  });

  test('beyond what DeleteRecords asked for is a violation', () => {
    const { see } = open([7, 8]);
    expect(see({ type: 'deleteRecordsAsked', ...NAME, beforeOffset: 2 }, removal)).toBeNull();
    expect(see({ ...removal, logStartOffset: 3, dropped: [] })).toMatch(/moved to 3 for no reason/);
  });

  test('by time passes when the records outlived their topic, by the most that clocks differ', () => {
    const asked = { type: 'retentionAsked', topicId: TOPIC, retentionMs: 10_000, retentionBytes: -1 } as const;
    expect(open([]).see(asked, removal)).toMatch(/removed for no reason/);
    expect(open([], 1_000).see(asked, removal)).toBeNull();
    expect(open([]).see(asked, { ...removal, now: 12_000 })).toBeNull();
  });

  test('by size passes when enough is left behind', () => {
    const asked = { type: 'retentionAsked', topicId: TOPIC, retentionMs: -1, retentionBytes: 501 } as const;
    expect(open([]).see(asked, removal)).toMatch(/removed for no reason/);
    expect(open([]).see(asked, { ...removal, bytesLeft: 501 })).toBeNull();
  });

  test('of a topic that nobody asked to delete is a violation', () => {
    const { see } = open([7]);
    expect(see({ type: 'topicDeleteAsked', topicId: 'other' }, { type: 'partitionDeleted', ...NAME })).toMatch(
      /which nobody asked for/,
    );
    expect(
      open([7]).see({ type: 'topicDeleteAsked', topicId: TOPIC }, { type: 'partitionDeleted', ...NAME }),
    ).toBeNull();
  });

  test('that was promised and did not happen is a violation', () => {
    const deleted = { type: 'recordsDeleted', ...NAME, beforeOffset: 2, logStartOffset: 2 } as const;
    expect(open([7]).see(deleted)).toMatch(/were said to be deleted/);
    expect(open([7]).see({ type: 'topicDeleted', topicId: TOPIC })).toMatch(/was said to be deleted/);
  });
});

describe('a fetch', () => {
  test('that refuses an offset which is there is a violation', () => {
    const before = { logStartOffset: 0, nextOffset: 4, visible: 0 };
    const { see } = open([7, 8]);
    expect(see(fetched({ error: 'OFFSET_OUT_OF_RANGE', fetchOffset: 5, before }))).toBeNull();
    expect(see(fetched({ error: 'OFFSET_OUT_OF_RANGE', fetchOffset: 4, before }))).toMatch(/refused offset 4/);
  });

  test('that hides what its process acknowledged is a violation', () => {
    const before = { logStartOffset: 0, nextOffset: 4, visible: 4 };
    const { see } = open([7, 8]);
    expect(see(fetched({ highWatermark: 4, before }))).toBeNull();
    expect(see(fetched({ highWatermark: 2, before }))).toMatch(/4 was acknowledged before/);
  });
});

test('a record that stays unreadable is a violation', () => {
  expect(open([7]).see({ type: 'unreadable', ...NAME, offset: 1, what: 'record 1' })).toMatch(/cannot be read/);
});

test('the ledger takes entries only in their order', () => {
  const { ledger } = open([7]);
  expect(() => ledger.entryPut(1, entry(4, [{ type: 'partitionsCreated', ...NAME, partitions: [0] }]), 'p1')).toThrow(
    /created twice/,
  );
});
