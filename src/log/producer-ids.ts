import { KafkaError } from '../errors.ts';
import type { Journal } from '../journal/journal.ts';
import { assert } from '../runtime/assert.ts';

/** Numbers taken from a journal at once. What is left at a stop is never given out. */
const BLOCK_COUNT = 1_000;
/** More journals than a cluster may have. Persisted in the ids that were given out: never change. */
const JOURNALS_MAX = 8_192;

/**
 * Gives out producer ids that nobody else gives out. Each journal counts by itself, so an id is the journal's number times
 * the largest count of journals, plus the id of the journal: any journal that this broker leads will do. That leaves
 * 2^40 ids to each.
 */
export class ProducerIds {
  readonly #journals: readonly Journal[];
  #next = 0;
  #end = 0;
  #refilling: Promise<void> | null = null;

  constructor(journals: readonly Journal[]) {
    this.#journals = journals;
  }

  /** Throws what the journal says when it cannot give a block. */
  async allocate(): Promise<number> {
    while (this.#next === this.#end) {
      this.#refilling ??= this.#refill().finally(() => {
        this.#refilling = null;
      });
      await this.#refilling;
    }
    const id = this.#next;
    this.#next += JOURNALS_MAX;
    return id;
  }

  async #refill(): Promise<void> {
    const journal = this.#journals.find(({ role }) => role === 'leading');
    if (journal === undefined) throw new KafkaError('COORDINATOR_NOT_AVAILABLE', 'this broker leads no journal');
    const outcome = await journal.propose({ type: 'allocateProducerIds', count: BLOCK_COUNT });
    if (outcome.type === 'refused') throw new KafkaError(outcome.error, outcome.message);
    assert(outcome.type === 'producerIds', `producer ids were answered with ${outcome.type}`);
    this.#next = outcome.first * JOURNALS_MAX + journal.id;
    this.#end = this.#next + outcome.count * JOURNALS_MAX;
  }
}
