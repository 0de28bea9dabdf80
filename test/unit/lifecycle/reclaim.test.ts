/** Reclaim of a cluster: journals led by several brokers, one that deletes, and what goes wrong between them. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Applied, Journal } from '../../../src/journal/journal.ts';
import { fixedJournals } from '../../../src/journal/journals.ts';
import { JournalState } from '../../../src/journal/state.ts';
import { JournalReferences } from '../../../src/lifecycle/journal-references.ts';
import { Reclaimer } from '../../../src/lifecycle/reclaim.ts';
import { ReleasedSegments } from '../../../src/lifecycle/released-segments.ts';
import { crc32c } from '../../../src/record/crc32c.ts';
import { type Clock, systemClock } from '../../../src/runtime/clock.ts';
import type { Runtime } from '../../../src/runtime/runtime.ts';
import { sealSegment } from '../../../src/segment/build.ts';
import { segmentKey } from '../../../src/segment/segment-id.ts';
import { faultyObjectStore } from '../../../src/storage/faulty.ts';
import { MemoryObjectStore } from '../../../src/storage/memory/object-store.ts';
import { type SeatedBroker, SeatsWorld } from '../cluster/seats-world.ts';
import { brief, lane, OTHER_TOPIC, partitionBatches, TOPIC, testRuntime } from '../journal/harness.ts';

const DELAY_MS = 120_000;
const ORPHAN_AGE_MS = 3_600_000;
const NEVER = new AbortController().signal;

/** Of the store and of all brokers; durations are real but for what is added. */
class MovedClock implements Clock {
  offsetMs = 0;
  now = () => systemClock.now() + this.offsetMs;
  monotonic = () => systemClock.monotonic() + this.offsetMs;
}

let clock: MovedClock;
let world: SeatsWorld;
let one: Reclaiming;
let two: Reclaiming;
const closing: (() => void)[] = [];

interface Reclaiming extends SeatedBroker {
  pass(): Promise<{ readonly condemned: number; readonly deleted: number }>;
}

function start(brokerId: number, brokerEpoch = 1): Reclaiming {
  const runtime: Runtime = { ...testRuntime(), clock };
  const broker = world.broker(brokerId, { brokerEpoch, runtime });
  const { seats, faults, remote } = broker;
  const released = new ReleasedSegments(seats);
  const references = new JournalReferences({ journals: seats, released, remote });
  references.answer(world.network.registry(brokerId));
  const objects = faultyObjectStore(world.stores.objects, faults);
  const reclaimer = new Reclaimer({
    ...{ clusterId: 'c', journals: seats, references, objects, runtime },
    ...{ delayMs: DELAY_MS, orphanAgeMs: ORPHAN_AGE_MS, shared: true },
  });
  closing.push(
    () => reclaimer.close(),
    () => released.close(),
  );
  return { ...broker, pass: () => reclaimer.pass(NEVER) };
}

/** Journal 0 orders TOPIC, journal 1 OTHER_TOPIC. */
const TOPICS = [TOPIC, OTHER_TOPIC];

beforeEach(async () => {
  clock = new MovedClock();
  world = new SeatsWorld(2, new MemoryObjectStore({ clock }));
  one = start(1);
  two = start(2);
  await world.lead(one, 0);
  await world.lead(two, 1);
  for (const journal of [0, 1]) {
    await one.seats.get(journal)!.propose({ type: 'createPartitions', topicId: TOPICS[journal]!, partitions: [0] });
  }
  await one.pass(); // The listing of the start.
});
afterEach(async () => {
  for (const close of closing.splice(0)) close();
  await world.close();
});

const numbers = new Map<string, number>();
const idOf = (brokerId: number, number: number, brokerEpoch = 1): string =>
  `019aa3b5ec00-${brokerId}-${brokerEpoch}-${number}-9f86d081`;

/** Uploads a segment with a batch for each of `journals`, and answers how to append it to one of them. */
async function upload({ brokerId, brokerEpoch, seats }: SeatedBroker, segmentId: string, journals = [0, 1]) {
  const wishes = journals.map((journal) => ({ topicId: TOPICS[journal] ?? 'CCCCCCCCQACAAAAAAAAAAA', batches: [{}] }));
  const partitions = partitionBatches(wishes).map((batches, at) => ({ ...batches, journal: journals[at]! }));
  const body = Buffer.alloc(100 * journals.length);
  const sealed = { parts: [body], bytes: body.length, crc: crc32c(body), partitions };
  const { parts, reference } = sealSegment(segmentId, sealed);
  await world.stores.objects.create(segmentKey('c', segmentId), parts, { cause: 'ingest' });
  return async (journal: number): Promise<string> => {
    const key = `${brokerId}/${brokerEpoch}/${journal}/${world.id}`;
    const number = numbers.get(key) ?? 0;
    numbers.set(key, number + 1);
    const { answers } = await seats.get(journal)!.append({
      lane: lane(brokerEpoch, 0, brokerId),
      number,
      source: { type: 'segment', segment: reference },
      partitions: partitions.filter((batches) => batches.journal === journal),
    });
    return brief(answers);
  };
}

async function truncate(journal: number, logStartOffset: number): Promise<void> {
  const change = { type: 'advanceLogStart', topicId: TOPICS[journal]!, partition: 0, logStartOffset } as const;
  expect(await one.seats.get(journal)!.propose(change)).toMatchObject({ type: 'logStart' });
}

const leaderOf = (journal: number) => [one, two].find(({ seats }) => seats.get(journal)!.role === 'leading')!;
const stateOf = (journal: number) => leaderOf(journal).seats.get(journal)!.state;

/** Entries above a durable snapshot keep what they name. */
async function snapshot(): Promise<void> {
  for (const journal of [0, 1]) leaderOf(journal).seats.get(journal)!.requestSnapshot();
  await new Promise((resolve) => setTimeout(resolve, 30));
}

const exists = async (segmentId: string): Promise<boolean> =>
  (await world.stores.objects.readLast(segmentKey('c', segmentId), 1, { cause: 'tool' })) !== null;

describe('a segment with parts in two journals', () => {
  const segmentId = idOf(1, 0);

  test('is condemned in both, deleted after the delay, forgotten in both', async () => {
    const append = await upload(one, segmentId);
    expect([await append(0), await append(1)]).toEqual(['@0', '@0']);
    await truncate(0, 1);
    await truncate(1, 1);
    await snapshot();
    expect(await two.pass()).toEqual({ condemned: 0, deleted: 0 });
    expect(await one.pass()).toEqual({ condemned: 1, deleted: 0 });
    expect([stateOf(0), stateOf(1)].map((state) => state.isCondemned(segmentId))).toEqual([true, true]);
    clock.offsetMs += DELAY_MS - 1_000;
    expect(await one.pass()).toEqual({ condemned: 0, deleted: 0 });
    clock.offsetMs += 1_000;
    expect(await one.pass()).toEqual({ condemned: 0, deleted: 1 });
    expect(await exists(segmentId)).toBe(false);
    expect([stateOf(0), stateOf(1)].map((state) => state.isCondemned(segmentId))).toEqual([false, false]);
    expect(await one.pass()).toEqual({ condemned: 0, deleted: 0 });
  });

  test('stays as long as one of them refers to it, whichever that is', async () => {
    const append = await upload(one, segmentId);
    await append(0);
    await append(1);
    await truncate(0, 1);
    await snapshot();
    for (let round = 0; round < 3; round++) {
      expect(await one.pass()).toEqual({ condemned: 0, deleted: 0 });
      clock.offsetMs += DELAY_MS;
    }
    expect(await exists(segmentId)).toBe(true);
    await truncate(1, 1);
    await snapshot();
    expect(await one.pass()).toEqual({ condemned: 1, deleted: 0 });
  });

  test('waits while a journal cannot be reached, and so does what is to be forgotten', async () => {
    const append = await upload(one, segmentId);
    await append(0);
    await append(1);
    await truncate(0, 1);
    await truncate(1, 1);
    await snapshot();
    world.network.cut.set(2, 'before');
    expect(await one.pass()).toEqual({ condemned: 0, deleted: 0 });
    world.network.cut.set(2, 'after');
    expect(await one.pass()).toEqual({ condemned: 0, deleted: 0 });
    world.network.cut.clear();
    expect(await one.pass()).toEqual({ condemned: 1, deleted: 0 });
    clock.offsetMs += DELAY_MS;
    world.network.cut.set(2, 'before');
    expect(await one.pass()).toEqual({ condemned: 0, deleted: 1 });
    expect(stateOf(1).isCondemned(segmentId)).toBe(true);
    world.network.cut.clear();
    await one.pass();
    expect(stateOf(1).isCondemned(segmentId)).toBe(false);
  });

  test('is refused to a journal that gave it up before its append came, and to the other one never given up', async () => {
    const append = await upload(one, segmentId);
    await append(0);
    await truncate(0, 1);
    await snapshot();
    expect(await one.pass()).toEqual({ condemned: 1, deleted: 0 });
    expect(await append(1)).toBe('KAFKA_STORAGE_ERROR');
    clock.offsetMs += DELAY_MS;
    expect(await one.pass()).toEqual({ condemned: 0, deleted: 1 });
    expect(await append(1)).toBe('KAFKA_STORAGE_ERROR');
    const fresh = await upload(one, idOf(1, 1));
    expect(await fresh(1)).toBe('@0');
  });
});

describe('a segment that no entry names', () => {
  test('is found by listing once it is old, and goes the same way', async () => {
    await upload(two, idOf(2, 5));
    clock.offsetMs += ORPHAN_AGE_MS;
    expect(await one.pass()).toEqual({ condemned: 1, deleted: 0 });
    clock.offsetMs += DELAY_MS;
    expect(await one.pass()).toEqual({ condemned: 0, deleted: 1 });
  });

  test('is told from one that another broker’s journal refers to, without reading its footer', async () => {
    const append = await upload(two, idOf(2, 5), [1]);
    await append(1);
    clock.offsetMs += ORPHAN_AGE_MS;
    one.faults.script({ operation: 'readLast', fault: 'error-before', times: 100 });
    expect(await one.pass()).toEqual({ condemned: 0, deleted: 0 });
  });

  test('is left alone when its footer names a journal that is not known here', async () => {
    await upload(two, idOf(2, 5), [0, 7]);
    clock.offsetMs += ORPHAN_AGE_MS;
    for (let round = 0; round < 3; round++) {
      expect(await one.pass()).toEqual({ condemned: 0, deleted: 0 });
      clock.offsetMs += DELAY_MS;
    }
    expect(await exists(idOf(2, 5))).toBe(true);
  });

  test('and is no segment at all is given up by all journals', async () => {
    const key = segmentKey('c', idOf(2, 5));
    await world.stores.objects.create(key, [Buffer.from('half an upload')], { cause: 'ingest' });
    clock.offsetMs += ORPHAN_AGE_MS;
    expect(await one.pass()).toEqual({ condemned: 1, deleted: 0 });
    expect([stateOf(0), stateOf(1)].map((state) => state.isCondemned(idOf(2, 5)))).toEqual([true, true]);
  });
});

describe('very many segments', () => {
  test('that are deleted in one pass are forgotten, in as many entries as that takes', async () => {
    const found = Array.from({ length: 4_000 }, (_, number) => segmentKey('c', idOf(2, number)));
    const body = Buffer.from('half an upload');
    await Promise.all(found.map((key) => world.stores.objects.create(key, [body], { cause: 'ingest' })));
    clock.offsetMs += ORPHAN_AGE_MS;
    expect(await one.pass()).toEqual({ condemned: 4_000, deleted: 0 });
    clock.offsetMs += DELAY_MS;
    expect(await one.pass()).toEqual({ condemned: 0, deleted: 4_000 });
    await one.pass();
    expect([stateOf(0), stateOf(1)].map((state) => [...state.condemned()].length)).toEqual([0, 0]);
  });
});

describe('another broker that reclaims', () => {
  const segmentId = idOf(1, 0);

  async function released(): Promise<void> {
    const append = await upload(one, segmentId);
    await append(0);
    await append(1);
    await truncate(0, 1);
    await truncate(1, 1);
    await snapshot();
  }

  test('goes on with what was condemned, and the delay begins anew', async () => {
    await released();
    await one.pass();
    clock.offsetMs += DELAY_MS;
    await world.lead(two, 0);
    expect(await two.pass()).toEqual({ condemned: 1, deleted: 0 });
    expect(await one.pass()).toEqual({ condemned: 0, deleted: 0 });
    clock.offsetMs += DELAY_MS;
    expect(await two.pass()).toEqual({ condemned: 0, deleted: 1 });
    expect([stateOf(0), stateOf(1)].flatMap((state) => [...state.condemned()])).toEqual([]);
  });

  test('hears again of what a living leader released and nobody condemned', async () => {
    await released();
    await world.lead(two, 0);
    expect(await two.pass()).toEqual({ condemned: 1, deleted: 0 });
  });

  test('makes a frozen one harmless: it deletes what was deleted, whenever it wakes', async () => {
    await released();
    await one.pass();
    clock.offsetMs += DELAY_MS;
    one.faults.script({ operation: 'delete', fault: 'hang' });
    const frozen = one.pass();
    await new Promise((resolve) => setTimeout(resolve, 5));
    await two.seats.lead(0, { signal: NEVER });
    world.leaders.set(0, { brokerId: 2, epoch: 2 });
    await two.pass();
    clock.offsetMs += DELAY_MS;
    expect(await two.pass()).toEqual({ condemned: 0, deleted: 1 });
    // The sender of an append that was under way for a year.
    const late = await upload(one, segmentId);
    expect(await late(1)).toBe('KAFKA_STORAGE_ERROR');
    const next = await upload(one, idOf(1, 1));
    expect(await next(1)).toBe('@1');
    one.faults.release();
    await frozen;
    expect(await exists(idOf(1, 1))).toBe(true);
  });

  test('ends the pass of one that learns of it', async () => {
    await released();
    one.faults.script({ operation: 'readLast', fault: 'hang' });
    const pass = one.pass();
    await new Promise((resolve) => setTimeout(resolve, 5));
    await world.lead(two, 0);
    expect(await pass).toEqual({ condemned: 0, deleted: 0 });
    expect(stateOf(0).isCondemned(segmentId)).toBe(false);
  });
});

describe('what leaders tell', () => {
  test('is bounded, and goes on where the asker stopped', async () => {
    const { released, tell } = tellingJournal();
    tell(Array.from({ length: 12_000 }, (_, at) => `s${at}`));
    const first = released.after(0, { epoch: -1, position: 0 })!;
    const second = released.after(0, first)!;
    const third = released.after(0, second)!;
    expect([first, second, third].map(({ segmentIds }) => segmentIds.length)).toEqual([5_000, 5_000, 2_000]);
    expect(new Set([first, second, third].flatMap(({ segmentIds }) => segmentIds)).size).toBe(12_000);
    expect(released.after(0, third)!.segmentIds).toEqual([]);
    tell(['s3']);
    expect(released.after(0, third)!.segmentIds).toEqual(['s3']);
    // Of another term: from the start.
    expect(released.after(0, { ...third, epoch: 9 })!.segmentIds).toHaveLength(5_000);
  });

  test('keeps the newest of very many', () => {
    const { released, tell } = tellingJournal();
    for (let from = 0; from < 60_000; from += 1_000) tell(Array.from({ length: 1_000 }, (_, at) => `s${from + at}`));
    const { segmentIds } = released.after(0, { epoch: -1, position: 0 })!;
    expect(segmentIds[0]).toBe('s10000');
  });
});

function tellingJournal() {
  const listeners: ((applied: Applied) => void)[] = [];
  const journal = {
    id: 0,
    epoch: 1,
    role: 'leading',
    state: new JournalState(0),
    subscribe: (listener: (applied: Applied) => void) => listeners.push(listener),
  } as unknown as Journal;
  const released = new ReleasedSegments(fixedJournals([journal]));
  const tell = (releasedSegments: readonly string[]) => {
    for (const listener of listeners) listener({ seq: 1, entryId: '', partitions: [], owners: [], releasedSegments });
  };
  return { released, tell };
}
