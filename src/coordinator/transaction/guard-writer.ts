/**
 * Writes the guards that did not fit the entry of their transaction's record: those of other journals, or too many at once.
 * A guard whose writing failed is asked for again by the client, which was told so.
 */
import type { Topics } from '../../cluster/topics.ts';
import { KafkaError } from '../../errors.ts';
import type { Journal } from '../../journal/journal.ts';
import type { Journals } from '../../journal/journals.ts';
import { toCoordinatorError } from '../coordinator-error.ts';
import { eachPartition, guards, type Participants, type Place, partitionsOf } from './participants.ts';
import type { Transaction } from './transaction-state.ts';

/** Guards of one entry: each takes some 60 bytes of it. */
const GUARD_COUNT_MAX = 1_000;

export class GuardWriter {
  readonly #journals: Journals;
  readonly #topics: Topics;
  /** Settled once all guards that are on their way have arrived or failed. Never rejects. */
  readonly #under = new Map<string, Promise<unknown>>();

  constructor(journals: Journals, topics: Topics) {
    this.#journals = journals;
    this.#topics = topics;
  }

  /** Resolves when no guard of the id is on its way. */
  async under(transactionalId: string): Promise<void> {
    await this.#under.get(transactionalId);
  }

  /** Resolves when all are durable. Throws what the first journal says that cannot be written. */
  async write(
    transactionalId: string,
    transaction: Transaction,
    unguarded: Participants,
    groupJournals: ReadonlyMap<string, Journal>,
  ): Promise<void> {
    const writes = [...this.#byJournal(unguarded, groupJournals)].flatMap(([journal, { places, groups }]) =>
      chunksOf(places, groups).map((chunk) =>
        journal.coordinate((view) => ({ commands: guards(view, transaction, chunk), answer: null })),
      ),
    );
    if (writes.length === 0) return;
    const written = Promise.allSettled(writes);
    const under = Promise.all([this.#under.get(transactionalId), written]);
    this.#under.set(transactionalId, under);
    const results = await written;
    if (this.#under.get(transactionalId) === under) this.#under.delete(transactionalId);
    for (const result of results) if (result.status === 'rejected') throw toCoordinatorError(result.reason);
  }

  #byJournal({ partitions, groups }: Participants, groupJournals: ReadonlyMap<string, Journal>) {
    const found = new Map<Journal, { readonly places: Place[]; readonly groups: string[] }>();
    const of = (journal: Journal) => {
      const known = found.get(journal) ?? { places: [], groups: [] };
      found.set(journal, known);
      return known;
    };
    for (const place of eachPartition(partitions)) of(this.#journalOf(place)).places.push(place);
    for (const groupId of groups) {
      const journal = groupJournals.get(groupId);
      if (journal) of(journal).groups.push(groupId);
    }
    return found;
  }

  #journalOf({ topicId, partition }: Place): Journal {
    const placed = this.#topics.byId(topicId)?.partitions[partition];
    if (placed === undefined) {
      throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `no partition ${partition} of topic ${topicId}`);
    }
    const journal = this.#journals.get(placed.journal);
    if (journal) return journal;
    throw new KafkaError('COORDINATOR_NOT_AVAILABLE', `journal ${placed.journal} cannot be reached`);
  }
}

function chunksOf(places: readonly Place[], groups: readonly string[]): Participants[] {
  const chunks: Participants[] = [];
  for (let start = 0; start === 0 || start < places.length; start += GUARD_COUNT_MAX) {
    const partitions = partitionsOf(places.slice(start, start + GUARD_COUNT_MAX));
    chunks.push({ partitions, groups: start === 0 ? groups : [] });
  }
  return chunks;
}
