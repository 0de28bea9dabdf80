/** What goes into the entry of a decision, and what is left for later entries. */
import { describe, expect, test } from 'vitest';
import {
  decideTransaction,
  type TransactionAnswer,
} from '../../../../src/coordinator/transaction/decide-transaction.ts';
import { decodeTransaction, encodeTransaction } from '../../../../src/coordinator/transaction/transaction-records.ts';
import type { Transaction, TransactionEvent } from '../../../../src/coordinator/transaction/transaction-state.ts';
import type { Decided, DecisionView } from '../../../../src/journal/journal.ts';

const ID = 'tx';
const HERE = 'AAAAAAAAQACAAAAAAAAAAA';
const ELSEWHERE = 'BBBBBBBBQACAAAAAAAAAAA';
const producer = { producerId: 7, producerEpoch: 1 };

const ongoing: Transaction = {
  ...producer,
  state: 'Ongoing',
  transaction: 3,
  previous: null,
  nextProducerId: -1,
  timeoutMs: 60_000,
  partitions: { [HERE]: [0] },
  groups: [],
  startedAt: 1,
  updatedAt: 1,
};

/** A journal that keeps the record and the partitions of one topic, of which those in `guarded` have a guard. */
const viewOf = (known: Transaction | null, guarded: readonly number[] = []): DecisionView =>
  ({
    timestamp: 1_000,
    epoch: 5,
    record: () => (known === null ? undefined : encodeTransaction(known)),
    records: () => new Map(),
    partition: (topicId: string) => (topicId === HERE ? {} : undefined),
    openTransaction: (topicId: string, partition: number) =>
      topicId === HERE && guarded.includes(partition) ? { transaction: 3 } : undefined,
  }) as unknown as DecisionView;

const add = (partitions: Record<string, readonly number[]>): TransactionEvent => ({
  type: 'add',
  producer,
  partitions,
  groups: [],
});
const end = { type: 'end', producer, committed: true, bumpsEpoch: false, freshProducerId: null } as const;

const kinds = ({ commands }: Decided<TransactionAnswer>) => commands.map(({ type }) => type);
const recorded = ({ commands: [first] }: Decided<TransactionAnswer>) =>
  first?.type === 'recordsChanged' ? decodeTransaction(first.owner, first.changes[0]!.value!) : null;
const unguarded = ({ answer }: Decided<TransactionAnswer>) =>
  answer.type === 'done' ? answer.unguarded.partitions : {};
const numbers = (count: number) => Array.from({ length: count }, (_, number) => number);

describe('partitions that join', () => {
  test('get their guards in the same entry where they are kept by the same journal', () => {
    const decided = decideTransaction(viewOf(ongoing, [0]), ID, add({ [HERE]: [1], [ELSEWHERE]: [0] }));
    expect(kinds(decided)).toEqual(['recordsChanged', 'transactionGuarded']);
    expect(unguarded(decided)).toEqual({ [ELSEWHERE]: [0] });
  });

  test('get them again when the first answer was lost, unless the guard is there to be seen', () => {
    const known = { ...ongoing, partitions: { [HERE]: [0, 1], [ELSEWHERE]: [0] } };
    const decided = decideTransaction(viewOf(known, [0]), ID, add({ [HERE]: [0, 1], [ELSEWHERE]: [0] }));
    expect(kinds(decided)).toEqual([]);
    expect(unguarded(decided)).toEqual({ [HERE]: [1], [ELSEWHERE]: [0] });
  });

  test('get them in later entries when they are too many for one', () => {
    const decided = decideTransaction(viewOf(ongoing), ID, add({ [HERE]: numbers(3_000) }));
    expect(kinds(decided)).toEqual(['recordsChanged']);
    expect(unguarded(decided)[HERE]).toHaveLength(3_000);
  });

  test('are refused when their transaction could not be written down', () => {
    const many = Object.fromEntries(numbers(2_000).map((number) => [`topic-${number}`.padEnd(22, 'x'), [0, 1, 2]]));
    expect(() => decideTransaction(viewOf(ongoing), ID, add(many))).toThrow('too many partitions');
  });
});

describe('a transaction that ends', () => {
  test('is prepared, marked and complete in one entry where one journal keeps everything', () => {
    const decided = decideTransaction(viewOf(ongoing, [0]), ID, end);
    expect(kinds(decided)).toEqual(['recordsChanged', 'transactionMarked']);
    expect(recorded(decided)).toMatchObject({ state: 'CompleteCommit', partitions: {} });
    expect(decided.commands[1]).toMatchObject({ transaction: 3, committed: true, coordinatorEpoch: 5, ...producer });
  });

  test('is prepared first where a partition is kept elsewhere', () => {
    const known = { ...ongoing, partitions: { ...ongoing.partitions, [ELSEWHERE]: [0] } };
    const decided = decideTransaction(viewOf(known, [0]), ID, end);
    expect(kinds(decided)).toEqual(['recordsChanged']);
    expect(recorded(decided)).toMatchObject({ state: 'PrepareCommit', partitions: known.partitions });
  });

  test('is prepared first where its markers do not fit', () => {
    const known = { ...ongoing, partitions: { [HERE]: numbers(3_000) } };
    expect(recorded(decideTransaction(viewOf(known), ID, end))).toMatchObject({ state: 'PrepareCommit' });
  });
});

describe('a producer that begins anew', () => {
  const init = { type: 'init', expected: null, timeoutMs: 1, freshProducerId: null } as const;

  test('aborts what is open and gets its epoch with one entry, where one journal keeps everything', () => {
    const decided = decideTransaction(viewOf(ongoing, [0]), ID, init);
    expect(kinds(decided)).toEqual(['recordsChanged', 'transactionMarked']);
    expect(recorded(decided)).toMatchObject({ state: 'Empty', producerEpoch: 3 });
    expect(decided.commands[1]).toMatchObject({ committed: false, producerEpoch: 2 });
  });

  test('waits where a partition is kept elsewhere', () => {
    const known = { ...ongoing, partitions: { [ELSEWHERE]: [0] } };
    const decided = decideTransaction(viewOf(known), ID, init);
    expect(decided.answer).toEqual({ type: 'concurrent' });
    expect(recorded(decided)).toMatchObject({ state: 'PrepareAbort', producerEpoch: 2 });
  });

  test('writes nothing before it has the fresh producer id that it needs', () => {
    const known = { ...ongoing, producerEpoch: 32_766 };
    expect(decideTransaction(viewOf(known, [0]), ID, init)).toEqual({
      commands: [],
      answer: { type: 'needsProducerId' },
    });
    const decided = decideTransaction(viewOf(known, [0]), ID, { ...init, freshProducerId: 9 });
    expect(recorded(decided)).toMatchObject({ state: 'Empty', producerId: 9, producerEpoch: 0 });
  });
});

test('a record that this version does not know is not guessed at', () => {
  const text = encodeTransaction(ongoing);
  expect(decodeTransaction('t', text)).toEqual(ongoing);
  expect(() => decodeTransaction('t', text.replace('"v":1', '"v":2'))).toThrow('version 2');
  expect(() => decodeTransaction('t', text.replace('"state":1', '"state":9'))).toThrow('state 9');
});
