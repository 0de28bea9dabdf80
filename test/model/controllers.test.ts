/**
 * Two controllers and more, in every order of what they decide, write and hear: rule 12 of the design keeps the assignments of
 * one from standing after those of the next, and in the end every journal is led by whom it is assigned to.
 */
import { describe, expect, test } from 'vitest';
import {
  ALL_CONTROLLER_RULES,
  ControllerActions,
  type ControllerBounds,
  type ControllerRules,
  controllerWorldKey,
} from './controller-actions.ts';
import { type Exploration, explore, show, wander } from './explorer.ts';

const WORLDS_MAX = 300_000;
const TEST_MS_MAX = 300_000;

function run(bounds: ControllerBounds, off: Partial<ControllerRules> = {}): Exploration {
  const actions = new ControllerActions(bounds, { ...ALL_CONTROLLER_RULES, ...off });
  return explore(actions, actions.initial(), controllerWorldKey, WORLDS_MAX);
}

const SCOPES: readonly ControllerBounds[] = [
  { brokers: 2, journals: 1, versions: 5, changes: 3, faults: 1 },
  { brokers: 2, journals: 2, versions: 4, changes: 2, faults: 1 },
  { brokers: 3, journals: 1, versions: 4, changes: 2, faults: 1 },
];
const LARGE_SCOPES: readonly ControllerBounds[] = [
  { brokers: 2, journals: 2, versions: 5, changes: 3, faults: 1 },
  { brokers: 3, journals: 1, versions: 5, changes: 2, faults: 1 },
];
const scopes = process.env['MODEL_BOUNDS'] === 'large' ? [...SCOPES, ...LARGE_SCOPES] : SCOPES;

describe('with all rules', () => {
  test.each(scopes)(
    '$brokers brokers, $journals journals, $changes changes of sight and $faults faults break nothing',
    (bounds) => {
      const exploration = run(bounds);
      expect(show(exploration)).toBe('');
      expect(exploration.cut).toBe(false);
      expect(exploration.worlds).toBeGreaterThan(300);
    },
    TEST_MS_MAX,
  );

  test(
    'nor do five brokers that lose sight of each other for long',
    () => {
      const actions = new ControllerActions({ brokers: 5, journals: 4, versions: 60, changes: 12, faults: 4 });
      const walks = wander(actions, actions.initial(), 1, process.env['MODEL_BOUNDS'] === 'large' ? 3_000 : 300, 200);
      expect(show(walks)).toBe('');
    },
    TEST_MS_MAX,
  );
});

test('a leader that does not let go of what it is assigned no longer is fenced', () => {
  const exploration = run({ brokers: 2, journals: 1, versions: 4, changes: 1, faults: 0 }, { letsGo: false });
  expect(show(exploration)).toBe('');
  expect(exploration.cut).toBe(false);
});

describe('without', () => {
  const TWO: ControllerBounds = { brokers: 2, journals: 1, versions: 5, changes: 2, faults: 1 };

  test.each<[what: string, off: Partial<ControllerRules>, bounds: ControllerBounds, finding: RegExp]>([
    [
      'conditions, one that was succeeded assigns',
      { conditional: false },
      TWO,
      /writes over what was assigned in epoch \d/,
    ],
    ['fences, an assignment makes two leaders', { fence: false }, TWO, /two leaders in one epoch/],
  ])(
    '%s',
    (_what, off, bounds, finding) => {
      const { violation } = run(bounds, off);
      expect(violation?.message).toMatch(finding);
      expect(violation?.trace.length).toBeGreaterThan(0);
    },
    TEST_MS_MAX,
  );
});
