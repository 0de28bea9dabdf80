/** Topics that tests create, grow and delete; as subscriptions see them. */
import type {
  SubscribableTopics,
  SubscribedTopic,
} from '../../../../../src/coordinator/group/consumer/subscription.ts';
import { compileTopicPattern } from '../../../../../src/coordinator/group/consumer/topic-pattern.ts';

export class ClusterTopics implements SubscribableTopics {
  readonly #topics = new Map<string, SubscribedTopic>();

  constructor(partitionCounts: Readonly<Record<string, number>> = {}) {
    for (const [name, count] of Object.entries(partitionCounts)) this.set(name, count);
  }

  /** A topic's id is its name with `id-` before it. */
  set(name: string, partitionCount: number): void {
    this.#topics.set(name, { topicId: `id-${name}`, partitionCount });
  }

  delete(name: string): void {
    this.#topics.delete(name);
  }

  byName(name: string): SubscribedTopic | undefined {
    return this.#topics.get(name);
  }

  nameOf(topicId: string): string | undefined {
    return [...this.#topics].find(([, topic]) => topic.topicId === topicId)?.[0];
  }

  matching(regex: string): readonly string[] {
    const pattern = compileTopicPattern(regex);
    return [...this.#topics.keys()].filter((name) => pattern.matches(name)).sort();
  }

  /** `topicId/partition` of all partitions. */
  partitions(): string[] {
    return [...this.#topics.values()].flatMap(({ topicId, partitionCount }) =>
      Array.from({ length: partitionCount }, (_, partition) => `${topicId}/${partition}`),
    );
  }
}
