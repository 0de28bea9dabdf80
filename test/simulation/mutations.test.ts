/** A few deliberate faults that are noticed soon. `npm run simulate -- --mutations` hunts for all of them. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { hunt, isNoticed } from './mutation-table.ts';
import { findMutation, MUTATIONS, mutate } from './mutations.ts';

const QUICK = ['acknowledge-before-the-put', 'trim-a-fence', 'show-aborted-records', 'share-record-given-twice'];
const MUTATIONS_MIN = 20;
const TIMEOUT_MS = 120_000;

const sourceOf = (file: string) => readFileSync(new URL(`../../src/${file}`, import.meta.url), 'utf8');

test(`there are at least ${MUTATIONS_MIN} mutations, each with a name of its own`, () => {
  expect(new Set(MUTATIONS.map(({ name }) => name)).size).toBe(MUTATIONS.length);
  expect(MUTATIONS.length).toBeGreaterThanOrEqual(MUTATIONS_MIN);
});

describe.each(MUTATIONS)('$name', (mutation) => {
  test('replaces a text that is there', () => {
    for (const { file } of mutation.edits) expect(mutate(mutation, file, sourceOf(file))).not.toBe(sourceOf(file));
  });
});

test('a text that is not there, or is there twice, is an error', () => {
  const edits = [{ file: 'a.ts', from: 'x', to: 'y' }];
  const mutation = { ...MUTATIONS[0]!, name: 'broken', edits };
  expect(mutate(mutation, 'a.ts', '1 x 2')).toBe('1 y 2');
  expect(() => mutate(mutation, 'a.ts', '1')).toThrow('0 places in src/a.ts');
  expect(() => mutate(mutation, 'a.ts', 'x x')).toThrow('2 places in src/a.ts');
});

test.each(QUICK)(
  '%s is noticed',
  async (name) => {
    const mutation = findMutation(name);
    const verdict = await hunt(mutation);
    expect(isNoticed(mutation, verdict), JSON.stringify(verdict)).toBe(true);
  },
  TIMEOUT_MS,
);
