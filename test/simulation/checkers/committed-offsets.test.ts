import { expect, test } from 'vitest';
import type { HistoryEvent, OffsetTold } from '../history.ts';
import { CommittedOffsets } from './committed-offsets.ts';
import { NAME, see, TOPIC } from './events.ts';

const changed = (offset: number | null): HistoryEvent => ({
  type: 'recordsChanged',
  owner: 'group/g',
  changes: [{ key: `o/${TOPIC}/0`, value: offset === null ? null : JSON.stringify({ v: 1, offset, at: 0 }) }],
});
const told = (
  type: 'offsetCommitted' | 'offsetFetched',
  offset: number,
  changesBefore: number,
  together = false,
): HistoryEvent => {
  const what: OffsetTold = { ...NAME, process: 'p1', groupId: 'g', offset, changesBefore, together };
  return { type, ...what };
};

test('what the journals have passes, also what they had when it was asked', () => {
  const events = [told('offsetFetched', -1, 0), changed(5), told('offsetFetched', -1, 0), told('offsetFetched', 5, 1)];
  expect(see(new CommittedOffsets(), ...events, told('offsetCommitted', 5, 0), changed(null))).toBeNull();
});

test('a stale answer is seen', () => {
  expect(see(new CommittedOffsets(), changed(5), changed(6), told('offsetFetched', 5, 2))).toContain(
    'answers offset 5',
  );
  expect(see(new CommittedOffsets(), changed(5), told('offsetFetched', -1, 1))).toContain('which had 5');
});

test('a commit that is acknowledged and in no journal is seen', () => {
  expect(see(new CommittedOffsets(), changed(5), told('offsetCommitted', 6, 1))).toContain('acknowledges offset 6');
});

test('of commits that arrive together the last one shows', () => {
  expect(see(new CommittedOffsets(), changed(7), told('offsetCommitted', 6, 0, true))).toBeNull();
});
