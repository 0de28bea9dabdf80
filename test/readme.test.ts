import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { generate, README } from './readme.ts';

test('the tables of the README are those of the code; `npm run readme` writes them', () => {
  const text = readFileSync(README, 'utf8');
  expect(generate(text)).toBe(text);
});
