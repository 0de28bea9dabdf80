/** OffsetCommit and OffsetFetch below the protocol: durable, in order, one entry for what arrives together, never stale. */
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { Faults, faultyMetadataStore } from '../../../../../src/storage/faulty.ts';
import { manualRuntime, turns } from '../../../log/manual-runtime.ts';
import { virtualRuntime } from '../../../storage/virtual-runtime.ts';
import { memoryStores, type OffsetsWorld, type OffsetsWorldOptions, openOffsets, TOPIC } from './offsets-world.ts';

const worlds: OffsetsWorld[] = [];
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.close();
});
async function open(options?: OffsetsWorldOptions): Promise<OffsetsWorld> {
  const world = await openOffsets(options);
  worlds.push(world);
  return world;
}

const entries = ({ journals }: OffsetsWorld): number => journals.reduce((sum, { state }) => sum + state.lastSeq, 0);

describe.each([1, 4])('with %i journals', (journalCount) => {
  test('what was committed is there after a restart', async () => {
    const stores = memoryStores();
    const before = await open({ stores, journalCount });
    for (const group of ['a', 'b', 'c', 'd', 'e']) {
      expect(await before.commit(group, 5)).toBe('NONE');
      expect(await before.commit(group, 7, { partition: 3, leaderEpoch: 2, metadata: 'm' })).toBe('NONE');
    }
    await before.close();
    const after = await open({ stores, journalCount });
    for (const groupId of ['a', 'b', 'c', 'd', 'e']) {
      expect(await after.committed(groupId)).toEqual({ 0: 5, 3: 7 });
      const places = [{ topicId: TOPIC, partition: 3 }];
      const [found] = await after.offsets.fetch({ groupId, memberId: null, memberEpoch: -1, places });
      expect(found!.committed).toMatchObject({ offset: 7, leaderEpoch: 2, metadata: 'm' });
    }
  });
});

test('nothing is committed in a group that does not exist, and asking makes none', async () => {
  const world = await open();
  const places = [{ topicId: TOPIC, partition: 0 }];
  expect(await world.offsets.fetch({ groupId: 'none', memberId: null, memberEpoch: -1, places })).toEqual([
    { topicId: TOPIC, partition: 0, committed: null, unstable: false },
  ]);
  expect(world.groups.count).toBe(0);
});

test('a generation of a group that does not exist is ILLEGAL_GENERATION, and makes none', async () => {
  const world = await open();
  expect(await world.commit('orders', 1, { generation: 3 })).toBe('ILLEGAL_GENERATION');
  expect(world.groups.count).toBe(0);
});

test('a member of the current generation commits, others do not', async () => {
  const world = await open();
  await world.commit('orders', 1);
  world.group('orders').generation = 4;
  expect(await world.commit('orders', 2, { generation: 3 })).toBe('ILLEGAL_GENERATION');
  expect(await world.commit('orders', 3)).toBe('ILLEGAL_GENERATION');
  expect(await world.commit('orders', 4, { generation: 4 })).toBe('NONE');
  expect(await world.committed('orders')).toEqual({ 0: 4 });
});

test('a member that fetches is checked', async () => {
  const world = await open();
  await world.commit('orders', 1);
  const query = { groupId: 'orders', memberEpoch: 1, places: null };
  await expect(world.offsets.fetch({ ...query, memberId: 'other' })).rejects.toThrow('other');
  expect(await world.offsets.fetch({ ...query, memberId: 'member' })).toHaveLength(1);
});

test('metadata above the limit is refused for its partition alone', async () => {
  const world = await open();
  const offset = { topicId: TOPIC, partition: 0, offset: 1, leaderEpoch: -1, metadata: '' };
  const client = { groupId: 'orders', client: 'test' };
  const committer = {
    memberId: '',
    groupInstanceId: null,
    generationIdOrMemberEpoch: -1,
    transactional: false,
    apiVersion: 8,
  };
  const outcomes = await world.offsets.commit(client, committer, [
    { ...offset, metadata: 'x'.repeat(4_096) },
    { ...offset, partition: 1, metadata: 'x'.repeat(4_097) },
    { ...offset, partition: 2 },
  ]);
  expect(outcomes.map((outcome) => outcome?.error ?? 'NONE')).toEqual(['NONE', 'OFFSET_METADATA_TOO_LARGE', 'NONE']);
  expect(await world.committed('orders')).toEqual({ 0: 1, 2: 1 });
});

test('a commit of more partitions than an entry takes is whole in the end', async () => {
  const world = await open();
  const offsets = Array.from({ length: 5_000 }, (_, partition) => ({
    topicId: TOPIC,
    partition,
    offset: partition,
    leaderEpoch: 3,
    metadata: 'some',
  }));
  const committer = {
    memberId: '',
    groupInstanceId: null,
    generationIdOrMemberEpoch: -1,
    transactional: false,
    apiVersion: 8,
  };
  const outcomes = await world.offsets.commit({ groupId: 'orders', client: 'test' }, committer, offsets);
  expect(outcomes.every((outcome) => outcome === null)).toBe(true);
  expect(Object.keys(await world.committed('orders'))).toHaveLength(5_000);
});

test('commits that arrive together are one entry, of one group one change', async () => {
  const world = await open();
  await Promise.all(Array.from({ length: 20 }, (_, index) => world.commit(`g${index}`, 1)));
  const before = entries(world);
  await Promise.all(
    Array.from({ length: 400 }, (_, index) => world.commit(`g${index % 20}`, index, { partition: index })),
  );
  expect(entries(world) - before).toBeLessThanOrEqual(2);
});

test('an offset that is committed again unchanged is not written while its record is young', async () => {
  const runtime = manualRuntime();
  const world = await open({ runtime, retentionMs: 100_000 });
  expect(await world.commit('orders', 5)).toBe('NONE');
  const before = entries(world);
  expect(await world.commit('orders', 5)).toBe('NONE');
  expect(entries(world)).toBe(before);
  await runtime.advance(1_001);
  expect(await world.commit('orders', 5)).toBe('NONE');
  expect(entries(world)).toBe(before + 1);
});

test('a deposed coordinator neither commits nor fetches nor repeats an old commit', async () => {
  const stores = memoryStores();
  const old = await open({ stores });
  await old.commit('orders', 5);
  const young = await open({ stores, brokerId: 2 });
  expect(await young.commit('orders', 9)).toBe('NONE');
  expect(await old.commit('orders', 5)).toBe('NOT_COORDINATOR');
  await expect(old.committed('orders')).rejects.toMatchObject({ error: 'NOT_COORDINATOR' });
  expect(await old.commit('orders', 6)).toBe('NOT_COORDINATOR');
  expect(await young.committed('orders')).toEqual({ 0: 9 });
});

test('a store that loses answers and refuses puts neither loses nor doubles a commit', async () => {
  const runtime = virtualRuntime();
  const stores = memoryStores();
  const faults = new Faults(runtime);
  const world = await open({ stores: { ...stores, metadata: faultyMetadataStore(stores.metadata, faults) }, runtime });
  await world.commit('orders', 0);
  faults.plan = { operations: { put: { faults: { 'error-before': 0.2, 'answer-lost': 0.3, 'late-effect': 0.1 } } } };
  for (let offset = 1; offset <= 50; offset++) {
    const outcome = await world.commit('orders', offset);
    if (outcome === 'NONE') expect((await world.committed('orders'))[0]).toBe(offset);
    else expect(outcome).toBe('COORDINATOR_NOT_AVAILABLE');
  }
});

describe('where entries cost money', () => {
  test('any number of consumers add at most 20 entries a second to a journal', async () => {
    const runtime = manualRuntime();
    const world = await open({ runtime, entriesCostMoney: true });
    const first = world.commit('g0', 0);
    await runtime.advance(0);
    expect(await first).toBe('NONE'); // After a pause at once.
    const before = entries(world);
    const commits: Promise<string>[] = [];
    for (let ms = 0; ms < 2_000; ms++) {
      for (let consumer = 0; consumer < 3; consumer++)
        commits.push(world.commit(`g${(ms * 3 + consumer) % 50}`, ms + 1));
      await runtime.advance(1);
    }
    await runtime.advance(100);
    expect(new Set(await Promise.all(commits))).toEqual(new Set(['NONE']));
    expect(entries(world) - before).toBeLessThanOrEqual(42);
  });

  test('a generation that ends while its commit waits refuses it', async () => {
    const runtime = manualRuntime();
    const world = await open({ runtime, entriesCostMoney: true });
    const first = world.commit('orders', 1);
    await runtime.advance(0);
    await first;
    world.group('orders').generation = 4;
    const late = world.commit('orders', 2, { generation: 4 });
    await turns();
    world.group('orders').generation = 5;
    await runtime.advance(50);
    expect(await late).toBe('ILLEGAL_GENERATION');
    expect(await world.committed('orders')).toEqual({ 0: 1 });
  });

  test('a commit that waits while its group is deleted makes it anew, where it belongs', async () => {
    const runtime = manualRuntime();
    const world = await open({ runtime, entriesCostMoney: true, journalCount: 4 });
    const first = world.commit('orders', 1);
    await runtime.advance(0);
    await first;
    const late = world.commit('orders', 2, { partition: 1 });
    await world.groups.delete('orders');
    expect(world.groups.find('orders')).toBeUndefined();
    await runtime.advance(50);
    expect(await late).toBe('NONE');
    expect(await world.committed('orders')).toEqual({ 1: 2 });
  });

  test('what waits is bounded: beyond it clients are told to come again', async () => {
    const runtime = manualRuntime();
    const world = await open({ runtime, entriesCostMoney: true });
    const first = world.commit('orders', 1);
    await runtime.advance(0);
    await first;
    const metadata = 'x'.repeat(4_096);
    const commits = Array.from({ length: 8_000 }, (_, partition) => world.commit('orders', 2, { partition, metadata }));
    await turns();
    await world.close();
    const outcomes = new Set(await Promise.all(commits));
    expect(outcomes).toEqual(new Set(['NOT_COORDINATOR', 'COORDINATOR_LOAD_IN_PROGRESS']));
  });

  test('who waits when the broker stops is told NOT_COORDINATOR', async () => {
    const runtime = manualRuntime();
    const world = await open({ runtime, entriesCostMoney: true });
    const first = world.commit('orders', 1);
    await runtime.advance(0);
    await first;
    const late = world.commit('orders', 2);
    await turns();
    await world.close();
    expect(await late).toBe('NOT_COORDINATOR');
  });
});

test('a committed offset goes where it was last asked to go, through faults and restarts', async () => {
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ type: fc.constant('commit' as const), together: fc.integer({ min: 1, max: 4 }) }),
    },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('restart' as const) }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), fc.integer(), async (steps, seed) => {
      const runtime = virtualRuntime(seed);
      const stores = memoryStores();
      const faults = new Faults(runtime);
      const faulty = { ...stores, metadata: faultyMetadataStore(stores.metadata, faults) };
      let world = await openOffsets({ stores: faulty, runtime });
      let asked = 0;
      let acknowledged = -1;
      try {
        for (const next of steps) {
          if (next.type === 'restart') {
            faults.heal();
            await world.close();
            world = await openOffsets({ stores: faulty, runtime });
          } else {
            faults.plan = {
              operations: { put: { faults: { 'error-before': 0.2, 'answer-lost': 0.2, 'late-effect': 0.1 } } },
            };
            const offsets = Array.from({ length: next.together }, () => asked++);
            const outcomes = await Promise.all(offsets.map((offset) => world.commit('orders', offset)));
            for (const [index, outcome] of outcomes.entries()) {
              if (outcome === 'NONE') acknowledged = offsets[index]!;
            }
            faults.heal();
          }
          const offset = (await world.committed('orders'))[0] ?? -1;
          expect(offset).toBeGreaterThanOrEqual(acknowledged);
          expect(offset).toBeLessThan(asked);
          acknowledged = offset; // What was seen does not go back either.
        }
      } finally {
        await world.close();
      }
    }),
    { numRuns: 30 },
  );
});
