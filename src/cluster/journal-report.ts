/** What administrators are told of the journals behind topics, from the durable state of this broker, not confirmed. */
import type { Journal } from '../journal/journal.ts';
import type { TopicPartition } from './topics.ts';

export class JournalReport {
  readonly #journals: readonly Journal[];

  constructor(journals: readonly Journal[]) {
    this.#journals = journals;
  }

  /** Bytes of batches that can be read; null when the journal of the partition is not led here. */
  bytesOf({ topicId, partition, journal: id }: TopicPartition): number | null {
    const journal = this.#journals.find((candidate) => candidate.id === id);
    if (journal?.role !== 'leading') return null;
    return journal.state.partition(topicId, partition)?.bytes ?? null;
  }

  /** Of the first journal, which takes the place of Kafka's metadata log; null when it is not led here. */
  quorum(): { readonly leaderEpoch: number; readonly highWatermark: number } | null {
    const [journal] = this.#journals;
    if (journal?.role !== 'leading') return null;
    // Seqs begin at 1, offsets at 0: the offset after the last entry.
    return { leaderEpoch: journal.epoch, highWatermark: journal.state.lastSeq };
  }
}
