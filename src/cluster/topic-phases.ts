/**
 * Carries topics from one phase to the next, see `topic-item.ts`. Any broker may do so with any topic at any moment, and be
 * interrupted anywhere: each step is safe to repeat, and of two brokers that do the same one finds it done.
 */
import { KafkaError } from '../errors.ts';
import type { Journal } from '../journal/journal.ts';
import type { Journals } from '../journal/journals.ts';
import { sleep } from '../runtime/clock.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { topicIdKey } from '../storage/keys.ts';
import { type MetadataStore, whenEquals } from '../storage/metadata-store.ts';
import { patiently } from './patience.ts';
import { decodeTopic, encodeTopic, type TopicItem } from './topic-item.ts';

const OPTIONS = { cause: 'topics' } as const;

export interface TopicPhasesOptions {
  readonly clusterId: string;
  readonly metadata: MetadataStore;
  readonly journals: Journals;
  readonly runtime: Pick<Runtime, 'clock' | 'timers'>;
  /** Whether other brokers may lead the journals. */
  readonly shared?: boolean;
}

/** How long a journal that changes hands is waited for. Clients take its error for the end of the matter. */
const LEADER_MS_MAX = 5_000;
const LEADER_PAUSE_MS = 50;

export class TopicPhases {
  readonly #options: TopicPhasesOptions;
  readonly #clusterId: string;
  readonly #metadata: MetadataStore;
  readonly #journals: Journals;

  constructor(options: TopicPhasesOptions) {
    this.#options = options;
    this.#clusterId = options.clusterId;
    this.#metadata = options.metadata;
    this.#journals = options.journals;
  }

  async read(topicId: string): Promise<TopicItem | null> {
    const item = await this.#metadata.get(topicIdKey(this.#clusterId, topicId), OPTIONS);
    return item && decodeTopic(item);
  }

  /** Does what the phase of the item asks for; null when the topic is gone with it. */
  async finish(item: TopicItem): Promise<TopicItem | null> {
    if (item.phase === 'creating') return this.activate(item);
    if (item.phase === 'deleting') {
      await this.finishDelete(item);
      return null;
    }
    return item.pending.length > 0 ? this.finishGrowth(item) : item;
  }

  /** creating → active. */
  async activate(item: TopicItem): Promise<TopicItem> {
    await this.#create(item.topicId, item.journals, 0);
    return this.replace(item, { ...item, phase: 'active', version: item.version + 1 });
  }

  async finishGrowth(item: TopicItem): Promise<TopicItem> {
    await this.#create(item.topicId, item.pending, item.journals.length);
    const journals = [...item.journals, ...item.pending];
    return this.replace(item, { ...item, journals, pending: [], version: item.version + 1 });
  }

  async finishDelete(item: TopicItem): Promise<void> {
    await this.#delete(item.topicId, [...item.journals, ...item.pending]);
    const key = topicIdKey(this.#clusterId, item.topicId);
    await this.#metadata.delete(key, whenEquals({ version: item.version }), OPTIONS);
  }

  /** Replaces `from` by `to`. A lost answer, or another broker that did the same, shows as our own item standing there. */
  async replace(from: TopicItem, to: TopicItem): Promise<TopicItem> {
    const item = encodeTopic(this.#clusterId, to);
    const outcome = await this.#metadata.put(item, whenEquals({ version: from.version }), OPTIONS);
    if (outcome.ok) return to;
    const { existing } = outcome;
    if (existing !== null && Buffer.compare(item.body, existing.body) === 0) return to;
    const standing = existing && decodeTopic(existing);
    // Deleted while we made partitions: whoever deleted it may have been there before them.
    if (standing === null || standing.phase === 'deleting') {
      await this.#delete(to.topicId, [...to.journals, ...to.pending]);
    }
    throw raced(to.name);
  }

  async #create(topicId: string, journals: readonly number[], firstPartition: number): Promise<void> {
    await this.#forEachJournal(journals, firstPartition, (journal, partitions) =>
      journal.propose({ type: 'createPartitions', topicId, partitions }),
    );
  }

  async #delete(topicId: string, journals: readonly number[]): Promise<void> {
    await this.#forEachJournal(journals, 0, (journal, partitions) =>
      journal.propose({ type: 'deletePartitions', topicId, partitions }),
    );
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
      const journal = this.#journals.get(id);
      if (!journal) throw new KafkaError('LEADER_NOT_AVAILABLE', `journal ${id} is not known here yet`);
      const outcome = await this.#patiently(() => propose(journal, partitions));
      if (outcome.type === 'refused') throw new KafkaError(outcome.error, outcome.message);
    }
  }

  /** Again while the journal is between two leaders. */
  #patiently<T>(attempt: () => Promise<T>): Promise<T> {
    const { runtime, shared = false } = this.#options;
    const { clock, timers } = runtime;
    const pause = () => sleep(timers, LEADER_PAUSE_MS).then(() => true);
    return patiently({ clock, patienceMs: shared ? LEADER_MS_MAX : 0, attempt, pause });
  }
}

export const raced = (name: string) =>
  new KafkaError(
    'INVALID_UPDATE_VERSION',
    `Topic '${name}' was changed by someone else meanwhile; look at it and try again`,
  );
