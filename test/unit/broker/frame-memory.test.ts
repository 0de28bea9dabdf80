import { expect, test } from 'vitest';
import { FrameMemory } from '../../../src/broker/frame-memory.ts';

const KIB = 1024;

function memory(limits = {}) {
  const full: number[] = [];
  const frames: FrameMemory = new FrameMemory({
    softBytes: 256 * KIB,
    hardBytes: 1024 * KIB,
    idleBytesMax: 128 * KIB,
    onFull: () => full.push(frames.usedBytes),
    ...limits,
  });
  return { frames, full };
}

test('a buffer that was given back is the next one of its size', () => {
  const { frames } = memory();
  const first = frames.take(100 * KIB)!;
  frames.give(first);
  expect(frames.take(120 * KIB)).toBe(first);
  expect(frames.take(120 * KIB)).not.toBe(first);
});

test('what is kept for the next frames is bounded', () => {
  const { frames } = memory();
  const two = [frames.take(128 * KIB)!, frames.take(128 * KIB)!];
  for (const buffer of two) frames.give(buffer);
  expect(frames.take(128 * KIB)).toBe(two[0]);
  expect(two).not.toContain(frames.take(128 * KIB));
});

test('a small frame takes what it needs, a large one a little more', () => {
  const { frames } = memory();
  expect(frames.take(100)).toHaveLength(100);
  expect(frames.take(70 * KIB)).toHaveLength(128 * KIB);
  expect(frames.usedBytes).toBe(128 * KIB + 100);
});

test('beyond the soft limit it is full and says so once, beyond the hard limit it gives nothing', () => {
  const { frames, full } = memory();
  const taken = Array.from({ length: 5 }, () => frames.take(192 * KIB)!);
  expect(full).toEqual([384 * KIB]);
  expect(frames.take(192 * KIB)).toBeNull();
  expect(frames.usedBytes).toBe(960 * KIB);
  for (const buffer of taken) frames.give(buffer);
  expect(frames.gate.full).toBe(false);
  expect(frames.usedBytes).toBe(0);
});
