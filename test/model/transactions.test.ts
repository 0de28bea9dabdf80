/**
 * Every order in which guards, batches and markers of a producer's transactions can reach a partition's journal: rule 8 of
 * the design holds invariant 4, and without any part of it the explorer finds what breaks.
 */
import { describe, expect, test } from 'vitest';
import { type Exploration, explore, show, wander } from './explorer.ts';
import { TransactionActions, type TransactionBounds, transactionWorldKey } from './transaction-actions.ts';
import { ALL_TRANSACTION_RULES, TransactionChain, type TransactionRules } from './transaction-chain.ts';

const WORLDS_MAX = 2_000_000;
const TEST_MS_MAX = 300_000;

function run(bounds: TransactionBounds, off: Partial<TransactionRules> = {}): Exploration {
  const chain = new TransactionChain({ ...ALL_TRANSACTION_RULES, ...off });
  const actions = new TransactionActions(chain, bounds);
  return explore(actions, actions.initial(), transactionWorldKey, WORLDS_MAX);
}

const SCOPES: readonly TransactionBounds[] = [
  { transactions: 2, batches: 1, changes: 1, bumps: true },
  { transactions: 2, batches: 1, changes: 1, bumps: false },
  { transactions: 1, batches: 2, changes: 2, bumps: false },
  { transactions: 1, batches: 2, changes: 1, bumps: true, partitions: 2 },
];
const LARGE_SCOPES: readonly TransactionBounds[] = [
  { transactions: 2, batches: 2, changes: 1, bumps: true },
  { transactions: 2, batches: 2, changes: 1, bumps: false },
  { transactions: 3, batches: 1, changes: 1, bumps: false },
  { transactions: 1, batches: 3, changes: 1, bumps: false, partitions: 2 },
];
const scopes = process.env['MODEL_BOUNDS'] === 'large' ? [...SCOPES, ...LARGE_SCOPES] : SCOPES;

describe('with all rules', () => {
  test.each(scopes)(
    '$transactions transactions of $batches batches, $changes changes of the coordinator, epochs bumped: $bumps, partitions: $partitions',
    (bounds) => {
      const exploration = run(bounds);
      expect(show(exploration)).toBe('');
      expect(exploration.cut).toBe(false);
      expect(exploration.worlds).toBeGreaterThan(1_000);
    },
    TEST_MS_MAX,
  );
});

test(
  'many transactions over three journals break nothing',
  () => {
    const bounds = { transactions: 4, batches: 4, changes: 4, bumps: true, partitions: 3 };
    for (const bumps of [true, false]) {
      const actions = new TransactionActions(new TransactionChain(ALL_TRANSACTION_RULES), { ...bounds, bumps });
      const walks = wander(actions, actions.initial(), 1, process.env['MODEL_BOUNDS'] === 'large' ? 2_000 : 150, 120);
      expect(show(walks)).toBe('');
    }
  },
  TEST_MS_MAX,
);

describe('without', () => {
  const SPREAD: TransactionBounds = { transactions: 1, batches: 2, changes: 1, bumps: true, partitions: 2 };
  const TWO: TransactionBounds = { transactions: 2, batches: 1, changes: 1, bumps: false };

  test.each<[what: string, off: Partial<TransactionRules>, bounds: TransactionBounds, finding: RegExp]>([
    [
      'guards a late batch is appended behind its abort',
      { guards: false },
      TWO,
      /^batch 0 of transaction 1 lands in 2/,
    ],
    [
      'numbers of guards a late guard opens again what was aborted',
      { guardNumbers: false },
      TWO,
      /stays open for ever/,
    ],
    ['numbers of markers a late marker ends the next transaction', { markerNumbers: false }, TWO, /nobody ended it/],
    ['memory of markers that overtake, their guards stay open', { overtaking: false }, TWO, /not open any more/],
    [
      'a durable end before the first marker, the next coordinator ends it otherwise',
      { prepares: false },
      SPREAD,
      /batch \d of transaction 1, aborted, is shown/,
    ],
    ['a bond of batches a slow one lands in the next transaction', { boundBatches: false }, TWO, /lands in 2/],
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
