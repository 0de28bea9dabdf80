import { describe, expect, test } from 'vitest';
import type { Command, Entry } from '../../../src/journal/entry.ts';
import { readBatchHeader } from '../../../src/record/batch.ts';
import { layoutSegment } from '../../../src/segment/build.ts';
import { segmentKey } from '../../../src/segment/segment-id.ts';
import type { HistoryEvent } from '../history.ts';
import { buildPayload } from '../payload.ts';
import { appended, created, entry, fence, NAME, see } from './events.ts';
import { Segments } from './segments.ts';

const ID = '019aa3b5ec00-1-1-0-9f86d081';
const KEY = segmentKey('sim', ID);

const bytes = buildPayload({ batchId: 7, writer: 'w', recordCount: 2, valueBytes: 10, timestamp: 1_000 });
const layout = layoutSegment(
  ID,
  [{ ...NAME, journal: 0, batches: [{ bytes, header: readBatchHeader(bytes, 0) }] }],
  'fresh',
);

const put = (put: Entry): HistoryEvent => ({ type: 'entryPut', journal: 0, entry: put, process: 'p1' });
const uploaded: HistoryEvent = { type: 'objectCreated', key: KEY, body: Buffer.concat(layout.parts), process: 'p1' };
const deleted: HistoryEvent = { type: 'objectDeleted', key: KEY, process: 'p1' };
const quiet: HistoryEvent = { type: 'quiet' };

const append = (batches: Extract<Command, { type: 'appended' }>['batches']): HistoryEvent =>
  put(
    entry(3, [
      {
        type: 'appended',
        lane: { brokerId: 1, brokerEpoch: 1, lane: 0 },
        number: 0,
        source: { type: 'segment', segment: layout.reference },
        batches,
        exceptions: [],
        groups: [],
      },
    ]),
  );
const described = append({ type: 'described', partitions: layout.footer.partitions });
const inFooter = append({ type: 'footer', batchCount: 1 });
const dropped = put(entry(4, [{ type: 'logStartAdvanced', ...NAME, logStartOffset: 2 }]));
const condemned = put(entry(5, [{ type: 'condemned', segmentIds: [ID] }]));
const forgotten = put(entry(6, [{ type: 'forgotten', segmentIds: [ID] }]));

let now = 0;

const open = (delayMs = 0) => {
  const checker = new Segments({ clusterId: 'sim', now: () => now, delayMs });
  see(checker, put(fence(1, 1)), put(created(2)));
  return checker;
};

describe('a segment', () => {
  test('that is uploaded, appended, dropped, condemned, deleted and forgotten passes', () => {
    expect(see(open(), uploaded, described, dropped, condemned, deleted, forgotten, quiet)).toBeNull();
  });

  test('that an entry names and nobody uploaded is a violation', () => {
    expect(see(open(), described)).toMatch(/which is not there/);
  });

  test('that is deleted while a journal refers to it is a violation', () => {
    expect(see(open(), uploaded, described, deleted)).toMatch(/refers to it/);
  });

  test('that is deleted before its journal condemned it is a violation', () => {
    expect(see(open(), uploaded, described, dropped, deleted)).toMatch(/did not condemn it/);
  });

  test('that is deleted before its delay is over is a violation', () => {
    const deleteAfter = (waitedMs: number) => {
      now = 100;
      const checker = open(1_000);
      see(checker, uploaded, described, dropped, condemned);
      now += waitedMs;
      return see(checker, deleted);
    };
    expect(deleteAfter(999)).toMatch(/deleted 999 ms after it was condemned, 1000 are asked for/);
    expect(deleteAfter(1_000)).toBeNull();
  });

  test('that a late create brings back, and that is condemned again, was condemned when it was at first', () => {
    now = 100;
    const checker = open(1_000);
    see(checker, uploaded, described, dropped, condemned);
    now += 1_000;
    expect(see(checker, deleted, uploaded, put(entry(6, [{ type: 'condemned', segmentIds: [ID] }])))).toBeNull();
    now += 1;
    expect(see(checker, deleted)).toBeNull();
  });

  test('that is deleted while a recovery needs its footer is a violation', () => {
    expect(see(open(), uploaded, inFooter, dropped, condemned, deleted)).toMatch(/a recovery of entry 3/);
    const covered: HistoryEvent = {
      type: 'pointerPut',
      journal: 0,
      version: 1,
      snapshotSeq: 3,
      floor: 3,
      snapshotKey: 's',
      process: 'p1',
    };
    expect(see(open(), uploaded, inFooter, dropped, condemned, covered, deleted)).toBeNull();
  });

  test('that nothing refers to and that stays is a violation', () => {
    expect(see(open(), uploaded, quiet)).toMatch(/nothing refers to it/);
    expect(see(open(), uploaded, described, quiet)).toBeNull();
    expect(see(open(), uploaded, described, dropped, condemned, deleted, quiet)).toMatch(/still remembers/);
  });
});

test('a snapshot that stays behind a newer one is a violation', () => {
  const snapshot = (seq: number) => `sim/snapshots/0/000${seq}-ab`;
  const written = (seq: number): HistoryEvent => {
    return { type: 'objectCreated', key: snapshot(seq), body: Buffer.alloc(0), process: 'p1' };
  };
  const named = (seq: number): HistoryEvent => {
    const pointer = { version: 1, snapshotSeq: seq, floor: seq, snapshotKey: snapshot(seq) };
    return { type: 'pointerPut', journal: 0, ...pointer, process: 'p1' };
  };
  const removed: HistoryEvent = { type: 'objectDeleted', key: snapshot(1), process: 'p1' };
  expect(see(open(), written(1), named(1), written(2), named(2), quiet)).toMatch(/snapshot .*0001-ab is still there/);
  expect(see(open(), written(1), named(1), written(2), named(2), removed, quiet)).toBeNull();
  // One on its way to the pointer.
  expect(see(open(), written(1), named(1), written(2), quiet)).toBeNull();
});

test('an entry that is trimmed while an extent points into it is a violation', () => {
  const trimmed: HistoryEvent = { type: 'entryDeleted', journal: 0, seq: 3, process: 'p1' };
  expect(see(open(), put(appended(3, [7])), trimmed)).toMatch(/extents point into it/);
  expect(see(open(), put(entry(3, [])), trimmed)).toMatch(/no snapshot covers it/);
});
