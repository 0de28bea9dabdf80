import { describe, expect, test } from 'vitest';
import {
  type AppendedAnswer,
  advanceLane,
  checkLane,
  forgetAnswers,
  type LaneState,
} from '../../../src/journal/lanes.ts';
import { LANE_ANSWERS_KEPT } from '../../../src/limits.ts';
import { lane } from './harness.ts';

function having(brokerEpoch: number, last: number): LaneState {
  let state: LaneState | undefined;
  for (let number = 0; number <= last; number++) {
    state = advanceLane(state, lane(brokerEpoch), { type: 'skipped', number });
  }
  return state!;
}

const verdictOf = (known: LaneState | undefined, session: number | undefined, brokerEpoch: number, number: number) => {
  const verdict = checkLane(known, session, lane(brokerEpoch), number);
  if (verdict.type === 'gap') return `gap, ${verdict.expected} expected`;
  return verdict.type === 'repeat' ? `repeat of ${verdict.answer?.number}` : verdict.type;
};

describe('a number of a lane', () => {
  test.each<
    [
      what: string,
      verdict: string,
      known: LaneState | undefined,
      session: number | undefined,
      epoch: number,
      number: number,
    ]
  >([
    ['0 of a new lane', 'next', undefined, undefined, 5, 0],
    ['1 of a new lane', 'gap, 0 expected', undefined, undefined, 5, 1],
    ['that follows', 'next', having(5, 3), 5, 5, 4],
    ['that leaves one out', 'gap, 4 expected', having(5, 3), 5, 5, 5],
    ['that comes again', 'repeat of 2', having(5, 3), 5, 5, 2],
    ['that comes again too late', 'repeat of undefined', having(5, 100), 5, 5, 2],
    ['of an older life of the broker', 'superseded', having(5, 3), 5, 4, 4],
    ['of an older life in a lane that the new one did not use yet', 'superseded', undefined, 5, 4, 0],
    ['0 of a newer life', 'next', having(5, 3), 5, 6, 0],
    ['of a newer life that goes on', 'gap, 0 expected', having(5, 3), 5, 6, 4],
  ])('%s: %s', (_what, verdict, known, session, epoch, number) => {
    expect(verdictOf(known, session, epoch, number)).toBe(verdict);
  });

  test('keeps a bounded window of answers', () => {
    const state = having(5, 200);
    expect(state.answers).toHaveLength(LANE_ANSWERS_KEPT);
    expect(state.answers.at(0)?.number).toBe(201 - LANE_ANSWERS_KEPT);
  });

  test('is known to be settled when its answer was forgotten, which comes with entries and not with time', () => {
    const answered: AppendedAnswer = {
      type: 'appended',
      number: 0,
      seq: 100,
      entryId: '0',
      inlinePosition: 0,
      leaderEpoch: 1,
      batchCounts: [1],
      logStartOffsets: [0],
      baseOffsets: [7],
      exceptions: [],
    };
    const state = advanceLane(advanceLane(undefined, lane(5), answered), lane(5), { type: 'skipped', number: 1 });
    expect(forgetAnswers(state, 100)).toBe(state);
    const old = forgetAnswers(state, 101);
    expect(old.answers).toHaveLength(0);
    expect(verdictOf(old, 5, 5, 0)).toBe('repeat of undefined');
    expect(verdictOf(old, 5, 5, 2)).toBe('next');
    expect(verdictOf(old, 5, 5, 3)).toBe('gap, 2 expected');
    expect(forgetAnswers(old, 1_000)).toBe(old);
    const later = advanceLane(old, lane(5), { ...answered, number: 2, seq: 1_000 });
    expect(verdictOf(later, 5, 5, 2)).toBe('repeat of 2');
    expect(verdictOf(later, 5, 5, 1)).toBe('repeat of undefined');
  });
});
