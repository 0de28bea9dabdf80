/**
 * Topics as brokers and the HTTP door see them. `TopicRegistry` (topic-registry.ts) keeps the items in the metadata
 * store and an image of them in memory; lookups are synchronous and answer from that image.
 */
import type { Overrides, TopicConfig } from './topic-config.ts';

export interface Topic {
  readonly name: string;
  /** UUID as Kafka prints it: 22 characters of base64url. */
  readonly topicId: string;
  /** Index = partition number; value = the journal that orders it. */
  readonly partitions: readonly TopicPartition[];
  /** Only what was set, by name. */
  readonly overrides: Readonly<Record<string, string>>;
  /** Effective values: overrides over broker defaults. */
  readonly config: TopicConfig;
  /** Asked for at creation and reported back; the store replicates. */
  readonly replicationFactor: number;
  readonly createdAt: number;
}

export interface TopicPartition {
  readonly topicId: string;
  readonly partition: number;
  readonly journal: number;
}

export interface NewTopic {
  readonly name: string;
  /** -1 or absent: `num.partitions`. */
  readonly partitions?: number;
  readonly replicationFactor?: number;
  readonly config: Readonly<Record<string, string>>;
}

export type ConfigAlteration =
  | { readonly operation: 'SET' | 'APPEND' | 'SUBTRACT'; readonly name: string; readonly value: string }
  | { readonly operation: 'DELETE'; readonly name: string };

export interface Topics {
  /** Image lookups. A topic is listed once all of its partitions exist in their journals. */
  byName(name: string): Topic | undefined;
  byId(topicId: string): Topic | undefined;
  /**
   * As `byName` and `byId`, and asks the store when the image has none and others share the store: they may just have made it.
   * That there is none is remembered for a second. Throws what the store says.
   */
  find(name: string): Promise<Topic | undefined>;
  findById(topicId: string): Promise<Topic | undefined>;
  /**
   * For who must be sure: undefined only for a topic that the store does not have either, and fewer than `partitions` only
   * where the store has no more. Throws what the store says.
   */
  lookUp(topicId: string, partitions?: number): Promise<Topic | undefined>;
  /** In order of names, those with the prefix strictly after `after`. */
  list(prefix: string, after: string, limit: number): readonly Topic[];
  readonly count: number;
  /** Grows when topics or their partitions come or go: what was computed from the image holds while it is the same. */
  readonly version: number;
  /** Effective defaults of topic configurations, by name; where one is missing, Kafka's holds. */
  readonly defaults: Overrides;

  /** Throws TOPIC_ALREADY_EXISTS, INVALID_TOPIC_EXCEPTION, INVALID_PARTITIONS, INVALID_CONFIG, … Safe to repeat. */
  create(topic: NewTopic, options?: { readonly validateOnly?: boolean }): Promise<Topic>;
  /**
   * Throws UNKNOWN_TOPIC_OR_PARTITION, and UNKNOWN_TOPIC_ID when the name has another id meanwhile. The name is free again
   * when it resolves.
   */
  delete(name: string, expected?: { readonly topicId: string }): Promise<void>;
  createPartitions(name: string, count: number, options?: { readonly validateOnly?: boolean }): Promise<Topic>;
  alterConfig(
    name: string,
    alterations: readonly ConfigAlteration[],
    options?: { readonly validateOnly?: boolean },
  ): Promise<Topic>;
}
