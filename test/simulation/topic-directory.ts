/** What clients know of topics: what they were told, which may be old. */
import type { Topic } from '../../src/cluster/topics.ts';
import type { PartitionName } from './history.ts';
import type { SeededRandom } from './seeded-random.ts';

export interface KnownTopic {
  readonly name: string;
  readonly topicId: string;
  partitions: number;
}

export class TopicDirectory {
  readonly #topics = new Map<string, KnownTopic>();
  /** Their deletion was asked for: it may come at any time, and who was succeeded may list them for ever. */
  readonly #forgotten = new Set<string>();

  get size(): number {
    return this.#topics.size;
  }

  all(): readonly KnownTopic[] {
    return [...this.#topics.values()];
  }

  isForgotten(topicId: string): boolean {
    return this.#forgotten.has(topicId);
  }

  learn({ name, topicId, partitions }: Topic): void {
    if (this.isForgotten(topicId)) return;
    const known = this.#topics.get(name);
    if (known?.topicId === topicId) known.partitions = Math.max(known.partitions, partitions.length);
    else this.#topics.set(name, { name, topicId, partitions: partitions.length });
  }

  forget(topicId: string): void {
    this.#forgotten.add(topicId);
    for (const [name, known] of this.#topics) if (known.topicId === topicId) this.#topics.delete(name);
  }

  knows(topicId: string): boolean {
    for (const known of this.#topics.values()) if (known.topicId === topicId) return true;
    return false;
  }

  pickTopic(random: SeededRandom): KnownTopic | null {
    return this.#topics.size === 0 ? null : random.pick(this.all());
  }

  pickPartition(random: SeededRandom): PartitionName | null {
    const topic = this.pickTopic(random);
    return topic && { topicId: topic.topicId, partition: random.integer(0, topic.partitions) };
  }
}
