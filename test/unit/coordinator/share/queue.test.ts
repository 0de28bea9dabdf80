/**
 * A queue with slow, failing, crashing and correct consumers, through restarts of the broker: in the end every record was
 * accepted once, or rejected, or given out as often as it may be, and nothing came again after that.
 */
import { expect, test } from 'vitest';
import { seededRandom } from '../../storage/virtual-runtime.ts';
import { steppedRuntime } from '../stepped-runtime.ts';
import { openCoordinatorWorld } from '../world.ts';
import { type Acknowledgements, createTopic, fromTheStart, numbered, produce, ShareConsumer } from './share-world.ts';

const LOCK_MS = 30_000;
const LIMIT = 4;
const PARTITIONS = 3;
const RECORDS = 120;

interface Fate {
  deliveries: number;
  holder: string | null;
  accepted: boolean;
  rejected: boolean;
}

test.each([1, 2, 3, 4])('every record of a queue has one end, seed %i', async (seed) => {
  const random = seededRandom(seed);
  const below = (bound: number) => Math.floor(random.float() * bound);
  const runtime = steppedRuntime(seed);
  const world = await openCoordinatorWorld(runtime, { journals: String(1 + (seed % 4)) });
  const topicId = await createTopic(world, 'jobs', PARTITIONS);
  await fromTheStart(world, 'workers', { 'share.delivery.count.limit': String(LIMIT) });
  for (let partition = 0; partition < PARTITIONS; partition++) {
    for (let at = 0; at < RECORDS; at += 10) await produce(world, topicId, partition, numbered(`${partition}-`, 10));
  }

  const fates = new Map<string, Fate>();
  const fateOf = (partition: number, offset: number) => {
    const key = `${partition}/${offset}`;
    const fate = fates.get(key) ?? { deliveries: 0, holder: null, accepted: false, rejected: false };
    fates.set(key, fate);
    return fate;
  };
  /** What each consumer holds: partition and offset. */
  const held = new Map<ShareConsumer, [number, number][]>();
  let restarts = 0;

  const join = async (memberId: string) => {
    const consumer = new ShareConsumer(world, 'workers', memberId);
    expect(await consumer.heartbeat(['jobs'])).toBe('NONE');
    held.set(consumer, []);
    return consumer;
  };
  let consumers = await Promise.all(['a', 'b', 'c', 'd'].map(join));
  for (const consumer of consumers) await consumer.heartbeat();

  const letGo = (consumer: ShareConsumer) => {
    for (const [partition, offset] of held.get(consumer) ?? []) fateOf(partition, offset).holder = null;
    held.set(consumer, []);
  };
  const take = async (consumer: ShareConsumer) => {
    for (const { partition, error, ranges } of await consumer.fetch({ maxRecords: 1 + below(20), mode: below(2) })) {
      expect(error).toBe('NONE');
      for (const { first, last, deliveryCount } of ranges) {
        expect(deliveryCount).toBeLessThanOrEqual(LIMIT);
        for (let offset = first; offset <= last; offset++) {
          const fate = fateOf(partition, offset);
          expect(fate, `${partition}/${offset} to ${consumer.memberId}`).toMatchObject({
            holder: null,
            accepted: false,
            rejected: false,
          });
          fate.holder = consumer.memberId;
          fate.deliveries += 1;
          held.get(consumer)!.push([partition, offset]);
        }
      }
    }
  };
  const settle = async (consumer: ShareConsumer, typeOf: () => number) => {
    const mine = held.get(consumer)!.splice(0);
    const wishes: Acknowledgements[] = mine
      .map(([partition, offset]) => ({ partition, first: offset, last: offset, types: [typeOf()] }))
      .sort((x, y) => x.partition - y.partition || x.first - y.first);
    if (wishes.length === 0) return;
    expect(new Set(await consumer.acknowledge(...wishes))).toEqual(new Set(['NONE']));
    for (const { partition = 0, first, types } of wishes) {
      const fate = fateOf(partition, first);
      fate.holder = null;
      fate.accepted ||= types[0] === 1;
      fate.rejected ||= types[0] === 3;
    }
  };
  const beat = async () => {
    for (const consumer of consumers) expect(await consumer.heartbeat()).toBe('NONE');
  };

  for (let step = 0; step < 150; step++) {
    const consumer = consumers[below(consumers.length)]!;
    await take(consumer);
    const what = random.float();
    if (what < 0.6) await settle(consumer, () => [1, 1, 1, 1, 2, 3][below(6)]!);
    else if (what < 0.7) await settle(consumer, () => 2);
    else if (what < 0.8) {
      // It holds on to everything until its locks end.
      await beat();
      await runtime.advance(LOCK_MS);
      for (const each of consumers) letGo(each);
    } else if (what < 0.9) {
      await consumer.close();
      await runtime.settle();
      letGo(consumer);
    } else if (what < 0.93) {
      restarts += 1;
      await world.restart();
      for (const each of consumers) {
        letGo(each);
        each.sessionEpoch = 0;
      }
      consumers = [...consumers];
    }
  }
  // Now one consumer that fails at everything.
  const last = consumers[0]!;
  for (const other of consumers.slice(1)) {
    await other.close();
    letGo(other);
    await other.leave();
  }
  await last.heartbeat();
  for (let idle = 0; idle < 2; ) {
    await take(last);
    idle = held.get(last)!.length === 0 ? idle + 1 : 0;
    await settle(last, () => 2);
  }

  expect(fates.size).toBe(PARTITIONS * RECORDS);
  for (const [key, { accepted, rejected, deliveries }] of fates) {
    expect(accepted && rejected).toBe(false);
    if (!accepted && !rejected) expect(deliveries, key).toBeGreaterThanOrEqual(LIMIT);
    if (restarts === 0) expect(deliveries, key).toBeLessThanOrEqual(LIMIT);
  }
  const asked = await world.ask('DescribeShareGroupOffsets', 1, { groups: [{ groupId: 'workers', topics: null }] });
  for (const { startOffset, lag } of asked.groups[0]!.topics[0]!.partitions) {
    expect([startOffset, lag]).toEqual([RECORDS, 0]);
  }
  await world.close();
});
