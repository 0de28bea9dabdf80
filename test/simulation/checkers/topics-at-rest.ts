/**
 * What must be true of topics when all is quiet and a broker has just started: none is half-way between two phases, the
 * broker knows exactly those that are stored, the journals have exactly their partitions, and retention has done its work.
 */
import type { Checker, HistoryEvent, KnownTopic, LedgerBatch, StoredTopic } from '../history.ts';
import { nameOf, Violation } from '../history.ts';
import type { Ledger } from '../ledger.ts';

export interface TopicsAtRestOptions {
  readonly ledger: Ledger;
  readonly now: () => number;
  /** Records go by whole extents, and their neighbours may be stamped by a clock that is off by this. */
  readonly clockSkewMsMax: number;
}

export function topicsAtRest(options: TopicsAtRestOptions): Checker {
  return new TopicsAtRest(options);
}

class TopicsAtRest implements Checker {
  readonly name = 'topics at rest';
  readonly #options: TopicsAtRestOptions;

  constructor(options: TopicsAtRestOptions) {
    this.#options = options;
  }

  observe(event: HistoryEvent): void {
    if (event.type !== 'topicsAtRest') return;
    const { stored, known } = event;
    for (const topic of stored) this.#checkStored(topic, known);
    for (const { topicId, name } of known) {
      if (!stored.some((topic) => topic.topicId === topicId))
        this.#fail(`${name} (${topicId}) is known and not stored`);
    }
    this.#checkPartitions(known);
  }

  #checkStored({ topicId, name, phase, partitions }: StoredTopic, known: readonly KnownTopic[]): void {
    if (phase !== 'active') this.#fail(`${name} (${topicId}) is still ${phase}`);
    const found = known.find((topic) => topic.topicId === topicId);
    if (!found) this.#fail(`${name} (${topicId}) is stored and not known`);
    if (found.name !== name || found.partitions !== partitions) {
      this.#fail(`${name} has ${partitions} partitions, known is ${found.name} with ${found.partitions}`);
    }
  }

  #checkPartitions(known: readonly KnownTopic[]): void {
    const { ledger, now, clockSkewMsMax } = this.#options;
    const retentionMs = new Map<string, number>();
    for (const topic of known) {
      for (let partition = 0; partition < topic.partitions; partition++) {
        const name = { topicId: topic.topicId, partition };
        retentionMs.set(nameOf(name), topic.retentionMs);
        if (!ledger.partition(name)) this.#fail(`${nameOf(name)} is in no journal`);
      }
    }
    for (const partition of ledger.partitions()) {
      const limitMs = retentionMs.get(nameOf(partition));
      if (limitMs === undefined) this.#fail(`${nameOf(partition)} is in journal ${partition.journal} and of no topic`);
      const newest = Math.max(...partition.batches.map(stampedAt));
      if (partition.batches.length > 0 && now() - newest > limitMs + 2 * clockSkewMsMax) {
        this.#fail(`all records of ${nameOf(partition)} have outlived their ${limitMs} ms and are still there`);
      }
    }
  }

  #fail(message: string): never {
    throw new Violation(this.name, message);
  }
}

/** Records without a time are as old as the clock of the broker that appended them said. */
const stampedAt = ({ maxTimestamp }: LedgerBatch): number =>
  maxTimestamp >= 0 ? maxTimestamp : Number.POSITIVE_INFINITY;
