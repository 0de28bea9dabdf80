/** Snapshots, the floor and trimming, behind a leader that goes on appending. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { StartupError, StorageCorruptError } from '../../../src/errors.ts';
import type { OpenedJournal, OpenJournalOptions } from '../../../src/journal/open-journal.ts';
import { mayTrim } from '../../../src/journal/trim-plan.ts';
import { crc32c } from '../../../src/record/crc32c.ts';
import { Faults, faultyMetadataStore, faultyObjectStore } from '../../../src/storage/faulty.ts';
import { entryKey, seqOfEntry } from '../../../src/storage/keys.ts';
import { ALWAYS } from '../../../src/storage/metadata-store.ts';
import { objectKey } from '../../../src/storage/object-store.ts';
import { virtualRuntime } from '../storage/virtual-runtime.ts';
import {
  brief,
  createTopic,
  inlineAppend,
  lane,
  memoryStores,
  open,
  type Stores,
  segmentAppend,
  segmentReference,
  TOPIC,
  uploadedAppend,
} from './harness.ts';

let brokerEpoch = 4_000;
let stores = memoryStores();
let journal: OpenedJournal;
let number = 0;
const LIMITS = { snapshotEntryBytes: 2_000 };

beforeEach(async () => {
  stores = memoryStores();
  await restart();
  await createTopic(journal, [0, 1]);
});
afterEach(() => journal.close());

async function restart(options: Partial<OpenJournalOptions> = {}, over: Stores = stores): Promise<void> {
  await journal?.close();
  brokerEpoch++;
  number = 0;
  journal = await open(over, { brokerEpoch, limits: LIMITS, ...options });
}

const next = () => ({ lane: lane(brokerEpoch), number: number++ });
const append = () => journal.append(segmentAppend(next(), [{ batches: [{}] }]));
const appendInline = () => journal.append(inlineAppend(next(), [{ partition: 1, batches: [{}] }]));
const seqs = () =>
  [...stores.metadata.items()]
    .filter(({ sortKey }) => sortKey.startsWith('e/'))
    .map(({ sortKey }) => seqOfEntry(sortKey));
const pointer = () => [...stores.metadata.items()].find(({ sortKey }) => sortKey === 'pointer')?.attributes;
const snapshots = async () => {
  const page = await stores.objects.list('c/snapshots/0/', '', 1_000, { cause: 'tool' });
  return page.objects.map(({ key }) => key);
};
/** Background work of memory stores is done after some turns of the event loop. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 30; turn++) await new Promise((resolve) => setImmediate(resolve));
}
const drop = () => {
  const { nextOffset } = journal.state.partition(TOPIC, 0)!;
  return journal.propose({ type: 'advanceLogStart', topicId: TOPIC, partition: 0, logStartOffset: nextOffset });
};

describe('snapshots', () => {
  test('come after so many bytes of entries, and the entries they cover go', async () => {
    for (let at = 0; at < 60; at++) {
      await append();
      await settle();
    }
    const { snapshotSeq, floor } = pointer()!;
    expect(Number(snapshotSeq)).toBeGreaterThan(15);
    expect(floor).toBe(snapshotSeq);
    expect(seqs()).toEqual([
      1,
      ...Array.from({ length: journal.state.lastSeq - Number(floor) + 1 }, (_, at) => Number(floor) + at),
    ]);
    expect(await snapshots()).toHaveLength(1);
  });

  test('come after so many footers that a recovery would have to read', async () => {
    await restart({ limits: { snapshotReferences: 3 } });
    const batches = Array.from({ length: 200 }, () => ({}));
    for (let at = 0; at < 3; at++) {
      await settle();
      expect(pointer()).toBeUndefined();
      const segmentId = `019aa3b5ec00-1-${brokerEpoch}-${at}-00000000`;
      await journal.append(await uploadedAppend(stores, { ...next(), segmentId }, [{ batches }]));
    }
    await settle();
    expect(pointer()).toMatchObject({ snapshotSeq: journal.state.lastSeq });
  });

  test('and the entries behind them bring back the same state', async () => {
    for (let at = 0; at < 50; at++) {
      await (at % 3 === 0 ? appendInline() : append());
      if (at === 20) await drop();
      await settle();
    }
    const before = [0, 1].map((partition) => journal.state.partition(TOPIC, partition)!);
    const extents = before.map((partition) => [...partition.extents]);
    await restart();
    for (const [partition, state] of before.entries()) {
      const after = journal.state.partition(TOPIC, partition)!;
      expect({ ...after, extents: [...after.extents] }).toEqual({ ...state, extents: extents[partition] });
    }
    for (const extent of journal.state.partition(TOPIC, 1)!.extents)
      expect(await journal.readInline(extent)).toHaveLength(100);
    expect(brief((await append()).answers)).toBe(`@${before[0]!.nextOffset}`);
  });

  test('grow rarer as the state grows', async () => {
    await createTopic(
      journal,
      Array.from({ length: 500 }, (_, partition) => partition),
    );
    for (let at = 0; at < 60; at++) {
      await append();
      await settle();
    }
    const bytes = Number(pointer()!['bytes']);
    expect(bytes).toBeGreaterThan(4_000);
    const { version } = pointer()!;
    for (let at = 0; at < 60; at++) {
      await append();
      await settle();
    }
    expect(Number(pointer()!['version']) - Number(version)).toBeLessThanOrEqual(Math.ceil((60 * 200) / (2 * bytes)));
  });

  test('survive stores that fail, and leave no object behind', async () => {
    const runtime = virtualRuntime();
    const faults = new Faults(runtime);
    const faulty = {
      metadata: faultyMetadataStore(stores.metadata, faults),
      objects: faultyObjectStore(stores.objects, faults),
    };
    await restart({ runtime }, faulty);
    faults.plan = {
      operations: {
        create: { faults: { 'error-before': 0.3, 'answer-lost': 0.3 } },
        delete: { faults: { 'error-before': 0.3, 'answer-lost': 0.3 } },
        put: { faults: { 'error-before': 0.2, 'answer-lost': 0.2 } },
        query: { faults: { 'error-before': 0.3 } },
        list: { faults: { 'error-before': 0.3 } },
      },
    };
    for (let at = 0; at < 80; at++) {
      await append();
      await settle();
    }
    faults.heal();
    for (let at = 0; at < 40; at++) {
      await append();
      await settle();
    }
    expect(await snapshots()).toEqual([pointer()!['snapshot']]);
    await restart();
    expect(journal.state.partition(TOPIC, 0)!.nextOffset).toBe(120);
  });

  test('a start finds its way when the snapshot it wants is replaced meanwhile', async () => {
    for (let at = 0; at < 30; at++) await append();
    await settle();
    const gone = new Faults(virtualRuntime());
    const objects = faultyObjectStore(stores.objects, gone);
    const read = objects.read.bind(objects);
    let missed = 0;
    const flaky = {
      ...objects,
      read: (...args: Parameters<typeof read>) => (missed++ === 0 ? Promise.resolve(null) : read(...args)),
    };
    await restart({}, { ...stores, objects: flaky });
    expect(missed).toBe(2);
    expect(journal.state.partition(TOPIC, 0)!.nextOffset).toBe(30);
  });
});

describe('trimming', () => {
  test('keeps every fence, the entry before it, and entries that records still lie in', async () => {
    await appendInline(); // 3
    await restart(); // 4
    for (let at = 0; at < 40; at++) await append();
    await settle();
    const floor = Number(pointer()!['floor']);
    expect(seqs().filter((seq) => seq < floor)).toEqual([1, 3, 4]);
    expect(await journal.readInline(journal.state.partition(TOPIC, 1)!.extents.at(0)!)).toHaveLength(100);
  });

  test('deletes entries when the last record in them is merged away', async () => {
    for (let at = 0; at < 3; at++) await appendInline(); // 3, 4, 5
    for (let at = 0; at < 40; at++) await append();
    await settle();
    expect(seqs().filter((seq) => seq <= 6)).toEqual([1, 3, 4, 5]);
    const remove = [...journal.state.partition(TOPIC, 1)!.extents];
    const segment = segmentReference('merged');
    const source = { type: 'segment' as const, segmentId: 'merged' };
    const add = [{ ...remove[0]!, endOffset: 3, source, absolute: true }];
    await journal.propose({
      type: 'merge',
      segments: [segment],
      swaps: [{ topicId: TOPIC, partition: 1, remove, add }],
    });
    await settle();
    expect(seqs().filter((seq) => seq <= 6)).toEqual([1]);
    expect(await journal.readInline(remove[0]!)).toHaveLength(100); // Still in memory.
    await restart();
    expect(await journal.readInline(remove[0]!)).toBeNull();
  });

  test('deletes a released entry also when the store was away meanwhile', async () => {
    const runtime = virtualRuntime();
    const faults = new Faults(runtime);
    await restart({ runtime }, { ...stores, metadata: faultyMetadataStore(stores.metadata, faults) });
    const { seq } = await appendInline();
    for (let at = 0; at < 40; at++) await append();
    await settle();
    expect(Number(pointer()!['floor'])).toBeGreaterThan(seq);
    expect(seqs()).toContain(seq);
    faults.plan = { operations: { delete: { faults: { 'error-before': 1 } } } };
    await journal.propose({ type: 'advanceLogStart', topicId: TOPIC, partition: 1, logStartOffset: 1 });
    await settle();
    faults.plan = {};
    await expect.poll(seqs).not.toContain(seq);
  });

  test('sweeps what earlier lives left below the floor', async () => {
    for (let at = 0; at < 40; at++) await append();
    await settle();
    const stray = { ...entryKey('c', 0, 7), body: Buffer.from('late'), attributes: { id: 'stray' } };
    await stores.metadata.put(stray, ALWAYS, { cause: 'tool' });
    await stores.objects.create(objectKey('c/snapshots/0/0000000000000001-orphan'), [Buffer.from('x')], {
      cause: 'tool',
    });
    await restart();
    await settle();
    expect(seqs()).not.toContain(7);
    expect(await snapshots()).toEqual([pointer()!['snapshot']]);
  });

  test('goes slowly where writes are paid for', async () => {
    const runtime = virtualRuntime();
    const metadata = Object.assign(Object.create(stores.metadata) as typeof stores.metadata, {
      pricing: { writeUnit: 1, readUnit: 1 },
    });
    for (const name of ['get', 'query', 'put', 'delete'] as const) {
      Object.assign(metadata, {
        [name]: (stores.metadata[name] as (...args: unknown[]) => unknown).bind(stores.metadata),
      });
    }
    await restart({ runtime, limits: { snapshotEntryBytes: 50_000 } }, { ...stores, metadata });
    for (let at = 0; at < 1_000; at++) await append();
    const before = runtime.elapsedMs;
    await expect.poll(() => seqs().length).toBeLessThan(600);
    expect(runtime.elapsedMs - before).toBeGreaterThan(1_000);
  });

  const view = { lastSeq: 20, fences: [1, 10, 11], inlineUses: new Map([[5, 1]]) };
  test.each([
    [1, false],
    [2, true],
    [5, false],
    [8, true],
    [9, false],
    [10, false],
    [11, false],
    [12, true],
    [14, true],
    [15, false],
  ])('below floor 15, entry %i may go: %s', (seq, may) => {
    expect(mayTrim(seq, 15, view)).toBe(may);
  });

  test('a leader that knows of a floor beyond its own last entry does not trim what it has not seen', () => {
    expect(mayTrim(19, 100, view)).toBe(true);
    expect(mayTrim(20, 100, view)).toBe(false);
    expect(mayTrim(21, 100, view)).toBe(false);
  });
});

describe('damage', () => {
  test('to an entry is named, and only its journal stays away', async () => {
    await append();
    const others = await Promise.all([1, 2, 3].map((id) => open(stores, { id })));
    await journal.close();
    const item = (await stores.metadata.get(entryKey('c', 0, 3), { cause: 'tool' }))!;
    const body = Buffer.from(item.body);
    body[20]! ^= 1;
    await stores.metadata.put({ ...item, body }, ALWAYS, { cause: 'tool' });
    await expect(open(stores)).rejects.toThrow(StorageCorruptError);
    await expect(open(stores)).rejects.toThrow('journal 0, entry 3: its checksum does not match');
    for (const other of others) {
      await createTopic(other);
      expect(other.state.partition(TOPIC, 0)).toBeDefined();
      await other.close();
    }
  });

  test('to the body of an inline entry is named when it is read, and the rest stays readable', async () => {
    await appendInline(); // 3
    await appendInline(); // 4
    for (let at = 0; at < 40; at++) await append();
    await settle();
    const item = (await stores.metadata.get(entryKey('c', 0, 3), { cause: 'tool' }))!;
    const body = Buffer.from(item.body);
    body[body.length - 1]! ^= 1;
    await stores.metadata.put({ ...item, body }, ALWAYS, { cause: 'tool' });
    await restart();
    const [damaged, sound] = journal.state.partition(TOPIC, 1)!.extents;
    await expect(journal.readInline(damaged!)).rejects.toThrow('journal 0, entry 3: its checksum does not match');
    expect(await journal.readInline(sound!)).toHaveLength(100);
  });

  test('to a snapshot is named', async () => {
    for (let at = 0; at < 40; at++) await append();
    await settle();
    await journal.close();
    const [key] = await snapshots();
    const body = (await stores.objects.readLast(key!, 1_000_000, { cause: 'tool' })) as { bytes: Buffer };
    const bytes = Buffer.from(body.bytes);
    bytes[30]! ^= 1;
    await stores.objects.delete([key!], { cause: 'tool' });
    await stores.objects.create(key!, [bytes], { cause: 'tool' });
    await expect(open(stores)).rejects.toThrow(`snapshot ${key}: its checksum does not match`);
  });

  test('is not confused with a newer version of the broker', async () => {
    for (let at = 0; at < 40; at++) await append();
    await settle();
    await journal.close();
    const [key] = await snapshots();
    const { bytes } = (await stores.objects.readLast(key!, 1_000_000, { cause: 'tool' })) as { bytes: Buffer };
    const newer = Buffer.from(bytes);
    newer[4] = 9;
    newer.writeUInt32LE(crc32c(newer.subarray(0, -4)), newer.length - 4);
    await stores.objects.delete([key!], { cause: 'tool' });
    await stores.objects.create(key!, [newer], { cause: 'tool' });
    await expect(open(stores)).rejects.toThrow(StartupError);
    await expect(open(stores)).rejects.toThrow(/has format version 9/);
  });

  test('that took an entry away is named, and not read over and over', async () => {
    for (let at = 0; at < 3; at++) await append();
    await journal.close();
    await stores.metadata.delete(entryKey('c', 0, 4), ALWAYS, { cause: 'tool' });
    await expect(open(stores, { signal: AbortSignal.timeout(2_000) })).rejects.toThrow('journal 0: entry 4 is gone');
  });

  test('that took a snapshot away is named, and not looked for over and over', async () => {
    for (let at = 0; at < 40; at++) await append();
    await settle();
    await journal.close();
    const [key] = await snapshots();
    await stores.objects.delete([key!], { cause: 'tool' });
    await expect(open(stores, { signal: AbortSignal.timeout(2_000) })).rejects.toThrow(`its snapshot ${key} is gone`);
  });

  test('to a footer that an entry needs is named', async () => {
    const segmentId = `019aa3b5ec00-1-${brokerEpoch}-0-00000000`;
    const batches = Array.from({ length: 200 }, () => ({}));
    await journal.append(await uploadedAppend(stores, { ...next(), segmentId }, [{ batches }]));
    await journal.close();
    await stores.objects.delete([objectKey(`c/segments/${segmentId}`)], { cause: 'tool' });
    await expect(open(stores)).rejects.toThrow(`journal 0: it needs the footer of segment ${segmentId}, which is gone`);
  });
});
