import { expect, test } from 'vitest';
import { ReadArena } from '../../../src/lifecycle/read-arena.ts';

test('what is taken never overlaps until the arena is reset, and is the same memory after that', () => {
  const arena = new ReadArena(100);
  const taken = [60, 40, 1, 99, 100, 250].map((length, index) => arena.take(length).fill(index));
  expect(taken.map(({ length }) => length)).toEqual([60, 40, 1, 99, 100, 250]);
  for (const [index, bytes] of taken.entries()) expect(bytes.every((byte) => byte === index)).toBe(true);
  arena.reset();
  expect(arena.take(60).buffer).toBe(taken[0]!.buffer);
  arena.forget();
  expect(arena.take(60).buffer).not.toBe(taken[0]!.buffer);
});
