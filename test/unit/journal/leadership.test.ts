import { describe, expect, test } from 'vitest';
import {
  type Leadership,
  type LeadershipEvent,
  type PutAnswer,
  START,
  stepLeadership,
} from '../../../src/journal/leadership.ts';

const at = { snapshotSeq: 5, lastSeq: 9, epoch: 3 };

const states = {
  readingPointer: { phase: 'readingPointer' },
  loadingSnapshot: { phase: 'loadingSnapshot' },
  readingEntries: { phase: 'readingEntries', ...at },
  preparing: { phase: 'preparing', ...at },
  'putting fence': { phase: 'putting', purpose: 'fence', put: { id: 'mine', doubtful: false }, ...at },
  checkingFloor: { phase: 'checkingFloor', ...at },
  doubting: { phase: 'doubting', why: 'odd', ...at },
  leading: { phase: 'leading', ...at },
  'putting entry': { phase: 'putting', purpose: 'entry', put: { id: 'mine', doubtful: false }, ...at },
  deposed: { phase: 'deposed', because: 'b' },
  broken: { phase: 'broken', because: 'b' },
} satisfies Record<string, Leadership>;

type State = keyof typeof states;

const answered = (answer: PutAnswer): LeadershipEvent => ({ type: 'putAnswered', answer });
const entry = (seq: number, epoch: number, isFence = false) => ({ seq, epoch, isFence });
const read = (entries: ReturnType<typeof entry>[], more = false): LeadershipEvent => ({
  type: 'entriesRead',
  entries,
  more,
});

const events = {
  'pointer, floor 5': { type: 'pointerRead', pointer: { snapshotSeq: 5, floor: 5 } },
  'pointer, floor 6': { type: 'pointerRead', pointer: { snapshotSeq: 6, floor: 6 } },
  'snapshot of 7': { type: 'snapshotLoaded', seq: 7, epoch: 2 },
  'snapshot gone': { type: 'snapshotGone' },
  'nothing more': read([]),
  'two more': read([entry(10, 3), entry(11, 4, true)], true),
  'a gap': read([entry(11, 3)]),
  'an old epoch': read([entry(10, 2)]),
  'a repeated fence': read([entry(10, 3, true)]),
  prepared: { type: 'prepared', id: 'mine' },
  written: answered({ type: 'written' }),
  'occupied by mine': answered({ type: 'occupied', id: 'mine' }),
  'occupied by theirs': answered({ type: 'occupied', id: 'theirs' }),
  unknown: answered({ type: 'unknown' }),
  throttled: answered({ type: 'throttled' }),
  'nothing done': answered({ type: 'nothingDone' }),
  'next slot empty': { type: 'nextSlotRead', seq: 10, id: null },
  'next slot taken': { type: 'nextSlotRead', seq: 10, id: 'theirs' },
  'older slot taken': { type: 'nextSlotRead', seq: 9, id: 'older' },
} satisfies Record<string, LeadershipEvent>;

type Event = keyof typeof events;

/** `phase lastSeq/epoch: effects`; the row of a state lists what changes it or makes it do something. */
const truth: Record<State, Partial<Record<Event, string>>> = {
  readingPointer: {
    'pointer, floor 5': 'loadingSnapshot: loadSnapshot',
    'pointer, floor 6': 'loadingSnapshot: loadSnapshot',
  },
  loadingSnapshot: {
    'snapshot of 7': 'readingEntries 7/2: readEntries',
    'snapshot gone': 'readingPointer: readPointer',
  },
  readingEntries: {
    'nothing more': 'preparing 9/3: prepareFence 10 in epoch 4',
    'two more': 'readingEntries 11/4: fold, readEntries',
    'a gap': 'readingPointer: readPointer',
    'an old epoch': 'doubting 9/3: readPointer',
    'a repeated fence': 'doubting 9/3: readPointer',
  },
  preparing: { prepared: 'putting fence 9/3: put' },
  'putting fence': {
    written: 'checkingFloor 10/4: commit, readPointer',
    'occupied by mine': 'checkingFloor 10/4: commit, readPointer',
    'occupied by theirs': 'readingEntries 9/3: readEntries',
    unknown: 'putting fence? 9/3: put again',
    throttled: 'putting fence 9/3: put again',
    'nothing done': 'putting fence 9/3: put again',
    'next slot empty': 'putting fence 9/3: confirmed',
  },
  checkingFloor: {
    'pointer, floor 5': 'leading 9/3: ',
    'pointer, floor 6': 'readingPointer: readPointer',
  },
  doubting: {
    'pointer, floor 5': 'broken: ',
    'pointer, floor 6': 'readingPointer: readPointer',
  },
  leading: {
    prepared: 'putting entry 9/3: put',
    'next slot empty': 'leading 9/3: confirmed',
    'next slot taken': 'deposed: ',
  },
  'putting entry': {
    written: 'leading 10/3: commit',
    'occupied by mine': 'leading 10/3: commit',
    'occupied by theirs': 'deposed: ',
    unknown: 'putting entry? 9/3: put again',
    throttled: 'putting entry 9/3: put again',
    'nothing done': 'leading 9/3: abandon',
    'next slot empty': 'putting entry 9/3: confirmed',
  },
  deposed: {},
  broken: {},
};

function show(before: Leadership, event: LeadershipEvent): string | undefined {
  const { leadership, effects } = stepLeadership(before, event);
  if (leadership === before && effects.length === 0) return undefined;
  let text: string = leadership.phase;
  if (leadership.phase === 'putting') text += ` ${leadership.purpose}${leadership.put.doubtful ? '?' : ''}`;
  if ('lastSeq' in leadership) text += ` ${leadership.lastSeq}/${leadership.epoch}`;
  const shown = effects.map((effect) => {
    if (effect.type === 'put') return effect.again ? 'put again' : 'put';
    return effect.type === 'prepareFence' ? `prepareFence ${effect.seq} in epoch ${effect.epoch}` : effect.type;
  });
  return `${text}: ${shown.join(', ')}`;
}

describe.each(Object.keys(states) as State[])('%s', (state) => {
  test.each(Object.keys(events) as Event[])('and then: %s', (event) => {
    expect(show(states[state], events[event])).toBe(truth[state][event]);
  });
});

test('a put that may have happened is never abandoned, however certain a later failure is', () => {
  const doubtful = stepLeadership(states['putting entry'], events.unknown).leadership;
  expect(show(doubtful, events['nothing done'])).toBe('putting entry? 9/3: put again');
  expect(show(doubtful, events.throttled)).toBe('putting entry? 9/3: put again');
});

test('an undisturbed takeover goes from the pointer to leading', () => {
  const path = [
    events['pointer, floor 5'],
    { type: 'snapshotLoaded' as const, seq: 5, epoch: 1 },
    read([entry(6, 1), entry(7, 2, true)], true),
    read([]),
    events.prepared,
    events.written,
    events['pointer, floor 5'],
  ];
  let { leadership } = START;
  for (const event of path) ({ leadership } = stepLeadership(leadership, event));
  expect(leadership).toMatchObject({ phase: 'leading', snapshotSeq: 5, lastSeq: 8, epoch: 3 });
});
