/** Coordinators' decisions: made on the state at their entry, in order, answered once it is durable. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { KafkaError } from '../../../src/errors.ts';
import type { DecisionView, RecordChange } from '../../../src/journal/journal.ts';
import type { OpenedJournal } from '../../../src/journal/open-journal.ts';
import { Faults, faultyMetadataStore, faultyObjectStore } from '../../../src/storage/faulty.ts';
import { virtualRuntime } from '../storage/virtual-runtime.ts';
import { memoryStores, open } from './harness.ts';

const OWNER = 'group/orders';
const runtime = virtualRuntime();
let stores = memoryStores();
let faults: Faults;
let journal: OpenedJournal;

beforeEach(async () => {
  stores = memoryStores();
  faults = new Faults(runtime);
  const faulty = {
    metadata: faultyMetadataStore(stores.metadata, faults),
    objects: faultyObjectStore(stores.objects, faults),
  };
  journal = await open(faulty, { runtime });
});
afterEach(() => journal.close());

const change = (...changes: RecordChange[]) => ({ type: 'recordsChanged', owner: OWNER, changes }) as const;
const set = (key: string, value: string | null) => change({ key, value });
const put = (key: string, value: string | null) =>
  journal.coordinate(() => ({ commands: [set(key, value)], answer: value }));

const count = (view: DecisionView) => Number(view.record(OWNER, 'count') ?? '0');
const increment = () =>
  journal.coordinate((view) => {
    const next = count(view) + 1;
    return { commands: [set('count', String(next))], answer: next };
  });

test('decisions of one turn see each other, in order, and share an entry', async () => {
  const before = journal.state.lastSeq;
  expect(await Promise.all([increment(), increment(), increment()])).toEqual([1, 2, 3]);
  expect(journal.state.lastSeq).toBe(before + 1);
  expect(journal.state.record(OWNER, 'count')).toBe('3');
});

test('a decision that writes nothing makes no entry', async () => {
  const before = journal.state.lastSeq;
  expect(await journal.coordinate((view) => ({ commands: [], answer: view.record(OWNER, 'x') ?? 'none' }))).toBe(
    'none',
  );
  expect(journal.state.lastSeq).toBe(before);
});

test('what a decision throws is its answer, and the others go on', async () => {
  const refused = journal.coordinate(() => {
    throw new KafkaError('ILLEGAL_GENERATION', 'generation 3 is over');
  });
  const done = increment();
  await expect(refused).rejects.toThrow('generation 3 is over');
  expect(await done).toBe(1);
});

test('an owner is gone with its last record', async () => {
  await put('a', '1');
  expect([...journal.state.owners()]).toEqual([OWNER]);
  await put('a', null);
  expect([...journal.state.owners()]).toEqual([]);
});

test('a map of records that someone holds never changes', async () => {
  await put('a', '1');
  const held = journal.state.records(OWNER);
  await put('a', '2');
  expect(held.get('a')).toBe('1');
  expect(journal.state.records(OWNER).get('a')).toBe('2');
});

test('those who listen are told whose records changed', async () => {
  const told: string[] = [];
  journal.subscribe(({ owners }) => told.push(...owners));
  await put('a', '1');
  expect(told).toEqual([OWNER]);
});

test('decisions that do not fit one entry are made again for the next, one that fits none is refused', async () => {
  const large = 'x'.repeat(100_000);
  const before = journal.state.lastSeq;
  await Promise.all([put('a', large), put('b', large)]);
  expect(journal.state.lastSeq).toBe(before + 2);
  await expect(put('c', 'é'.repeat(70_000))).rejects.toThrow('does not fit an entry');
});

test('records come back with a takeover, from entries and from a snapshot', async () => {
  await put('a', 'ä ö 漢字');
  await put('b', '');
  journal.requestSnapshot();
  await put('c', '3');
  await journal.close();
  journal = await open(stores, { runtime, brokerEpoch: 2 });
  expect([...journal.state.records(OWNER)]).toEqual([
    ['a', 'ä ö 漢字'],
    ['b', ''],
    ['c', '3'],
  ]);
});

test('the decision of a deposed leader is rejected and not seen by the next', async () => {
  await put('a', '1');
  const next = await open(stores, { runtime, brokerId: 2 });
  await expect(put('a', '2')).rejects.toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER' });
  expect(next.state.record(OWNER, 'a')).toBe('1');
  await next.close();
});
