import { KafkaError } from '../errors.ts';
import type { Journal } from '../journal/journal.ts';
import { assert } from '../runtime/assert.ts';

/** Producer ids taken from the journal at once. What is left at a stop is never given out: there are 2^53. */
const BLOCK_COUNT = 1_000;

/**
 * Gives out producer ids that nobody else gives out. They come from one journal, the first of the cluster: each journal
 * counts by itself, and two of them would give the same.
 */
export class ProducerIds {
  readonly #journal: Journal;
  #next = 0;
  #end = 0;
  #refilling: Promise<void> | null = null;

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  /** Throws what the journal says when it cannot give a block. */
  async allocate(): Promise<number> {
    while (this.#next === this.#end) {
      this.#refilling ??= this.#refill().finally(() => {
        this.#refilling = null;
      });
      await this.#refilling;
    }
    return this.#next++;
  }

  async #refill(): Promise<void> {
    const outcome = await this.#journal.propose({ type: 'allocateProducerIds', count: BLOCK_COUNT });
    if (outcome.type === 'refused') throw new KafkaError(outcome.error, outcome.message);
    assert(outcome.type === 'producerIds', `producer ids were answered with ${outcome.type}`);
    this.#next = outcome.first;
    this.#end = outcome.first + outcome.count;
  }
}
