import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AssignmentFacts, decideAssignments, NOBODY } from '../../../src/cluster/decide-assignments.ts';

interface Given {
  readonly assigned: readonly number[];
  readonly brokers: readonly number[];
  /** There, but not to be given anything. */
  readonly draining?: readonly number[];
  /** There or gone, who knows. */
  readonly doubtful?: readonly number[];
  readonly pinned?: Readonly<Record<number, number>>;
  readonly balance?: boolean;
  readonly leaders?: Readonly<Record<number, number>>;
  readonly journals?: number;
}

function factsOf(given: Given): AssignmentFacts {
  const { assigned, brokers, draining = [], pinned = {}, balance = false, leaders = {} } = given;
  return {
    journals: given.journals ?? assigned.length,
    assigned,
    pinned,
    brokers: [
      ...brokers.map((brokerId) => ({ brokerId, eligible: true })),
      ...draining.map((brokerId) => ({ brokerId, eligible: false })),
      ...(given.doubtful ?? []).map((brokerId) => ({ brokerId, eligible: false, doubtful: true })),
    ],
    leaderOf: (journal) => leaders[journal] ?? null,
    balance,
  };
}

const decide = (given: Given) => {
  const facts = factsOf(given);
  return decideAssignments(facts, { assigned: given.assigned, pinned: given.pinned ?? {} });
};

describe('assignments', () => {
  const rows: [string, Given, readonly number[]][] = [
    ['a new cluster gives everything to its first broker', { assigned: [], journals: 3, brokers: [1] }, [1, 1, 1]],
    ['a new cluster spreads over those that are there', { assigned: [], journals: 4, brokers: [2, 1] }, [1, 2, 1, 2]],
    ['nothing changes while all are there', { assigned: [1, 2, 1], brokers: [1, 2] }, [1, 2, 1]],
    ['nothing moves to a new broker without leave to balance', { assigned: [1, 1], brokers: [1, 2] }, [1, 1]],
    [
      'one journal moves with it, the last of the one with most',
      { assigned: [1, 1, 1], brokers: [1, 2], balance: true },
      [1, 1, 2],
    ],
    ['a difference of one is even', { assigned: [1, 1, 2], brokers: [1, 2], balance: true }, [1, 1, 2]],
    [
      'all journals of a broker that went are given away at once',
      { assigned: [1, 2, 2, 2], brokers: [1, 3] },
      [1, 3, 1, 3],
    ],
    [
      'a draining broker is given nothing and keeps nothing',
      { assigned: [1, 2, 2], brokers: [1], draining: [2] },
      [1, 1, 1],
    ],
    [
      'where all drain, those that are there keep theirs',
      { assigned: [1, 2, 3], brokers: [], draining: [1, 2] },
      [1, 2, 1],
    ],
    ['where nobody is there nothing changes', { assigned: [1, 2, 3], brokers: [] }, [1, 2, 3]],
    [
      'who leads an orphan keeps it when that is its share',
      { assigned: [9, 9], brokers: [1, 2], leaders: { 0: 2 } },
      [2, 1],
    ],
    [
      'more journals are given to who has least',
      { assigned: [1, 1, 2], journals: 5, brokers: [1, 2] },
      [1, 1, 2, 2, 1],
    ],
    [
      'a pinned journal is not balanced away',
      { assigned: [1, 1], pinned: { 0: 1, 1: 1 }, brokers: [1, 2], balance: true },
      [1, 1],
    ],
    ['a pinned journal moves to its broker', { assigned: [1, 1], pinned: { 1: 2 }, brokers: [1, 2] }, [1, 2]],
    [
      'who may be gone keeps its journals, and is given none',
      { assigned: [1, 2, 3], journals: 4, brokers: [1], doubtful: [2] },
      [1, 2, 1, 1],
    ],
    ['a pin goes with its broker', { assigned: [3, 1], pinned: { 0: 3 }, brokers: [1, 2] }, [2, 1]],
  ];
  test.each(rows)('%s', (_, given, expected) => {
    expect(decide(given).assigned).toEqual(expected);
  });

  test('what holds already is the same object', () => {
    const before = { assigned: [1, 2], pinned: { 0: 1 } };
    expect(decideAssignments(factsOf({ ...before, brokers: [1, 2] }), before)).toBe(before);
  });

  test('a broken pin is forgotten', () => {
    expect(decide({ assigned: [3], pinned: { 0: 3 }, brokers: [1] }).pinned).toEqual({});
  });
});

const ids = fc.uniqueArray(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 5 });
const given: fc.Arbitrary<Given> = fc.record({
  assigned: fc.array(fc.integer({ min: -1, max: 8 }), { maxLength: 20 }),
  brokers: ids,
  draining: fc.uniqueArray(fc.integer({ min: 10, max: 12 })),
  pinned: fc.dictionary(fc.integer({ min: 0, max: 19 }).map(String), fc.integer({ min: 1, max: 8 }), { maxKeys: 4 }),
  balance: fc.boolean(),
});

test('every journal is assigned to a broker that may lead, and decided once, it stays', () => {
  fc.assert(
    fc.property(given, (each) => {
      const decided = decide(each);
      for (const broker of decided.assigned) expect(each.brokers).toContain(broker);
      const again = decide({ ...each, ...decided, balance: false });
      expect(again.assigned).toEqual(decided.assigned);
    }),
  );
});

test('a journal stays where it is unless its broker went, it is pinned, or it is the one that is balanced', () => {
  fc.assert(
    fc.property(given, (each) => {
      const decided = decide(each);
      const moved = each.assigned.filter(
        (broker, journal) =>
          each.brokers.includes(broker) && decided.assigned[journal] !== broker && each.pinned![journal] === undefined,
      );
      expect(moved.length).toBeLessThanOrEqual(each.balance ? 1 : 0);
    }),
  );
});

test('balanced one at a time, numbers come to differ by one at most', () => {
  fc.assert(
    fc.property(given, (each) => {
      let standing = decide({ ...each, pinned: {}, balance: false });
      for (let step = 0; step <= each.assigned.length; step++) {
        const next = decide({ ...each, ...standing, balance: true });
        if (next.assigned === standing.assigned) break;
        standing = next;
      }
      const counts = each.brokers.map((broker) => standing.assigned.filter((assigned) => assigned === broker).length);
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    }),
  );
});

test('what all brokers see the same they decide the same', () => {
  fc.assert(
    fc.property(given, fc.nat(), (each, turn) => {
      const at = turn % each.brokers.length;
      const turned = [...each.brokers.slice(at), ...each.brokers.slice(0, at)];
      expect(decide({ ...each, brokers: turned }).assigned).toEqual(decide(each).assigned);
      expect(decide(each).assigned).not.toContain(NOBODY);
    }),
  );
});
