/** Background work of a broker that leads some journals for some time. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Topics } from '../../../src/cluster/topics.ts';
import { parseConfig } from '../../../src/config.ts';
import { Lifecycle } from '../../../src/lifecycle/lifecycle.ts';
import { readBatchHeader } from '../../../src/record/batch.ts';
import { buildBatch } from '../../../src/record/records.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import type { Runtime } from '../../../src/runtime/runtime.ts';
import { SegmentIds, segmentPrefix } from '../../../src/segment/segment-id.ts';
import { faultyObjectStore } from '../../../src/storage/faulty.ts';
import { NEVER, type SeatedBroker, SeatsWorld } from '../cluster/seats-world.ts';
import { createTopic, lane, TOPIC, testRuntime } from '../journal/harness.ts';

let world: SeatsWorld;
let one: SeatedBroker;
let two: SeatedBroker;
let lifecycle: Lifecycle;
let retentionMs = Infinity;
let offsetMs = 0;
let number = 0;

beforeEach(async () => {
  world = new SeatsWorld(2);
  retentionMs = Infinity;
  offsetMs = 0;
  number = 0;
  const clock = { now: () => systemClock.now() + offsetMs, monotonic: () => systemClock.monotonic() + offsetMs };
  const runtime: Runtime = { ...testRuntime(), clock };
  one = world.broker(1, { runtime });
  two = world.broker(2);
  const topics = {
    byId: () => ({ config: { deletes: true, retentionMs, retentionBytes: Infinity, compacted: false } }),
  } as unknown as Topics;
  lifecycle = new Lifecycle({
    config: parseConfig({}),
    runtime,
    clusterId: 'c',
    journals: one.seats,
    objects: faultyObjectStore(world.stores.objects, one.faults),
    metadata: world.stores.metadata,
    topics,
    segmentIds: new SegmentIds(clock, runtime.random, 1, 1),
    remote: { journals: one.remote, registry: world.network.registry(1) },
  });
  await world.lead(one);
  await createTopic(one.seats.get(0) as never);
});
afterEach(async () => {
  one.faults.heal();
  await lifecycle.stop();
  await world.close();
});

async function append(timestamp = systemClock.now()): Promise<void> {
  const bytes = buildBatch([{ key: null, value: 'x' }], { timestamp });
  const { length, attributes, baseTimestamp, maxTimestamp } = readBatchHeader(bytes, 0);
  const described = { position: 0, length, attributes, baseTimestamp, maxTimestamp, offsetCount: 1 };
  const producer = { producerId: -1, producerEpoch: -1, baseSequence: -1, baseOffset: -1, leaderEpoch: -1 };
  await one.seats.get(0)!.append({
    lane: lane(1, 0, 1),
    number: number++,
    source: { type: 'inline', parts: [bytes], bytes: length },
    partitions: [{ topicId: TOPIC, partition: 0, journal: 0, batches: [{ ...described, ...producer }] }],
  });
}

const partition = ({ seats }: SeatedBroker) => seats.get(0)!.state.partition(TOPIC, 0)!;
const segmentCount = async () =>
  (await world.stores.objects.list(segmentPrefix('c'), '', 100, { cause: 'tool' })).objects.length;
const soon = () => new Promise((resolve) => setTimeout(resolve, 5));

describe('merging', () => {
  test('goes on with what it finds when a journal comes, and again when it comes back', async () => {
    await append();
    await world.lead(two);
    offsetMs += 121_000;
    await lifecycle.merge(NEVER);
    expect(await segmentCount()).toBe(0);
    await world.lead(one);
    await lifecycle.merge(NEVER);
    expect(partition(one).extents.at(0)!.source.type).toBe('segment');
  });

  test('drops what is half done when its journal goes', async () => {
    await append();
    offsetMs += 121_000;
    one.faults.script({ operation: 'create', fault: 'hang' });
    const pass = lifecycle.merge(NEVER);
    await soon();
    await world.lead(two);
    one.faults.release();
    await pass;
    expect(partition(two).extents.at(0)!.source.type).toBe('inline');
    // And the pass after it is none of its business.
    await lifecycle.merge(NEVER);
    expect(partition(two).extents.at(0)!.source.type).toBe('inline');
  });

  test('of one journal that goes does not keep another from being merged', async () => {
    await world.lead(one, 1);
    await one.seats.get(1)!.propose({ type: 'createPartitions', topicId: TOPIC, partitions: [0] });
    await append();
    offsetMs += 121_000;
    one.faults.script({ operation: 'create', fault: 'error-before' });
    await expect(lifecycle.merge(NEVER)).rejects.toThrow();
    await lifecycle.merge(NEVER);
    expect(partition(one).extents.at(0)!.source.type).toBe('segment');
  });
});

describe('retention', () => {
  test('that a broker began for a journal ends with its leading: the next leader is not told', async () => {
    await append(0);
    retentionMs = 1_000;
    one.faults.script({ operation: 'list', fault: 'hang' }); // It compares clocks.
    const pass = lifecycle.retain(NEVER);
    await soon();
    await world.lead(two);
    one.faults.release();
    await pass;
    expect(partition(two).logStartOffset).toBe(0);
  });

  test('drops what is due in journals that are led', async () => {
    await append(0);
    retentionMs = 1_000;
    await lifecycle.retain(NEVER);
    expect(partition(one)).toMatchObject({ logStartOffset: 1, nextOffset: 1 });
  });

  test('meets a successor and goes on with other journals', async () => {
    await append(0);
    retentionMs = 1_000;
    await two.seats.lead(0, { signal: NEVER });
    await lifecycle.retain(NEVER);
    expect(one.seats.get(0)!.role).toBe('following');
    expect(partition(two).logStartOffset).toBe(0);
  });
});
