import { describe, expect, test } from 'vitest';
import type { SeenRecord } from '../payload.ts';
import { fetched, ledgerBatch, NAME, withLedger } from './events.ts';
import { offsets } from './offsets.ts';

/** Batches 7 and 8 stand at offsets 0 and 2, their records a millisecond apart from 1,000 on. */
const open = () => withLedger((ledger) => offsets({ ledger }), [7, 8]);

const record = (offset: number, more: Partial<SeenRecord> = {}): SeenRecord => ({
  offset,
  batchId: offset < 2 ? 7 : 8,
  index: offset % 2,
  timestamp: 1_000 + (offset % 2),
  producerId: -1,
  transactional: false,
  marker: null,
  ...more,
});

const read = (records: readonly SeenRecord[], highWatermark = 4) => fetched({ highWatermark, records });

const listed = { type: 'offsetListed', ...NAME, process: 'p1', timestamp: -1 } as const;
const before = { logStartOffset: 0, nextOffset: 4 };

describe('a fetch', () => {
  test('passes with what was appended', () => {
    expect(open().see(read([0, 1, 2, 3].map((offset) => record(offset))), read([record(0)]))).toBeNull();
  });

  test('with another record at an offset is a violation', () => {
    expect(open().see(read([record(0), record(1, { batchId: 8 })]))).toMatch(/appended there was record 1 of batch 7/);
    expect(open().see(read([record(0, { index: 1 })]))).toMatch(/appended there was record 0 of batch 7/);
  });

  test('with another timestamp is a violation', () => {
    expect(open().see(read([record(0, { timestamp: 5 })]))).toMatch(/timestamp 5 instead of 1000/);
  });

  test('that leaves out or repeats an offset is a violation', () => {
    expect(open().see(read([record(0), record(2)]))).toMatch(/offset 2 where 1 was due/);
    expect(open().see(read([record(0), record(1), record(0)]))).toMatch(/offset 0 where 2 was due/);
    expect(open().see(read([record(1)]))).toMatch(/offset 1 first/);
  });

  test('with damaged bytes is a violation', () => {
    expect(open().see(fetched({ damage: 'fails its CRC' }))).toMatch(/cannot be read/);
  });

  test('beyond the end is a violation', () => {
    expect(open().see(read([], 5))).toMatch(/high watermark 5, the log ends at 4/);
    expect(open().see(read([record(0), record(1)], 1))).toMatch(/beyond its high watermark 1/);
  });
});

test('a batch that is not appended at the end is a violation', () => {
  expect(open().see({ type: 'batchAppended', batch: ledgerBatch(9, 4) })).toBeNull();
  expect(open().see({ type: 'batchAppended', batch: ledgerBatch(9, 3) })).toMatch(/the log ended at 4/);
  expect(open().see({ type: 'batchAppended', batch: ledgerBatch(9, 5) })).toMatch(/the log ended at 4/);
});

describe('the offset of', () => {
  test('an end that was not the end while it was asked is a violation', () => {
    const latest = { ...listed, at: { type: 'latest', isolation: 'read_uncommitted' } } as const;
    expect(open().see({ ...latest, offset: 4, before })).toBeNull();
    expect(open().see({ ...latest, offset: 3, before })).toMatch(/it was 4 when it was asked/);
    expect(open().see({ ...latest, offset: 5, before })).toMatch(/is 4 now/);
    expect(open().see({ ...listed, at: { type: 'earliest' }, offset: 1, before })).toMatch(/it was 0/);
  });

  test('a time is that of the first record at or after it', () => {
    const at = { type: 'timestamp', timestamp: 1_001 } as const;
    expect(open().see({ ...listed, at, offset: 1, timestamp: 1_001, before })).toBeNull();
    expect(open().see({ ...listed, at, offset: 3, timestamp: 1_001, before })).toMatch(/offset 1 comes first/);
    expect(open().see({ ...listed, at, offset: 0, timestamp: 1_000, before })).toMatch(/that record has 1000/);
    expect(open().see({ ...listed, at, offset: -1, before })).toMatch(/offset 1 comes first/);
  });

  test('the largest timestamp is that of a record which has it', () => {
    const at = { type: 'maxTimestamp' } as const;
    expect(open().see({ ...listed, at, offset: 1, timestamp: 1_001, before })).toBeNull();
    expect(open().see({ ...listed, at, offset: -1, before })).toMatch(/there is 1001/);
  });
});

test('the end of an epoch is where the next one began', () => {
  const told = { type: 'epochEndTold', ...NAME, process: 'p1', asked: 1, epoch: 1, visible: 4 } as const;
  expect(open().see({ ...told, endOffset: 4 })).toBeNull();
  expect(open().see({ ...told, endOffset: 2 })).toMatch(/batch 8 at 2 was appended in 1/);
  expect(open().see({ ...told, endOffset: 2, visible: 2 })).toBeNull();
  expect(open().see({ ...told, asked: 0, epoch: 0, endOffset: 2 })).toMatch(/batch 7 at 0 was appended in 1/);
  expect(open().see({ ...told, asked: 0, epoch: 0, endOffset: 0 })).toBeNull();
  expect(open().see({ ...told, asked: 0, endOffset: 0 })).toMatch(/epoch 1 of .* asked for 0/);
});
