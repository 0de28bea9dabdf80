/**
 * Every order in which appends of a broker reach a leader elsewhere, through the real sender of a lane and the real
 * decisions: rule 5 of the design neither duplicates nor reorders nor forgets, and without any part of it it would.
 */
import { describe, expect, test } from 'vitest';
import { type Exploration, explore, show, wander } from './explorer.ts';
import { ALL_LANE_RULES, LaneActions, type LaneBounds, type LaneRules } from './lane-actions.ts';

const WORLDS_MAX = 1_000_000;
const TEST_MS_MAX = 300_000;

function run(bounds: LaneBounds, off: Partial<LaneRules> = {}): Exploration {
  const actions = new LaneActions(bounds, { ...ALL_LANE_RULES, ...off });
  return explore(actions, actions.initial, actions.key, WORLDS_MAX);
}

const NOTHING = { changes: 0, givesUp: false };
const SCOPES: readonly LaneBounds[] = [
  { lives: [['append', 'append']], faults: 2, changes: 1, givesUp: true },
  { ...NOTHING, lives: [['append', 'append', 'append']], faults: 1, changes: 1 },
  { ...NOTHING, lives: [['append', 'skip', 'append']], faults: 2 },
  { ...NOTHING, lives: [['append', 'append'], ['append']], faults: 1, changes: 1 },
];
const LARGE_SCOPES: readonly LaneBounds[] = [
  { ...NOTHING, lives: [['append', 'append']], faults: 3, changes: 1 },
  { ...NOTHING, lives: [['append', 'append', 'append']], faults: 2 },
];
const scopes = process.env['MODEL_BOUNDS'] === 'large' ? [...SCOPES, ...LARGE_SCOPES] : SCOPES;

describe('with all rules', () => {
  test.each(scopes.map((bounds) => [describeScope(bounds), bounds] as const))(
    '%s break nothing',
    (_scope, bounds) => {
      const exploration = run(bounds);
      expect(show(exploration)).toBe('');
      expect(exploration.cut).toBe(false);
      expect(exploration.worlds).toBeGreaterThan(500);
    },
    TEST_MS_MAX,
  );

  test(
    'long lives under many faults break nothing',
    () => {
      const lives = [
        ['append', 'append', 'skip', 'append', 'append'],
        ['append', 'skip', 'append'],
      ] as const;
      const actions = new LaneActions({ lives, faults: 8, changes: 3, givesUp: true });
      const walks = wander(actions, actions.initial, 1, process.env['MODEL_BOUNDS'] === 'large' ? 2_000 : 150, 80);
      expect(show(walks)).toBe('');
      expect(walks.depth).toBeGreaterThan(25);
    },
    TEST_MS_MAX,
  );
});

describe('without', () => {
  const ONE: LaneBounds = { lives: [['append']], faults: 1, changes: 0, givesUp: true };
  const TWO: LaneBounds = { lives: [['append', 'append']], faults: 1, changes: 0, givesUp: true };
  const REBORN: LaneBounds = { lives: [['append'], ['append']], faults: 1, changes: 0, givesUp: false };

  test.each<[what: string, off: Partial<LaneRules>, bounds: LaneBounds, finding: RegExp]>([
    ['answers to repeats, a lost answer doubles', { repeats: false }, TWO, /in the log twice/],
    ['refusing gaps, what was lost comes too late', { gaps: false }, TWO, /out of order/],
    [
      'keeping what was skipped, a late append comes after all',
      { skips: false },
      ONE,
      /settled as absent and is appended/,
    ],
    ['superseding former lives, they come back', { sessions: false }, REBORN, /out of order/],
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

function describeScope({ lives, faults, changes, givesUp }: LaneBounds): string {
  const all = lives.map((life) => life.join(' ')).join(', then ');
  return `${all}; ${faults} faults, ${changes} changes of leaders${givesUp ? ', giving up' : ''}`;
}
