import { describe, expect, test } from 'vitest';
import type { Entry } from '../../../src/journal/entry.ts';
import type { HistoryEvent, LedgerBatch } from '../history.ts';
import { acked, created, entry, fence, ledgerBatch, see, sentBatch } from './events.ts';
import { journalEpochs } from './journal-epochs.ts';

const checker = () => journalEpochs({ isAlone: true });
const put = (put: Entry, process = 'p1'): HistoryEvent => ({ type: 'entryPut', journal: 0, entry: put, process });
const pointer = (more: Partial<Extract<HistoryEvent, { type: 'pointerPut' }>> = {}): HistoryEvent => ({
  type: 'pointerPut',
  journal: 0,
  version: 1,
  snapshotSeq: 2,
  floor: 2,
  snapshotKey: 's',
  process: 'p1',
  ...more,
});
const snapshot: HistoryEvent = { type: 'objectCreated', key: 's', body: Buffer.alloc(0), process: 'p1' };
/** p1 leads in epoch 1 and has written two more entries. */
const led = [put(fence(1, 1)), put(created(2)), put(entry(3, [])), put(entry(4, []))];

describe('an entry', () => {
  test('of the leader and of its successor passes', () => {
    expect(see(checker(), ...led, put(fence(5, 2), 'p2'), put(entry(6, [], { epoch: 2 }), 'p2'))).toBeNull();
  });

  test('of a fenced leader is a violation', () => {
    const fenced = [...led, put(fence(5, 2), 'p2')];
    expect(see(checker(), ...fenced, put(entry(6, []), 'p1'))).toMatch(/p2 leads in 2/);
    expect(see(checker(), ...fenced, put(entry(6, [], { epoch: 2 }), 'p1'))).toMatch(/p2 leads in 2/);
  });

  test('in a slot that is not the next one is a violation', () => {
    expect(see(checker(), ...led, put(entry(6, [])))).toMatch(/whose last entry is 4/);
    expect(see(checker(), ...led, put(entry(4, [])))).toMatch(/whose last entry is 4/);
  });

  test('of a journal that the cluster does not have yet is a violation', () => {
    const counted: HistoryEvent = { type: 'journalsCounted', count: 1, process: 'p1' };
    const added: HistoryEvent = { ...(put(fence(1, 1)) as Extract<HistoryEvent, { type: 'entryPut' }>), journal: 1 };
    expect(see(checker(), counted, put(fence(1, 1)), added)).toMatch(/slot 1 of journal 1, the cluster has 1 journals/);
    expect(see(checker(), counted, { ...counted, count: 2 }, put(fence(1, 1)), added)).toBeNull();
  });

  test('that fences with an epoch which is not the next one is a violation', () => {
    expect(see(checker(), ...led, put(fence(5, 1), 'p2'))).toMatch(/it was in 1/);
    expect(see(checker(), ...led, put(fence(5, 3), 'p2'))).toMatch(/it was in 1/);
  });

  test('that comes late is a violation unless its slot was trimmed', () => {
    const late = (seq: number): HistoryEvent => ({
      type: 'strayEntryPut',
      journal: 0,
      entry: entry(seq, []),
      process: 'p1',
    });
    expect(see(checker(), ...led, late(3))).toMatch(/wrote slot 3 of journal 0 again/);
    const moved = [...led, snapshot, pointer({ snapshotSeq: 4, floor: 4 })];
    expect(see(checker(), ...moved, late(3))).toBeNull();
    expect(see(checker(), ...moved, late(1))).toMatch(/which a deposed leader must find taken/);
  });
});

test('a fence in a trimmed slot is allowed, leading by it is a violation', () => {
  const late = (put: Entry): HistoryEvent => ({ type: 'strayEntryPut', journal: 0, entry: put, process: 'p9' });
  const moved = [...led, snapshot, pointer({ snapshotSeq: 4, floor: 4 })];
  const another = late(entry(3, [], { epoch: 1, id: 'another' }));
  expect(see(checker(), ...moved, late(fence(2 + 0, 1)), another)).toMatch(/which began in a trimmed slot/);
  expect(see(checker(), ...moved, another)).toBeNull();
});

test('what was durable may arrive once more after it was trimmed, also when its writer tried that epoch there before', () => {
  const late = (put: Entry): HistoryEvent => ({ type: 'strayEntryPut', journal: 0, entry: put, process: 'p1' });
  const moved = [...led, snapshot, pointer({ snapshotSeq: 4, floor: 4 })];
  expect(see(checker(), ...moved, late(fence(2 + 0, 1)), late(entry(3, [])))).toBeNull();
});

describe('the pointer', () => {
  test('moves forward only, to a snapshot that exists', () => {
    expect(see(checker(), ...led, snapshot, pointer())).toBeNull();
    expect(see(checker(), ...led, pointer())).toMatch(/which does not exist/);
    expect(see(checker(), ...led, snapshot, pointer({ version: 2 }))).toMatch(/moved from version 0/);
    expect(see(checker(), ...led, snapshot, pointer(), pointer({ version: 2, floor: 1 }))).toMatch(/floor 1/);
    expect(see(checker(), ...led, snapshot, pointer({ snapshotSeq: 9, floor: 9 }))).toMatch(/ahead of its last/);
    expect(see(checker(), ...led, snapshot, pointer({ floor: 3 }))).toMatch(/ahead of its last entry/);
  });

  test('keeps its snapshot', () => {
    const gone: HistoryEvent = { type: 'objectDeleted', key: 's', process: 'p1' };
    expect(see(checker(), ...led, snapshot, pointer(), gone)).toMatch(/the snapshot of journal 0 was deleted/);
  });
});

test('trimming spares what is above the floor, fences, and what stands before them', () => {
  const trimmed = (seq: number): HistoryEvent => ({ type: 'entryDeleted', journal: 0, seq, process: 'p1' });
  const fenced = [...led, put(fence(5, 2), 'p2'), put(entry(6, [], { epoch: 2 }), 'p2'), snapshot];
  const moved = [...fenced, pointer({ snapshotSeq: 6, floor: 6 })];
  expect(see(checker(), ...moved, trimmed(3))).toBeNull();
  expect(see(checker(), ...moved, trimmed(4))).toMatch(/stands before one/);
  expect(see(checker(), ...moved, trimmed(5))).toMatch(/is a fence/);
  expect(see(checker(), ...moved, trimmed(6))).toMatch(/the floor is 6/);
  expect(see(checker(), ...fenced, trimmed(3))).toMatch(/the floor is 0/);
});

describe('an acknowledgement', () => {
  const serves = (process: string, brokerEpoch: number): HistoryEvent => ({
    type: 'processServes',
    process,
    brokerId: 1,
    brokerEpoch,
  });
  const serving = [serves('p1', 1), serves('p2', 2)];
  const appended = (more: Partial<LedgerBatch> = {}): HistoryEvent => ({
    type: 'batchAppended',
    batch: ledgerBatch(7, 0, { process: 'p2', ingest: { brokerId: 1, brokerEpoch: 2 }, ...more }),
  });
  const answer = (process: string, duplicate = false): HistoryEvent => ({
    type: 'answered',
    batch: sentBatch(7),
    process,
    outcome: acked(0, { duplicate }),
  });

  test('by another process than the one that took the batch in is a violation', () => {
    expect(see(checker(), ...serving, appended(), answer('p2'))).toBeNull();
    expect(see(checker(), ...serving, appended(), answer('p1', true))).toBeNull();
    expect(see(checker(), ...serving, appended(), answer('p1'))).toMatch(/it came in by p2/);
    expect(see(checker(), ...serving, answer('p1'))).toMatch(/no entry has it/);
  });

  test('of an entry that another process wrote is a violation where a broker is alone', () => {
    const elsewhere = appended({ ingest: { brokerId: 1, brokerEpoch: 1 } });
    expect(see(checker(), ...serving, elsewhere, answer('p1'))).toMatch(/p2 wrote its entry/);
    expect(see(journalEpochs({ isAlone: false }), ...serving, elsewhere, answer('p1'))).toBeNull();
  });
});

test('two processes with one broker id and epoch are a violation', () => {
  const serves = (process: string): HistoryEvent => ({ type: 'processServes', process, brokerId: 3, brokerEpoch: 9 });
  expect(see(checker(), serves('p1'), serves('p1'))).toBeNull();
  expect(see(checker(), serves('p1'), serves('p2'))).toMatch(/p1 and p2 are both broker 3 of epoch 9/);
});
