/** Transactions as readers see them: what read_committed gets, waits for and finds, from memory and from stores. */
import { afterEach, describe, expect, test } from 'vitest';
import type { Topic } from '../../../src/cluster/topics.ts';
import type { CoordinatorCommand } from '../../../src/journal/journal.ts';
import type { Isolation } from '../../../src/log/log.ts';
import { iterateBatches } from '../../../src/record/batch.ts';
import { buildBatch } from '../../../src/record/records.ts';
import { MemoryObjectStore } from '../../../src/storage/memory/object-store.ts';
import { Producer, shown } from './transactional-producer.ts';
import { fetch, fetchPartition, offsetAt, openWorld, produce, type World, type WorldOptions } from './world.ts';

let worlds: World[] = [];
const open = async (options?: WorldOptions) => {
  const world = await openWorld(options);
  worlds.push(world);
  return world;
};
const singlePartition = async (options?: WorldOptions) => {
  const world = await open(options);
  return { world, topic: await world.topics.create({ name: 'orders', config: {} }) };
};

afterEach(async () => {
  for (const world of worlds) {
    await world.close();
    expect(world.log.leases).toBe(0);
  }
  worlds = [];
});

async function read(world: World, topic: Topic, isolation: Isolation, offset = 0, maxBytes = 1 << 20): Promise<string> {
  const answer = await fetch(world.log, [fetchPartition(topic, 0, offset, { maxBytes })], { isolation });
  const text = await shown(answer);
  answer.release();
  return text;
}

const large = (name: string) => name.padEnd(100_000, '.');

describe.each(['memory', 'stores'])('from %s', (where) => {
  const settled = async (world: World): Promise<World> => {
    if (where === 'memory') return world;
    await world.close();
    const { metadata, objects } = world;
    return open({ metadata, objects });
  };

  test.each([
    'small',
    'large',
  ])('read_committed ends where the oldest open transaction begins, with %s batches', async (size) => {
    const pad = (name: string) => (size === 'large' ? large(name) : name);
    const { world, topic } = await singlePartition();
    const [a, b] = [
      new Producer(world.log, world.journals[0]!, topic, 7),
      new Producer(world.log, world.journals[0]!, topic, 8),
    ];
    await produce(world.log, topic, 0, ['x']);
    await a.begin();
    await b.begin();
    expect(await a.send(pad('a1'))).toBe(1);
    expect(await b.send(pad('b1'))).toBe(2);
    await produce(world.log, topic, 0, ['y']);
    await a.end(true);
    const reader = await settled(world);
    expect(await read(reader, topic, 'read_committed')).toBe('0:x 1:a1');
    expect(await read(reader, topic, 'read_committed', 2)).toBe('');
    expect(await read(reader, topic, 'read_committed', 4)).toBe('');
    expect(await read(reader, topic, 'read_uncommitted')).toBe('0:x 1:a1 2:b1 3:y 4:COMMIT');
    expect(await reader.log.watermarks({ topicId: topic.topicId, partition: 0 })).toMatchObject({
      highWatermark: 5,
      lastStableOffset: 2,
    });
  });

  test('what was aborted is listed for the range that is answered, and left out', async () => {
    const { world, topic } = await singlePartition();
    const [a, b] = [
      new Producer(world.log, world.journals[0]!, topic, 7),
      new Producer(world.log, world.journals[0]!, topic, 8),
    ];
    await a.begin();
    await a.send(large('a1'));
    await b.begin();
    await b.send('b1', 'b2');
    await a.end(false);
    await b.end(true);
    await a.begin();
    await a.send('a2');
    await a.end(true);
    const reader = await settled(world);
    expect(await read(reader, topic, 'read_committed')).toBe('(0:a1) 1:b1 2:b2 3:ABORT 4:COMMIT 5:a2 6:COMMIT');
    expect(await read(reader, topic, 'read_uncommitted')).toBe('0:a1 1:b1 2:b2 3:ABORT 4:COMMIT 5:a2 6:COMMIT');
    const listed = async (offset: number, maxBytes: number) => {
      const wanted = fetchPartition(topic, 0, offset, { maxBytes });
      const answer = await fetch(reader.log, [wanted], { isolation: 'read_committed' });
      answer.release();
      return answer.partitions[0]!.abortedTransactions;
    };
    const aborted = { producerId: 7, firstOffset: 0, lastOffset: 3, lastStableOffset: 1 };
    expect(await listed(0, 1)).toEqual([aborted]);
    expect(await listed(2, 1)).toEqual([aborted]);
    expect(await listed(4, 1 << 20)).toEqual([]);
  });

  test('a reader that goes on in the middle of an aborted transaction leaves out the rest of it', async () => {
    const { world, topic } = await singlePartition();
    const a = new Producer(world.log, world.journals[0]!, topic, 7);
    await a.begin();
    for (const name of ['a1', 'a2', 'a3']) await a.send(name);
    await a.end(false);
    await produce(world.log, topic, 0, ['x']);
    const reader = await settled(world);
    expect(await read(reader, topic, 'read_committed', 1)).toBe('(1:a2) (2:a3) 3:ABORT 4:x');
    expect(await read(reader, topic, 'read_committed', 3)).toBe('3:ABORT 4:x');
  });

  test('markers have offsets and leader epochs of their own', async () => {
    const { world, topic } = await singlePartition();
    const a = new Producer(world.log, world.journals[0]!, topic, 7);
    await a.begin();
    await a.send('a1');
    await a.end(true);
    const reader = await settled(world);
    const answer = await fetch(reader.log, [fetchPartition(topic, 0, 1)]);
    const [marker] = [...iterateBatches(Buffer.concat(answer.partitions[0]!.records))];
    expect(marker!.header).toMatchObject({ baseOffset: 1, leaderEpoch: 1, producerEpoch: 1, recordCount: 1 });
    answer.release();
  });

  test('offsets by time are found below the last stable offset only, when the reader wants that', async () => {
    const { world, topic } = await singlePartition();
    const a = new Producer(world.log, world.journals[0]!, topic, 7);
    await produce(world.log, topic, 0, ['x']);
    await a.begin();
    await a.send('a1');
    const reader = await settled(world);
    const timestamp = 1_763_683_200_007;
    const find = async (isolation: Isolation) => {
      const latest = await offsetAt(reader.log, topic, 0, { type: 'latest', isolation });
      const first = await offsetAt(reader.log, topic, 0, { type: 'timestamp', timestamp, isolation });
      return [latest.offset, first.offset];
    };
    expect(await find('read_uncommitted')).toEqual([2, 0]);
    expect(await find('read_committed')).toEqual([1, 0]);
    const later = async (isolation: Isolation) =>
      (await offsetAt(reader.log, topic, 0, { type: 'maxTimestamp', isolation })).offset;
    expect(await later('read_committed')).toBe(0);
  });
});

describe('a long poll', () => {
  const wait = (world: World, topic: Topic, isolation: Isolation) =>
    fetch(world.log, [fetchPartition(topic, 0, 0)], { isolation, maxWaitMs: 10_000 });

  test('of read_committed sleeps through records and wakes with the marker', async () => {
    const { world, topic } = await singlePartition();
    const a = new Producer(world.log, world.journals[0]!, topic, 7);
    await a.begin();
    let answered = false;
    const waiting = wait(world, topic, 'read_committed').then((answer) => {
      answered = true;
      return answer;
    });
    await a.send('a1');
    expect(await read(world, topic, 'read_uncommitted')).toBe('0:a1');
    expect(answered).toBe(false);
    await a.end(true);
    const answer = await waiting;
    expect(await shown(answer)).toBe('0:a1 1:COMMIT');
    expect(answer.partitions[0]).toMatchObject({ highWatermark: 2, lastStableOffset: 2 });
    answer.release();
  });

  test('of read_uncommitted wakes with the records', async () => {
    const { world, topic } = await singlePartition();
    const a = new Producer(world.log, world.journals[0]!, topic, 7);
    await a.begin();
    const waiting = wait(world, topic, 'read_uncommitted');
    await a.send('a1');
    const answer = await waiting;
    expect(await shown(answer)).toBe('0:a1');
    answer.release();
  });
});

/** Uploads wait until they are let go. */
class SlowObjectStore extends MemoryObjectStore {
  letGo = (): void => {};
  readonly uploading: Promise<void>;
  readonly #mayGo = new Promise<void>((resolve) => {
    this.letGo = resolve;
  });
  #begun = (): void => {};

  constructor() {
    super();
    this.uploading = new Promise((resolve) => {
      this.#begun = resolve;
    });
  }

  override async create(...args: Parameters<MemoryObjectStore['create']>) {
    this.#begun();
    await this.#mayGo;
    return super.create(...args);
  }
}

describe('a batch whose upload takes long', () => {
  test.each([
    ['is not appended after its marker', false],
    ['is not appended to the next transaction of the same epoch', true],
  ])('%s', async (_what, again) => {
    const objects = new SlowObjectStore();
    const { world, topic } = await singlePartition({ objects });
    const journal = world.journals[0]!;
    const fields = { topicId: topic.topicId, partition: 0, producerId: 7, producerEpoch: 0 };
    const write = (command: CoordinatorCommand) => journal.coordinate(() => ({ commands: [command], answer: null }));
    await write({ type: 'transactionGuarded', ...fields, transaction: 1 });

    const records = buildBatch([{ key: null, value: large('late') }], {
      timestamp: 1,
      ...{ producerId: 7, producerEpoch: 0, baseSequence: 0, transactional: true },
    });
    const batch = { topicId: topic.topicId, partition: 0, records };
    const sending = world.log.produce([batch], { origin: 'kafka' });
    await objects.uploading;
    await write({ type: 'transactionMarked', ...fields, transaction: 1, coordinatorEpoch: 1, committed: false });
    if (again) await write({ type: 'transactionGuarded', ...fields, transaction: 2 });
    objects.letGo();
    expect(await sending).toMatchObject([{ error: 'INVALID_TXN_STATE' }]);
    expect(journal.state.partition(topic.topicId, 0)).toMatchObject({ nextOffset: 1, lastStableOffset: 1 });
  });
});

test('the producers of a partition are told with their transactions', async () => {
  const { world, topic } = await singlePartition();
  const a = new Producer(world.log, world.journals[0]!, topic, 7);
  await a.begin();
  await a.send('a1');
  const [producer] = await world.log.producers({ topicId: topic.topicId, partition: 0 });
  expect(producer).toMatchObject({ producerId: 7, open: { transaction: 1, firstOffset: 0 }, coordinatorEpoch: -1 });
});
