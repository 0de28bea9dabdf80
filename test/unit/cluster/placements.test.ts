/** Owners stay where they were created, whoever asks, and whatever answers were lost. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Placements } from '../../../src/cluster/placements.ts';
import type { OpenedJournal } from '../../../src/journal/open-journal.ts';
import { Faults, faultyMetadataStore } from '../../../src/storage/faulty.ts';
import type { MetadataStore } from '../../../src/storage/metadata-store.ts';
import { memoryStores, open } from '../journal/harness.ts';
import { virtualRuntime } from '../storage/virtual-runtime.ts';

const runtime = virtualRuntime();
const OWNERS = Array.from({ length: 40 }, (_, at) => `group/g${at}`);
let stores = memoryStores();
let journals: OpenedJournal[] = [];

const openJournals = (count: number) =>
  Promise.all(Array.from({ length: count }, (_, id) => open(stores, { id, runtime })));
const placements = (over: readonly OpenedJournal[] = journals, metadata: MetadataStore = stores.metadata) =>
  new Placements({ clusterId: 'c', metadata, journals: over, runtime });
const write = (journal: OpenedJournal, owner: string, value: string | null) =>
  journal.coordinate(() => ({
    commands: [{ type: 'recordsChanged', owner, changes: [{ key: 'group', value }] }],
    answer: null,
  }));
const idOf = async (over: Placements, owner: string) => (await over.find(owner))?.id;

beforeEach(async () => {
  stores = memoryStores();
  journals = await openJournals(4);
});
afterEach(() => Promise.all(journals.map((journal) => journal.close())));

test('owners are spread over the journals, and every broker finds them where they are', async () => {
  const first = placements();
  const placed = await Promise.all(OWNERS.map(async (owner) => (await first.place(owner)).id));
  expect(new Set(placed).size).toBe(4);
  const second = placements();
  expect(await Promise.all(OWNERS.map((owner) => idOf(second, owner)))).toEqual(placed);
});

test('an owner that nobody created is nowhere, and asking does not create it', async () => {
  expect(await placements().find('group/none')).toBeUndefined();
  expect(await placements().find('group/none')).toBeUndefined();
});

test('an owner keeps its journal when there are more journals later', async () => {
  const few = journals.slice(0, 1);
  await Promise.all(OWNERS.map((owner) => placements(few).place(owner)));
  const all = placements();
  const ids = await Promise.all(OWNERS.map(async (owner) => (await all.place(owner)).id));
  expect(new Set(ids)).toEqual(new Set([0]));
});

test('two who create one owner at once agree', async () => {
  const [one, two] = [placements(journals.slice(0, 2)), placements(journals)];
  for (const owner of OWNERS) {
    const ids = await Promise.all([one.place(owner), two.place(owner)].map((placed) => placed.then(({ id }) => id)));
    expect(ids[0]).toBe(ids[1]);
  }
});

test('an owner with records is known without asking a store', async () => {
  await write(journals[2]!, 'group/known', '{}');
  expect(placements().known('group/known')?.id).toBe(2);
});

test('an owner whose journal another broker leads is refused by name', async () => {
  const owner = OWNERS[0]!;
  const placed = await placements().place(owner);
  const others = journals.filter(({ id }) => id !== placed.id);
  await expect(placements(others).find(owner)).rejects.toMatchObject({ error: 'NOT_COORDINATOR' });
  await expect(placements(others).place(owner)).rejects.toMatchObject({ error: 'NOT_COORDINATOR' });
});

test('an owner that is too long is refused with the limit', async () => {
  await expect(placements().place(`group/${'é'.repeat(300)}`)).rejects.toThrow('at most 512');
});

describe('a release', () => {
  test('makes room for another life elsewhere', async () => {
    const first = placements(journals.slice(0, 1));
    await first.place('group/again');
    await first.release('group/again');
    expect(await placements().find('group/again')).toBeUndefined();
    expect((await placements(journals.slice(3)).place('group/again')).id).toBe(3);
  });

  test('does nothing while records stand', async () => {
    const all = placements();
    const journal = await all.place('group/full');
    await write(journal as OpenedJournal, 'group/full', '{}');
    await all.release('group/full');
    expect(await idOf(placements(), 'group/full')).toBe(journal.id);
  });

  test('of an earlier life removes nothing of a later one', async () => {
    const old = placements(journals.slice(0, 1));
    await old.place('group/twice');
    const later = placements(journals.slice(0, 1));
    await later.place('group/twice');
    await old.release('group/twice');
    expect(await idOf(placements(), 'group/twice')).toBe(0);
  });
});

test('a lost answer of the store changes nothing', async () => {
  const faults = new Faults(runtime);
  const faulty = placements(journals, faultyMetadataStore(stores.metadata, faults));
  const place = async (owner: string): Promise<number> => {
    for (;;) {
      try {
        return (await faulty.place(owner)).id;
      } catch (cause) {
        if (!(cause instanceof Error && cause.name.startsWith('Storage'))) throw cause;
      }
    }
  };
  faults.plan = { faults: { 'answer-lost': 0.4, 'error-before': 0.2 } };
  const placed = await Promise.all(OWNERS.map(place));
  faults.heal();
  const other = placements();
  expect(await Promise.all(OWNERS.map((owner) => idOf(other, owner)))).toEqual(placed);
});
