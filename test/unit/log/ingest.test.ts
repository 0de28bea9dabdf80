import { afterEach, describe, expect, test } from 'vitest';
import type { Topic } from '../../../src/cluster/topics.ts';
import { StorageFullError } from '../../../src/errors.ts';
import { buildBatch, compressBatch } from '../../../src/record/records.ts';
import { Faults, faultyMetadataStore, faultyObjectStore } from '../../../src/storage/faulty.ts';
import { MemoryMetadataStore } from '../../../src/storage/memory/metadata-store.ts';
import { MemoryObjectStore } from '../../../src/storage/memory/object-store.ts';
import type { MetadataStore } from '../../../src/storage/metadata-store.ts';
import { turns } from './manual-runtime.ts';
import {
  batchOf,
  openWorld,
  produce,
  produceBatch,
  readAll,
  testRuntime,
  type World,
  type WorldOptions,
} from './world.ts';

let worlds: World[] = [];
const open = async (options?: WorldOptions) => {
  const world = await openWorld(options);
  worlds.push(world);
  return world;
};

afterEach(async () => {
  for (const world of worlds) await world.close();
  worlds = [];
});

const large = (name: string) => name.padEnd(100_000, '.');
const values = (read: readonly string[]) => read.map((record) => record.replace(/^\d+:/, '').replace(/\.+$/, ''));

describe('a batch is refused', () => {
  const one = async (world: World, topic: Topic, records: Uint8Array, partition = 0, topicId = topic.topicId) => {
    const [outcome] = await world.log.produce([{ topicId, partition, records }], { origin: 'kafka' });
    return outcome!;
  };
  const setUp = async (config: Record<string, string> = {}) => {
    const world = await open();
    const topic = await world.topics.create({ name: 'orders', config });
    return { world, topic };
  };

  test('when nothing of its topic or partition is known', async () => {
    const { world, topic } = await setUp();
    const unknown = { error: 'UNKNOWN_TOPIC_OR_PARTITION', noSideEffects: true };
    expect(await one(world, topic, batchOf(['a']), 0, 'AAAAAAAAQACAAAAAAAAAAA')).toMatchObject(unknown);
    expect(await one(world, topic, batchOf(['a']), 1)).toMatchObject(unknown);
    expect(await one(world, topic, batchOf(['a']), -1)).toMatchObject(unknown);
  });

  test('when it is larger than max.message.bytes', async () => {
    const { world, topic } = await setUp({ 'max.message.bytes': '1000' });
    expect(await one(world, topic, batchOf(['x'.repeat(1_000)]))).toMatchObject({ error: 'MESSAGE_TOO_LARGE' });
    expect(await one(world, topic, batchOf(['x'.repeat(900)]))).toMatchObject({ error: 'NONE' });
  });

  test('when its CRC is wrong, it is cut short, or it is empty', async () => {
    const { world, topic } = await setUp();
    const damaged = batchOf(['abc']);
    damaged[70]! ^= 1;
    expect(await one(world, topic, damaged)).toMatchObject({ error: 'CORRUPT_MESSAGE' });
    expect(await one(world, topic, batchOf(['abc']).subarray(0, 50))).toMatchObject({ error: 'CORRUPT_MESSAGE' });
    expect(await one(world, topic, Buffer.alloc(0))).toMatchObject({ error: 'INVALID_RECORD' });
  });

  test('when its timestamps are too far from now', async () => {
    const { world, topic } = await setUp({ 'message.timestamp.before.max.ms': '1000' });
    const at = (timestamp: number) => one(world, topic, batchOf(['a'], { timestamp }));
    expect(await at(Date.now() + 3_700_000)).toMatchObject({ error: 'INVALID_TIMESTAMP' });
    expect(await at(Date.now() - 10_000)).toMatchObject({ error: 'INVALID_TIMESTAMP' });
    expect(await at(Date.now())).toMatchObject({ error: 'NONE', logAppendTimeMs: -1 });
  });

  test('when it is transactional and no transaction is open', async () => {
    const { world, topic } = await setUp();
    const batch = buildBatch([{ key: null, value: 'a' }], {
      timestamp: 1,
      producerId: 1,
      producerEpoch: 0,
      baseSequence: 0,
      transactional: true,
    });
    expect(await one(world, topic, batch)).toMatchObject({ error: 'INVALID_TXN_STATE' });
  });

  test('while the others of its call are appended', async () => {
    const { world, topic } = await setUp();
    const outcomes = await world.log.produce(
      [produceBatch(topic, 0, ['a']), produceBatch(topic, 5, ['b']), produceBatch(topic, 0, ['c'])],
      { origin: 'kafka' },
    );
    expect(outcomes.map(({ error }) => error)).toEqual(['NONE', 'UNKNOWN_TOPIC_OR_PARTITION', 'NONE']);
  });

  test('after close', async () => {
    const { world, topic } = await setUp();
    await world.log.close();
    expect(await one(world, topic, batchOf(['a']))).toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER' });
  });
});

test('LogAppendTime is stamped on what is stored, and answered', async () => {
  const { log, topics } = await open();
  const topic = await topics.create({ name: 'orders', config: { 'message.timestamp.type': 'LogAppendTime' } });
  const before = Date.now();
  const outcome = await produce(log, topic, 0, ['a']);
  expect(outcome).toMatchObject({ error: 'NONE' });
  const stamp = 'logAppendTimeMs' in outcome ? outcome.logAppendTimeMs : 0;
  expect(stamp).toBeGreaterThanOrEqual(before);
  const found = await log.listOffset({ topicId: topic.topicId, partition: 0 }, { type: 'timestamp', timestamp: 0 });
  expect(found).toMatchObject({ offset: 0, timestamp: stamp });
});

describe('a compacted topic', () => {
  const setUp = async () => {
    const { log, topics } = await open();
    return { log, topic: await topics.create({ name: 'keys', config: { 'cleanup.policy': 'compact' } }) };
  };

  test('refuses records without a key, compressed ones too', async () => {
    const { log, topic } = await setUp();
    const keyless = await compressBatch(batchOf(['a']), 'zstd');
    const outcomes = await log.produce([{ topicId: topic.topicId, partition: 0, records: keyless }], {
      origin: 'kafka',
    });
    expect(outcomes).toMatchObject([{ error: 'INVALID_RECORD', noSideEffects: true }]);
  });

  test('tells which records of a batch have no key', async () => {
    const { log, topic } = await setUp();
    const given = ['k', null, 'k', null].map((key) => ({ key, value: 'v' }));
    const records = buildBatch(given, { timestamp: Date.now() });
    const [outcome] = await log.produce([{ topicId: topic.topicId, partition: 0, records }], { origin: 'kafka' });
    const message = 'Compacted topic cannot accept message without key in topic keys.';
    expect(outcome).toMatchObject({
      error: 'INVALID_RECORD',
      message: expect.stringContaining('2 of 4 records, the first of them record 1'),
      recordErrors: [
        { index: 1, message },
        { index: 3, message },
      ],
    });
  });

  test('keeps the order of batches although some take longer to open', async () => {
    const { log, topic } = await setUp();
    const given = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const plain = batchOf([`${index}`], { key: 'k' });
        return index % 2 === 0 ? compressBatch(plain, 'gzip') : plain;
      }),
    );
    const produced = given.map((records) =>
      log.produce([{ topicId: topic.topicId, partition: 0, records }], { origin: 'kafka' }),
    );
    await Promise.all(produced);
    expect(values(await readAll(log, topic, 0))).toEqual(given.map((_, index) => `${index}`));
  });
});

describe('HTTP', () => {
  test('an append that expects another offset is refused with the next one', async () => {
    const { log, topics } = await open();
    const topic = await topics.create({ name: 'orders', config: {} });
    await produce(log, topic, 0, ['a', 'b']);
    const at = (expectedOffset: number) =>
      log.produce([{ ...produceBatch(topic, 0, ['c']), expectedOffset }], { origin: 'http' });
    expect(await at(1)).toMatchObject([{ error: 'OFFSET_MISMATCH', nextOffset: 2, noSideEffects: true }]);
    expect(await at(2)).toMatchObject([{ error: 'NONE', baseOffset: 2 }]);
  });

  test.each([
    1, 4,
  ])('a repeat under the same Idempotency-Key gets the first answer, with %i journals', async (journals) => {
    const { log, topics } = await open({ journals });
    const topic = await topics.create({ name: 'orders', partitions: 8, config: {} });
    const batches = () =>
      Array.from({ length: 8 }, (_, partition) => produceBatch(topic, partition, [large('a'), 'b']));
    const options = { origin: 'http' as const, idempotency: { key: 'k1', fingerprint: 7 } };
    const first = await log.produce(batches(), options);
    const again = await Promise.all([log.produce(batches(), options), log.produce(batches(), options)]);
    expect(first.every((outcome) => outcome.error === 'NONE')).toBe(true);
    for (const outcomes of again) {
      expect(outcomes).toEqual(first.map((outcome) => ({ ...outcome, duplicate: true })));
    }
    const other = await log.produce(batches(), { origin: 'http', idempotency: { key: 'k1', fingerprint: 8 } });
    expect(new Set(other.map(({ error }) => error))).toEqual(new Set(['IDEMPOTENCY_KEY_REUSED']));
  });

  test('many long keys at once are spread over appends that fit an entry', async () => {
    const { log, topics } = await open();
    const topic = await topics.create({ name: 'orders', config: {} });
    const calls = Array.from({ length: 600 }, (_, index) =>
      log.produce([produceBatch(topic, 0, [`${index}`])], {
        origin: 'http',
        idempotency: { key: `${index}`.padEnd(255, '\u20ac'), fingerprint: index },
      }),
    );
    const outcomes = (await Promise.all(calls)).flat();
    expect(outcomes.map((outcome) => outcome.error)).toEqual(outcomes.map(() => 'NONE'));
  });
});

describe('order between the two ways', () => {
  test('a small batch behind a segment in flight does not overtake it, other partitions do not wait', async () => {
    const runtime = testRuntime();
    const faults = new Faults(runtime);
    const objects = faultyObjectStore(new MemoryObjectStore(), faults);
    const { log, topics } = await open({ runtime, objects });
    const topic = await topics.create({ name: 'orders', partitions: 2, config: {} });
    faults.script({ operation: 'create', fault: 'hang' });
    const slow = produce(log, topic, 0, [large('first')]);
    await turns();
    const behind = produce(log, topic, 0, ['second']);
    expect(await produce(log, topic, 1, ['elsewhere'])).toMatchObject({ error: 'NONE', baseOffset: 0 });
    faults.release();
    expect(await slow).toMatchObject({ error: 'NONE', baseOffset: 0 });
    expect(await behind).toMatchObject({ error: 'NONE', baseOffset: 1 });
  });

  test('a segment waits for the inline batches that were sent before it', async () => {
    const runtime = testRuntime();
    const faults = new Faults(runtime);
    const metadata = faultyMetadataStore(new MemoryMetadataStore(), faults);
    const { log, topics } = await open({ runtime, metadata });
    const topic = await topics.create({ name: 'orders', config: {} });
    faults.script({ operation: 'put', fault: 'hang' });
    const inline = produce(log, topic, 0, ['first']);
    await turns();
    const segment = produce(log, topic, 0, [large('second')]);
    await turns();
    faults.release();
    expect(await inline).toMatchObject({ error: 'NONE', baseOffset: 0 });
    expect(await segment).toMatchObject({ error: 'NONE', baseOffset: 1 });
    expect(values(await readAll(log, topic, 0))).toEqual(['first', 'second']);
  });

  test('uploads that end in another order are appended in the order in which they left', async () => {
    const runtime = testRuntime();
    const faults = new Faults(runtime);
    const objects = faultyObjectStore(new MemoryObjectStore(), faults);
    const { log, topics } = await open({ runtime, objects, config: { 'segment.bytes.max': '65536' } });
    const topic = await topics.create({ name: 'orders', config: {} });
    faults.script({ operation: 'create', fault: 'hang' });
    const calls = Array.from({ length: 8 }, (_, index) => produce(log, topic, 0, [large(`${index}`)]));
    await turns();
    faults.release();
    await Promise.all(calls);
    expect(values(await readAll(log, topic, 0))).toEqual(['0', '1', '2', '3', '4', '5', '6', '7']);
  });
});

test('an upload that fails for good is skipped: its batches fail surely, later ones are appended', async () => {
  const runtime = testRuntime();
  const faults = new Faults(runtime);
  const objects = faultyObjectStore(new MemoryObjectStore(), faults);
  const { log, topics } = await open({ runtime, objects });
  const topic = await topics.create({ name: 'orders', config: {} });
  faults.script({ operation: 'create', fault: 'answer-lost' });
  expect(await produce(log, topic, 0, [large('lost')])).toMatchObject({
    error: 'KAFKA_STORAGE_ERROR',
    noSideEffects: true,
  });
  expect(await produce(log, topic, 0, [large('kept')])).toMatchObject({ error: 'NONE', baseOffset: 0 });
  expect(values(await readAll(log, topic, 0))).toEqual(['kept']);
});

/** A metadata store that runs out of room. */
function fillable(inner: MetadataStore) {
  let full = false;
  const store: MetadataStore = {
    pricing: inner.pricing,
    get: (key, options) => inner.get(key, options),
    query: (range, options) => inner.query(range, options),
    put: (item, condition, options) =>
      full ? Promise.reject(new StorageFullError('no room')) : inner.put(item, condition, options),
    delete: (key, condition, options) => inner.delete(key, condition, options),
    transact: (writes, options) => inner.transact(writes, options),
    close: () => inner.close(),
  };
  return {
    store,
    fill(is: boolean) {
      full = is;
    },
  };
}

test.each([
  'small',
  'large',
])('while the metadata store is full %s batches fail, and afterwards all goes on', async (size) => {
  const metadata = fillable(new MemoryMetadataStore());
  const { log, topics } = await open({ metadata: metadata.store });
  const topic = await topics.create({ name: 'orders', config: {} });
  const send = (name: string) => produce(log, topic, 0, [size === 'large' ? large(name) : name]);
  expect(await send('before')).toMatchObject({ error: 'NONE', baseOffset: 0 });
  metadata.fill(true);
  const failed = await Promise.all(Array.from({ length: 30 }, (_, index) => send(`full ${index}`)));
  for (const outcome of failed) expect(outcome.error).toBe('KAFKA_STORAGE_ERROR');
  expect(await send('still')).toMatchObject({ error: 'KAFKA_STORAGE_ERROR' });
  expect(values(await readAll(log, topic, 0))).toEqual(['before']);
  metadata.fill(false);
  let outcome = await send('after');
  for (let attempt = 0; outcome.error !== 'NONE' && attempt < 5; attempt++) {
    await turns();
    outcome = await send('after');
  }
  expect(outcome).toMatchObject({ error: 'NONE', baseOffset: 1 });
  expect(values(await readAll(log, topic, 0))).toEqual(['before', 'after']);
});

test('batches of a broker that was deposed fail retriably, and the successor goes on', async () => {
  const first = await open();
  const topic = await first.topics.create({ name: 'orders', config: {} });
  await produce(first.log, topic, 0, ['a']);
  const second = await open({ metadata: first.metadata, objects: first.objects });
  const [small, big] = await Promise.all([
    produce(first.log, topic, 0, ['small']),
    produce(first.log, topic, 0, [large('large')]),
  ]);
  expect(small).toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER' });
  expect(big).toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER' });
  expect(await produce(first.log, topic, 0, ['more'])).toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER' });
  expect(await produce(second.log, topic, 0, ['b'])).toMatchObject({ error: 'NONE', baseOffset: 1 });
  expect(values(await readAll(second.log, topic, 0))).toEqual(['a', 'b']);
});

describe('pressure', () => {
  test('is full while too much waits, and calls back when it is relieved', async () => {
    const runtime = testRuntime();
    const faults = new Faults(runtime);
    const objects = faultyObjectStore(new MemoryObjectStore(), faults);
    const config = { 'ingest.buffer.bytes.max': '1048576', 'message.max.bytes': '10000000' };
    const { log, topics } = await open({ runtime, objects, config });
    const topic = await topics.create({ name: 'orders', config: { 'max.message.bytes': '10000000' } });
    faults.script({ operation: 'create', fault: 'hang', times: 10 });
    const call = produce(log, topic, 0, ['x'.repeat(1_100_000)]);
    expect(log.pressure.full).toBe(true);
    const relieved = new Promise<void>((resolve) => log.pressure.whenRelieved(resolve));
    const second = produce(log, topic, 0, ['y'.repeat(1_100_000)]);
    expect(await produce(log, topic, 0, ['refused'])).toMatchObject({ error: 'NOT_ENOUGH_REPLICAS' });
    faults.heal();
    expect([await call, await second]).toMatchObject([{ error: 'NONE' }, { error: 'NONE' }]);
    await relieved;
    expect(log.pressure.full).toBe(false);
  });
});

test('close sends what waits and answers it', async () => {
  const { log, topics } = await open();
  const topic = await topics.create({ name: 'orders', config: {} });
  const calls = [produce(log, topic, 0, ['a']), produce(log, topic, 0, [large('b')])];
  await log.close();
  expect(await Promise.all(calls)).toMatchObject([
    { error: 'NONE', baseOffset: 0 },
    { error: 'NONE', baseOffset: 1 },
  ]);
});

test('a call without batches is answered', async () => {
  const { log } = await open();
  expect(await log.produce([], { origin: 'kafka' })).toEqual([]);
});
