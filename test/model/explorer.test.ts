/**
 * Every order of events within small bounds, through the real fold and the real decisions: with all rules on no invariant
 * breaks, with any one of the rules 1 to 6 and 9 of the design switched off one does. Rule 5 again, from the sender on:
 * `lanes.test.ts`; 7, 10 and 11: `rules.test.ts`; 8: `transactions.test.ts`; 12: `controllers.test.ts`.
 * `MODEL_BOUNDS=large` explores minutes instead of seconds.
 */
import { describe, expect, test } from 'vitest';
import { Actions, ALL_RULES, type Bounds, type Rules } from './actions.ts';
import { Chain } from './chain.ts';
import { type Exploration, explore, show } from './explorer.ts';
import { worldHash } from './world.ts';

interface Scope {
  readonly processes: 2 | 3;
  readonly faults: number;
  readonly snapshots: number;
  readonly crashes: number;
  readonly payloads: Bounds['payloads'];
  readonly confirms?: boolean;
  readonly handsOver?: boolean;
}

const WORLDS_MAX = 20_000_000;
const TEST_MS_MAX = 300_000;

function run(
  { processes, payloads, confirms = true, handsOver = false, ...budget }: Scope,
  rules: Partial<Rules> = {},
): Exploration {
  const bounds: Bounds = { payloads, waitingMax: 2, pageEntries: 2, confirms, handsOver };
  const actions = new Actions(new Chain(), { ...ALL_RULES, ...rules }, bounds);
  return explore(actions, actions.initial(processes, budget), worldHash, WORLDS_MAX);
}

const SCOPES: readonly Scope[] = [
  { processes: 2, faults: 1, snapshots: 1, crashes: 0, payloads: ['segment', 'segment'] },
  { processes: 2, faults: 1, snapshots: 1, crashes: 1, payloads: ['segment'] },
  { processes: 2, faults: 0, snapshots: 2, crashes: 0, payloads: ['segment', 'segment'] },
  { processes: 2, faults: 0, snapshots: 1, crashes: 0, payloads: ['inline', 'segment'] },
  { processes: 2, faults: 1, snapshots: 0, crashes: 0, payloads: ['segment', 'skip', 'inline'] },
  { processes: 3, faults: 0, snapshots: 1, crashes: 0, payloads: ['segment'] },
  { processes: 2, faults: 0, snapshots: 1, crashes: 1, payloads: ['segment'], handsOver: true },
];

const LARGE_SCOPES: readonly Scope[] = [
  { processes: 2, faults: 2, snapshots: 1, crashes: 0, payloads: ['segment', 'segment'] },
  { processes: 2, faults: 1, snapshots: 2, crashes: 1, payloads: ['segment'] },
  { processes: 2, faults: 0, snapshots: 1, crashes: 0, payloads: ['inline', 'segment', 'skip'] },
  { processes: 3, faults: 1, snapshots: 1, crashes: 0, payloads: ['segment'] },
];

const scopes = process.env['MODEL_BOUNDS'] === 'large' ? [...SCOPES, ...LARGE_SCOPES] : SCOPES;

describe('with all rules', () => {
  test.each(scopes)(
    '$processes processes, $faults faults, $snapshots snapshots, $crashes crashes and $payloads break nothing',
    (scope) => {
      const exploration = run(scope);
      expect(show(exploration)).toBe('');
      expect(exploration.cut).toBe(false);
      expect(exploration.worlds).toBeGreaterThan(10_000);
    },
    TEST_MS_MAX,
  );
});

const SMALL: Scope = { processes: 2, faults: 1, snapshots: 0, crashes: 0, payloads: ['segment'] };
const TRIMMED: Scope = { processes: 2, faults: 0, snapshots: 1, crashes: 0, payloads: ['segment', 'segment'] };

describe('with one rule switched off', () => {
  test.each<[rule: string, off: Partial<Rules>, scope: Scope, finding: RegExp]>([
    ['1, the fence', { fence: false }, SMALL, /^fork: /],
    ['2, the floor', { floor: false }, TRIMMED, /^fork: /],
    ['3, identical retries told apart by id', { identicalRetries: false }, SMALL, /^fork: A1 acknowledges/],
    ['4, fences outlive trimming, for who asks', { keepFences: false }, TRIMMED, /believes to lead/],
    [
      '4, fences outlive trimming, for who writes',
      { keepFences: false },
      { ...TRIMMED, confirms: false },
      /^fork: A1 acknowledges/,
    ],
    [
      '4, entries with inline records outlive trimming',
      { keepInline: false },
      { ...TRIMMED, payloads: ['inline', 'segment'] },
      /bytes of offset \d+ are lost/,
    ],
    ['5, lanes', { lanes: false }, SMALL, /acknowledged at offset 0, now at 1|out of order/],
    [
      '6, answers from durable state',
      { durableAnswers: false },
      SMALL,
      /leads without payload 0, acknowledged at offset 0/,
    ],
    [
      '9, what coordinators decide is in entries',
      { entries: false },
      { ...SMALL, faults: 0 },
      /^A1 of epoch 1 commits 0 in epoch 2/,
    ],
  ])(
    'rule %s: the explorer finds what it prevents',
    (_rule, off, scope, finding) => {
      const { violation } = run(scope, off);
      expect(violation?.message).toMatch(finding);
      expect(violation?.trace.length).toBeGreaterThan(0);
    },
    TEST_MS_MAX,
  );
});
