import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type ControllerFacts,
  type ControllerStanding,
  decideController,
  MINORITY_MS,
  mayReassignAt,
  PROVEN_MS_MAX,
  SILENT_HALF_MS,
  STAGGER_MS,
} from '../../../src/cluster/decide-controller.ts';
import type { DownReason } from '../../../src/cluster/links.ts';

const gone = (reason: DownReason, proofs = 0, provenAt = 0): ControllerStanding => ({
  type: 'gone',
  reason,
  since: 1_000,
  proofs,
  provenAt,
});
const facts = (standing: ControllerStanding, change: Partial<ControllerFacts> = {}): ControllerFacts => ({
  standing,
  rank: 0,
  settled: true,
  seen: 2,
  expected: 2,
  vouched: false,
  since: 1_000,
  ...change,
});

/** When the broker takes it at the earliest; null: it does not. */
function takesAt(given: ControllerFacts): number | null {
  const decision = decideController(given, 1_000);
  if (decision.type === 'take') return 1_000;
  if (decision.type !== 'wait') return null;
  expect(decideController(given, decision.until)).toEqual({ type: 'take' });
  expect(decideController(given, decision.until - 1).type).toBe('wait');
  return decision.until;
}

describe('who may become the controller, and when', () => {
  const standings: [string, ControllerStanding][] = [
    ['it is itself', { type: 'self' }],
    ['it is there', { type: 'live' }],
    ['nobody knows yet', { type: 'unknown' }],
    ['there is none', { type: 'vacant' }],
    ['it was refused', gone('refused')],
    ['it is silent', gone('silent')],
    ['it closed the connection', gone('closed')],
    ['it was refused and wrote since', gone('refused', 1, 1_000)],
    ['it is silent and wrote since', gone('silent', 1, 1_000)],
    ['it is silent and wrote twice', gone('silent', 2, 5_000)],
  ];
  // Standing × (first, second, may not) × (sees most, half, less).
  const sights: [string, number, number][] = [
    ['most', 2, 3],
    ['half', 1, 2],
    ['less', 1, 3],
  ];
  const never = null;
  const truth: Record<string, Record<string, number | null>> = {
    'it is itself': { most: never, half: never, less: never },
    'it is there': { most: never, half: never, less: never },
    'nobody knows yet': { most: never, half: never, less: never },
    'there is none': { most: 1_000, half: 1_000, less: 1_000 },
    'it was refused': { most: 1_000, half: 1_000, less: 1_000 },
    'it is silent': { most: 1_000, half: 2_000, less: 2_000 },
    'it closed the connection': { most: 1_000, half: 2_000, less: 2_000 },
    'it was refused and wrote since': { most: 1_000, half: 3_000, less: 3_000 },
    'it is silent and wrote since': { most: 1_000, half: 13_000, less: 13_000 },
    'it is silent and wrote twice': { most: 1_000, half: 29_000, less: 29_000 },
  };
  for (const [name, standing] of standings) {
    test.each(sights)(`${name}, and this broker sees %s`, (sight, seen, expected) => {
      const at = truth[name]![sight]!;
      const given = facts(standing, { seen, expected });
      expect(takesAt(given)).toBe(at);
      expect(takesAt({ ...given, rank: 2 })).toBe(at === null ? null : at + 2 * STAGGER_MS);
      expect(takesAt({ ...given, rank: null })).toBeNull();
      const wrote = standing.type === 'gone' && standing.proofs > 0;
      // Somebody sees it: one that writes is left in peace, and one that does not is not.
      expect(takesAt({ ...given, vouched: true })).toBe(wrote ? truth[name]!['half'] : at);
      expect(takesAt({ ...given, settled: false })).toBeNull();
    });
  }

  test('only who is the controller leads', () => {
    for (const [name, standing] of standings) {
      const leads = decideController(facts(standing, { rank: null }), 5_000).type === 'lead';
      expect(leads).toBe(name === 'it is itself');
    }
  });

  test('brokers that see the controller go at once never try at the same moment', () => {
    const reason = fc.constantFrom<DownReason>('refused', 'silent', 'closed');
    fc.assert(
      fc.property(reason, fc.nat(5), fc.uniqueArray(fc.nat(6), { minLength: 2 }), (why, proofs, ranks) => {
        const at = ranks.map((rank) => takesAt(facts(gone(why, proofs, 1_000), { rank, seen: 2, expected: 4 })));
        expect(new Set(at).size).toBe(ranks.length);
      }),
    );
  });

  test('the more often a controller has shown life, the longer the others wait, a minute at most', () => {
    fc.assert(
      fc.property(fc.constantFrom<DownReason>('refused', 'silent'), fc.integer({ min: 1, max: 60 }), (why, proofs) => {
        const seen = { seen: 1, expected: 2 };
        const [before, after] = [proofs, proofs + 1].map((count) => takesAt(facts(gone(why, count, 1_000), seen))!);
        expect(after).toBeGreaterThanOrEqual(before!);
        expect(after).toBeLessThanOrEqual(1_000 + PROVEN_MS_MAX);
      }),
    );
  });

  test('a controller that is silent is waited for so that it can show what it wrote', () => {
    expect(takesAt(facts(gone('silent'), { seen: 1, expected: 2 }))! - 1_000).toBe(SILENT_HALF_MS);
  });
});

test('a controller that suddenly sees less than half waits before it takes journals away', () => {
  expect(mayReassignAt({ seen: 1, expected: 3 }, 1_000)).toBe(1_000 + MINORITY_MS);
  expect(mayReassignAt({ seen: 1, expected: 2 }, 1_000)).toBe(1_000);
  expect(mayReassignAt({ seen: 3, expected: 5 }, 1_000)).toBe(1_000);
});
