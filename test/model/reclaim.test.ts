/**
 * Every order in which appends, merges and reclaimers that sleep can meet, through the real decisions and the real fold: what
 * is referred to exists, and without any part of how segments are condemned it would not.
 */
import { describe, expect, test } from 'vitest';
import { type Exploration, explore, show, wander } from './explorer.ts';
import {
  ALL_RECLAIM_RULES,
  ReclaimActions,
  type ReclaimBounds,
  type ReclaimRules,
  reclaimWorldKey,
} from './reclaim-actions.ts';

const WORLDS_MAX = 2_000_000;
const TEST_MS_MAX = 300_000;

function run(bounds: ReclaimBounds, off: Partial<ReclaimRules> = {}): Exploration {
  const actions = new ReclaimActions(bounds, { ...ALL_RECLAIM_RULES, ...off });
  return explore(actions, actions.initial(), reclaimWorldKey, WORLDS_MAX);
}

const BOTH = [0, 1];
const SCOPES: readonly [name: string, bounds: ReclaimBounds][] = [
  ['one segment, two reclaimers', { segments: [BOTH], reclaimers: 2, looks: 1, faults: 1, merges: 0 }],
  ['two segments, one reclaimer', { segments: [BOTH, [0]], reclaimers: 1, looks: 2, faults: 0, merges: 0 }],
  ['a merge, one reclaimer', { segments: [[0]], reclaimers: 1, looks: 2, faults: 1, merges: 1 }],
];
const LARGE_SCOPES: readonly [name: string, bounds: ReclaimBounds][] = [
  ['one segment, two reclaimers, twice', { segments: [BOTH], reclaimers: 2, looks: 2, faults: 2, merges: 0 }],
  ['a merge, two reclaimers', { segments: [BOTH], reclaimers: 2, looks: 1, faults: 1, merges: 1 }],
];
const scopes = process.env['MODEL_BOUNDS'] === 'large' ? [...SCOPES, ...LARGE_SCOPES] : SCOPES;

describe('with all rules', () => {
  test.each(scopes)(
    '%s: nothing that is referred to is deleted',
    (_name, bounds) => {
      const exploration = run(bounds);
      expect(show(exploration)).toBe('');
      expect(exploration.cut).toBe(false);
      expect(exploration.worlds).toBeGreaterThan(1_000);
    },
    TEST_MS_MAX,
  );

  test(
    'nor with many segments and reclaimers',
    () => {
      const bounds: ReclaimBounds = { segments: [BOTH, [0], BOTH, [1]], reclaimers: 3, looks: 4, faults: 4, merges: 1 };
      const actions = new ReclaimActions(bounds);
      const walks = wander(actions, actions.initial(), 1, process.env['MODEL_BOUNDS'] === 'large' ? 1_000 : 100, 60);
      expect(show(walks)).toBe('');
    },
    TEST_MS_MAX,
  );
});

describe('without', () => {
  const ONE: ReclaimBounds = { segments: [BOTH], reclaimers: 1, looks: 1, faults: 0, merges: 0 };
  const MERGED: ReclaimBounds = { segments: [[0]], reclaimers: 1, looks: 1, faults: 0, merges: 1 };

  test.each<[what: string, off: Partial<ReclaimRules>, bounds: ReclaimBounds, finding: RegExp]>([
    ['asking every journal, one loses its records', { everyJournal: false }, ONE, /journal 1 refers to segment 0/],
    ['their consent, all do', { agreement: false }, ONE, /refers to segment 0/],
    ['regard for entries above the snapshot, a recovery ends', { uncovered: false }, ONE, /needs the footer/],
    ['refusing what is condemned, a late append is lost', { refusal: false }, ONE, /refers to segment 0/],
    ['refusing what is condemned, a late merge is lost', { mergeRefusal: false }, MERGED, /refers to segment 1/],
    ['marks of what is forgotten, a later append is lost', { marks: false }, ONE, /refers to segment 0/],
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
