/**
 * A broker at which too many fetches wait already answered its own clients at once, with nothing. Consumers ask again at once:
 * all that had no room to wait asked at the speed of a round trip, which is what a broker that is full can bear least. So did
 * fetches of partitions that are led here and elsewhere.
 */
import { afterEach, expect, test } from 'vitest';
import type { Topic } from '../../src/cluster/topics.ts';
import type { OpenedLog } from '../../src/log/open-log.ts';
import { sleep } from '../../src/runtime/clock.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import { openLogCluster } from '../unit/log/log-cluster.ts';
import { batchOf, fetch, fetchPartition, openWorld, type World } from '../unit/log/world.ts';
import { virtualRuntime } from '../unit/storage/virtual-runtime.ts';

const MAX_WAIT_MS = 500;

const closing: (() => Promise<void>)[] = [];
let isOver = false;
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  isOver = true;
});

/** Time goes in small steps, whatever else is waited for. */
async function pass({ timers }: Runtime): Promise<void> {
  for (isOver = false; !isOver; ) await sleep(timers, 1);
}

type Partitions = Parameters<typeof fetch>[1];

/** Takes the only place to wait. */
function occupy(log: OpenedLog, partitions: Partitions): void {
  const abort = new AbortController();
  closing.push(async () => abort.abort());
  fetch(log, partitions, { maxWaitMs: 1e9, signal: abort.signal }).catch(() => undefined);
}

async function produce(log: OpenedLog, { topicId }: Topic, partition: number): Promise<void> {
  const records = batchOf(['a'], { timestamp: 1_000_000 });
  expect(await log.produce([{ topicId, partition, records }], { origin: 'kafka' })).toMatchObject([{ error: 'NONE' }]);
}

async function openFull() {
  const runtime = virtualRuntime();
  void pass(runtime);
  const world: World = await openWorld({ runtime, waitersMax: 1 });
  closing.push(() => world.close());
  const topic = await world.topics.create({ name: 'orders', partitions: 2, config: {} });
  occupy(world.log, [fetchPartition(topic, 1, 0)]);
  return { ...world, runtime, topic, wanted: [fetchPartition(topic, 0, 0)] };
}

test('a fetch that finds no room to wait is answered after its time', async () => {
  const { log, runtime, wanted } = await openFull();
  const startedAt = runtime.elapsedMs;
  const { partitions, release } = await fetch(log, wanted, { maxWaitMs: MAX_WAIT_MS });
  expect(partitions[0]).toMatchObject({ error: 'NONE', highWatermark: 0 });
  expect(runtime.elapsedMs - startedAt).toBeGreaterThanOrEqual(MAX_WAIT_MS);
  expect(runtime.elapsedMs - startedAt).toBeLessThan(MAX_WAIT_MS + 20);
  release();
});

test('a fetch that finds no room to wait finds what comes meanwhile', async () => {
  const { log, runtime, topic, wanted } = await openFull();
  const fetching = fetch(log, wanted, { maxWaitMs: 60_000 });
  await sleep(runtime.timers, 1_000);
  const startedAt = runtime.elapsedMs;
  await produce(log, topic, 0);
  const { partitions, release } = await fetching;
  expect(partitions[0]).toMatchObject({ error: 'NONE', highWatermark: 1 });
  expect(runtime.elapsedMs - startedAt).toBeLessThan(2_000);
  release();
});

test('a fetch that finds no room to wait ends with its client, and when the broker stops', async () => {
  const { log, runtime, wanted } = await openFull();
  const abort = new AbortController();
  const ended = expect(fetch(log, wanted, { maxWaitMs: 60_000, signal: abort.signal })).rejects.toThrow('gone');
  const fetching = fetch(log, wanted, { maxWaitMs: 60_000 });
  await sleep(runtime.timers, 1_000);
  abort.abort(new Error('gone'));
  await ended;
  const startedAt = runtime.elapsedMs;
  await log.close();
  (await fetching).release();
  expect(runtime.elapsedMs - startedAt).toBeLessThan(2_000);
});

test('a fetch of several leaders that finds no room here is answered after its time, and finds what comes', async () => {
  const runtime = virtualRuntime();
  void pass(runtime);
  const cluster = await openLogCluster({ runtime, journals: 2, waitersMax: 1 });
  closing.push(() => cluster.close());
  const { brokers, topics, lead } = cluster;
  const topic = await topics.create({ name: 'orders', partitions: 8, config: {} });
  await lead(brokers[1]!, 1);
  const [here, there] = [0, 1].map((journal) => topic.partitions.find((each) => each.journal === journal)!.partition);
  const wanted = [fetchPartition(topic, here!, 0), fetchPartition(topic, there!, 0)];
  const { log } = brokers[0]!;
  occupy(log, [fetchPartition(topic, here!, 0)]);

  let startedAt = runtime.elapsedMs;
  const nothing = await fetch(log, wanted, { maxWaitMs: MAX_WAIT_MS });
  expect(nothing.partitions.map(({ highWatermark }) => highWatermark)).toEqual([0, 0]);
  expect(runtime.elapsedMs - startedAt).toBeGreaterThanOrEqual(MAX_WAIT_MS);
  expect(runtime.elapsedMs - startedAt).toBeLessThan(MAX_WAIT_MS + 20);
  nothing.release();

  const fetching = fetch(log, wanted, { maxWaitMs: 60_000 });
  await sleep(runtime.timers, 1_000);
  startedAt = runtime.elapsedMs;
  await produce(brokers[1]!.log, topic, there!);
  const { partitions, release } = await fetching;
  expect(partitions.map(({ highWatermark }) => highWatermark)).toEqual([0, 1]);
  expect(runtime.elapsedMs - startedAt).toBeLessThan(100);
  release();
});
