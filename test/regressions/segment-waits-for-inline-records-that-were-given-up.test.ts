/**
 * Records that travel inline were given up, for want of a leader, while a segment with later records of the same partition was
 * being uploaded. The segment then waited until somebody resumed the inline lane; a broker that stops takes nothing in that
 * could, and never came to its end.
 */
import { expect, test } from 'vitest';
import { sleep } from '../../src/runtime/clock.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { openLogCluster } from '../unit/log/log-cluster.ts';
import { produce } from '../unit/log/world.ts';

test('a segment that was uploaded meanwhile is given up, too', async () => {
  const uploading = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const wrapObjects = (objects: ObjectStore): ObjectStore => ({
    ...objects,
    pricing: objects.pricing,
    create: async (...args) => {
      begun.resolve();
      await uploading.promise;
      return objects.create(...args);
    },
    read: (...args) => objects.read(...args),
    close: () => objects.close(),
  });
  const { brokers, topics, world, runtime, close } = await openLogCluster({ wrapObjects });
  const front = brokers[1]!;
  const topic = await topics.create({ name: 'orders', config: {} });
  world.network.cut.set(brokers[0]!.brokerId, 'before');
  const small = produce(front.log, topic, 0, ['small']);
  await sleep(runtime.timers, 20); // It has left, inline.
  const large = produce(front.log, topic, 0, ['large'.padEnd(200_000, '.')]);
  await begun.promise;
  const closing = front.log.close();
  expect(await small).toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER' });
  uploading.resolve();
  expect(await large).toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER' });
  await closing;
  await close();
});
