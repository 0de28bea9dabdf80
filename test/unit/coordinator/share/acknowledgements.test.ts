import { expect, test } from 'vitest';
import { readAcknowledgements } from '../../../../src/coordinator/share/acknowledgements.ts';

const batch = (firstOffset: number, lastOffset: number, ...acknowledgeTypes: number[]) => ({
  firstOffset,
  lastOffset,
  acknowledgeTypes,
});
const rules = { typeMax: 4, renews: true };

test('one type is for all records of a batch', () => {
  expect(readAcknowledgements([batch(3, 900, 1)], rules)).toEqual([{ first: 3, last: 900, type: 1 }]);
});

test('a type each: neighbours of one type come together', () => {
  expect(readAcknowledgements([batch(3, 7, 1, 1, 2, 0, 0), batch(8, 8, 4)], rules)).toEqual([
    { first: 3, last: 4, type: 1 },
    { first: 5, last: 5, type: 2 },
    { first: 6, last: 7, type: 0 },
    { first: 8, last: 8, type: 4 },
  ]);
});

test.each([
  ['a batch that ends before it begins', [batch(5, 4, 1)]],
  ['batches out of order', [batch(5, 6, 1), batch(1, 2, 1)]],
  ['batches that overlap', [batch(5, 6, 1), batch(6, 7, 1)]],
  ['no type', [batch(5, 6)]],
  ['a type for some', [batch(5, 7, 1, 1)]],
  ['a type too many', [batch(5, 5, 1, 1)]],
  ['a type that does not exist', [batch(5, 5, 5)]],
  ['a negative type', [batch(5, 5, -1)]],
])('%s is refused', (_, batches) => {
  expect(() => readAcknowledgements(batches, rules)).toThrow('invalid acknowledgements');
});

test('locks are renewed since version 2, by requests that say so', () => {
  const renewal = [batch(5, 5, 4)];
  expect(() => readAcknowledgements(renewal, { typeMax: 3, renews: true })).toThrow('no acknowledge type 4');
  expect(() => readAcknowledgements(renewal, { typeMax: 4, renews: false })).toThrow('does not say');
});
