/** The topics of the cluster as subscriptions see them, with the matches of regular expressions kept while topics stay the same. */
import type { Topic, Topics } from '../../../cluster/topics.ts';
import type { SubscribableTopics, SubscribedTopic } from './subscription.ts';
import { compileTopicPattern, type TopicPattern } from './topic-pattern.ts';

/** Each with names of up to all topics; beyond it the expression that was not asked for longest is computed again. */
const PATTERNS_KEPT_MAX = 256;
const PAGE_COUNT = 1_000;

type TopicsOfDirectory = Pick<Topics, 'byName' | 'byId' | 'list' | 'version'>;

interface KnownPattern {
  readonly pattern: TopicPattern;
  version: number;
  names: readonly string[];
}

export class TopicDirectory implements SubscribableTopics {
  readonly #topics: TopicsOfDirectory;
  readonly #patterns = new Map<string, KnownPattern>();

  constructor(topics: TopicsOfDirectory) {
    this.#topics = topics;
  }

  /** Grows when an answer may be another one. */
  get version(): number {
    return this.#topics.version;
  }

  byName(name: string): SubscribedTopic | undefined {
    const topic = this.#topics.byName(name);
    return topic && { topicId: topic.topicId, partitionCount: topic.partitions.length };
  }

  nameOf(topicId: string): string | undefined {
    return this.#topics.byId(topicId)?.name;
  }

  /** Throws INVALID_REGULAR_EXPRESSION. */
  matching(regex: string): readonly string[] {
    const known = this.#known(regex);
    if (known.version !== this.version) {
      known.names = this.#names().filter((name) => known.pattern.matches(name));
      known.version = this.version;
    }
    return known.names;
  }

  #known(regex: string): KnownPattern {
    const known = this.#patterns.get(regex) ?? { pattern: compileTopicPattern(regex), version: -1, names: [] };
    this.#patterns.delete(regex);
    this.#patterns.set(regex, known);
    if (this.#patterns.size > PATTERNS_KEPT_MAX) this.#patterns.delete(this.#patterns.keys().next().value!);
    return known;
  }

  #names(): string[] {
    const names: string[] = [];
    for (let page: readonly Topic[] = []; ; ) {
      page = this.#topics.list('', names.at(-1) ?? '', PAGE_COUNT);
      for (const { name } of page) names.push(name);
      if (page.length < PAGE_COUNT) return names;
    }
  }
}
