/** What every assignor promises, what each promises beyond, and that neither is slow. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Assignment,
  type AssignorMember,
  type AssignorSpec,
  NO_PARTITIONS,
} from '../../../../../src/coordinator/group/assignor/assignor.ts';
import { ASSIGNORS, isAssignorName } from '../../../../../src/coordinator/group/assignor/assignors.ts';

const { uniform, range } = ASSIGNORS;

const member = (memberId: string, topicIds: readonly string[], more: Partial<AssignorMember> = {}): AssignorMember => ({
  memberId,
  instanceId: null,
  topicIds: new Set(topicIds),
  previous: NO_PARTITIONS,
  ...more,
});

const counts = (byTopic: Readonly<Record<string, number>>) => new Map(Object.entries(byTopic));

const plain = (assignments: ReadonlyMap<string, Assignment>) =>
  Object.fromEntries([...assignments].map(([memberId, assignment]) => [memberId, Object.fromEntries(assignment)]));

const sizeOf = (assignment: Assignment): number =>
  [...assignment.values()].reduce((sum, { length }) => sum + length, 0);

const loads = (assignments: ReadonlyMap<string, Assignment>): number[] => [...assignments.values()].map(sizeOf);

/** Partitions that a member has now and had not before. */
function gained(before: ReadonlyMap<string, Assignment>, after: ReadonlyMap<string, Assignment>): number {
  let count = 0;
  for (const [memberId, assignment] of after) {
    for (const [topicId, partitions] of assignment) {
      const had = new Set(before.get(memberId)?.get(topicId));
      count += partitions.filter((partition) => !had.has(partition)).length;
    }
  }
  return count;
}

const TOPICS = ['t1', 't2', 't3', 't4'];
const partitionCounts = fc
  .tuple(...TOPICS.map(() => fc.integer({ min: 1, max: 20 })))
  .map((sizes) => new Map(TOPICS.map((topicId, index) => [topicId, sizes[index]!])));

/** Of anyone, of partitions that may not exist, and perhaps of several. */
const previous: fc.Arbitrary<Assignment> = fc
  .dictionary(fc.constantFrom(...TOPICS, 'gone'), fc.uniqueArray(fc.integer({ min: 0, max: 25 }), { minLength: 1 }))
  .map((byTopic) => new Map(Object.entries(byTopic).map(([id, partitions]) => [id, partitions.sort((a, b) => a - b)])));

const memberIds = fc.uniqueArray(fc.stringMatching(/^[a-h]{1,2}$/), { minLength: 1, maxLength: 8 });

const spec = (topicIds: fc.Arbitrary<readonly string[]>): fc.Arbitrary<AssignorSpec> =>
  fc
    .tuple(memberIds, partitionCounts)
    .chain(([ids, sizes]) =>
      fc
        .tuple(
          ...ids.map((memberId) =>
            fc
              .tuple(topicIds, previous, fc.boolean())
              .map(([topics, had, isStatic]) =>
                member(memberId, topics, { previous: had, instanceId: isStatic ? `i-${memberId}` : null }),
              ),
          ),
        )
        .map((members) => ({ members, partitionCounts: sizes })),
    );

const homogeneous = spec(fc.constant(TOPICS));
const heterogeneous = spec(fc.subarray(TOPICS));

/** Every partition of a topic with subscribers once, only subscribers, in ascending order. */
function expectComplete(
  { members, partitionCounts: sizes }: AssignorSpec,
  assignments: ReadonlyMap<string, Assignment>,
) {
  expect([...assignments.keys()].sort()).toEqual(members.map(({ memberId }) => memberId).sort());
  const seen = new Map<string, number[]>();
  for (const { memberId, topicIds } of members) {
    for (const [topicId, partitions] of assignments.get(memberId)!) {
      expect(topicIds).toContain(topicId);
      expect(partitions).not.toEqual([]);
      expect(partitions).toEqual([...partitions].sort((a, b) => a - b));
      seen.set(topicId, [...(seen.get(topicId) ?? []), ...partitions]);
    }
  }
  for (const [topicId, size] of sizes) {
    const wanted = members.some(({ topicIds }) => topicIds.has(topicId))
      ? Array.from({ length: size }, (_, i) => i)
      : [];
    expect((seen.get(topicId) ?? []).sort((a, b) => a - b)).toEqual(wanted);
  }
}

describe.each(Object.entries(ASSIGNORS))('%s', (_name, assign) => {
  test('gives every partition to exactly one of the subscribers', () => {
    fc.assert(fc.property(fc.oneof(homogeneous, heterogeneous), (given) => expectComplete(given, assign(given))));
  });

  test('answers the same whatever the order of the members', () => {
    fc.assert(
      fc.property(fc.oneof(homogeneous, heterogeneous), (given) => {
        // Which of two members keeps what both claim depends on their order, which is theirs, not that of the list.
        const reversed = { ...given, members: [...given.members].reverse() };
        expect(plain(assign(reversed))).toEqual(plain(assign(given)));
      }),
    );
  });

  test('gives nobody anything when there is nothing, or nobody', () => {
    expect(plain(assign({ members: [member('a', [])], partitionCounts: new Map() }))).toEqual({ a: {} });
    expect(plain(assign({ members: [], partitionCounts: new Map() }))).toEqual({});
    expect(plain(assign({ members: [], partitionCounts: counts({ t1: 3 }) }))).toEqual({});
  });

  test('assigns 1,000 partitions to 100 members in milliseconds, also to a member that joins', () => {
    const topics = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`topic-${index}`, 50]));
    for (const skipped of [0, 1]) {
      // With one topic less for every other member the subscriptions differ.
      const topicIds = (index: number) => Object.keys(topics).slice(index % 2 === 0 ? skipped : 0);
      const members = Array.from({ length: 100 }, (_, index) => member(`member-${index}`, topicIds(index)));
      const first = assign({ members, partitionCounts: counts(topics) });
      const next = [...members, member('late', topicIds(1))].map((one) => ({
        ...one,
        previous: first.get(one.memberId) ?? NO_PARTITIONS,
      }));
      const startedAt = performance.now();
      assign({ members: next, partitionCounts: counts(topics) });
      expect(performance.now() - startedAt).toBeLessThan(250);
    }
  });
});

describe('uniform', () => {
  test('differs by one at most where all subscribe to the same', () => {
    fc.assert(
      fc.property(homogeneous, (given) => {
        const sizes = loads(uniform(given));
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      }),
    );
  });

  test('leaves no member that could take from one that has two more', () => {
    fc.assert(
      fc.property(heterogeneous, (given) => {
        const assignments = uniform(given);
        for (const { memberId, topicIds } of given.members) {
          const load = sizeOf(assignments.get(memberId)!);
          for (const other of assignments.values()) {
            const shared = [...other.keys()].some((topicId) => topicIds.has(topicId));
            if (shared) expect(sizeOf(other)).toBeLessThanOrEqual(load + 1);
          }
        }
      }),
    );
  });

  test('moves nothing when nothing changed', () => {
    fc.assert(
      fc.property(fc.oneof(homogeneous, heterogeneous), (given) => {
        const first = uniform(given);
        const members = given.members.map((one) => ({ ...one, previous: first.get(one.memberId)! }));
        expect(plain(uniform({ ...given, members }))).toEqual(plain(first));
      }),
    );
  });

  test('moves to a member that joins only what it gets', () => {
    fc.assert(
      fc.property(homogeneous, (given) => {
        const first = uniform(given);
        const members = given.members.map((one) => ({ ...one, previous: first.get(one.memberId)! }));
        const second = uniform({ ...given, members: [...members, member('zz', TOPICS)] });
        expect(gained(first, second)).toBe(sizeOf(second.get('zz')!));
      }),
    );
  });

  test('moves only what a member had that leaves', () => {
    fc.assert(
      fc.property(homogeneous, (given) => {
        const first = uniform(given);
        const [gone, ...left] = given.members.map((one) => ({ ...one, previous: first.get(one.memberId)! }));
        if (left.length === 0) return;
        expect(gained(first, uniform({ ...given, members: left }))).toBe(sizeOf(first.get(gone!.memberId)!));
      }),
    );
  });

  test('gives a topic with one subscriber to it and more of the others to the rest', () => {
    const members = [member('a', ['t1', 't2']), member('b', ['t2']), member('c', ['t2'])];
    expect(plain(uniform({ members, partitionCounts: counts({ t1: 3, t2: 4 }) }))).toEqual({
      a: { t1: [0, 1, 2] },
      b: { t2: [0, 2] },
      c: { t2: [1, 3] },
    });
  });

  test('is known by name', () => {
    expect(['uniform', 'range', 'toString', ''].map(isAssignorName)).toEqual([true, true, false, false]);
  });
});

describe('range', () => {
  test('gives equal subscribers the same partition numbers of topics with equally many', () => {
    const members = ['b', 'a'].map((id) => member(id, ['t1', 't2']));
    expect(plain(range({ members, partitionCounts: counts({ t1: 3, t2: 3 }) }))).toEqual({
      a: { t1: [0, 1], t2: [0, 1] },
      b: { t1: [2], t2: [2] },
    });
  });

  test('gives nothing to members beyond the number of partitions', () => {
    const members = ['a', 'b', 'c'].map((id) => member(id, ['t1']));
    expect(plain(range({ members, partitionCounts: counts({ t1: 2 }) }))).toEqual({
      a: { t1: [0] },
      b: { t1: [1] },
      c: {},
    });
  });

  test('counts the subscribers of each topic', () => {
    const members = [member('a', ['t1', 't2']), member('b', ['t2'])];
    expect(plain(range({ members, partitionCounts: counts({ t1: 2, t2: 2 }) }))).toEqual({
      a: { t1: [0, 1], t2: [0] },
      b: { t2: [1] },
    });
  });

  test('keeps the ranges of static members over restarts under other member ids', () => {
    const members = (...ids: string[]) => ids.map((id, index) => member(id, ['t1'], { instanceId: `i${index}` }));
    const before = range({ members: [...members('x', 'm'), member('a', ['t1'])], partitionCounts: counts({ t1: 6 }) });
    const after = range({ members: [...members('b', 'y'), member('a', ['t1'])], partitionCounts: counts({ t1: 6 }) });
    expect(plain(before)).toEqual({ x: { t1: [0, 1] }, m: { t1: [2, 3] }, a: { t1: [4, 5] } });
    expect(plain(after)).toEqual({ b: { t1: [0, 1] }, y: { t1: [2, 3] }, a: { t1: [4, 5] } });
  });
});
