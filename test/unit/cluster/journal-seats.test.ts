import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { JournalSeat } from '../../../src/cluster/journal-seat.ts';
import { JournalSeats } from '../../../src/cluster/journal-seats.ts';
import { StorageCorruptError } from '../../../src/errors.ts';
import type { Applied } from '../../../src/journal/journal.ts';
import { Faults, faultyMetadataStore } from '../../../src/storage/faulty.ts';
import { MemoryMetadataStore } from '../../../src/storage/memory/metadata-store.ts';
import { MemoryObjectStore } from '../../../src/storage/memory/object-store.ts';
import { ALWAYS } from '../../../src/storage/metadata-store.ts';
import { brief, createTopic, inlineAppend, lane, TOPIC, testRuntime } from '../journal/harness.ts';
import { NEVER, type SeatedBroker, SeatsWorld } from './seats-world.ts';

let world: SeatsWorld;
let one: SeatedBroker;
let two: SeatedBroker;

beforeEach(() => {
  world = new SeatsWorld(3);
  one = world.broker(1);
  two = world.broker(2);
});
afterEach(() => world.close());

const seat = ({ seats }: SeatedBroker, journal = 0): JournalSeat => seats.get(journal)!;
const turn = () => new Promise((resolve) => setImmediate(resolve));

async function append(broker: SeatedBroker, number: number, laneId = 0): Promise<string> {
  const at = { lane: lane(broker.brokerEpoch, laneId, broker.brokerId), number };
  return brief((await seat(broker).append(inlineAppend(at, [{ batches: [{}] }]))).answers);
}

/** Begins and ends of leading, as one sees them who looks at the seat in that moment. */
function watchLeading(broker: SeatedBroker): string[] {
  const seen: string[] = [];
  broker.seats.whileLeading((journal) => {
    seen.push(`${journal.id} begins, ${journal.role}, ${journal.state.lastSeq}`);
    return () => seen.push(`${journal.id} ends, ${journal.role}, ${journal.state.lastSeq}`);
  });
  return seen;
}

describe('a seat', () => {
  test('follows until it leads: its state is empty and nothing can be decided on it', async () => {
    expect(seat(one).role).toBe('following');
    expect([...seat(one).state.partitions()]).toEqual([]);
    expect(await seat(one).confirmLeadership()).toBe(false);
    await expect(seat(one).coordinate(() => ({ commands: [], answer: 1 }))).rejects.toMatchObject({
      error: 'NOT_LEADER_OR_FOLLOWER',
    });
    await expect(append(one, 0)).rejects.toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER', noSideEffects: true });
    await world.lead(one);
    expect(seat(one)).toMatchObject({ role: 'leading', epoch: 1, deposedBecause: null });
    expect(await seat(one).confirmLeadership()).toBe(true);
  });

  test('is the same object for whoever leads, and so is what was subscribed', async () => {
    const mine = seat(one);
    const applied: Applied[] = [];
    const stop = mine.subscribe((entry) => applied.push(entry));
    await world.lead(one);
    await createTopic(mine as never);
    await world.lead(two);
    await append(two, 0);
    await world.lead(one);
    await append(one, 0);
    expect(one.seats.get(0)).toBe(mine);
    // Fence, topic, fence, of another, fence, own.
    expect(applied.map(({ seq }) => seq)).toEqual([2, 6]);
    stop();
    await append(one, 1);
    expect(applied).toHaveLength(2);
  });

  test('goes on in its lanes when it leads again in the same life', async () => {
    await world.lead(one);
    await createTopic(seat(one) as never);
    expect(await append(one, 0)).toBe('@0');
    await world.lead(two);
    expect(await append(one, 1)).toBe('@1');
    await world.lead(one);
    expect(await append(one, 1)).toBe('@1');
    expect(await append(one, 2)).toBe('@2');
    expect(seat(one).epoch).toBe(3);
    expect(await one.runtime.metrics.expose()).toMatch(/journal_leading\{journal="0"\} 1/);
  });

  test('knows the epoch of whoever leads', async () => {
    await world.lead(one);
    await world.lead(two);
    expect(seat(one).epoch).toBe(2);
    expect(seat(two).epoch).toBe(2);
  });
});

describe('what is done while a journal is led', () => {
  test('begins before anything is appended and ends in the turn in which the deposition is known', async () => {
    const seen = watchLeading(one);
    await world.lead(one);
    expect(seen).toEqual(['0 begins, leading, 1']);
    await createTopic(seat(one) as never);
    await two.seats.lead(0, { signal: NEVER });
    expect(seen).toHaveLength(1); // Nobody told it.
    const failed = append(one, 0);
    await expect(failed).rejects.toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER' });
    expect(seen).toEqual(['0 begins, leading, 1', '0 ends, following, 0']);
    expect(seat(one).deposedBecause).toMatch(/another leader/);
  });

  test('begins at once for journals that are led already, and ends where it was begun when it is stopped', async () => {
    await world.lead(one, 2);
    const seen: string[] = [];
    const stop = one.seats.whileLeading(({ id }) => {
      seen.push(`begin ${id}`);
      return () => seen.push(`end ${id}`);
    });
    await world.lead(one, 0);
    stop();
    stop();
    await world.lead(one, 1);
    expect(seen).toEqual(['begin 2', 'begin 0', 'end 2', 'end 0']);
  });

  test('ends also when a journal stops by itself', async () => {
    const seen = watchLeading(one);
    await world.lead(one);
    const stop = seat(one).subscribe(() => {
      throw new Error('a listener that fails');
    });
    await createTopic(seat(one) as never);
    await turn();
    expect(seen).toEqual(['0 begins, leading, 1', '0 ends, following, 0']);
    expect(seat(one).deposedBecause).toMatch(/a listener that fails/);
    stop();
    await world.lead(one);
    expect(seen).toHaveLength(3);
  });

  test('that fails to end does not keep others from ending', async () => {
    one.seats.whileLeading(() => () => {
      throw new Error('does not end');
    });
    const seen = watchLeading(one);
    await world.lead(one);
    await one.seats.relinquish(0);
    expect(seen).toHaveLength(2);
  });

  test('that cannot begin leaves the journal to others', async () => {
    const stop = one.seats.whileLeading(() => {
      throw new Error('does not begin');
    });
    await expect(one.seats.lead(0, { signal: NEVER })).rejects.toThrow('does not begin');
    expect(seat(one).role).toBe('following');
    stop();
    await world.lead(one);
  });

  test('of all journals includes those that come later', () => {
    const seen: number[] = [];
    one.seats.each(({ id }) => {
      seen.push(id);
      return () => {};
    });
    one.seats.grow(5);
    one.seats.grow(4);
    expect(seen).toEqual([0, 1, 2, 3, 4]);
    expect(one.seats.count).toBe(5);
    expect([...one.seats].map(({ id }) => id)).toEqual([0, 1, 2, 3, 4]);
  });
});

describe('letting go', () => {
  beforeEach(async () => {
    await world.lead(one);
    await createTopic(seat(one) as never);
  });

  test('ends the put under way, refuses what waits and what comes, and writes nothing afterwards', async () => {
    one.faults.script({ operation: 'put', fault: 'hang' });
    const underWay = append(one, 0);
    await turn();
    const waiting = append(one, 1);
    const gone = one.seats.relinquish(0);
    await expect(waiting).rejects.toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER', noSideEffects: true });
    await expect(append(one, 2)).rejects.toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER' });
    expect(seat(one).role).toBe('leading');
    one.faults.release();
    expect(await underWay).toBe('@0');
    await gone;
    expect(seat(one).role).toBe('following');
    const entries = world.entryCount();
    await expect(append(one, 1)).rejects.toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER' });
    await turn();
    expect(world.entryCount()).toBe(entries);
  });

  test('of a put whose store is away ends when the successor has its fence', async () => {
    one.faults.plan = { operations: { put: { faults: { 'error-before': 1 } } } };
    const underWay = append(one, 0);
    await turn();
    const gone = one.seats.relinquish(0);
    await two.seats.lead(0, { signal: NEVER });
    one.faults.heal();
    await gone;
    await expect(underWay).rejects.toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER', noSideEffects: false });
    expect(seat(one).role).toBe('following');
  });

  test('asked for twice is done once; of what is not led it is done at once', async () => {
    await Promise.all([one.seats.relinquish(0), one.seats.relinquish(0), two.seats.relinquish(0)]);
    expect(seat(one).role).toBe('following');
  });

  test('gives a takeover up', async () => {
    two.faults.script({ operation: 'query', fault: 'hang' });
    const leading = two.seats.lead(0, { signal: NEVER });
    await turn();
    const gone = two.seats.relinquish(0);
    await expect(leading).rejects.toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER' });
    await gone;
    expect(seat(two).role).toBe('following');
    expect(await append(one, 0)).toBe('@0');
  });

  test('and leading again in the same breath leads under a new epoch', async () => {
    one.faults.script({ operation: 'put', fault: 'hang' });
    const underWay = append(one, 0);
    await turn();
    const gone = one.seats.relinquish(0);
    const again = one.seats.lead(0, { signal: NEVER });
    one.faults.release();
    await Promise.all([underWay, gone, again]);
    expect(seat(one)).toMatchObject({ role: 'leading', epoch: 2 });
  });
});

describe('a hand-over', () => {
  test('comes after everything was read; what was written until then is there, and nobody is deposed', async () => {
    await world.lead(one);
    await createTopic(seat(one) as never);
    await append(one, 0);
    const seen = watchLeading(one);
    let answers = 0;
    await two.seats.lead(0, {
      signal: NEVER,
      handOver: async () => {
        answers++;
        expect(await append(one, 1)).toBe('@1');
        await one.seats.relinquish(0);
      },
    });
    expect(answers).toBe(1);
    expect(seat(two).state.partition(TOPIC, 0)?.nextOffset).toBe(2);
    expect(seen.at(-1)).toBe('0 ends, following, 0');
    expect(seat(one).deposedBecause).toBe('it was handed over');
  });

  test('reads on while the old leader takes its time', async () => {
    await world.lead(one);
    await createTopic(seat(one) as never);
    let written = 0;
    await two.seats.lead(0, {
      signal: NEVER,
      handOver: async () => {
        for (const until = performance.now() + 150; performance.now() < until; ) {
          await append(one, written++);
          await turn();
        }
        await one.seats.relinquish(0);
      },
    });
    expect(written).toBeGreaterThan(2);
    expect(seat(two).state.partition(TOPIC, 0)?.nextOffset).toBe(written);
  });

  test('that comes to nothing is the work of the fence', async () => {
    await world.lead(one);
    await createTopic(seat(one) as never);
    await two.seats.lead(0, { signal: NEVER, handOver: () => Promise.reject(new Error('unreachable')) });
    await expect(append(one, 0)).rejects.toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER' });
    expect(seat(two).role).toBe('leading');
  });
});

describe('a takeover', () => {
  test('asked for several times at once happens once', async () => {
    await Promise.all([1, 2, 3].map(() => one.seats.lead(0, { signal: NEVER })));
    await one.seats.lead(0, { signal: NEVER });
    expect(world.entryCount()).toBe(1);
  });

  test('that its first asker gives up goes on for the second', async () => {
    one.faults.script({ operation: 'query', fault: 'hang' });
    const abort = new AbortController();
    const first = one.seats.lead(0, { signal: abort.signal });
    const second = one.seats.lead(0, { signal: NEVER });
    await turn();
    abort.abort(new Error('no longer'));
    await expect(first).rejects.toThrow('no longer');
    await second;
    expect(seat(one).role).toBe('leading');
  });

  test('waits for stores that are away', async () => {
    one.faults.script({ operation: 'query', fault: 'error-before', times: 2 });
    one.faults.script({ operation: 'put', fault: 'answer-lost', times: 1 });
    await one.seats.lead(0, { signal: NEVER });
    expect(world.entryCount()).toBe(1);
  });

  test('of a damaged journal fails with its name, and does not hurt others', async () => {
    await world.lead(one, 0);
    await world.lead(one, 1);
    const fence = [...world.stores.metadata.items()].find(({ partitionKey }) => partitionKey === 'c/journal/0')!;
    await world.stores.metadata.put({ ...fence, body: Buffer.from('damage') }, ALWAYS, { cause: 'journal' });
    await expect(two.seats.lead(0, { signal: NEVER })).rejects.toThrow(StorageCorruptError);
    expect(seat(two)).toMatchObject({ role: 'following' });
    expect(seat(two).deposedBecause).toMatch(/journal 0/);
    await world.lead(two, 1);
    expect(seat(two, 1).role).toBe('leading');
  });

  test('ends with the seats', async () => {
    one.faults.script({ operation: 'query', fault: 'hang' });
    const leading = one.seats.lead(0, { signal: NEVER });
    await turn();
    await Promise.all([one.seats.close(), expect(leading).rejects.toThrow()]);
    expect(seat(one).role).toBe('stopped');
    await expect(one.seats.lead(0, { signal: NEVER })).rejects.toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER' });
  });

  test('ends with the seats of a broker that is alone, too', async () => {
    const runtime = testRuntime();
    const faults = new Faults(runtime);
    const metadata = faultyMetadataStore(new MemoryMetadataStore(), faults);
    const identity = {
      clusterId: 'c',
      brokerId: 1,
      brokerEpoch: 1,
      metadata,
      objects: new MemoryObjectStore(),
      runtime,
    };
    const seats = new JournalSeats({ ...identity, remote: null, count: 1 });
    faults.script({ operation: 'query', fault: 'hang' });
    const leading = seats.lead(0, { signal: NEVER });
    await turn();
    await Promise.all([seats.close(), expect(leading).rejects.toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER' })]);
    expect(seats.get(0)!.role).toBe('stopped');
  });
});
