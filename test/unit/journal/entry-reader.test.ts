import { beforeEach, describe, expect, test, vi } from 'vitest';
import { EntryReader } from '../../../src/journal/entry-reader.ts';
import { JournalStore } from '../../../src/journal/journal-store.ts';
import type { OpenedJournal } from '../../../src/journal/open-journal.ts';
import type { Clock, Timers } from '../../../src/runtime/clock.ts';
import { segmentKey } from '../../../src/segment/segment-id.ts';
import { Faults, faultyMetadataStore, faultyObjectStore } from '../../../src/storage/faulty.ts';
import { virtualRuntime } from '../storage/virtual-runtime.ts';
import { createTopic, inlineAppend, lane, memoryStores, open, uploadedAppend } from './harness.ts';

const runtime = virtualRuntime();
const LARGE = 60_000;
let stores = memoryStores();
let faults: Faults;
let store: JournalStore;
let journal: OpenedJournal;
let number: number;

beforeEach(async () => {
  stores = memoryStores();
  faults = new Faults(runtime);
  const { metadata, objects } = stores;
  const signal = new AbortController().signal;
  const faulty = [faultyMetadataStore(metadata, faults), faultyObjectStore(objects, faults)] as const;
  store = new JournalStore(...faulty, 'c', 0, signal);
  journal = await open(stores, { brokerEpoch: 50 });
  await createTopic(journal);
  number = 0;
});

const at = () => ({ lane: lane(50), number: number++ });

/** Pages of the table end at a megabyte: some 17 of these. */
async function appendLarge(count: number): Promise<void> {
  for (let left = count; left > 0; left--) {
    await journal.append(inlineAppend(at(), [{ batches: [{ length: LARGE }] }]));
  }
}

/** More batches than an entry describes itself: its footer has to be read. */
const appendByFooter = async (segmentId: string): Promise<unknown> => {
  const batches = Array.from({ length: 200 }, () => ({}));
  return journal.append(await uploadedAppend(stores, { ...at(), segmentId }, [{ batches }]));
};

async function readAll(reader: EntryReader): Promise<number[]> {
  const seqs: number[] = [];
  for (;;) {
    const { entries, more } = await reader.next();
    seqs.push(...entries.map(({ entry }) => entry.seq));
    if (!more) return seqs;
  }
}

describe('a reader of entries', () => {
  test('hands out all pages in order, however many', async () => {
    await appendLarge(150);
    expect(await readAll(new EntryReader(store, runtime.timers, 0, false))).toEqual(
      Array.from({ length: 152 }, (_, index) => index + 1),
    );
    expect(await readAll(new EntryReader(store, runtime.timers, 140, false))).toEqual(
      Array.from({ length: 12 }, (_, index) => index + 141),
    );
  });

  test('gives others a turn before it has decoded much of a page', async () => {
    await appendLarge(16);
    let turns = 0;
    const timers: Timers = {
      ...runtime.timers,
      soon: (callback) => {
        turns++;
        runtime.timers.soon(callback);
      },
    };
    const page = await new EntryReader(store, timers, 0, false).next();
    expect(page.entries).toHaveLength(18);
    expect(turns).toBeGreaterThanOrEqual(7);
  });

  test('begins to read the page behind one that it is decoding', async () => {
    await appendLarge(20);
    const turns: (() => void)[] = [];
    const timers: Timers = { ...runtime.timers, soon: (callback) => void turns.push(callback) };
    const query = vi.spyOn(stores.metadata, 'query');
    const page = new EntryReader(store, timers, 0, false).next();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(query).toHaveBeenCalledTimes(2);
    expect(turns).toHaveLength(1);
    while (turns.length > 0) {
      turns.shift()!();
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(await page).toMatchObject({ more: true, goneSegment: null });
  });

  test('is ahead of its caller by some pages, not by all', async () => {
    await appendLarge(200);
    let queries = 0;
    const counting = new JournalStore(
      {
        ...stores.metadata,
        pricing: stores.metadata.pricing,
        query: (...args: Parameters<typeof stores.metadata.query>) => {
          queries++;
          return stores.metadata.query(...args);
        },
      } as never,
      stores.objects,
      'c',
      0,
      new AbortController().signal,
    );
    const reader = new EntryReader(counting, runtime.timers, 0, true);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(queries).toBe(6);
    await reader.next();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(queries).toBe(7);
    reader.stop();
    await reader.next();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(queries).toBeLessThanOrEqual(8);
  });

  test('says of a page that it was read before it was asked for: an end may be none any more', async () => {
    const early = new EntryReader(store, runtime.timers, 0, true);
    const late = new EntryReader(store, runtime.timers, 0, false);
    expect(await late.next()).toMatchObject({ isAhead: false, more: false });
    await appendLarge(1);
    const page = await early.next();
    expect(page).toMatchObject({ isAhead: true, more: false });
    expect(early.position).toBe(2);
    expect(await readAll(new EntryReader(store, runtime.timers, early.position, false))).toEqual([3]);
  });

  test('brings the footers that its entries need, and names one that is gone', async () => {
    await appendByFooter('s1');
    await appendByFooter('s2');
    const page = await new EntryReader(store, runtime.timers, 0, false).next();
    expect([...page.footers.keys()].sort()).toEqual(['s1', 's2']);
    expect(page.goneSegment).toBeNull();
    await stores.objects.delete([segmentKey('c', 's2')], { cause: 'tool' });
    expect(await new EntryReader(store, runtime.timers, 0, false).next()).toMatchObject({ goneSegment: 's2' });
  });

  test('tells of a store that is away to whoever asks, for a page as for a footer', async () => {
    await appendByFooter('s1');
    faults.script({ operation: 'query', fault: 'error-before' });
    await expect(new EntryReader(store, runtime.timers, 0, false).next()).rejects.toThrow();
    faults.script({ operation: 'read', fault: 'error-before' });
    await expect(new EntryReader(store, runtime.timers, 0, true).next()).rejects.toThrow();
    expect(await new EntryReader(store, runtime.timers, 0, true).next()).toMatchObject({ goneSegment: null });
  });
});

describe('a takeover', () => {
  test('folds so many entries in a turn as it has time for, and no more than a few dozen', async () => {
    for (let left = 128; left > 0; left--) await journal.append(inlineAppend(at(), [{ batches: [{}] }]));
    await journal.close();
    const turnsWith = async (msPerLook: number) => {
      let now = 0;
      let turns = 0;
      const clock: Clock = { now: () => runtime.clock.now(), monotonic: () => (now += msPerLook) };
      const soon = (callback: () => void) => {
        turns++;
        runtime.timers.soon(callback);
      };
      const taken = await open(stores, { runtime: { ...runtime, clock, timers: { ...runtime.timers, soon } } });
      expect([...taken.state.partitions()]).toMatchObject([{ nextOffset: 128 }]);
      await taken.close();
      return turns;
    };
    expect(await turnsWith(0)).toBe(2);
    const slow = await turnsWith(10);
    expect(slow).toBeGreaterThanOrEqual(128);
  });

  test('goes on from where it was when the store was away in the middle of it', async () => {
    await appendLarge(60);
    await appendByFooter('s1');
    await journal.close();
    const { metadata, objects } = stores;
    const faulty = { metadata: faultyMetadataStore(metadata, faults), objects: faultyObjectStore(objects, faults) };
    faults.plan = {
      operations: { query: { faults: { 'error-before': 0.5 } }, read: { faults: { 'error-before': 0.5 } } },
    };
    const again = await open(faulty, { runtime });
    expect(again.state.lastSeq).toBe(64);
    expect(again.state.partitions()[Symbol.iterator]().next().value).toMatchObject({ nextOffset: 260 });
    faults.heal();
    await again.close();
  });
});
