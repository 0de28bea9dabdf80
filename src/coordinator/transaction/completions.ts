/**
 * Carries prepared ends out where participants are kept by other journals than their transaction, or are too many for one
 * entry: every participant is told until it knows, then the transaction is complete.
 *
 *   Prepare* durable ─► markers to each journal, again and again with growing pauses ─► all durable ─► Complete*
 *
 * After a start of the broker it begins again with what is prepared: whoever was told before ignores it.
 */
import type { Placements } from '../../cluster/placements.ts';
import type { Topics } from '../../cluster/topics.ts';
import { KafkaError, toKafkaError } from '../../errors.ts';
import { Backoff } from '../../journal/backoff.ts';
import type { Journal } from '../../journal/journal.ts';
import type { Journals } from '../../journal/journals.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { groupOwner } from '../owner.ts';
import { decideTransaction } from './decide-transaction.ts';
import {
  eachPartition,
  markers,
  NO_PARTICIPANTS,
  type Participants,
  type Place,
  partitionsOf,
} from './participants.ts';
import type { LiveTransaction, TransactionIndex } from './transaction-index.ts';
import { isPrepared, type Transaction } from './transaction-state.ts';

export interface CompletionsOptions {
  readonly journals: Journals;
  readonly placements: Placements;
  readonly topics: Topics;
  readonly runtime: Runtime;
  /** Guards that are on their way, so that none of them is told of its transaction after the end. */
  readonly guardsOf: (transactionalId: string) => Promise<unknown>;
}

/** Participants that are told by one entry: a marker takes some 150 bytes of it. */
const TOLD_COUNT_MAX = 400;

/** Some seconds. */
const FAILURES_BEFORE_WARNING = 8;

export class Completions {
  readonly #options: CompletionsOptions;
  readonly #index: () => TransactionIndex;
  readonly #running = new Map<string, Promise<void>>();
  readonly #abort = new AbortController();

  constructor(options: CompletionsOptions, index: () => TransactionIndex) {
    this.#options = options;
    this.#index = index;
  }

  /** Starts to tell the participants, unless it is under way. */
  start({ transactionalId }: LiveTransaction): void {
    if (this.#running.has(transactionalId) || this.#abort.signal.aborted) return;
    // In a microtask: what made it durable is answered first.
    const run = Promise.resolve()
      .then(() => this.#run(transactionalId))
      .catch((cause) => this.#onFailed(transactionalId, cause))
      .finally(() => {
        this.#running.delete(transactionalId);
        // Leadership may have ended and begun again while this was on its way out.
        const standing = this.#index().find(transactionalId);
        if (standing && isPrepared(standing.transaction) && standing.journal.role === 'leading') this.start(standing);
      });
    this.#running.set(transactionalId, run);
  }

  get count(): number {
    return this.#running.size;
  }

  /** Undefined when nothing is under way. Never rejects. */
  under(transactionalId: string): Promise<void> | undefined {
    return this.#running.get(transactionalId);
  }

  /** What is under way ends with its journals. */
  close(): void {
    this.#abort.abort(new KafkaError('NOT_COORDINATOR', 'the broker is stopping'));
  }

  async #run(transactionalId: string): Promise<void> {
    const backoff = new Backoff(this.#options.runtime, this.#abort.signal);
    for (;;) {
      const live = this.#index().find(transactionalId);
      if (!live || !isPrepared(live.transaction) || live.journal.role !== 'leading') return;
      if (await this.#tellAll(live)) {
        const { transaction } = live.transaction;
        const event = { type: 'complete', transaction } as const;
        if (await this.#try(live.journal.coordinate((view) => decideTransaction(view, transactionalId, event))))
          continue;
      }
      if (backoff.failures === FAILURES_BEFORE_WARNING) {
        const { logger } = this.#options.runtime;
        logger.warn(
          { transactionalId },
          'not every participant of a transaction can be told of its end; it is tried on',
        );
      }
      await backoff.pause();
    }
  }

  /** True when every participant knows the end. */
  async #tellAll({ transactionalId, transaction, journal }: LiveTransaction): Promise<boolean> {
    await this.#options.guardsOf(transactionalId);
    const { found, missing } = await this.#journalsOf(transaction);
    const results = await Promise.all(
      [...found].flatMap(([participant, participants]) =>
        chunks(participants).map((chunk) =>
          this.#try(
            participant.coordinate((view) => ({
              commands: markers(view, transaction, chunk, journal.epoch),
              answer: null,
            })),
          ),
        ),
      ),
    );
    return !missing && results.every((done) => done);
  }

  /** Participants by their journals, and whether there are some that cannot be reached now. Who is gone need not be told. */
  async #journalsOf(
    transaction: Transaction,
  ): Promise<{ readonly found: ReadonlyMap<Journal, Participants>; readonly missing: boolean }> {
    const { journals, placements, topics } = this.#options;
    const found = new Map<Journal, { places: Place[]; groups: string[] }>();
    let missing = false;
    const of = (journal: Journal) => {
      const known = found.get(journal) ?? { places: [], groups: [] };
      found.set(journal, known);
      return known;
    };
    for (const place of eachPartition(transaction.partitions)) {
      const placed = topics.byId(place.topicId)?.partitions[place.partition];
      if (placed === undefined) continue;
      const journal = journals.get(placed.journal);
      if (journal === undefined) missing = true;
      else of(journal).places.push(place);
    }
    for (const groupId of transaction.groups) {
      try {
        const { journal } = await placements.locate(groupOwner(groupId));
        if (journal.role !== 'leading') missing = true;
        else if (journal.state.records(groupOwner(groupId)).size > 0) of(journal).groups.push(groupId);
      } catch (cause) {
        if (toKafkaError(cause) === null) throw cause;
        missing = true;
      }
    }
    const participants = [...found].map(
      ([journal, { places, groups }]) => [journal, { partitions: partitionsOf(places), groups }] as const,
    );
    return { found: new Map(participants), missing };
  }

  /** False when it is to be tried again. */
  async #try(attempt: Promise<unknown>): Promise<boolean> {
    try {
      await attempt;
      return true;
    } catch (cause) {
      const error = toKafkaError(cause);
      if (error === null) throw cause;
      this.#options.runtime.logger.debug({ cause: error.message }, 'the end of a transaction is told again');
      return false;
    }
  }

  #onFailed(transactionalId: string, cause: unknown): void {
    if (this.#abort.signal.aborted) return;
    const fields = { transactionalId, cause: cause instanceof Error ? cause.stack : String(cause) };
    this.#options.runtime.logger.error(fields, 'a transaction could not be completed by a bug');
  }
}

/** A group alone, since its offsets may fill an entry. */
function chunks({ partitions, groups }: Participants): Participants[] {
  const places = [...eachPartition(partitions)];
  const told: Participants[] = groups.map((groupId) => ({ ...NO_PARTICIPANTS, groups: [groupId] }));
  for (let start = 0; start < places.length; start += TOLD_COUNT_MAX) {
    const chunk = places.slice(start, start + TOLD_COUNT_MAX);
    told.push({ ...NO_PARTICIPANTS, partitions: partitionsOf(chunk) });
  }
  return told;
}
