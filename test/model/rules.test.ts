/** Rules 7, 10 and 11 of the design: with them nothing breaks, without them the explorer finds what they prevent. */
import { describe, expect, test } from 'vitest';
import { explore, type Steps, show } from './explorer.ts';
import { FoldActions, ProducerActions, TopicActions } from './rule-actions.ts';

const WORLDS_MAX = 200_000;
const TEST_MS_MAX = 300_000;

const run = <W>(actions: Steps<W>, initial: W) => explore(actions, initial, JSON.stringify, WORLDS_MAX);

function expectNothing<W>(actions: Steps<W>, initial: W, worldsMin: number): void {
  const exploration = run(actions, initial);
  expect(show(exploration)).toBe('');
  expect(exploration.cut).toBe(false);
  expect(exploration.worlds).toBeGreaterThan(worldsMin);
}

function expectFinding<W>(actions: Steps<W>, initial: W, finding: RegExp): void {
  const { violation } = run(actions, initial);
  expect(violation?.message).toMatch(finding);
}

describe('rule 7: what a producer sends again', () => {
  test.each([
    [2, 3],
    [3, 2],
  ])(
    'of %i batches, %i times each, is in the log once and in order',
    (batches, sends) => {
      const actions = new ProducerActions(true);
      expectNothing(actions, actions.initial(batches, sends), 500);
    },
    TEST_MS_MAX,
  );

  test('without sequences is there twice or out of order', () => {
    const actions = new ProducerActions(false);
    expectFinding(actions, actions.initial(2, 2), /in the log twice|out of order/);
  });
});

describe('rule 10: processes that fold the same entries', () => {
  const ON = { results: true, versions: true };

  test('have the same state, or stop', () => {
    const actions = new FoldActions(ON);
    expectNothing(actions, actions.initial(3), 500);
  });

  test('do not when the fold looks at their clocks', () => {
    const actions = new FoldActions({ ...ON, results: false });
    expectFinding(actions, actions.initial(2), /folded 3 entries to different states/);
  });

  test('do not when one goes on without what it does not know', () => {
    const actions = new FoldActions({ ...ON, versions: false });
    expectFinding(actions, actions.initial(2), /folded 4 entries to different states/);
  });
});

describe('rule 11: records on their way while their topic is deleted and made anew', () => {
  test('stay out of the new one', () => {
    const actions = new TopicActions(true);
    expectNothing(actions, actions.initial(), 50);
  });

  test('come back in it when only names count', () => {
    const actions = new TopicActions(false);
    expectFinding(actions, actions.initial(), /of a deleted topic is in the one that has its name now/);
  });
});
