import { expect, test } from 'vitest';
import { murmur2, partitionOfKey } from '../../../src/record/partitioner.ts';

// Apache Kafka's own vectors (UtilsTest.testMurmur2).
test.each([
  ['21', -973_932_308],
  ['foobar', -790_332_482],
  ['a-little-bit-long-string', -985_981_536],
  ['a-little-bit-longer-string', -1_486_304_829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58_897_971],
  ['abc', 479_470_107],
])('murmur2 of %s is %i as in Java', (text, hash) => {
  expect(murmur2(Buffer.from(text))).toBe(hash);
});

test('a negative hash loses its sign bit, not its value', () => {
  expect(partitionOfKey(Buffer.from('21'), 1_000)).toBe((-973_932_308 & 0x7fffffff) % 1_000);
});

test('one partition takes every key', () => {
  expect(partitionOfKey(Buffer.alloc(0), 1)).toBe(0);
});
