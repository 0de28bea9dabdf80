import { describe, expect, test } from 'vitest';
import {
  type AcquireLimits,
  type AcquireWish,
  acquire,
  nextFetchOffset,
} from '../../../../src/coordinator/share/acquire.ts';
import type { InFlight } from '../../../../src/coordinator/share/in-flight.ts';
import {
  ACKNOWLEDGE_TYPES,
  acknowledge,
  advanceStart,
  beginRound,
  emptyWindow,
  endRound,
  expireLocks,
  finishedCount,
  nextLockEndMs,
  occupancy,
  releaseMember,
  type ShareWindow,
} from '../../../../src/coordinator/share/share-partition-state.ts';
import { decodeShareRecord, encodeShareRecord } from '../../../../src/coordinator/share/share-record.ts';

const LIMIT = 3;
const LOCK_MS = 100;
const limits: AcquireLimits = { deliveryCountLimit: LIMIT, recordLocksMax: 50, occupancyMax: 100, runsMax: 100 };

const wish = (memberId: string, batches: [first: number, last: number][], more: Partial<AcquireWish> = {}) => ({
  memberId,
  lockedUntilMs: LOCK_MS,
  fetchOffset: batches[0]?.[0] ?? 0,
  batches: batches.map(([first, last]) => ({ first, last, deliverable: true })),
  maxRecords: 500,
  batchSize: 500,
  mode: 'batch_optimized' as const,
  ...more,
});

const take = (
  window: ShareWindow,
  memberId: string,
  batches: [first: number, last: number][],
  more: Partial<AcquireWish> = {},
) => acquire(window, wish(memberId, batches, more), limits);

const rules = (memberId: string, lockUntilMs = 0, logStartOffset = 0) => ({
  memberId,
  deliveryCountLimit: LIMIT,
  lockUntilMs,
  logStartOffset,
});

function ack(window: ShareWindow, memberId: string, ...wishes: [first: number, last: number, type: number][]) {
  const answer = acknowledge(
    window,
    wishes.map(([first, last, type]) => ({ first, last, type })),
    rules(memberId),
  );
  if ('rejected' in answer) throw new Error(answer.rejected);
  return answer.window;
}

/** Decided and durable. */
const written = (window: ShareWindow) => endRound(beginRound(window), window.round, true);

/** `0-4 Acquired×1 a`, a settling one with what it becomes. */
const brief = ({ runs }: ShareWindow) =>
  runs.map(({ first, last, state, deliveryCount, memberId, becomes }) =>
    [`${first}-${last}`, `${state}×${deliveryCount}`, memberId, becomes && `→${becomes}`].filter(Boolean).join(' '),
  );

describe('one record', () => {
  const { accept, release, reject, gap, renew } = ACKNOWLEDGE_TYPES;
  const fresh = emptyWindow(0);
  // Record 5 stands behind it, so that the start offset stays.
  const available: ShareWindow = {
    ...fresh,
    endOffset: 6,
    runs: [run(0, 4, 'Available', 2), run(5, 5, 'Available', 1)],
  };
  const acquiredBy = (memberId: string, deliveryCount = 1): ShareWindow => ({
    ...fresh,
    endOffset: 6,
    runs: [
      { ...run(0, 4, 'Acquired', 1), memberId: 'z', lockedUntilMs: 9_000 },
      { ...run(5, 5, 'Acquired', deliveryCount), memberId, lockedUntilMs: LOCK_MS },
    ],
  });
  const settled = (state: InFlight['state']): ShareWindow => ({
    ...fresh,
    endOffset: 6,
    runs: [{ ...run(0, 4, 'Acquired', 1), memberId: 'z', lockedUntilMs: 9_000 }, run(5, 5, state, 1)],
  });

  const states = {
    Available: available,
    'Acquired by a': acquiredBy('a'),
    'Acquired by a for the last time': acquiredBy('a', LIMIT),
    'Acquired by b': acquiredBy('b'),
    Settling: ack(acquiredBy('a'), 'a', [5, 5, accept]),
    Acknowledged: settled('Acknowledged'),
    Archived: settled('Archived'),
    'without anything': { ...settled('Archived'), runs: [settled('Archived').runs[0]!, run(5, 5, 'Archived', 0)] },
  } satisfies Record<string, ShareWindow>;
  type State = keyof typeof states;

  const acknowledging = (type: number) => (window: ShareWindow) => {
    const answer = acknowledge(window, [{ first: 5, last: 5, type }], rules('a', 777));
    return 'rejected' in answer ? answer.rejected : answer.window;
  };
  const events = {
    acquire: (window: ShareWindow) =>
      acquire(window, wish('a', [[5, 5]], { fetchOffset: 5, maxRecords: 1 }), limits).window,
    accept: acknowledging(accept),
    release: acknowledging(release),
    reject: acknowledging(reject),
    gap: acknowledging(gap),
    renew: acknowledging(renew),
    timeout: (window: ShareWindow) => expireLocks(window, LOCK_MS, LIMIT),
    leave: (window: ShareWindow) => releaseMember(window, 'a', LIMIT),
    written: (window: ShareWindow) => endRound(window, window.round, true),
    'not written': (window: ShareWindow) => endRound(window, window.round, false),
    'log start moves': (window: ShareWindow) => advanceStart(window, 6),
  };
  type Event = keyof typeof events;

  const INVALID = 'INVALID_RECORD_STATE';
  const mine = 'Acquired×1 a';
  const last = `Acquired×${LIMIT} a`;
  // Every state against every event. Without Partial, a new state or event breaks the build.
  const truth: Record<State, Record<Event, string>> = {
    Available: {
      acquire: 'Acquired×2 a',
      accept: INVALID,
      release: INVALID,
      reject: INVALID,
      gap: INVALID,
      renew: INVALID,
      timeout: 'Available×1',
      leave: 'Available×1',
      written: 'Available×1',
      'not written': 'Available×1',
      'log start moves': 'gone',
    },
    'Acquired by a': {
      acquire: mine,
      accept: `${mine} →Acknowledged`,
      release: `${mine} →Available`,
      reject: `${mine} →Archived`,
      gap: `${mine} →Archived`,
      renew: mine,
      timeout: `${mine} →Available`,
      leave: `${mine} →Available`,
      written: mine,
      'not written': mine,
      'log start moves': 'gone',
    },
    'Acquired by a for the last time': {
      acquire: last,
      accept: `${last} →Acknowledged`,
      release: `${last} →Archived`,
      reject: `${last} →Archived`,
      gap: `${last} →Archived`,
      renew: last,
      timeout: `${last} →Archived`,
      leave: `${last} →Archived`,
      written: last,
      'not written': last,
      'log start moves': 'gone',
    },
    'Acquired by b': {
      acquire: 'Acquired×1 b',
      accept: INVALID,
      release: INVALID,
      reject: INVALID,
      gap: INVALID,
      renew: INVALID,
      timeout: 'Acquired×1 b →Available',
      leave: 'Acquired×1 b',
      written: 'Acquired×1 b',
      'not written': 'Acquired×1 b',
      'log start moves': 'gone',
    },
    Settling: {
      acquire: `${mine} →Acknowledged`,
      accept: INVALID,
      release: INVALID,
      reject: INVALID,
      gap: INVALID,
      renew: INVALID,
      timeout: `${mine} →Acknowledged`,
      leave: `${mine} →Acknowledged`,
      written: 'Acknowledged×1',
      'not written': mine,
      'log start moves': 'gone',
    },
    Acknowledged: {
      acquire: 'Acknowledged×1',
      accept: INVALID,
      release: INVALID,
      reject: INVALID,
      gap: INVALID,
      renew: INVALID,
      timeout: 'Acknowledged×1',
      leave: 'Acknowledged×1',
      written: 'Acknowledged×1',
      'not written': 'Acknowledged×1',
      'log start moves': 'gone',
    },
    Archived: {
      acquire: 'Archived×1',
      accept: INVALID,
      release: INVALID,
      reject: INVALID,
      gap: INVALID,
      renew: INVALID,
      timeout: 'Archived×1',
      leave: 'Archived×1',
      written: 'Archived×1',
      'not written': 'Archived×1',
      'log start moves': 'gone',
    },
    'without anything': {
      acquire: 'Archived×0',
      accept: 'Archived×0',
      release: 'Archived×0',
      reject: 'Archived×0',
      gap: 'Archived×0',
      renew: 'Archived×0',
      timeout: 'Archived×0',
      leave: 'Archived×0',
      written: 'Archived×0',
      'not written': 'Archived×0',
      'log start moves': 'gone',
    },
  };

  for (const [state, row] of Object.entries(truth) as [State, (typeof truth)[State]][]) {
    test.each(Object.entries(row))(`${state} on %s: %s`, (event, expected) => {
      const after = events[event as Event](states[state]);
      if (typeof after === 'string') return expect(after).toBe(expected);
      const found = brief(after).find((text) => text.startsWith('5-5 '));
      expect(found?.slice('5-5 '.length) ?? 'gone').toBe(expected);
    });
  }

  test('a renewed lock ends later', () => {
    const renewed = events.renew(acquiredBy('a')) as ShareWindow;
    expect(renewed.runs.at(-1)?.lockedUntilMs).toBe(777);
    expect(nextLockEndMs(renewed)).toBe(777);
    expect(nextLockEndMs(available)).toBeNull();
  });
});

function run(first: number, last: number, state: InFlight['state'], deliveryCount: number): InFlight {
  return { first, last, state, deliveryCount, memberId: '', lockedUntilMs: 0, becomes: null, round: 0 };
}

describe('acquiring', () => {
  test('whole batches are taken until the wish is met, cut at batches into ranges of the size asked for', () => {
    const batches: [number, number][] = [
      [0, 9],
      [10, 19],
      [20, 29],
      [30, 39],
    ];
    const { ranges, count, window } = take(emptyWindow(0), 'a', batches, { maxRecords: 25, batchSize: 15 });
    expect(ranges).toEqual([
      { first: 0, last: 19, deliveryCount: 1 },
      { first: 20, last: 29, deliveryCount: 1 },
    ]);
    expect(count).toBe(30);
    expect(window.endOffset).toBe(30);
  });

  test('the limit of records is exact in mode record_limit, the rest of the batch is for the next', () => {
    const one = take(emptyWindow(0), 'a', [[0, 9]], { maxRecords: 4, mode: 'record_limit', batchSize: 1 });
    expect(one.ranges).toEqual([{ first: 0, last: 3, deliveryCount: 1 }]);
    expect(nextFetchOffset(one.window, limits)).toBe(4);
    const two = take(one.window, 'b', [[0, 9]], { fetchOffset: 4 });
    expect(two.ranges).toEqual([{ first: 4, last: 9, deliveryCount: 1 }]);
    expect(brief(two.window)).toEqual(['0-3 Acquired×1 a', '4-9 Acquired×1 b']);
  });

  test('a batch that begins before the start offset gives what lies behind it', () => {
    expect(take(emptyWindow(5), 'a', [[0, 9]], { fetchOffset: 5 }).ranges).toEqual([
      { first: 5, last: 9, deliveryCount: 1 },
    ]);
  });

  test('a full window gives only what was released', () => {
    const full = take(emptyWindow(0), 'a', [
      [0, 49],
      [50, 59],
    ]);
    expect(full.count).toBe(50);
    expect(nextFetchOffset(full.window, limits)).toBeNull();
    const released = written(ack(full.window, 'a', [20, 24, ACKNOWLEDGE_TYPES.release]));
    expect(nextFetchOffset(released, limits)).toBe(20);
    const again = take(
      released,
      'b',
      [
        [0, 49],
        [50, 59],
      ],
      { fetchOffset: 20 },
    );
    expect(again.ranges).toEqual([{ first: 20, last: 24, deliveryCount: 2 }]);
  });

  test('a batch larger than what the journal can hold is cut', () => {
    expect(take(emptyWindow(0), 'a', [[0, 499]]).ranges).toEqual([{ first: 0, last: 99, deliveryCount: 1 }]);
  });

  test('what is being written is not given to anyone', () => {
    const { window } = take(emptyWindow(0), 'a', [[0, 9]]);
    const releasing = ack(window, 'a', [0, 9, ACKNOWLEDGE_TYPES.release]);
    expect(nextFetchOffset(releasing, limits)).toBe(10);
    expect(take(releasing, 'b', [[0, 9]]).ranges).toEqual([]);
    expect(take(written(releasing), 'b', [[0, 9]]).ranges).toEqual([{ first: 0, last: 9, deliveryCount: 2 }]);
  });

  test('control batches, aborted ones and offsets missing in between are archived', () => {
    const batches = [
      { first: 5, last: 9, deliverable: true },
      { first: 12, last: 12, deliverable: false },
      { first: 13, last: 14, deliverable: true },
    ];
    const { window, ranges } = take(emptyWindow(0), 'a', [], { batches, fetchOffset: 0 });
    expect(ranges).toEqual([
      { first: 5, last: 9, deliveryCount: 1 },
      { first: 13, last: 14, deliveryCount: 1 },
    ]);
    expect(window.startOffset).toBe(5);
    expect(brief(window)).toEqual(['5-9 Acquired×1 a', '10-12 Archived×0', '13-14 Acquired×1 a']);
    expect(occupancy(window)).toBe(7);
    const done = written(ack(window, 'a', [5, 14, ACKNOWLEDGE_TYPES.accept]));
    expect(done).toMatchObject({ startOffset: 15, runs: [] });
  });

  test('released records that were compacted away are archived', () => {
    const { window } = take(emptyWindow(0), 'a', [[0, 9]]);
    const released = written(ack(window, 'a', [0, 9, ACKNOWLEDGE_TYPES.release]));
    const { window: after, ranges } = take(released, 'b', [[6, 9]], { fetchOffset: 0 });
    expect(ranges).toEqual([{ first: 6, last: 9, deliveryCount: 2 }]);
    expect(after.startOffset).toBe(6);
  });

  test('suspects are given out in smaller and smaller numbers, alone, the last time one by one', () => {
    const five: AcquireLimits = { ...limits, deliveryCountLimit: 5 };
    const suspects = (deliveryCount: number): ShareWindow => ({
      ...emptyWindow(0),
      endOffset: 16,
      runs: [run(0, 15, 'Available', deliveryCount)],
    });
    const given = (deliveryCount: number) => {
      const asked = wish('a', [
        [0, 15],
        [16, 20],
      ]);
      return acquire(suspects(deliveryCount), asked, five).ranges.map(({ first, last }) => `${first}-${last}`);
    };
    expect(given(2)).toEqual(['0-15', '16-20']);
    expect(given(3)).toEqual(['0-7']);
    expect(given(4)).toEqual(['0-0']);
    const mixed = { ...suspects(1), runs: [run(0, 7, 'Available', 1), run(8, 15, 'Available', 4)] };
    expect(acquire(mixed, wish('a', [[0, 15]]), five).ranges).toEqual([{ first: 0, last: 7, deliveryCount: 2 }]);
  });

  test('records beyond a limit that was lowered are archived', () => {
    const window = { ...emptyWindow(0), endOffset: 2, runs: [run(0, 1, 'Available', 4)] };
    const after = take(window, 'a', [[0, 1]]);
    expect(after.ranges).toEqual([]);
    expect(after.window).toMatchObject({ startOffset: 2, runs: [] });
  });
});

describe('acknowledging', () => {
  const held = take(emptyWindow(0), 'a', [[0, 9]]).window;

  test('one record of a request that may not be acknowledged refuses all of them', () => {
    const wishes = [
      { first: 0, last: 3, type: ACKNOWLEDGE_TYPES.accept },
      { first: 8, last: 10, type: ACKNOWLEDGE_TYPES.accept },
    ];
    expect(acknowledge(held, wishes, rules('a'))).toMatchObject({ rejected: 'INVALID_REQUEST' });
    expect(acknowledge(held, wishes.slice(0, 1), rules('b'))).toMatchObject({ rejected: 'INVALID_RECORD_STATE' });
  });

  test('records below the log start are done with, whatever is said of them', () => {
    const moved = advanceStart(held, 5);
    expect(moved).toMatchObject({ startOffset: 5, endOffset: 10 });
    expect(brief(ack(moved, 'a', [0, 6, ACKNOWLEDGE_TYPES.accept]))).toEqual([
      '5-6 Acquired×1 a →Acknowledged',
      '7-9 Acquired×1 a',
    ]);
    const wishes = [{ first: 0, last: 9, type: ACKNOWLEDGE_TYPES.accept }];
    const gone = acknowledge(advanceStart(held, 20), wishes, rules('a', 0, 20));
    expect(gone).toMatchObject({ window: { startOffset: 20 } });
  });

  test('records that another member settled meanwhile are refused, gaps are not', () => {
    const settled = written(ack(held, 'a', [0, 4, ACKNOWLEDGE_TYPES.accept]));
    expect(settled.startOffset).toBe(5);
    const late = (type: number) => acknowledge(settled, [{ first: 0, last: 1, type }], rules('b'));
    expect(late(ACKNOWLEDGE_TYPES.accept)).toMatchObject({ rejected: 'INVALID_RECORD_STATE' });
    expect(late(ACKNOWLEDGE_TYPES.gap)).toMatchObject({ window: { startOffset: 5 } });
  });

  test('the start offset passes what is done with, and only once that is durable', () => {
    const { accept, reject } = ACKNOWLEDGE_TYPES;
    const later = ack(held, 'a', [0, 1, accept], [2, 2, reject], [4, 5, accept]);
    expect(later.startOffset).toBe(0);
    const after = written(later);
    expect(after.startOffset).toBe(3);
    expect(finishedCount(after)).toBe(2);
  });

  test('what is acknowledged during a write goes into the next', () => {
    const first = beginRound(ack(held, 'a', [0, 1, ACKNOWLEDGE_TYPES.accept]));
    const both = ack(first, 'a', [2, 3, ACKNOWLEDGE_TYPES.accept]);
    expect(endRound(both, held.round, true).startOffset).toBe(2);
    expect(brief(endRound(both, held.round, false))).toEqual([
      '0-1 Acquired×1 a',
      '2-3 Acquired×1 a →Acknowledged',
      '4-9 Acquired×1 a',
    ]);
  });
});

describe('the record of it', () => {
  const record = (window: ShareWindow) => ({ stateEpoch: 7, leaderEpoch: 3, window });
  const restarted = (window: ShareWindow) => decodeShareRecord(encodeShareRecord(record(window))).window;

  test('is this text', () => {
    const { accept, release, reject } = ACKNOWLEDGE_TYPES;
    const { window } = take(emptyWindow(100), 'a', [[100, 119]]);
    const decided = ack(window, 'a', [100, 101, accept], [105, 106, release], [108, 108, accept], [110, 111, reject]);
    expect(encodeShareRecord(record(decided))).toBe(
      '{"v":1,"stateEpoch":7,"leaderEpoch":3,"startOffset":102,' + '"runs":[3,0,0,2,0,1,1,0,0,1,2,1,1,0,0,2,4,1]}',
    );
  });

  test('leaves out who has acquired what, and the delivery under way', () => {
    const { window } = take(emptyWindow(0), 'a', [[0, 9]]);
    expect(restarted(window)).toEqual({ ...emptyWindow(0) });
    const released = written(ack(window, 'a', [0, 9, ACKNOWLEDGE_TYPES.release]));
    const { window: again } = take(released, 'b', [[0, 4]], { fetchOffset: 0 });
    expect(brief(again)).toEqual(['0-4 Acquired×2 b', '5-9 Available×1']);
    expect(brief(restarted(again))).toEqual(['0-9 Available×1']);
  });

  test.each([
    '',
    '{}',
    '{"v":2}',
    '{"v":1,"startOffset":0,"runs":[1,1,0]}',
    '{"v":1,"startOffset":0,"runs":[1,0]}',
  ])('that is damaged is refused: %s', (text) => expect(() => decodeShareRecord(text)).toThrow('a share partition'));
});
