/** Which topics members subscribe to: names and matches of regular expressions, as far as such topics exist. */
import { createHash } from 'node:crypto';
import type { ConsumerMember } from './consumer-group.ts';

/** The topics of the cluster, as subscriptions need them. */
export interface SubscribableTopics {
  byName(name: string): SubscribedTopic | undefined;
  /** Names that a regular expression matches as a whole. */
  matching(regex: string): readonly string[];
}

export interface SubscribedTopic {
  readonly topicId: string;
  readonly partitionCount: number;
}

type Subscriber = Pick<ConsumerMember, 'subscribedTopicNames' | 'subscribedTopicRegex'>;

export class Subscriptions {
  /** Every topic that somebody subscribes to. */
  readonly partitionCounts = new Map<string, number>();
  readonly #topics: SubscribableTopics;
  /** Most members of a group subscribe to the same, and their lists of names are one. */
  readonly #known = new Map<readonly string[], Map<string | null, ReadonlySet<string>>>();

  constructor(topics: SubscribableTopics, members: Iterable<Subscriber>) {
    this.#topics = topics;
    for (const member of members) this.topicIdsOf(member);
  }

  topicIdsOf({ subscribedTopicNames, subscribedTopicRegex }: Subscriber): ReadonlySet<string> {
    const byRegex = this.#known.get(subscribedTopicNames) ?? new Map<string | null, ReadonlySet<string>>();
    const known = byRegex.get(subscribedTopicRegex);
    if (known !== undefined) return known;
    const topicIds = this.#resolve(subscribedTopicNames, subscribedTopicRegex);
    this.#known.set(subscribedTopicNames, byRegex.set(subscribedTopicRegex, topicIds));
    return topicIds;
  }

  /** The same for the same topics with the same number of partitions, and hardly for any others. */
  hash(): string {
    if (this.partitionCounts.size === 0) return '';
    const lines = [...this.partitionCounts].map(([topicId, count]) => `${topicId}/${count}`).sort();
    return createHash('sha256').update(lines.join('\n')).digest('base64url').slice(0, HASH_CHARS);
  }

  #resolve(names: readonly string[], regex: string | null): ReadonlySet<string> {
    const topicIds = new Set<string>();
    for (const name of regex === null ? names : [...names, ...this.#topics.matching(regex)]) {
      const topic = this.#topics.byName(name);
      if (topic === undefined) continue;
      topicIds.add(topic.topicId);
      this.partitionCounts.set(topic.topicId, topic.partitionCount);
    }
    return topicIds;
  }
}

const HASH_CHARS = 22;

export function subscribes(
  { subscribedTopicNames, subscribedTopicRegex }: Subscriber,
  name: string,
  topics: SubscribableTopics,
) {
  if (subscribedTopicNames.includes(name)) return true;
  return subscribedTopicRegex !== null && topics.matching(subscribedTopicRegex).includes(name);
}
