import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Overlay } from '../../../src/journal/overlay.ts';

const operations = fc.array(
  fc.record({
    key: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
    value: fc.option(fc.nat(99), { nil: null }),
    ends: fc.constantFrom('', '', '', 'apply' as const, 'clear' as const),
  }),
  { maxLength: 60 },
);

test.each(['unordered', 'ordered'] as const)('%s changes read as if they were made, and are made at once', (order) => {
  fc.assert(
    fc.property(operations, (steps) => {
      const base = new Map<string, number>();
      const overlay = new Overlay(base, order);
      let model = new Map<string, number>();
      let committed = new Map(model);
      for (const { key, value, ends } of steps) {
        if (value === null) {
          overlay.delete(key);
          model.delete(key);
        } else {
          overlay.set(key, value);
          if (order === 'ordered') model.delete(key);
          model.set(key, value);
        }
        expect(overlay.get(key)).toBe(model.get(key));
        if (order === 'ordered') expect([overlay.size, ...overlay.entries()]).toEqual([model.size, ...model]);
        else expect(new Map(overlay.entries())).toEqual(model);
        expect([...base]).toEqual([...committed]);
        if (ends === 'apply') {
          overlay.apply();
          committed = new Map(order === 'ordered' ? model : base);
          expect(base).toEqual(model);
        } else if (ends === 'clear') {
          overlay.clear();
          model = new Map(committed);
        }
      }
    }),
  );
});
