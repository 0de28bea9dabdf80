/**
 * Topics: items in the metadata store, an image of the active ones in memory. Every method is safe to repeat and to
 * interrupt anywhere: `recover` finishes at start what a crash left half-way.
 */
import { KafkaError } from '../errors.ts';
import type { Journal } from '../journal/journal.ts';
import { PARTITIONS_PER_TOPIC_MAX, REPLICATION_FACTOR_MAX } from '../limits.ts';
import { type Random, randomUuid } from '../runtime/random.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { justAfter, TOPICS, topicIdKey, topicNameKey, topicsPartitionKey } from '../storage/keys.ts';
import { ABSENT, type MetadataStore, whenEquals } from '../storage/metadata-store.ts';
import { alterTopicOverrides, checkOverrides, type Overrides, resolveTopicConfig } from './topic-config.ts';
import { TopicImage } from './topic-image.ts';
import { decodeTopic, encodeName, encodeTopic, type TopicItem } from './topic-item.ts';
import { checkTopicName } from './topic-name.ts';
import type { ConfigAlteration, NewTopic, Topic, Topics } from './topics.ts';

const OPTIONS = { cause: 'topics' } as const;
const PAGE_COUNT = 500;

export interface TopicRegistryOptions {
  readonly clusterId: string;
  readonly metadata: MetadataStore;
  readonly journals: readonly Journal[];
  readonly runtime: Runtime;
  /** Defaults that the broker gives, by topic-config name. */
  readonly defaults: Overrides;
  readonly partitionsDefault: number;
}

export class TopicRegistry implements Topics {
  readonly #clusterId: string;
  readonly #metadata: MetadataStore;
  readonly #journals: readonly Journal[];
  readonly #runtime: Runtime;
  readonly #random: Random;
  #defaults: Overrides;
  readonly #partitionsDefault: number;
  readonly #image = new TopicImage();
  /** Changes of one topic name wait for each other; the store's conditions guard against other brokers. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(options: TopicRegistryOptions) {
    this.#clusterId = options.clusterId;
    this.#metadata = options.metadata;
    this.#journals = options.journals;
    this.#runtime = options.runtime;
    this.#random = options.runtime.random;
    this.#defaults = options.defaults;
    this.#partitionsDefault = options.partitionsDefault;
  }

  byName(name: string): Topic | undefined {
    return this.#image.byName(name);
  }

  byId(topicId: string): Topic | undefined {
    return this.#image.byId(topicId);
  }

  list(prefix: string, after: string, limit: number): readonly Topic[] {
    return this.#image.list(prefix, after, limit);
  }

  get count(): number {
    return this.#image.count;
  }

  get version(): number {
    return this.#image.version;
  }

  get defaults(): Overrides {
    return this.#defaults;
  }

  /** Every topic gets what it does not override from these, at once. */
  setDefaults(defaults: Overrides): void {
    this.#defaults = defaults;
    for (const topic of this.#image.list('', '', this.#image.count)) {
      this.#image.put({ ...topic, config: resolveTopicConfig(topic.overrides, defaults) });
    }
  }

  /**
   * Reads all topics and finishes what a crash left half-way. A topic whose journal does not lead stays as it is: its
   * partitions are unavailable anyway, and the next start tries again.
   */
  async recover(): Promise<void> {
    let from = TOPICS.from;
    for (;;) {
      const range = { partitionKey: topicsPartitionKey(this.#clusterId), from, to: TOPICS.to, limit: PAGE_COUNT };
      const page = await this.#metadata.query(range, OPTIONS);
      for (const item of page.items) await this.#recoverTopic(decodeTopic(item));
      if (!page.more) return;
      from = justAfter(page.items.at(-1)!.sortKey);
    }
  }

  async #recoverTopic(item: TopicItem): Promise<void> {
    if (item.phase === 'active') this.#publish(item);
    try {
      if (item.phase === 'creating') await this.#activate(item);
      else if (item.phase === 'deleting') await this.#finishDelete(item);
      else if (item.pending.length > 0) await this.#finishGrowth(item);
    } catch (cause) {
      const fields = { topic: item.name, phase: item.phase, cause: String(cause) };
      this.#runtime.logger.warn(fields, 'a topic could not be brought to its next phase; the next start tries again');
    }
  }

  async create(topic: NewTopic, options: { readonly validateOnly?: boolean } = {}): Promise<Topic> {
    checkTopicName(topic.name);
    return this.#inTurn(topic.name, async () => {
      const item = this.#newItem(topic);
      if (options.validateOnly) return this.#topicOf({ ...item, phase: 'active' });
      const outcome = await this.#metadata.transact(
        [
          { type: 'put', item: encodeName(this.#clusterId, item.name, item.topicId), condition: ABSENT },
          { type: 'put', item: encodeTopic(this.#clusterId, item), condition: ABSENT },
        ],
        OPTIONS,
      );
      if (!outcome.ok && outcome.existing?.attributes['topicId'] !== item.topicId && outcome.failed === 0) {
        await this.#adopt(String(outcome.existing?.attributes['topicId']));
        throw alreadyExists(topic.name);
      }
      // Otherwise ours stands: either just written, or by an earlier attempt whose answer was lost.
      return this.#activate(item);
    });
  }

  #newItem(topic: NewTopic): TopicItem {
    const collision = this.#image.colliding(topic.name);
    if (collision === topic.name) throw alreadyExists(topic.name);
    if (collision !== undefined) {
      throw new KafkaError(
        'INVALID_TOPIC_EXCEPTION',
        `Topic '${topic.name}' collides with existing topic '${collision}'`,
      );
    }
    const partitions = topic.partitions ?? -1;
    const count = partitions === -1 ? this.#partitionsDefault : partitions;
    checkPartitionCount(count);
    const replicationFactor = topic.replicationFactor ?? -1;
    if (replicationFactor !== -1 && (replicationFactor < 1 || replicationFactor > REPLICATION_FACTOR_MAX)) {
      throw new KafkaError(
        'INVALID_REPLICATION_FACTOR',
        `replication factor is ${replicationFactor}, give 1 to ${REPLICATION_FACTOR_MAX}, or -1 for the default`,
      );
    }
    return {
      topicId: randomUuid(this.#random),
      name: topic.name,
      phase: 'creating',
      journals: this.#assign(count),
      pending: [],
      overrides: checkOverrides(topic.config),
      replicationFactor: replicationFactor === -1 ? 1 : replicationFactor,
      createdAt: this.#runtime.clock.now(),
      version: 1,
    };
  }

  /** Journals in turn, starting with the one that has the fewest partitions. Chosen once, stored, never recomputed. */
  #assign(count: number): number[] {
    const load = this.#journals.map(({ id }) => ({ id, partitions: this.#image.partitionsOf(id) }));
    load.sort((a, b) => a.partitions - b.partitions || a.id - b.id);
    return Array.from({ length: count }, (_, index) => load[index % load.length]!.id);
  }

  /** creating → active. */
  async #activate(item: TopicItem): Promise<Topic> {
    await this.#forEachJournal(item.journals, 0, (journal, partitions) =>
      journal.propose({ type: 'createPartitions', topicId: item.topicId, partitions }),
    );
    const active: TopicItem = { ...item, phase: 'active', version: item.version + 1 };
    return this.#publish(await this.#replace(item, active));
  }

  /** A topic of that id stands in the store and not in the image: another broker's, or a creation that broke off here. */
  async #adopt(topicId: string): Promise<void> {
    const item = await this.#read(topicId);
    if (item !== null) await this.#recoverTopic(item);
  }

  async delete(name: string, expected?: { readonly topicId: string }): Promise<void> {
    return this.#inTurn(name, async () => {
      const topicId = this.#image.byName(name)?.topicId;
      if (expected && topicId !== undefined && topicId !== expected.topicId) {
        throw new KafkaError('UNKNOWN_TOPIC_ID', `Topic '${name}' was deleted and created again meanwhile`);
      }
      const item = await this.#stored(name);
      if (item === null) return;
      const deleting: TopicItem = { ...item, phase: 'deleting', version: item.version + 1 };
      const outcome = await this.#metadata.transact(
        [
          {
            type: 'delete',
            key: topicNameKey(this.#clusterId, name),
            condition: whenEquals({ topicId: item.topicId }),
          },
          {
            type: 'put',
            item: encodeTopic(this.#clusterId, deleting),
            condition: whenEquals({ version: item.version }),
          },
        ],
        OPTIONS,
      );
      if (!outcome.ok) {
        const now = await this.#read(item.topicId);
        if (now !== null && now.phase !== 'deleting') throw raced(name);
      }
      this.#image.remove(item.topicId);
      await this.#finishDelete(deleting);
    });
  }

  async #finishDelete(item: TopicItem): Promise<void> {
    await this.#forEachJournal([...item.journals, ...item.pending], 0, (journal, partitions) =>
      journal.propose({ type: 'deletePartitions', topicId: item.topicId, partitions }),
    );
    const key = topicIdKey(this.#clusterId, item.topicId);
    await this.#metadata.delete(key, whenEquals({ version: item.version }), OPTIONS);
  }

  async createPartitions(
    name: string,
    count: number,
    options: { readonly validateOnly?: boolean } = {},
  ): Promise<Topic> {
    return this.#inTurn(name, async () => {
      let item = await this.#current(name);
      if (item.pending.length > 0) {
        // An earlier growth broke off. When it was this very request, its repeat is done with that.
        const grown = await this.#finishGrowth(item);
        if (grown.partitions.length === count) return grown;
        item = await this.#current(name);
      }
      const more = count - item.journals.length;
      if (more <= 0) {
        const has = `Topic '${name}' has ${item.journals.length} partitions`;
        throw new KafkaError('INVALID_PARTITIONS', `${has}; the count can only grow, ${count} was asked for`);
      }
      checkPartitionCount(count);
      const growing: TopicItem = { ...item, pending: this.#assign(more), version: item.version + 1 };
      if (options.validateOnly) return this.#topicOf(item);
      return this.#finishGrowth(await this.#replace(item, growing));
    });
  }

  async #finishGrowth(item: TopicItem): Promise<Topic> {
    await this.#forEachJournal(item.pending, item.journals.length, (journal, partitions) =>
      journal.propose({ type: 'createPartitions', topicId: item.topicId, partitions }),
    );
    const journals = [...item.journals, ...item.pending];
    return this.#publish(await this.#replace(item, { ...item, journals, pending: [], version: item.version + 1 }));
  }

  async alterConfig(
    name: string,
    alterations: readonly ConfigAlteration[],
    options: { readonly validateOnly?: boolean } = {},
  ): Promise<Topic> {
    return this.#inTurn(name, async () => {
      const item = await this.#current(name);
      const overrides = alterTopicOverrides(item.overrides, this.#defaults, alterations);
      const altered: TopicItem = { ...item, overrides, version: item.version + 1 };
      if (options.validateOnly) return this.#topicOf(altered);
      return this.#publish(await this.#replace(item, altered));
    });
  }

  /** The stored item of an active topic; UNKNOWN_TOPIC_OR_PARTITION otherwise. */
  async #current(name: string): Promise<TopicItem> {
    const item = await this.#stored(name);
    if (item === null) throw unknownTopic(name);
    return item;
  }

  /**
   * The stored item of a topic that the image lists, null when it turns out to be deleted: by an attempt of ours whose
   * answer was lost, or by another broker. What that deletion left undone is done here.
   */
  async #stored(name: string): Promise<TopicItem | null> {
    checkTopicName(name);
    const known = this.#image.byName(name);
    if (!known) throw unknownTopic(name);
    const item = await this.#read(known.topicId);
    if (item?.phase === 'active') return item;
    if (item?.phase === 'deleting') await this.#finishDelete(item);
    this.#image.remove(known.topicId);
    return null;
  }

  async #read(topicId: string): Promise<TopicItem | null> {
    const item = await this.#metadata.get(topicIdKey(this.#clusterId, topicId), OPTIONS);
    return item && decodeTopic(item);
  }

  /** Replaces `from` by `to`. A lost answer shows as our own item standing there. */
  async #replace(from: TopicItem, to: TopicItem): Promise<TopicItem> {
    const item = encodeTopic(this.#clusterId, to);
    const outcome = await this.#metadata.put(item, whenEquals({ version: from.version }), OPTIONS);
    if (
      !outcome.ok &&
      !(
        outcome.existing &&
        item.body.length === outcome.existing.body.length &&
        Buffer.compare(item.body, outcome.existing.body) === 0
      )
    ) {
      throw raced(to.name);
    }
    return to;
  }

  async #forEachJournal(
    journals: readonly number[],
    firstPartition: number,
    propose: (journal: Journal, partitions: readonly number[]) => ReturnType<Journal['propose']>,
  ): Promise<void> {
    const byJournal = new Map<number, number[]>();
    for (const [index, id] of journals.entries()) {
      const partitions = byJournal.get(id);
      if (partitions) partitions.push(firstPartition + index);
      else byJournal.set(id, [firstPartition + index]);
    }
    for (const [id, partitions] of byJournal) {
      const journal = this.#journals.find((candidate) => candidate.id === id);
      if (!journal) throw new KafkaError('LEADER_NOT_AVAILABLE', `journal ${id} is not led here`);
      const outcome = await propose(journal, partitions);
      if (outcome.type === 'refused') throw new KafkaError(outcome.error, outcome.message);
    }
  }

  #publish(item: TopicItem): Topic {
    const topic = this.#topicOf(item);
    this.#image.put(topic);
    return topic;
  }

  #topicOf(item: TopicItem): Topic {
    return {
      name: item.name,
      topicId: item.topicId,
      partitions: item.journals.map((journal, partition) => ({ topicId: item.topicId, partition, journal })),
      overrides: item.overrides,
      config: resolveTopicConfig(item.overrides, this.#defaults),
      replicationFactor: item.replicationFactor,
      createdAt: item.createdAt,
    };
  }

  async #inTurn<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(name) ?? Promise.resolve();
    const mine = before.then(work, work);
    const settled = mine.then(ignore, ignore);
    this.#turns.set(name, settled);
    try {
      return await mine;
    } finally {
      if (this.#turns.get(name) === settled) this.#turns.delete(name);
    }
  }
}

const ignore = () => {};

const alreadyExists = (name: string) => new KafkaError('TOPIC_ALREADY_EXISTS', `Topic '${name}' already exists.`);

const unknownTopic = (name: string) =>
  new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `Topic '${name}' does not exist; create it first`);

const raced = (name: string) =>
  new KafkaError(
    'INVALID_UPDATE_VERSION',
    `Topic '${name}' was changed by someone else meanwhile; look at it and try again`,
  );

function checkPartitionCount(count: number): void {
  if (count < 1 || count > PARTITIONS_PER_TOPIC_MAX) {
    throw new KafkaError(
      'INVALID_PARTITIONS',
      `number of partitions is ${count}, give 1 to ${PARTITIONS_PER_TOPIC_MAX}`,
    );
  }
}
