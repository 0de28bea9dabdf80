/** Owners stay where they were created, whoever asks, and whatever answers were lost. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Placements } from '../../../src/cluster/placements.ts';
import { fixedJournals } from '../../../src/journal/journals.ts';
import type { OpenedJournal } from '../../../src/journal/open-journal.ts';
import { Faults, faultyMetadataStore } from '../../../src/storage/faulty.ts';
import type { MetadataStore } from '../../../src/storage/metadata-store.ts';
import { TestSeats } from '../coordinator/test-seats.ts';
import { memoryStores, open } from '../journal/harness.ts';
import { virtualRuntime } from '../storage/virtual-runtime.ts';

const runtime = virtualRuntime();
const OWNERS = Array.from({ length: 40 }, (_, at) => `group/g${at}`);
let stores = memoryStores();
let journals: OpenedJournal[] = [];

const openJournals = (count: number) =>
  Promise.all(Array.from({ length: count }, (_, id) => open(stores, { id, runtime })));
const placements = (over: readonly OpenedJournal[] = journals, metadata: MetadataStore = stores.metadata) =>
  new Placements({ clusterId: 'c', metadata, journals: fixedJournals(over), runtime });
const write = (journal: OpenedJournal, owner: string, value: string | null) =>
  journal.coordinate(() => ({
    commands: [{ type: 'recordsChanged', owner, changes: [{ key: 'group', value }] }],
    answer: null,
  }));
const idOf = async (over: Placements, owner: string) => {
  const { journal, exists } = await over.locate(owner);
  return exists ? journal.id : undefined;
};
const release = async (over: Placements, owner: string) => (await over.releasing(owner))();

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
  expect(await idOf(placements(), 'group/none')).toBeUndefined();
  expect(await idOf(placements(), 'group/none')).toBeUndefined();
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
  await expect(placements(others).locate(owner)).rejects.toMatchObject({ error: 'NOT_COORDINATOR' });
  await expect(placements(others).place(owner)).rejects.toMatchObject({ error: 'NOT_COORDINATOR' });
});

test('an owner that is too long is refused with the limit', async () => {
  await expect(placements().place(`group/${'é'.repeat(300)}`)).rejects.toThrow('at most 512');
});

describe('a release', () => {
  test('makes room for another life elsewhere', async () => {
    const first = placements(journals.slice(0, 1));
    const elsewhere = await Promise.all(OWNERS.map(async (owner) => (await placements().locate(owner)).journal.id));
    const owner = OWNERS[elsewhere.indexOf(3)]!;
    await first.place(owner);
    await release(first, owner);
    expect(await idOf(placements(), owner)).toBeUndefined();
    expect((await placements().place(owner)).id).toBe(3);
  });

  test('does nothing while records stand', async () => {
    const all = placements();
    const journal = await all.place('group/full');
    await write(journal as OpenedJournal, 'group/full', '{}');
    await release(all, 'group/full');
    expect(await idOf(placements(), 'group/full')).toBe(journal.id);
  });

  test('of an earlier life removes nothing of a later one', async () => {
    const old = placements(journals.slice(0, 1));
    await old.place('group/twice');
    const later = placements(journals.slice(0, 1));
    await later.place('group/twice');
    await release(old, 'group/twice');
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

describe('where several brokers lead', () => {
  const seated = async (leads: readonly number[]) => {
    const seats = new TestSeats(journals.length);
    for (const id of leads) seats.lead(await open(stores, { id, runtime }));
    return {
      seats,
      placements: new Placements({ clusterId: 'c', metadata: stores.metadata, journals: seats, runtime }),
    };
  };
  const ownersOf = async (over: Placements, id: number) => {
    const located = await Promise.all(OWNERS.map((owner) => over.locate(owner)));
    return OWNERS.filter((_, at) => located[at]!.journal.id === id);
  };

  test('every broker knows which journal keeps an owner, or would, and who leads it creates it', async () => {
    const [one, two] = [await seated([0, 1]), await seated([2, 3])];
    for (const owner of OWNERS) {
      const { journal, exists } = await one.placements.locate(owner);
      expect(exists).toBe(false);
      const [leads, follows] = journal.role === 'leading' ? [one, two] : [two, one];
      await expect(follows.placements.place(owner)).rejects.toMatchObject({ error: 'NOT_COORDINATOR' });
      expect((await leads.placements.place(owner)).id).toBe(journal.id);
      expect(await follows.placements.locate(owner)).toMatchObject({ journal: { id: journal.id }, exists: true });
    }
    for (const { seats } of [one, two]) for (const { id } of seats) await seats.lose(id);
  });

  test('an owner that stands in a journal other than it would now is found by its leader', async () => {
    await placements(journals.slice(0, 1)).place('group/old');
    const [owner] = (await ownersOf(placements(), 3)) as [string];
    await placements(journals.slice(0, 1)).place(owner);
    const { seats, placements: here } = await seated([0]);
    expect((await here.place(owner)).id).toBe(0);
    await seats.lose(0);
  });

  test('what a leadership knew ends with it: an owner that was released meanwhile is created anew', async () => {
    const one = await seated([0]);
    const [owner] = (await ownersOf(one.placements, 0)) as [string];
    await one.placements.place(owner);
    await one.seats.lose(0);
    const two = await seated([0]);
    await two.placements.place(owner);
    await release(two.placements, owner);
    await two.seats.lose(0);
    one.seats.lead(await open(stores, { id: 0, runtime }));
    expect(await idOf(one.placements, owner)).toBeUndefined();
    await one.placements.place(owner);
    expect(await idOf(two.placements, owner)).toBe(0);
    await one.seats.lose(0);
  });

  test('a release that was begun by an earlier leader removes nothing of the next one', async () => {
    const one = await seated([0]);
    const [owner] = (await ownersOf(one.placements, 0)) as [string];
    await one.placements.place(owner);
    const late = await one.placements.releasing(owner);
    await one.seats.lose(0);
    const two = await seated([0]);
    await two.placements.place(owner);
    await late();
    expect(await idOf(placements(), owner)).toBe(0);
    await two.seats.lose(0);
  });

  test('an owner that is being placed while the leadership changes hands is not placed', async () => {
    const one = await seated([0]);
    const [owner] = (await ownersOf(one.placements, 0)) as [string];
    const placing = one.placements.place(owner);
    await one.seats.lose(0);
    one.seats.lead(await open(stores, { id: 0, runtime }));
    await expect(placing).rejects.toMatchObject({ error: 'NOT_COORDINATOR' });
    await one.seats.lose(0);
  });

  test('what was recalled is asked again once it is mistrusted', async () => {
    const [one, two] = [await seated([0]), await seated([3])];
    const [owner] = (await ownersOf(one.placements, 3)) as [string];
    await placements(journals.slice(0, 1)).place(owner);
    expect((await two.placements.recall(owner)).id).toBe(0);
    await release(one.placements, owner);
    expect((await two.placements.recall(owner)).id).toBe(0);
    two.placements.mistrust(owner);
    expect((await two.placements.recall(owner)).id).toBe(3);
    for (const { seats } of [one, two]) for (const { id } of seats) await seats.lose(id);
  });
});
