/** Whole runs on stores that break their promises: the checkers must notice. */
import { describe, expect, test } from 'vitest';
import { ALWAYS } from '../../src/storage/metadata-store.ts';
import { objectKey } from '../../src/storage/object-store.ts';
import type { Tamper } from './observed-stores.ts';
import { SimulationFailure, simulate } from './simulation.ts';

const TIMEOUT_MS = 120_000;
const isEntry = (sortKey: string): boolean => sortKey.startsWith('e/');
const isSegment = (key: string): boolean => key.includes('/segments/');

/** What the first of a few seeds that notices says. */
async function findings(tamper: Tamper, seeds: readonly number[]): Promise<string> {
  for (const seed of seeds) {
    try {
      await simulate({ seed, minutes: 0.3, journals: 1, brokers: 1, tamper });
    } catch (failure) {
      if (failure instanceof SimulationFailure) return failure.message;
      throw failure;
    }
  }
  return 'nothing';
}

describe('a run is a violation', () => {
  test(
    'on a metadata store that acknowledges an entry it never writes',
    async () => {
      let puts = 0;
      const tamper: Tamper = {
        metadata: (store) => ({
          ...store,
          put: (item, condition, options) =>
            isEntry(item.sortKey) && ++puts % 50 === 0
              ? Promise.resolve({ ok: true as const })
              : store.put(item, condition, options),
        }),
      };
      expect(await findings(tamper, [1])).toMatch(
        /which no journal has|no entry has it|whose last entry is|since it was asked/,
      );
    },
    TIMEOUT_MS,
  );

  test(
    'on a metadata store that ignores the condition of an entry: nobody is fenced',
    async () => {
      const tamper: Tamper = {
        metadata: (store) => ({
          ...store,
          put: (item, condition, options) => store.put(item, isEntry(item.sortKey) ? ALWAYS : condition, options),
        }),
      };
      expect(await findings(tamper, [1, 2, 3, 4, 5, 6])).toMatch(
        /journal epochs: b1\.\d+ wrote slot \d+ of journal 0 again/,
      );
    },
    TIMEOUT_MS,
  );

  test(
    'on an object store that loses what it created',
    async () => {
      let creates = 0;
      const tamper: Tamper = {
        objects: (store) => ({
          ...store,
          create: (key, parts, options) =>
            isSegment(key) && ++creates % 10 === 0
              ? Promise.resolve('created' as const)
              : store.create(key, parts, options),
        }),
      };
      expect(await findings(tamper, [1])).toMatch(
        /segments: entry \d+ of journal 0 names segment .*, which is not there/,
      );
    },
    TIMEOUT_MS,
  );

  test(
    'on an object store that deletes a neighbour as well',
    async () => {
      let newest = '';
      const tamper: Tamper = {
        objects: (store) => ({
          ...store,
          create: (key, parts, options) => {
            if (isSegment(key)) newest = key;
            return store.create(key, parts, options);
          },
          delete: (keys, options) =>
            store.delete(
              keys.some(isSegment) && newest !== '' ? [...new Set([...keys, objectKey(newest)])] : keys,
              options,
            ),
        }),
      };
      expect(await findings(tamper, [1, 2, 3])).toMatch(
        /segments: (segment .* was deleted|entry .* which is not there)/,
      );
    },
    TIMEOUT_MS,
  );

  test(
    'says how to see it again',
    async () => {
      const tamper: Tamper = { metadata: (store) => ({ ...store, put: async () => ({ ok: true as const }) }) };
      expect(await findings(tamper, [7])).toMatch(
        /npm run simulate -- --seed 7 --minutes 0\.3 --journals 1 --brokers 1/,
      );
    },
    TIMEOUT_MS,
  );
});
