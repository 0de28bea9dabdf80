import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { count, firstIssue, hasMoreValues, listOf, recordOf } from '../../src/schema.ts';

describe('a list', () => {
  const LISTS: readonly (readonly [unknown, string | null])[] = [
    [[], null],
    [[1, 2, 3], null],
    [[1, -2, 'x'], '[1]: Too small: expected number to be >=0'],
    [[1, 2, 3, 4], ': expected 3 at most, not 4'],
    [{ 0: 1 }, ': expected an array'],
    [null, ': expected an array'],
  ];
  test.each(LISTS)('%j: %s', (value, issue) => {
    const { error } = listOf(count, 3).safeParse(value);
    expect(error ? firstIssue(error) : null).toBe(issue);
  });

  test('tells the place of what is wrong inside', () => {
    const { error } = z
      .object({ swaps: listOf(z.object({ add: listOf(count) })) })
      .safeParse({ swaps: [{ add: [1, null] }] });
    expect(firstIssue(error!)).toBe('.swaps[0].add[1]: Invalid input: expected number, received null');
  });

  test('is looked at up to the first thing that is wrong', () => {
    let looked = 0;
    const each = z.custom((value) => ++looked > 0 && value !== 'wrong');
    const { error } = listOf(each).safeParse(['right', 'wrong', ...new Array(1_000).fill('wrong')]);
    expect(error!.issues).toHaveLength(1);
    expect(looked).toBe(2);
  });
});

describe('a record', () => {
  const RECORDS: readonly (readonly [unknown, string | null])[] = [
    [{}, null],
    [{ 1: 5, 20: 0 }, null],
    [{ 1: 5, x: 0 }, '.x: unexpected name'],
    [{ 1: 5, 2: 'x' }, '.2: Invalid input: expected number, received string'],
    [[5], ': expected an object'],
    [null, ': expected an object'],
  ];
  test.each(RECORDS)('%j: %s', (value, issue) => {
    const { error } = recordOf(count, /^[0-9]+$/).safeParse(value);
    expect(error ? firstIssue(error) : null).toBe(issue);
  });
});

test('values are counted at every depth', () => {
  const value = { a: [1, 2, { b: null }], c: 'x' };
  expect(hasMoreValues(value, 7)).toBe(false);
  expect(hasMoreValues(value, 6)).toBe(true);
  const deep = JSON.parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`);
  expect(hasMoreValues(deep, 100_000)).toBe(false);
  expect(hasMoreValues(deep, 99_999)).toBe(true);
});
