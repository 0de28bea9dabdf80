/**
 * Topics: items in the metadata store, an image of the active ones in memory. Every method is safe to repeat and to
 * interrupt anywhere: what was left half-way is finished by whoever finds it, at start or while it runs. On shared stores
 * other brokers change topics, too: they tell (`refresh`), and what is missing is asked for (`find`).
 */
import { KafkaError, StorageUnavailableError } from '../errors.ts';
import type { Journals } from '../journal/journals.ts';
import { PARTITIONS_PER_TOPIC_MAX, REPLICATION_FACTOR_MAX } from '../limits.ts';
import type { TimerHandle } from '../runtime/clock.ts';
import { type Random, randomUuid } from '../runtime/random.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { justAfter, TOPICS, topicNameKey, topicsPartitionKey } from '../storage/keys.ts';
import { ABSENT, type MetadataStore, whenEquals } from '../storage/metadata-store.ts';
import { StoreLookup } from './store-lookup.ts';
import { alterTopicOverrides, checkOverrides, type Overrides, resolveTopicConfig } from './topic-config.ts';
import { TopicImage } from './topic-image.ts';
import { decodeTopic, encodeName, encodeTopic, type TopicItem } from './topic-item.ts';
import { checkTopicName } from './topic-name.ts';
import { raced, TopicPhases } from './topic-phases.ts';
import type { ConfigAlteration, NewTopic, Topic, Topics } from './topics.ts';

const OPTIONS = { cause: 'topics' } as const;
const PAGE_COUNT = 500;

export interface TopicRegistryOptions {
  readonly clusterId: string;
  readonly metadata: MetadataStore;
  readonly journals: Journals;
  readonly runtime: Runtime;
  /** Defaults that the broker gives, by topic-config name. */
  readonly defaults: Overrides;
  readonly partitionsDefault: number;
  /** Whether other brokers change topics, too. */
  readonly shared?: boolean;
  /** Tells the others that a topic changed, and waits for them for a moment. Never rejects. */
  readonly announce?: (topicId: string) => Promise<void>;
}

/** Something that was left half-way is looked at after this, then in growing intervals. */
const UNFINISHED_MS = 5_000;
const UNFINISHED_MS_MAX = 60_000;
/** A write that was not answered may come late: how often nothing is believed. */
const UNFINISHED_LOOKS = 3;
/** Topics that are known to be deleted: what was read of them before is not shown any more. */
const DELETED_COUNT_MAX = 10_000;

export class TopicRegistry implements Topics {
  readonly #clusterId: string;
  readonly #metadata: MetadataStore;
  readonly #journals: Journals;
  readonly #phases: TopicPhases;
  readonly #shared: boolean;
  readonly #announce: (topicId: string) => Promise<void>;
  readonly #runtime: Runtime;
  readonly #random: Random;
  #defaults: Overrides;
  readonly #partitionsDefault: number;
  readonly #image = new TopicImage();
  /** Changes of one topic name wait for each other; the store's conditions guard against other brokers. */
  readonly #turns = new Map<string, Promise<unknown>>();
  /** Versions of the items that the image shows: what was read earlier is not shown later. */
  readonly #versions = new Map<string, number>();
  readonly #deleted = new Set<string>();
  readonly #unfinished = new Map<string, TimerHandle>();
  readonly #byName: StoreLookup<Topic>;
  readonly #byId: StoreLookup<Topic>;
  #stopped = false;

  constructor(options: TopicRegistryOptions) {
    this.#clusterId = options.clusterId;
    this.#metadata = options.metadata;
    this.#journals = options.journals;
    this.#runtime = options.runtime;
    this.#random = options.runtime.random;
    this.#defaults = options.defaults;
    this.#partitionsDefault = options.partitionsDefault;
    this.#phases = new TopicPhases(options);
    this.#shared = options.shared ?? false;
    this.#announce = options.announce ?? (async () => {});
    this.#byName = new StoreLookup(options.runtime, (name) => this.#askByName(name));
    this.#byId = new StoreLookup(options.runtime, (topicId) => this.#show(topicId));
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

  async find(name: string): Promise<Topic | undefined> {
    return this.#image.byName(name) ?? (this.#shared ? this.#byName.find(name) : undefined);
  }

  async findById(topicId: string): Promise<Topic | undefined> {
    return this.#image.byId(topicId) ?? (this.#shared ? this.#byId.find(topicId) : undefined);
  }

  async lookUp(topicId: string, partitions = 1): Promise<Topic | undefined> {
    const known = this.#image.byId(topicId);
    const knowsAll = known !== undefined && known.partitions.length >= partitions;
    return knowsAll || !this.#shared || this.#deleted.has(topicId) ? known : this.refresh(topicId);
  }

  async #askByName(name: string): Promise<Topic | undefined> {
    const item = await this.#metadata.get(topicNameKey(this.#clusterId, name), OPTIONS);
    return item === null ? undefined : this.refresh(String(item.attributes['topicId']));
  }

  /**
   * Reads all topics and finishes what a crash left half-way. A topic whose journal does not lead stays as it is: its
   * partitions are unavailable anyway, and it is tried again.
   */
  async recover(): Promise<void> {
    await this.#readAll(async (item) => {
      if (item.phase === 'active') this.#publish(item);
      if (this.#shared) this.#finishLater(item);
      else await this.#finish(item);
    });
  }

  /** Shows a topic as the store has it: another broker changed it. */
  async refresh(topicId: string): Promise<Topic | undefined> {
    const found = await this.#show(topicId);
    const mayCome = this.#unfinished.has(topicId) && !this.#versions.has(topicId);
    if (found === undefined && !mayCome) this.#remove(topicId);
    return found;
  }

  async #show(topicId: string): Promise<Topic | undefined> {
    const item = await this.#phases.read(topicId);
    if (item?.phase === 'deleting') this.#remove(topicId);
    if (item === null) return undefined;
    this.#finishLater(item);
    return item.phase === 'active' ? this.#publish(item) : undefined;
  }

  /** Shows all topics as the store has them: others changed some, and it is not known which. */
  async refreshAll(): Promise<void> {
    const missing = new Set(this.#image.list('', '', this.#image.count).map(({ topicId }) => topicId));
    await this.#readAll(async (item) => {
      if (item.phase !== 'deleting') missing.delete(item.topicId);
      if (item.phase === 'active') this.#publish(item);
      this.#finishLater(item);
    });
    for (const topicId of missing) this.#remove(topicId);
  }

  /** Finishes nothing any more. */
  stop(): void {
    this.#stopped = true;
    for (const timer of this.#unfinished.values()) timer.cancel();
    this.#unfinished.clear();
  }

  async #readAll(show: (item: TopicItem) => Promise<void>): Promise<void> {
    let from = TOPICS.from;
    for (;;) {
      const range = { partitionKey: topicsPartitionKey(this.#clusterId), from, to: TOPICS.to, limit: PAGE_COUNT };
      const page = await this.#metadata.query(range, OPTIONS);
      for (const item of page.items) await show(decodeTopic(item));
      if (!page.more) return;
      from = justAfter(page.items.at(-1)!.sortKey);
    }
  }

  /** Brings a topic to the end of its phase. What it throws is said, and it is tried again. */
  async #finish(item: TopicItem): Promise<void> {
    if (isFinished(item)) return;
    try {
      const finished = await this.#phases.finish(item);
      if (finished === null) this.#remove(item.topicId);
      else this.#publish(finished);
    } catch (cause) {
      const fields = { topic: item.name, phase: item.phase, cause: String(cause) };
      this.#runtime.logger.warn(fields, 'a topic could not be brought to its next phase; it is tried again');
      this.#lookLater(item.topicId);
    }
  }

  /** Whoever began it may be at it; it is ours when it is still there after a while. */
  #finishLater(item: TopicItem): void {
    if (!isFinished(item)) this.#lookLater(item.topicId);
  }

  #lookLater(topicId: string, looks = 1): void {
    if (this.#stopped || this.#unfinished.has(topicId)) return;
    const delayMs = Math.min(UNFINISHED_MS_MAX, UNFINISHED_MS * 2 ** (looks - 1)) * (1 + this.#random.float());
    const timer = this.#runtime.timers.after(delayMs, () => void this.#lookAgain(topicId, looks));
    this.#unfinished.set(topicId, timer);
  }

  async #lookAgain(topicId: string, looks: number): Promise<void> {
    try {
      const item = await this.#phases.read(topicId);
      const finished = item && !isFinished(item) ? await this.#phases.finish(item) : item;
      this.#unfinished.delete(topicId);
      // What is news here may be a change of ours whose answer was lost: others have not heard of it either.
      const isNews = item !== finished || finished?.version !== this.#versions.get(topicId);
      // A creation of ours that was not answered may come yet: what was never shown is not known to be deleted.
      if (finished !== null) this.#publish(finished);
      else if (item !== null || this.#versions.has(topicId)) this.#remove(topicId);
      if (item === null && looks < UNFINISHED_LOOKS) this.#lookLater(topicId, looks + 1);
      if (isNews) await this.#announce(topicId);
    } catch (cause) {
      this.#runtime.logger.warn(
        { topicId, cause: String(cause) },
        'a topic that was left half-way could not be finished',
      );
      this.#unfinished.delete(topicId);
      this.#lookLater(topicId, looks + 1);
    }
  }

  async create(topic: NewTopic, options: { readonly validateOnly?: boolean } = {}): Promise<Topic> {
    checkTopicName(topic.name);
    return this.#inTurn(topic.name, async () => {
      const item = this.#newItem(topic);
      if (options.validateOnly) return this.#topicOf({ ...item, phase: 'active' });
      const outcome = await this.#orLater(item.topicId, () =>
        this.#metadata.transact(
          [
            { type: 'put', item: encodeName(this.#clusterId, item.name, item.topicId), condition: ABSENT },
            { type: 'put', item: encodeTopic(this.#clusterId, item), condition: ABSENT },
          ],
          OPTIONS,
        ),
      );
      if (!outcome.ok && outcome.existing?.attributes['topicId'] !== item.topicId && outcome.failed === 0) {
        await this.#adopt(String(outcome.existing?.attributes['topicId']));
        throw alreadyExists(topic.name);
      }
      // Otherwise ours stands: either just written, or by an earlier attempt whose answer was lost.
      return this.#change(item.topicId, () => this.#phases.activate(item));
    });
  }

  #newItem(topic: NewTopic): TopicItem {
    const collision = this.#image.colliding(topic.name);
    if (collision === topic.name) throw alreadyExists(topic.name);
    if (collision !== undefined) {
      const message = `Topic '${topic.name}' collides with existing topic '${collision}'`;
      throw new KafkaError('INVALID_TOPIC_EXCEPTION', message);
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
    const load = [...this.#journals].map(({ id }) => ({ id, partitions: this.#image.partitionsOf(id) }));
    load.sort((a, b) => a.partitions - b.partitions || a.id - b.id);
    return Array.from({ length: count }, (_, index) => load[index % load.length]!.id);
  }

  /** Brings a topic to its next phase, shows it, and tells the others. What breaks off is gone on with later. */
  async #change(topicId: string, change: () => Promise<TopicItem>): Promise<Topic> {
    const topic = this.#publish(await this.#orLater(topicId, change));
    await this.#announce(topicId);
    return topic;
  }

  async #orLater<T>(topicId: string, change: () => Promise<T>): Promise<T> {
    try {
      return await change();
    } catch (cause) {
      if (cause instanceof StorageUnavailableError || cause instanceof KafkaError) this.#lookLater(topicId);
      throw cause;
    }
  }

  /** A topic of that id stands in the store and not in the image: another broker's, or a creation that broke off here. */
  async #adopt(topicId: string): Promise<void> {
    const item = await this.#phases.read(topicId);
    if (item?.phase === 'active') this.#publish(item);
    if (item === null) return;
    await this.#finish(item);
    await this.#announce(topicId);
  }

  async delete(name: string, expected?: { readonly topicId: string }): Promise<void> {
    return this.#inTurn(name, async () => {
      const topicId = this.#image.byName(name)?.topicId;
      if (expected && topicId !== undefined && topicId !== expected.topicId) {
        throw recreated(name);
      }
      const item = await this.#stored(name);
      if (item === null) return;
      if (expected && item.topicId !== expected.topicId) throw recreated(name);
      const deleting: TopicItem = { ...item, phase: 'deleting', version: item.version + 1 };
      const outcome = await this.#orLater(item.topicId, () =>
        this.#metadata.transact(
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
        ),
      );
      if (!outcome.ok) {
        const now = await this.#phases.read(item.topicId);
        if (now !== null && now.phase !== 'deleting') throw raced(name);
      }
      this.#remove(item.topicId);
      const finished = this.#orLater(item.topicId, () => this.#phases.finishDelete(deleting));
      await Promise.all([finished, this.#announce(item.topicId)]);
    });
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
        const grown = await this.#grow(item);
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
      return this.#grow(await this.#orLater(item.topicId, () => this.#phases.replace(item, growing)));
    });
  }

  #grow(item: TopicItem): Promise<Topic> {
    return this.#change(item.topicId, () => this.#phases.finishGrowth(item));
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
      return this.#change(item.topicId, () => this.#phases.replace(item, altered));
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
    for (;;) {
      const known = await this.find(name);
      if (!known) throw unknownTopic(name);
      const item = await this.#phases.read(known.topicId);
      if (item?.phase === 'active') return item;
      if (item?.phase === 'deleting') await this.#orLater(item.topicId, () => this.#phases.finishDelete(item));
      this.#remove(known.topicId);
      // Whoever deleted it may have been told of an error, and have told nobody.
      await this.#announce(known.topicId);
      // On shared stores somebody may have made another one of the same name.
      if ((await this.find(name)) === undefined) return null;
    }
  }

  #publish(item: TopicItem): Topic {
    const topic = this.#topicOf(item);
    const shown = this.#versions.get(item.topicId) ?? 0;
    if (item.version < shown || this.#deleted.has(item.topicId)) return this.#image.byId(item.topicId) ?? topic;
    this.#versions.set(item.topicId, item.version);
    // A name is free again before everybody has heard of the deletion.
    const namesake = this.#image.byName(item.name);
    if (namesake && namesake.topicId !== item.topicId) this.#image.remove(namesake.topicId);
    this.#image.put(topic);
    return topic;
  }

  #remove(topicId: string): void {
    this.#image.remove(topicId);
    this.#versions.delete(topicId);
    this.#deleted.add(topicId);
    if (this.#deleted.size <= DELETED_COUNT_MAX) return;
    const [oldest] = this.#deleted;
    this.#deleted.delete(oldest!);
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

const isFinished = (item: TopicItem): boolean => item.phase === 'active' && item.pending.length === 0;

const alreadyExists = (name: string) => new KafkaError('TOPIC_ALREADY_EXISTS', `Topic '${name}' already exists.`);

const unknownTopic = (name: string) =>
  new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `Topic '${name}' does not exist; create it first`);

const recreated = (name: string) =>
  new KafkaError('UNKNOWN_TOPIC_ID', `Topic '${name}' was deleted and created again meanwhile`);

function checkPartitionCount(count: number): void {
  if (count < 1 || count > PARTITIONS_PER_TOPIC_MAX) {
    throw new KafkaError(
      'INVALID_PARTITIONS',
      `number of partitions is ${count}, give 1 to ${PARTITIONS_PER_TOPIC_MAX}`,
    );
  }
}
