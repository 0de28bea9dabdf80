/** Offsets of transactions: under their guard, applied or dropped once, in the order in which they were added. */
import fc from 'fast-check';
import { beforeEach, expect, test } from 'vitest';
import {
  committedOffsets,
  encodeOffset,
  hasPending,
  offsetKey,
  transactionGuards,
} from '../../../../../src/coordinator/group/offsets/offset-records.ts';
import {
  addPendingOffsets,
  endGroupTransaction,
  expiredGuards,
  GUARDS_PER_GROUP_MAX,
  guardGroup,
  supersedeBy,
} from '../../../../../src/coordinator/group/offsets/transactional-offsets.ts';
import { groupOwner } from '../../../../../src/coordinator/owner.ts';
import type { CoordinatorCommand, RecordChange } from '../../../../../src/journal/journal.ts';

const GROUP = 'orders';
const TOPIC = 'AAAAAAAAQACAAAAAAAAAAA';

class View {
  timestamp = 1_000;
  readonly held = new Map<string, string>();
  records(owner: string): ReadonlyMap<string, string> {
    return owner === groupOwner(GROUP) ? this.held : new Map();
  }
  record(owner: string, key: string): string | undefined {
    return this.records(owner).get(key);
  }
  apply(commands: readonly CoordinatorCommand[]): number {
    return commands.reduce((count, command) => {
      if (command.type !== 'recordsChanged') throw new Error(`${command.type} is not of a group`);
      return count + this.change(command.changes);
    }, 0);
  }
  change(changes: readonly RecordChange[]): number {
    for (const { key, value } of changes) value === null ? this.held.delete(key) : this.held.set(key, value);
    return changes.length;
  }
}

let view: View;
beforeEach(() => {
  view = new View();
});

const guard = (transaction: number, producerId = 7, epoch = 0) =>
  view.apply(guardGroup(view, GROUP, producerId, epoch, transaction));
const end = (transaction: number, committed: boolean, producerId = 7, producerEpoch = 0) =>
  view.apply(endGroupTransaction(view, GROUP, { producerId, producerEpoch, transaction, committed }));
const add = (offset: number, producerId = 7, partition = 0, producerEpoch = 0) =>
  view.apply(
    addPendingOffsets(view, GROUP, { producerId, producerEpoch, knowsAbortable: true }, [
      { topicId: TOPIC, partition, offset, leaderEpoch: -1, metadata: '' },
    ]),
  );
const commitPlain = (offset: number, partition = 0) => {
  const place = { topicId: TOPIC, partition };
  const committed = { offset, leaderEpoch: -1, metadata: '', committedAt: view.timestamp };
  view.change([
    { key: offsetKey(TOPIC, partition), value: encodeOffset(committed) },
    ...supersedeBy(view.held, [place]),
  ]);
};
const offsets = () =>
  Object.fromEntries([...committedOffsets(view.held)].map(({ partition, committed }) => [partition, committed.offset]));

test('a committed transaction shows its offsets, an aborted one does not', () => {
  guard(1);
  add(5);
  expect(offsets()).toEqual({});
  end(1, true);
  expect(offsets()).toEqual({ 0: 5 });
  guard(2);
  add(9);
  end(2, false);
  expect(offsets()).toEqual({ 0: 5 });
  expect(hasPending(view.held)).toBe(false);
});

test('offsets are added under an open guard of the same epoch only', () => {
  expect(() => add(5)).toThrow(expect.objectContaining({ error: 'TRANSACTION_ABORTABLE' }));
  guard(1, 7, 3);
  expect(() => add(5, 7, 0, 2)).toThrow(expect.objectContaining({ error: 'INVALID_PRODUCER_EPOCH' }));
  expect(() => add(5, 7, 0, 4)).toThrow(expect.objectContaining({ error: 'TRANSACTION_ABORTABLE' }));
  add(5, 7, 0, 3);
  end(1, true, 7, 3);
  expect(() => add(6, 7, 0, 3)).toThrow(expect.objectContaining({ error: 'TRANSACTION_ABORTABLE' }));
});

test('clients that do not know TRANSACTION_ABORTABLE are told INVALID_TXN_STATE', () => {
  const producer = { producerId: 7, producerEpoch: 0, knowsAbortable: false };
  expect(() => addPendingOffsets(view, GROUP, producer, [])).toThrow(
    expect.objectContaining({ error: 'INVALID_TXN_STATE' }),
  );
});

test('a guard that comes twice changes nothing, one that comes after the end opens nothing', () => {
  guard(1);
  add(5);
  expect(guard(1)).toBe(0);
  end(1, true);
  expect(guard(1)).toBe(0);
  expect(() => add(6)).toThrow();
});

test('an end before its guard is remembered', () => {
  end(3, false);
  expect(guard(3)).toBe(0);
  expect(() => add(6)).toThrow();
});

test('a late duplicate of an end cannot end the next transaction', () => {
  guard(1);
  end(1, true);
  guard(2);
  add(8);
  expect(end(1, true)).toBe(0);
  expect(end(1, false)).toBe(0);
  end(2, true);
  expect(offsets()).toEqual({ 0: 8 });
});

test('what was added last counts, whatever ends last', () => {
  guard(1, 7);
  guard(1, 8);
  add(5, 7);
  add(6, 8);
  end(1, true, 8);
  end(1, true, 7);
  expect(offsets()).toEqual({ 0: 6 });
  guard(2, 7);
  add(7, 7);
  commitPlain(3);
  end(2, true, 7);
  expect(offsets()).toEqual({ 0: 3 });
});

test('an offset that was superseded counts when it is added again', () => {
  guard(1);
  add(5);
  commitPlain(3);
  add(6);
  end(1, true);
  expect(offsets()).toEqual({ 0: 6 });
});

test('offsets of a transaction that would not fit an entry are refused', () => {
  guard(1);
  const producer = { producerId: 7, producerEpoch: 0, knowsAbortable: true };
  const many = Array.from({ length: 40 }, (_, partition) => ({
    topicId: TOPIC,
    partition,
    offset: 1,
    leaderEpoch: -1,
    metadata: 'm'.repeat(4_000),
  }));
  expect(() => addPendingOffsets(view, GROUP, producer, many)).toThrow(
    expect.objectContaining({ error: 'INVALID_COMMIT_OFFSET_SIZE' }),
  );
});

test('guards expire once nothing hangs on them, and are bounded', () => {
  guard(1, 7);
  add(5, 7);
  guard(1, 8);
  end(1, true, 8);
  view.change(expiredGuards(view.held, view.timestamp + 1));
  expect([...transactionGuards(view.held)].map(({ producerId }) => producerId)).toEqual([7]);
  for (let producerId = 100; producerId < 100 + GUARDS_PER_GROUP_MAX + 5; producerId++) {
    guard(1, producerId);
    end(1, false, producerId);
  }
  expect([...transactionGuards(view.held)].length).toBeLessThanOrEqual(GUARDS_PER_GROUP_MAX);
  expect(() => add(6, 7)).not.toThrow();
});

test('whatever is repeated and comes late, an offset shows exactly what was added last and committed', () => {
  const step = fc.oneof(
    fc.record({ type: fc.constant('guard' as const), producerId: fc.constantFrom(1, 2), lag: fc.nat(2) }),
    fc.record({ type: fc.constant('add' as const), producerId: fc.constantFrom(1, 2) }),
    fc.record({
      type: fc.constant('end' as const),
      producerId: fc.constantFrom(1, 2),
      lag: fc.nat(2),
      committed: fc.boolean(),
    }),
    fc.record({ type: fc.constant('plain' as const) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      view = new View();
      const open = new Map<number, { transaction: number; added: number | null }>();
      const last = new Map<number, number>([
        [1, 0],
        [2, 0],
      ]);
      let now = 0;
      let shown: number | undefined;
      for (const next of steps) {
        now++;
        if (next.type === 'plain') {
          commitPlain(now);
          shown = now;
          continue;
        }
        const { producerId } = next;
        const current = open.get(producerId);
        if (next.type === 'add') {
          if (current === undefined) expect(() => add(now, producerId)).toThrow();
          else {
            add(now, producerId);
            current.added = now;
          }
        } else if (next.lag > 0) {
          // Late repeats of what is long over.
          const old = (current?.transaction ?? last.get(producerId)! + 1) - next.lag;
          if (old < 1) continue;
          expect(next.type === 'guard' ? guard(old, producerId) : end(old, next.committed, producerId)).toBe(0);
        } else if (next.type === 'guard') {
          const transaction = current?.transaction ?? last.get(producerId)! + 1;
          guard(transaction, producerId);
          if (current === undefined) open.set(producerId, { transaction, added: null });
        } else if (current !== undefined) {
          end(current.transaction, next.committed, producerId);
          if (next.committed && current.added !== null && current.added > (shown ?? 0)) shown = current.added;
          last.set(producerId, current.transaction);
          open.delete(producerId);
        }
        expect(offsets()[0]).toBe(shown);
      }
    }),
  );
});
