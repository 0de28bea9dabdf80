import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  applyEvent,
  identityOf,
  isPrepared,
  isTimedOut,
  PRODUCER_EPOCH_MAX,
  type ProducerIdentity,
  partitionVerifier,
  type Transaction,
  type TransactionEvent,
  type TransactionState,
  type Transition,
} from '../../../../src/coordinator/transaction/transaction-state.ts';

const TOPIC = 'AAAAAAAAQACAAAAAAAAAAA';
const OTHER = 'BBBBBBBBQACAAAAAAAAAAA';
const ID = 7;
const FRESH = 8;
const NOW = 1_000_000;
const TIMEOUT_MS = 60_000;

const identity = (producerEpoch: number, producerId = ID): ProducerIdentity => ({ producerId, producerEpoch });

/** Epoch 5, which the producer got when it ended its transaction under epoch 4. */
const base: Transaction = {
  ...identity(5),
  state: 'Empty',
  transaction: 3,
  previous: identity(4),
  nextProducerId: -1,
  timeoutMs: TIMEOUT_MS,
  partitions: {},
  groups: [],
  startedAt: NOW - 500,
  updatedAt: NOW - 500,
};
const participants = { partitions: { [TOPIC]: [0, 1] }, groups: ['g'] };

const transactions: Record<TransactionState, Transaction> = {
  Empty: base,
  Ongoing: { ...base, state: 'Ongoing', ...participants },
  PrepareCommit: { ...base, state: 'PrepareCommit', ...participants },
  PrepareAbort: { ...base, state: 'PrepareAbort', ...participants },
  CompleteCommit: { ...base, state: 'CompleteCommit' },
  CompleteAbort: { ...base, state: 'CompleteAbort' },
};

const init = (expected: ProducerIdentity | null, freshProducerId: number | null = null) =>
  ({ type: 'init', expected, timeoutMs: TIMEOUT_MS, freshProducerId }) as const;
const end = (producerEpoch: number, committed: boolean, bumpsEpoch: boolean) =>
  ({ type: 'end', producer: identity(producerEpoch), committed, bumpsEpoch, freshProducerId: null }) as const;
const add = (producerEpoch: number, partition = 0) =>
  ({ type: 'add', producer: identity(producerEpoch), partitions: { [TOPIC]: [partition] }, groups: [] }) as const;

const events = {
  'init by a new producer': init(null),
  'init by the current producer': init(identity(5)),
  'init again, the answer was lost': init(identity(4)),
  'init by a zombie': init(identity(3)),
  'add what is new': add(5, 9),
  'add what is there': add(5, 0),
  'add by a zombie': add(4),
  'commit (v1)': end(5, true, false),
  'abort (v1)': end(5, false, false),
  'commit by a zombie (v1)': end(4, true, false),
  'commit (v2)': end(5, true, true),
  'abort (v2)': end(5, false, true),
  'commit again (v2)': end(4, true, true),
  'abort again (v2)': end(4, false, true),
  'commit by a zombie (v2)': end(3, true, true),
  timeOut: { type: 'timeOut' },
  complete: { type: 'complete', transaction: 3 },
  'complete of another': { type: 'complete', transaction: 2 },
  expire: { type: 'expire', before: NOW },
} as const satisfies Record<string, TransactionEvent>;

/** `State epoch`, `=` unchanged, or the error. A state with `…` is on its way there: the producer comes again. */
function brief(transition: Transition): string {
  switch (transition.outcome) {
    case 'rejected':
      return transition.error;
    case 'unchanged':
      return '=';
    case 'needsProducerId':
      return 'needsProducerId';
    case 'aborting':
      return `${transition.transaction.state} ${transition.transaction.producerEpoch} …`;
    case 'changed':
      return transition.transaction
        ? `${transition.transaction.state} ${transition.transaction.producerEpoch}`
        : '(none)';
  }
}

type Row = Record<keyof typeof events, string>;

const atRest = {
  'init by a new producer': 'Empty 6',
  'init by the current producer': 'Empty 6',
  'init again, the answer was lost': 'Empty 5',
  'init by a zombie': 'PRODUCER_FENCED',
  'add what is new': 'Ongoing 5',
  'add what is there': 'Ongoing 5',
  'add by a zombie': 'PRODUCER_FENCED',
  'commit by a zombie (v1)': 'PRODUCER_FENCED',
  'commit (v2)': 'INVALID_TXN_STATE',
  'abort (v2)': 'PrepareAbort 6',
  'commit by a zombie (v2)': 'PRODUCER_FENCED',
  timeOut: '=',
  complete: '=',
  'complete of another': '=',
  expire: '(none)',
} as const;

const prepared = {
  'init by a new producer': 'CONCURRENT_TRANSACTIONS',
  'init by the current producer': 'CONCURRENT_TRANSACTIONS',
  'init again, the answer was lost': 'CONCURRENT_TRANSACTIONS',
  'init by a zombie': 'PRODUCER_FENCED',
  'add what is new': 'CONCURRENT_TRANSACTIONS',
  'add what is there': 'CONCURRENT_TRANSACTIONS',
  'add by a zombie': 'PRODUCER_FENCED',
  'commit by a zombie (v1)': 'PRODUCER_FENCED',
  'commit (v2)': 'PRODUCER_FENCED',
  'abort (v2)': 'PRODUCER_FENCED',
  'commit by a zombie (v2)': 'PRODUCER_FENCED',
  timeOut: '=',
  'complete of another': '=',
  expire: '=',
} as const;

// Every state against every event. A new state or event breaks the build.
const truth: Record<TransactionState, Row> = {
  Empty: {
    ...atRest,
    'commit (v1)': 'INVALID_TXN_STATE',
    'abort (v1)': 'INVALID_TXN_STATE',
    'commit again (v2)': 'PRODUCER_FENCED',
    'abort again (v2)': 'PRODUCER_FENCED',
  },
  Ongoing: {
    'init by a new producer': 'PrepareAbort 6 …',
    'init by the current producer': 'PrepareAbort 6 …',
    'init again, the answer was lost': 'PRODUCER_FENCED',
    'init by a zombie': 'PRODUCER_FENCED',
    'add what is new': 'Ongoing 5',
    'add what is there': '=',
    'add by a zombie': 'PRODUCER_FENCED',
    'commit (v1)': 'PrepareCommit 5',
    'abort (v1)': 'PrepareAbort 5',
    'commit by a zombie (v1)': 'PRODUCER_FENCED',
    'commit (v2)': 'PrepareCommit 6',
    'abort (v2)': 'PrepareAbort 6',
    'commit again (v2)': 'PRODUCER_FENCED',
    'abort again (v2)': 'PRODUCER_FENCED',
    'commit by a zombie (v2)': 'PRODUCER_FENCED',
    timeOut: 'PrepareAbort 6',
    complete: '=',
    'complete of another': '=',
    expire: '=',
  },
  PrepareCommit: {
    ...prepared,
    'commit (v1)': 'CONCURRENT_TRANSACTIONS',
    'abort (v1)': 'INVALID_TXN_STATE',
    'commit again (v2)': 'CONCURRENT_TRANSACTIONS',
    'abort again (v2)': 'INVALID_TXN_STATE',
    complete: 'CompleteCommit 5',
  },
  PrepareAbort: {
    ...prepared,
    'commit (v1)': 'INVALID_TXN_STATE',
    'abort (v1)': 'CONCURRENT_TRANSACTIONS',
    'commit again (v2)': 'INVALID_TXN_STATE',
    'abort again (v2)': 'CONCURRENT_TRANSACTIONS',
    complete: 'CompleteAbort 5',
  },
  CompleteCommit: {
    ...atRest,
    'commit (v1)': '=',
    'abort (v1)': 'INVALID_TXN_STATE',
    'commit again (v2)': '=',
    'abort again (v2)': 'INVALID_TXN_STATE',
  },
  CompleteAbort: {
    ...atRest,
    'commit (v1)': 'INVALID_TXN_STATE',
    'abort (v1)': '=',
    'commit again (v2)': 'INVALID_TXN_STATE',
    'abort again (v2)': '=',
  },
};

describe('a transaction', () => {
  for (const [state, row] of Object.entries(truth) as [TransactionState, Row][]) {
    test.each(Object.entries(row))(`in ${state} on %s: %s`, (name, expected) => {
      // What the producer had open for long enough.
      const known = { ...transactions[state], startedAt: NOW - TIMEOUT_MS };
      expect(brief(applyEvent(known, events[name as keyof typeof events], NOW))).toBe(expected);
    });
  }
});

describe('nothing known of the id', () => {
  test.each(Object.entries(events))('%s', (_name, event) => {
    const unknown = { init: 'needsProducerId', add: 'INVALID_PRODUCER_ID_MAPPING', end: 'INVALID_PRODUCER_ID_MAPPING' };
    const expected = event.type in unknown ? unknown[event.type as keyof typeof unknown] : '=';
    expect(brief(applyEvent(null, event, NOW))).toBe(expected);
  });

  test('whoever comes first gets epoch 0 of a fresh id, whatever it expected', () => {
    const after = applyEvent(null, init(identity(5), FRESH), NOW);
    expect(after).toMatchObject({ transaction: { ...identity(0, FRESH), state: 'Empty', timeoutMs: TIMEOUT_MS } });
  });
});

test('another producer id is not the one of this transactional id', () => {
  const producer = identity(5, 99);
  for (const known of Object.values(transactions)) {
    for (const event of [
      { ...add(5), producer },
      { ...end(5, true, false), producer },
      { ...end(5, true, true), producer },
    ]) {
      expect(brief(applyEvent(known, event, NOW))).toBe('INVALID_PRODUCER_ID_MAPPING');
    }
  }
});

test('a transaction begins with its first participants, under a number of its own', () => {
  const after = changed(applyEvent(base, add(5, 2), NOW));
  expect(after).toMatchObject({ state: 'Ongoing', transaction: 4, partitions: { [TOPIC]: [2] }, startedAt: NOW });
  const more = changed(applyEvent(after, { ...add(5, 3), groups: ['g'] }, NOW + 1));
  expect(more).toMatchObject({ transaction: 4, partitions: { [TOPIC]: [2, 3] }, groups: ['g'], startedAt: NOW });
  const other = changed(applyEvent(more, { ...add(5), partitions: { [OTHER]: [0] } }, NOW + 2));
  expect(other.partitions).toEqual({ [TOPIC]: [2, 3], [OTHER]: [0] });
});

test('a producer that begins anew in its own transaction goes on with the epoch that the abort leaves', () => {
  const aborting = applyEvent(transactions.Ongoing, init(identity(5)), NOW);
  if (aborting.outcome !== 'aborting') throw new Error(aborting.outcome);
  const aborted = changed(applyEvent(aborting.transaction, events.complete, NOW));
  const again = changed(applyEvent(aborted, init(identity(5)), NOW));
  expect(again).toMatchObject({ state: 'Empty', ...identity(6) });
});

test('a producer that was fenced by a timeout can neither commit nor begin anew', () => {
  const aborted = changed(
    applyEvent(changed(applyEvent(transactions.Ongoing, { type: 'timeOut' }, NOW + TIMEOUT_MS)), events.complete, NOW),
  );
  for (const event of [end(5, true, true), end(5, false, true), end(5, false, false), add(5), init(identity(5))]) {
    expect(brief(applyEvent(aborted, event, NOW))).toBe('PRODUCER_FENCED');
  }
  expect(changed(applyEvent(aborted, init(null), NOW))).toMatchObject(identity(7));
});

test('a transaction is not timed out a millisecond early', () => {
  const { startedAt } = transactions.Ongoing;
  expect(isTimedOut(transactions.Ongoing, startedAt + TIMEOUT_MS - 1)).toBe(false);
  expect(isTimedOut(transactions.Ongoing, startedAt + TIMEOUT_MS)).toBe(true);
});

test('an id is not forgotten while it was used since, or is in use', () => {
  const expire = { type: 'expire', before: base.updatedAt } as const;
  expect(brief(applyEvent(base, expire, NOW))).toBe('=');
});

describe('epochs that run out', () => {
  const last = PRODUCER_EPOCH_MAX - 1;
  const ongoing: Transaction = { ...transactions.Ongoing, ...identity(last), previous: null };
  const commit = { ...end(last, true, true), freshProducerId: FRESH };

  test('an end that bumps the epoch asks for a fresh producer id, and the producer goes on with it', () => {
    expect(brief(applyEvent(ongoing, { ...commit, freshProducerId: null }, NOW))).toBe('needsProducerId');
    const preparing = changed(applyEvent(ongoing, commit, NOW));
    expect(preparing).toMatchObject({ state: 'PrepareCommit', ...identity(PRODUCER_EPOCH_MAX), nextProducerId: FRESH });
    expect(identityOf(preparing)).toEqual(identity(0, FRESH));
    const next = { ...add(0), producer: identity(0, FRESH) };
    expect(brief(applyEvent(preparing, next, NOW))).toBe('CONCURRENT_TRANSACTIONS');
    expect(brief(applyEvent(preparing, commit, NOW))).toBe('CONCURRENT_TRANSACTIONS');
    const completed = changed(applyEvent(preparing, events.complete, NOW));
    expect(completed).toMatchObject({ state: 'CompleteCommit', ...identity(0, FRESH), nextProducerId: -1 });
    expect(brief(applyEvent(completed, commit, NOW))).toBe('=');
    expect(brief(applyEvent(completed, next, NOW))).toBe('Ongoing 0');
  });

  test.each([
    ['a new producer', null, 'Empty 0'],
    ['the producer itself', identity(last), 'Empty 0'],
  ])('%s gets a fresh producer id', (_who, expected, outcome) => {
    const known: Transaction = { ...base, ...identity(last) };
    expect(brief(applyEvent(known, init(expected), NOW))).toBe('needsProducerId');
    const after = applyEvent(known, init(expected, FRESH), NOW);
    expect(brief(after)).toBe(outcome);
    expect(changed(after).producerId).toBe(FRESH);
  });

  test('fencing takes the epoch that no producer gets, and does not go beyond it', () => {
    const fenced = changed(applyEvent(ongoing, { type: 'timeOut' }, NOW + TIMEOUT_MS));
    expect(fenced.producerEpoch).toBe(PRODUCER_EPOCH_MAX);
    const aborted = changed(applyEvent(fenced, events.complete, NOW));
    expect(changed(applyEvent(aborted, init(null, FRESH), NOW))).toMatchObject(identity(0, FRESH));
  });
});

test('a partition is verified by what the open transaction holds', () => {
  const verify = (known: Transaction | null, producer = identity(5), partition = 1) =>
    partitionVerifier(known, producer)(TOPIC, partition);
  expect(verify(transactions.Ongoing)).toBeNull();
  expect(verify(transactions.Ongoing, identity(5), 2)).toBe('TRANSACTION_ABORTABLE');
  expect(verify(transactions.Empty)).toBe('TRANSACTION_ABORTABLE');
  expect(verify(transactions.PrepareCommit)).toBe('CONCURRENT_TRANSACTIONS');
  expect(verify(transactions.Ongoing, identity(4))).toBe('PRODUCER_FENCED');
  expect(verify(transactions.Ongoing, identity(5, 9))).toBe('INVALID_PRODUCER_ID_MAPPING');
  expect(verify(null)).toBe('INVALID_PRODUCER_ID_MAPPING');
});

function changed(transition: Transition): Transaction {
  if (transition.outcome !== 'changed' || transition.transaction === null) throw new Error(brief(transition));
  return transition.transaction;
}

describe('no sequence of events', () => {
  const producer = fc.record({
    producerId: fc.integer({ min: 0, max: 3 }),
    producerEpoch: fc.oneof(fc.integer({ min: 0, max: 4 }), fc.constantFrom(32_764, 32_765, 32_766, 32_767)),
  });
  const event: fc.Arbitrary<TransactionEvent> = fc.oneof(
    fc.record({
      type: fc.constant('init' as const),
      expected: fc.option(producer),
      timeoutMs: fc.constant(10),
      freshProducerId: fc.constant(null),
    }),
    fc.record({
      type: fc.constant('add' as const),
      producer,
      partitions: fc.constantFrom({ [TOPIC]: [0] }, { [TOPIC]: [1], [OTHER]: [0] }),
      groups: fc.constantFrom([], ['g']),
    }),
    fc.record({
      type: fc.constant('end' as const),
      producer,
      committed: fc.boolean(),
      bumpsEpoch: fc.boolean(),
      freshProducerId: fc.constant(null),
    }),
    fc.record({ type: fc.constantFrom('timeOut' as const) }),
    fc.record({ type: fc.constant('complete' as const), transaction: fc.integer({ min: 0, max: 12 }) }),
  );
  /** Mostly the one who may speak, or spoke last: chance alone would seldom find it. */
  const step = fc.record({ event, as: fc.constantFrom('anyone', 'current', 'previous'), exhaust: fc.boolean() });

  const spokenBy = (given: TransactionEvent, known: Transaction | null, as: string): TransactionEvent => {
    const who = as === 'current' ? known && identityOf(known) : as === 'previous' ? (known?.previous ?? null) : null;
    if (who === null) return given;
    if (given.type === 'init') return { ...given, expected: who };
    if (given.type === 'add' || given.type === 'end') return { ...given, producer: who };
    return given.type === 'complete' ? { ...given, transaction: known!.transaction } : given;
  };

  test('breaks an invariant', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let known = null as Transaction | null;
        let fresh = 10;
        let now = 0;
        for (const { event: given, as, exhaust } of steps) {
          now += 3;
          if (exhaust && known && known.state === 'Empty') known = { ...known, producerEpoch: 32_766 };
          let sent: TransactionEvent = spokenBy(given, known, as);
          let transition = applyEvent(known, sent, now);
          if (transition.outcome === 'needsProducerId') {
            if (sent.type === 'init' || sent.type === 'end') sent = { ...sent, freshProducerId: fresh++ };
            transition = applyEvent(known, sent, now);
            expect(transition.outcome).not.toBe('needsProducerId');
          }
          if (transition.outcome !== 'changed' && transition.outcome !== 'aborting') continue;
          const after: Transaction | null = transition.transaction;
          expect(after).not.toBeNull();
          if (known) checkStep(known, sent, after!);
          known = after;
        }
      }),
      { numRuns: 500 },
    );
  });
});

function checkStep(before: Transaction, event: TransactionEvent, after: Transaction): void {
  // Epochs only grow within a producer id, and transactions are counted up.
  if (after.producerId === before.producerId) {
    expect(after.producerEpoch).toBeGreaterThanOrEqual(before.producerEpoch);
  } else {
    expect(after.producerEpoch).toBe(0);
    expect(after.producerId).toBeGreaterThan(before.producerId);
  }
  expect(after.producerEpoch).toBeLessThanOrEqual(PRODUCER_EPOCH_MAX);
  expect(after.transaction).toBeGreaterThanOrEqual(before.transaction);

  // What is prepared ends as prepared, and nothing else happens to it.
  if (isPrepared(before)) {
    expect(event.type).toBe('complete');
    expect(after.state).toBe(before.state === 'PrepareCommit' ? 'CompleteCommit' : 'CompleteAbort');
  }
  // Only the producer itself commits.
  if (after.state === 'PrepareCommit') {
    expect(event).toMatchObject({
      type: 'end',
      committed: true,
      producer: { producerId: before.producerId, producerEpoch: before.producerEpoch },
    });
  }
  // Whoever is neither the current producer nor that one a step ago changes nothing.
  const speaker = event.type === 'init' ? event.expected : 'producer' in event ? event.producer : null;
  if (speaker) expect([identityOf(before), before.previous]).toContainEqual(speaker);
  // Participants are there exactly while they have to be told.
  if (after.state !== 'Ongoing' && !isPrepared(after)) expect(after).toMatchObject({ partitions: {}, groups: [] });
  if (after.state === 'Ongoing') expect(after.startedAt).toBeGreaterThanOrEqual(0);
  expect(after.nextProducerId === -1 || isPrepared(after)).toBe(true);
}
