import type { Topic } from '../cluster/topics.ts';
import { murmur2 } from '../record/partitioner.ts';
import type { Random } from '../runtime/random.ts';

/** Where records without a key go: all of one request to one partition, the next request to the next one. */
export class StickyPartitions {
  readonly #random: Random;
  /** By the image of a topic, which goes when the topic changes. */
  readonly #next = new WeakMap<Topic, number>();

  constructor(random: Random) {
    this.#random = random;
  }

  take(topic: Topic): number {
    const count = topic.partitions.length;
    const partition = this.#next.get(topic) ?? Math.floor(this.#random.float() * count);
    this.#next.set(topic, (partition + 1) % count);
    return partition;
  }
}

/** The same for every repeat of a request, so that a repeat meets its first attempt. */
export const partitionOfRequest = (idempotencyKey: string, topic: Topic): number =>
  (murmur2(Buffer.from(idempotencyKey)) & 0x7fffffff) % topic.partitions.length;
