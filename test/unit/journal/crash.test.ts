/** A broker that dies at any call to a store, before or after the effect, loses nothing that it acknowledged. */
import { describe, expect, test } from 'vitest';
import type { OpenedJournal } from '../../../src/journal/open-journal.ts';
import { systemTimers, yieldTurn } from '../../../src/runtime/clock.ts';
import {
  brief,
  createTopic,
  inlineAppend,
  lane,
  memoryStores,
  newBrokerEpoch,
  open,
  type Stores,
  TOPIC,
  uploadedAppend,
} from './harness.ts';
import { type Death, MortalStores } from './mortal-stores.ts';

/** Small, so that a life of some appends takes snapshots and trims. */
const LIMITS = { snapshotEntryBytes: 300, snapshotReferences: 1 };
const LETTERS = 'abcdefghij';
/** So many batches are too long for an entry to describe. */
const MANY = 200;

interface Acknowledged {
  readonly letter: string;
  readonly offset: number;
}

/** Appends one letter after the other, in two partitions, and now and then a segment; stops where the process dies. */
async function live(stores: Stores, death: Death, acknowledged: Acknowledged[], id: number): Promise<boolean> {
  const mortal = new MortalStores(stores, death);
  const abort = new AbortController();
  const epoch = newBrokerEpoch();
  let journal: OpenedJournal | undefined;
  const life = async () => {
    journal = await open(mortal, { id, brokerEpoch: epoch, signal: abort.signal, limits: LIMITS });
    await createTopic(journal, [0, 1]);
    let number = 0;
    for (const letter of LETTERS) {
      const at = { lane: lane(epoch), number: number++ };
      const { answers } = await journal.append(inlineAppend(at, [{ batches: [{ count: 1 }] }], letter));
      acknowledged.push({ letter, offset: Number(brief(answers).slice(1)) });
      for (let turn = 0; turn < 5; turn++) await yieldTurn(systemTimers); // Snapshots go on meanwhile.
      if (letter !== 'c' && letter !== 'g') continue;
      const segmentId = `019aa3b5ec00-1-${epoch}-${number}-00000000`;
      const next = { lane: lane(epoch), number: number++, segmentId };
      const batches = Array.from({ length: MANY }, () => ({}));
      await journal.append(await uploadedAppend(stores, next, [{ partition: 1, batches }], id));
    }
    await journal.close();
  };
  const survived = await Promise.race([life().then(() => true), mortal.died.then(() => false)]);
  abort.abort(new Error('dead'));
  if (!survived) void journal?.close();
  return survived;
}

/** Every letter at its offset; each acknowledged one exactly once. */
async function check(stores: Stores, acknowledged: readonly Acknowledged[], id: number): Promise<void> {
  const journal = await open(stores, { id, limits: LIMITS });
  const found: string[] = [];
  for (const extent of journal.state.partition(TOPIC, 0)?.extents ?? []) {
    expect(extent.baseOffset).toBe(found.length);
    const bytes = await journal.readInline(extent);
    for (let offset = extent.baseOffset; offset < extent.endOffset; offset++)
      found.push(bytes!.toString('latin1', 0, 1));
  }
  for (const { letter, offset } of acknowledged) expect(found[offset]).toBe(letter);
  const extra = found.length - acknowledged.length;
  expect(extra).toBeGreaterThanOrEqual(0);
  expect(extra).toBeLessThanOrEqual(1);
  expect(new Set(found).size).toBe(found.length);
  const segments = journal.state.partition(TOPIC, 1)?.nextOffset ?? 0;
  expect([0, MANY, 2 * MANY]).toContain(segments);
  await journal.close();
}

describe.each(['before the effect', 'after the effect'] as const)('a broker that dies %s', (when) => {
  test.each([1, 4])('of any store call keeps what it acknowledged, with %i journals in the stores', async (count) => {
    const id = count - 1;
    for (let call = 1; ; call++) {
      const stores = memoryStores();
      for (let other = 0; other < id; other++) await (await open(stores, { id: other })).close();
      const acknowledged: Acknowledged[] = [];
      const survived = await live(stores, { call, when }, acknowledged, id);
      await check(stores, acknowledged, id);
      await check(stores, acknowledged, id);
      if (survived) {
        expect(acknowledged.length).toBe(LETTERS.length);
        expect(call).toBeGreaterThan(30);
        return;
      }
    }
  });
});
