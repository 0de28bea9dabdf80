import { expect, test } from 'vitest';
import { systemClock } from '../../../src/runtime/clock.ts';
import {
  parseSegmentId,
  SegmentIds,
  segmentIdOfKey,
  segmentKey,
  segmentPrefix,
} from '../../../src/segment/segment-id.ts';

const at = (now: number) => ({ ...systemClock, now: () => now });
const random = { bytes: (length: number) => Buffer.alloc(length, 0xab), float: () => 0.5 };

test('an id says when, by whom and as which it was made, and its key can be taken apart again', () => {
  const ids = new SegmentIds(at(1_763_683_200_000.7), random, 12, 7);
  const id = ids.next();
  expect(id).toBe('019aa3b5ec00-12-7-0-abababab');
  expect(parseSegmentId(id)).toEqual({ createdAt: 1_763_683_200_000, brokerId: 12, brokerEpoch: 7, number: 0 });
  expect(parseSegmentId(ids.next())).toMatchObject({ number: 1 });
  const key = segmentKey('prod', id);
  expect(key).toBe('prod/segments/019aa3b5ec00-12-7-0-abababab');
  expect(segmentIdOfKey('prod', key)).toBe(id);
  expect(key.startsWith(segmentPrefix('prod'))).toBe(true);
});

test('ids of later times sort behind', () => {
  const early = new SegmentIds(at(0xff), random, 2, 9).next();
  const late = new SegmentIds(at(0x100), random, 1, 1).next();
  expect(early < late).toBe(true);
});

test.each([
  'prod/segments/',
  'prod/segments/notes.txt',
  'prod/segments/019aa3b5ec00-12-abababab',
  'other/segments/019aa3b5ec00-12-7-0-abababab',
  'prod/snapshots/019aa3b5ec00-12-7-0-abababab',
  'prod/segments/019aa3b5ec00-12-7-0-abababab/x',
])('%s is no segment of the cluster', (key) => {
  expect(segmentIdOfKey('prod', key)).toBeNull();
});
