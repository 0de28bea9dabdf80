/** A broker in stepped time with share groups and a topic `orders` of 2 partitions, the first of which has 3 records. */
import { afterEach, beforeEach } from 'vitest';
import { createTopic, fromTheStart, produce, ShareConsumer } from '../../coordinator/share/share-world.ts';
import { type SteppedRuntime, steppedRuntime } from '../../coordinator/stepped-runtime.ts';
import { type CoordinatorWorld, openCoordinatorWorld } from '../../coordinator/world.ts';

export class ShareHandlers {
  runtime!: SteppedRuntime;
  world!: CoordinatorWorld;
  topicId!: string;

  async join(memberId = 'm1', groupId = 'g'): Promise<ShareConsumer> {
    const consumer = new ShareConsumer(this.world, groupId, memberId);
    await consumer.heartbeat(['orders']);
    return consumer;
  }
}

/** Made anew for each test. */
export function shareHandlers(): ShareHandlers {
  const handlers = new ShareHandlers();
  beforeEach(async () => {
    handlers.runtime = steppedRuntime();
    handlers.world = await openCoordinatorWorld(handlers.runtime);
    handlers.topicId = await createTopic(handlers.world, 'orders', 2);
    await fromTheStart(handlers.world, 'g');
    await produce(handlers.world, handlers.topicId, 0, ['a', 'b', 'c']);
  });
  afterEach(() => handlers.world.close());
  return handlers;
}
