import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareSortKeys } from '../../../src/storage/item-rules.ts';
import { SortedList } from '../../../src/storage/sorted-list.ts';

interface Value {
  readonly key: string;
  readonly version: number;
}

const listOf = () => new SortedList<Value>((value) => value.key, compareSortKeys);

test('any sequence of changes leaves what a sorted array would hold', () => {
  const key = fc.oneof(
    fc.integer({ min: 0, max: 3_000 }).map((n) => String(n).padStart(4, '0')),
    fc.string(),
  );
  const step = fc.record({ type: fc.constantFrom('set' as const, 'set' as const, 'delete' as const), key });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 1_500, size: 'max' }), key, key, (steps, from, to) => {
      const list = listOf();
      const model = new Map<string, Value>();
      for (const [version, { type, key: at }] of steps.entries()) {
        if (type === 'set') {
          expect(list.set({ key: at, version })).toBe(model.get(at));
          model.set(at, list.get(at)!);
        } else {
          expect(list.delete(at)).toBe(model.get(at));
          model.delete(at);
        }
      }
      const sorted = [...model.values()].sort((a, b) => compareSortKeys(a.key, b.key));
      expect([...list]).toEqual(sorted);
      expect(list.size).toBe(sorted.length);
      const between = sorted.filter(
        (value) => compareSortKeys(value.key, from) >= 0 && compareSortKeys(value.key, to) < 0,
      );
      expect([...list.between(from, to)]).toEqual(between);
      expect([...list.betweenReversed(from, to)]).toEqual([...between].reverse());
    }),
    { numRuns: 40 },
  );
});

test('a journal that appends at the end and trims at the front stays in order over many chunks', () => {
  const list = listOf();
  const key = (n: number) => String(n).padStart(8, '0');
  for (let n = 0; n < 20_000; n += 1) {
    list.set({ key: key(n), version: n });
    if (n >= 3_000) expect(list.delete(key(n - 3_000))?.version).toBe(n - 3_000);
  }
  expect(list.size).toBe(3_000);
  expect([...list].map((value) => value.version)).toEqual(Array.from({ length: 3_000 }, (_, n) => 17_000 + n));
  expect(list.get(key(16_999))).toBeUndefined();
  expect([...list.between(key(19_998), key(30_000))].map((value) => value.version)).toEqual([19_998, 19_999]);
});

test('sort keys compare as their UTF-8 bytes do', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (left, right) => {
      const bytes = Buffer.compare(Buffer.from(left), Buffer.from(right));
      expect(Math.sign(compareSortKeys(left, right))).toBe(bytes);
    }),
  );
});
