import { isElsewhere } from '../cluster/patience.ts';
import { KafkaError } from '../errors.ts';
import type { Journal } from '../journal/journal.ts';
import type { Journals } from '../journal/journals.ts';
import { JOURNALS_MAX } from '../limits.ts';
import { assert } from '../runtime/assert.ts';

/** Numbers taken from a journal at once. What is left at a stop is never given out. */
const BLOCK_COUNT = 1_000;

/**
 * Gives out producer ids that nobody else gives out. Each journal counts by itself, so an id is the journal's number times
 * the largest count of journals, plus the id of the journal: any journal will do, those that this broker leads first. That
 * leaves 2^40 ids to each.
 */
export class ProducerIds {
  readonly #journals: Journals;
  #next = 0;
  #end = 0;
  #refilling: Promise<void> | null = null;

  constructor(journals: Journals) {
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
    const journals = [...this.#journals];
    const isLed = ({ role }: Journal) => role === 'leading';
    const inOrder = [...journals.filter(isLed), ...journals.filter((journal) => !isLed(journal))];
    let failure = new KafkaError('COORDINATOR_NOT_AVAILABLE', 'there is no journal to take producer ids from');
    for (const journal of inOrder) {
      try {
        await this.#refillFrom(journal);
        return;
      } catch (cause) {
        // What was given to nobody is lost, and another journal may be within reach.
        if (!isElsewhere(cause)) throw cause;
        failure = new KafkaError('COORDINATOR_NOT_AVAILABLE', `no journal gives producer ids now`, { cause });
      }
    }
    throw failure;
  }

  async #refillFrom(journal: Journal): Promise<void> {
    const outcome = await journal.propose({ type: 'allocateProducerIds', count: BLOCK_COUNT });
    if (outcome.type === 'refused') throw new KafkaError(outcome.error, outcome.message);
    assert(outcome.type === 'producerIds', `producer ids were answered with ${outcome.type}`);
    this.#next = outcome.first * JOURNALS_MAX + journal.id;
    this.#end = this.#next + outcome.count * JOURNALS_MAX;
  }
}
