import { expect, test } from 'vitest';
import type { HistoryEvent, ShareAcknowledgement } from '../history.ts';
import { entry, fence, see, TOPIC } from './events.ts';
import { ShareDeliveries } from './share-deliveries.ts';

const PLACE = `${TOPIC}-0`;
const [AVAILABLE, ACKNOWLEDGED, ARCHIVED] = [0, 2, 4];
const LOCK_MS = 1_000;

/** A checker, and events that each happen at a time of their own. */
function watch(...timed: readonly (readonly [at: number, event: HistoryEvent])[]): string | null {
  let now = 0;
  const checker = new ShareDeliveries({ now: () => now, deliveryCountLimit: 3, lockMs: LOCK_MS });
  for (const [index, [at, event]] of timed.entries()) {
    now = at;
    // A violation is one when no other leader follows for long.
    const found = see(checker, event) ?? (index === timed.length - 1 ? see(checker, { type: 'quiet' }) : null);
    if (found === null) continue;
    expect(index, found).toBe(timed.length - 1);
    return found;
  }
  return null;
}

const leads = (process: string, epoch = 1): HistoryEvent => ({
  type: 'entryPut',
  journal: 0,
  entry: fence(epoch, epoch),
  process,
});

/** Runs of length, state and delivery count from the start offset. */
const queue = (startOffset: number, runs: readonly number[], stateEpoch = 1): HistoryEvent => {
  const value = JSON.stringify({ v: 1, stateEpoch, leaderEpoch: 1, startOffset, runs });
  const changes = [{ key: `s/${TOPIC}/0`, value }];
  const changed = { type: 'recordsChanged', owner: 'group/g', changes } as const;
  return { type: 'entryPut', journal: 0, entry: entry(9, [changed]), process: 'p1' };
};

const seen = (memberId: string, process = 'p1') => ({ process, coordinator: `${process} 0 1`, groupId: 'g', memberId });

interface Given {
  readonly memberId: string;
  readonly offset: number;
  readonly askedAt: number;
  readonly process?: string;
  readonly deliveryCount?: number;
}

const given = ({ memberId, offset, askedAt, process, deliveryCount = 1 }: Given): HistoryEvent => ({
  type: 'shareFetched',
  ...seen(memberId, process),
  askedAt,
  acquired: [{ place: PLACE, first: offset, last: offset, deliveryCount }],
});

const said = (memberId: string, offset: number, id: number, kind: ShareAcknowledgement['kind'] = 'accept') => ({
  ...seen(memberId),
  place: PLACE,
  first: offset,
  last: offset,
  kind,
  id,
});

const asked = (...of: Parameters<typeof said>): HistoryEvent => ({ type: 'shareAcknowledgeAsked', ...said(...of) });
const told = (...of: Parameters<typeof said>): HistoryEvent => ({ type: 'shareAcknowledged', ...said(...of) });

test('a record that is given, acknowledged, and done with passes', () => {
  const events = [
    [10, given({ memberId: 'a', offset: 5, askedAt: 1 })],
    [11, asked('a', 5, 1)],
    [12, queue(5, [1, ACKNOWLEDGED, 1])],
    [13, told('a', 5, 1)],
  ] as const;
  expect(watch([0, leads('p1')], [0, queue(5, [])], ...events)).toBeNull();
});

test('a record that is with somebody is given to nobody else, until its lock ends or it is let go', () => {
  const first = [10, given({ memberId: 'a', offset: 5, askedAt: 1 })] as const;
  expect(watch(first, [60, given({ memberId: 'b', offset: 5, askedAt: 50 })])).toMatch(/5 is with a/);
  expect(watch(first, [1_001, given({ memberId: 'b', offset: 5, askedAt: 50 })])).toBeNull();
  const release = [20, asked('a', 5, 1, 'release')] as const;
  expect(watch(first, release, [60, given({ memberId: 'b', offset: 5, askedAt: 50 })])).toBeNull();
  const ended = [20, { type: 'shareSessionEnded', ...seen('a') }] as const;
  expect(watch(first, ended, [60, given({ memberId: 'b', offset: 5, askedAt: 50 })])).toBeNull();
});

test('who hands the journal over may have let go of what was held, when another leader follows at once', () => {
  const twice = [
    [0, leads('p1')],
    [0, queue(5, [])],
    [10, given({ memberId: 'a', offset: 5, askedAt: 1 })],
    [60, given({ memberId: 'b', offset: 5, askedAt: 50 })],
  ] as const;
  expect(watch(...twice)).toMatch(/5 is with a/);
  expect(watch(...twice, [70, leads('p2', 2)])).toBeNull();
  expect(watch(...twice, [20_000, leads('p2', 2)])).toMatch(/5 is with a/);
});

test('another process gives a record again', () => {
  const first = [10, given({ memberId: 'a', offset: 5, askedAt: 1 })] as const;
  expect(watch(first, [60, given({ memberId: 'b', offset: 5, askedAt: 50, process: 'p2' })])).toBeNull();
});

test('two requests that are under way at once may have been answered in another order', () => {
  const first = [50, given({ memberId: 'a', offset: 5, askedAt: 1 })] as const;
  expect(watch(first, [60, given({ memberId: 'b', offset: 5, askedAt: 40 })])).toBeNull();
});

test.each([
  ['acknowledged', queue(5, [1, ACKNOWLEDGED, 1])],
  ['archived', queue(5, [1, ARCHIVED, 1])],
  ['behind the start', queue(6, [])],
])('a record that was %s before somebody asked is not given to him', (state, done) => {
  const events = [[0, leads('p1')] as const, [0, queue(5, [])] as const, [10, done] as const];
  expect(watch(...events, [20, given({ memberId: 'b', offset: 5, askedAt: 11 })])).toMatch(`5 was ${state} before`);
  // It asked before that, or asked a process that was succeeded.
  expect(watch(...events, [20, given({ memberId: 'b', offset: 5, askedAt: 9 })])).toBeNull();
  expect(watch(...events, [11, leads('p2', 2)], [20, given({ memberId: 'b', offset: 5, askedAt: 12 })])).toBeNull();
});

test('deliveries are counted up to the limit', () => {
  expect(watch([1, given({ memberId: 'a', offset: 5, askedAt: 0, deliveryCount: 3 })])).toBeNull();
  expect(watch([1, given({ memberId: 'a', offset: 5, askedAt: 0, deliveryCount: 4 })])).toMatch(/4th time/);
  expect(watch([1, given({ memberId: 'a', offset: 5, askedAt: 0, deliveryCount: 0 })])).toMatch(/0th time/);
  expect(watch([1, queue(5, [1, AVAILABLE, 4])])).toMatch(/delivered 4 times/);
});

test('what is done with stays so', () => {
  const done = [1, queue(5, [1, AVAILABLE, 1, 2, ACKNOWLEDGED, 1])] as const;
  expect(watch(done, [2, queue(8, [])])).toBeNull();
  expect(watch(done, [2, queue(5, [3, AVAILABLE, 1])])).toMatch(/6 .* was acknowledged, and is available/);
  expect(watch(done, [2, queue(5, [1, AVAILABLE, 1])])).toMatch(/6 .* was acknowledged, and is available/);
  expect(watch(done, [2, queue(5, [2, AVAILABLE, 1, 1, ARCHIVED, 1])])).toMatch(/6 .* was acknowledged/);
  expect(watch(done, [2, queue(4, [2, AVAILABLE, 1, 2, ACKNOWLEDGED, 1])])).toMatch(/from 5 back to 4/);
  // It was made anew.
  expect(watch(done, [2, queue(0, [], 2)])).toBeNull();
});

test('only who was given a record, or is just being given it, acknowledges it', () => {
  const first = [10, given({ memberId: 'a', offset: 5, askedAt: 1 })] as const;
  const made = [0, queue(5, [])] as const;
  const done = [12, queue(5, [1, ACKNOWLEDGED, 1])] as const;
  expect(watch(made, first, [11, asked('b', 5, 1)], done, [13, told('b', 5, 1)])).toMatch(/5 was not with it/);
  const asking = [9, { type: 'shareFetchAsked', ...seen('b') }] as const;
  expect(watch(made, first, asking, [11, asked('b', 5, 1)], done, [13, told('b', 5, 1)])).toBeNull();
});

test('an acknowledgement that was answered is in the journal, once', () => {
  const events = [
    [0, queue(4, [])],
    [10, given({ memberId: 'a', offset: 5, askedAt: 1 })],
    [11, asked('a', 5, 1)],
  ] as const;
  expect(watch(...events, [13, told('a', 5, 1)])).toMatch(/5 is available/);
  const archived = [12, queue(4, [1, AVAILABLE, 1, 1, ARCHIVED, 1])] as const;
  expect(watch(...events, archived, [13, told('a', 5, 1)])).toMatch(/5 is archived/);
  const done = [12, queue(4, [1, AVAILABLE, 1, 1, ACKNOWLEDGED, 1])] as const;
  const again = [asked('a', 5, 2), told('a', 5, 2)].map((event) => [14, event] as const);
  expect(watch(...events, done, [13, told('a', 5, 1)], ...again)).toMatch(/a was done with 5 before/);
});

test('what is said of records behind the start changes nothing', () => {
  const events = [asked('b', 5, 1), told('b', 5, 1)].map((event) => [1, event] as const);
  expect(watch([0, queue(6, [])], ...events)).toBeNull();
});

test('what is said of records that were deleted meanwhile is not held against what others said before', () => {
  const place = { topicId: TOPIC, partition: 0 };
  const rest = { dropped: [], bytesLeft: 0, now: 15 };
  const advanced = { type: 'logStartAdvanced', ...place, ...rest, logStartOffset: 6 } as const;
  const events = [
    [0, leads('p1')],
    [0, queue(5, [])],
    [1, given({ memberId: 'b', offset: 5, askedAt: 0, process: 'p0' })],
    [10, given({ memberId: 'a', offset: 5, askedAt: 9 })],
    [11, { type: 'shareFetchAsked', ...seen('b') }],
    [11, asked('b', 5, 1)],
    [12, asked('a', 5, 2)],
    [13, queue(6, [])],
    [14, told('a', 5, 2)],
  ] as const;
  expect(watch(...events, [16, told('b', 5, 1)])).toMatch(/a was done with 5 before/);
  expect(watch(...events, [15, advanced], [16, told('b', 5, 1)])).toBeNull();
});
