import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SharedExtentList } from '../../../src/journal/extent-list.ts';
import type { Extent } from '../../../src/journal/partition-state.ts';

const extent = (baseOffset: number, endOffset = baseOffset + 1): Extent => ({
  baseOffset,
  endOffset,
  source: { type: 'segment', segmentId: 's' },
  position: 0,
  length: 100,
  batchCount: 1,
  maxTimestamp: 0,
  leaderEpoch: 1,
  absolute: false,
  appendedAt: 0,
});

test('versions that share memory never see each other change', () => {
  const operation = fc.oneof(
    { weight: 5, arbitrary: fc.record({ type: fc.constant('append' as const), from: fc.nat(20) }) },
    fc.record({ type: fc.constant('dropFirst' as const), from: fc.nat(20), count: fc.nat(50) }),
    fc.record({ type: fc.constant('splice' as const), from: fc.nat(20), index: fc.nat(20), count: fc.nat(5) }),
  );
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 200 }), (operations) => {
      let next = 0;
      const versions: { list: SharedExtentList; model: Extent[] }[] = [{ list: SharedExtentList.empty, model: [] }];
      for (const each of operations) {
        // Mostly the newest, at times an older version.
        const { list, model } = versions.at(-1 - (each.from < 15 ? 0 : each.from % versions.length))!;
        if (each.type === 'append') {
          const added = extent(next++);
          versions.push({ list: list.append(added), model: [...model, added] });
        } else if (each.type === 'dropFirst') {
          const count = Math.min(each.count, model.length);
          versions.push({ list: list.dropFirst(count), model: model.slice(count) });
        } else {
          const index = Math.min(each.index, model.length);
          const count = Math.min(each.count, model.length - index);
          const added = [extent(next++)];
          versions.push({ list: list.splice(index, count, added), model: model.toSpliced(index, count, ...added) });
        }
      }
      for (const { list, model } of versions) {
        expect([...list]).toEqual(model);
        expect(list.length).toBe(model.length);
        expect(list.at(-1)).toBeUndefined();
        expect(list.at(model.length)).toBeUndefined();
        if (model.length > 0) expect(list.at(model.length - 1)).toBe(model.at(-1));
      }
    }),
  );
});

test('the extent of an offset is found, also when offsets before it were removed', () => {
  const list = SharedExtentList.of([extent(10, 20), extent(20, 21), extent(30, 40)]);
  expect([0, 10, 19, 20, 21, 29, 30, 39, 40, 99].map((offset) => list.indexOf(offset))).toEqual([
    0, 0, 0, 1, 2, 2, 2, 2, 3, 3,
  ]);
  expect(SharedExtentList.empty.indexOf(5)).toBe(0);
  const dropped = list.dropFirst(2);
  expect(dropped.indexOf(30)).toBe(0);
  expect(dropped.indexOf(40)).toBe(1);
});
