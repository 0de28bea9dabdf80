import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Assignment, NO_PARTITIONS } from '../../../../../src/coordinator/group/assignor/assignor.ts';
import { assignSimple } from '../../../../../src/coordinator/group/share/simple-assignor.ts';

const member = (memberId: string, topicIds: readonly string[], previous: Assignment = NO_PARTITIONS) => ({
  memberId,
  instanceId: null,
  topicIds: new Set(topicIds),
  previous,
});

/** `a: t/0 t/1` */
const brief = (assigned: ReadonlyMap<string, Assignment>) =>
  [...assigned].map(([memberId, topics]) => `${memberId}: ${places(topics).join(' ')}`.trim());

const places = (assignment: Assignment) =>
  [...assignment].flatMap(([topicId, partitions]) => partitions.map((partition) => `${topicId}/${partition}`));

describe('the simple assignor', () => {
  test.each([
    ['deals partitions out among fewer members', ['a', 'b'], 3, ['a: t/0 t/1', 'b: t/2']],
    ['gives each member one when there are as many', ['a', 'b'], 2, ['a: t/0', 'b: t/1']],
    ['lets members share when there are more of them', ['a', 'b', 'c'], 1, ['a: t/0', 'b: t/0', 'c: t/0']],
    ['shares as evenly as can be', ['a', 'b', 'c'], 2, ['a: t/0 t/1', 'b: t/0', 'c: t/1']],
    ['gives nothing of a topic without partitions', ['a'], 0, ['a:']],
  ] as const)('%s', (_, members, count, expected) => {
    const spec = { members: members.map((id) => member(id, ['t'])), partitionCounts: new Map([['t', count]]) };
    expect(brief(assignSimple(spec))).toEqual(expected);
  });

  test('leaves members what they had', () => {
    const partitionCounts = new Map([['t', 4]]);
    const before = assignSimple({ members: [member('b', ['t']), member('c', ['t'])], partitionCounts });
    const members = [member('a', ['t']), member('b', ['t'], before.get('b')), member('c', ['t'], before.get('c'))];
    const after = assignSimple({ members, partitionCounts });
    for (const memberId of ['b', 'c']) {
      for (const place of places(after.get(memberId)!)) expect(places(before.get(memberId)!)).toContain(place);
    }
  });

  test('every partition has a subscriber, every subscriber a partition, and nobody what is not subscribed to', () => {
    const topicIds = ['t', 'u', 'v'];
    const members = fc.uniqueArray(fc.record({ id: fc.integer({ min: 0, max: 50 }), topics: fc.subarray(topicIds) }), {
      selector: ({ id }) => id,
      maxLength: 12,
    });
    const counts = fc.tuple(...topicIds.map(() => fc.integer({ min: 0, max: 7 })));
    fc.assert(
      fc.property(members, members, counts, (first, second, sizes) => {
        const partitionCounts = new Map(topicIds.map((topicId, index) => [topicId, sizes[index]!]));
        const before = assignSimple({
          members: first.map(({ id, topics }) => member(`${id}`, topics)),
          partitionCounts,
        });
        const joined = second.map(({ id, topics }) => member(`${id}`, topics, before.get(`${id}`)));
        const after = assignSimple({ members: joined, partitionCounts });
        const held = new Set([...after.values()].flatMap(places));
        for (const { memberId, topicIds: subscribed } of joined) {
          const own = after.get(memberId)!;
          for (const topicId of own.keys()) expect(subscribed.has(topicId)).toBe(true);
          expect(new Set(places(own)).size).toBe(places(own).length);
          const available = [...subscribed].some((topicId) => partitionCounts.get(topicId)! > 0);
          if (available) expect(places(own).length).toBeGreaterThan(0);
          for (const topicId of subscribed) {
            for (let partition = 0; partition < partitionCounts.get(topicId)!; partition++) {
              expect(held.has(`${topicId}/${partition}`)).toBe(true);
            }
          }
        }
      }),
      { numRuns: 200 },
    );
  });
});
