/**
 * Carries prepared ends out where participants are kept by other journals than their transaction, or are too many for one
 * entry: every participant is told until it knows, then the transaction is complete.
 *
 *   Prepare* durable ─► markers to each journal, again and again with growing pauses ─► all durable ─► Complete*
 *
 * A journal that gets another leader ends the pauses: clients wait for the end before they may begin the next transaction.
 *
 * After a start of the broker it begins again with what is prepared: whoever was told before ignores it.
 */
import { KafkaError, toKafkaError } from '../../errors.ts';
import { Backoff } from '../../journal/backoff.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { decideTransaction } from './decide-transaction.ts';
import type { ParticipantJournals } from './participant-journals.ts';
import { endOf, type Participants, piecesOf } from './participants.ts';
import type { LiveTransaction, TransactionIndex } from './transaction-index.ts';
import { isPrepared } from './transaction-state.ts';

export interface CompletionsOptions {
  readonly participants: ParticipantJournals;
  readonly runtime: Runtime;
  /** Guards that are on their way, so that none of them is told of its transaction after the end. */
  readonly guardsOf: (transactionalId: string) => Promise<unknown>;
  /** Calls the listener after each change of a journal's leader. Answers the way to stop. */
  readonly onLeader: (listener: () => void) => () => void;
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
  /** Ends all pauses; another one takes its place then. */
  #wake = new AbortController();
  /** Followed since the first completion: whoever knows the leaders may be made after this. */
  #unfollow: (() => void) | null = null;

  constructor(options: CompletionsOptions, index: () => TransactionIndex) {
    this.#options = options;
    this.#index = index;
  }

  /** Starts to tell the participants, unless it is under way. */
  start({ transactionalId }: LiveTransaction): void {
    if (this.#running.has(transactionalId) || this.#abort.signal.aborted) return;
    this.#unfollow ??= this.#options.onLeader(() => {
      this.#wake.abort();
      this.#wake = new AbortController();
    });
    this.#running.set(transactionalId, this.#complete(transactionalId));
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
    this.#unfollow?.();
    this.#abort.abort(new KafkaError('NOT_COORDINATOR', 'the broker is stopping'));
  }

  async #complete(transactionalId: string): Promise<void> {
    await Promise.resolve(); // What made it durable is answered first.
    let failed = false;
    try {
      await this.#run(transactionalId);
    } catch (cause) {
      failed = true;
      this.#onFailed(transactionalId, cause);
    }
    this.#running.delete(transactionalId);
    // Leadership may have ended and begun again while this was on its way out.
    const standing = this.#index().find(transactionalId);
    if (!failed && standing?.journal.role === 'leading' && isPrepared(standing.transaction)) this.start(standing);
  }

  async #run(transactionalId: string): Promise<void> {
    const backoff = new Backoff(this.#options.runtime, this.#abort.signal);
    for (;;) {
      const { signal: woken } = this.#wake; // Also by what happens during this attempt.
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
      await backoff.pause(woken);
    }
  }

  /** True when every participant knows the end. */
  async #tellAll(live: LiveTransaction): Promise<boolean> {
    const { transactionalId, transaction, journal } = live;
    const { epoch } = journal;
    await this.#options.guardsOf(transactionalId);
    if (journal.role !== 'leading' || journal.epoch !== epoch) return false;
    const pieces = piecesOf(transaction, TOLD_COUNT_MAX);
    const results = await Promise.all(pieces.map((piece) => this.#try(this.#tell(live, piece, epoch))));
    return results.every((done) => done);
  }

  async #tell({ transactionalId, transaction }: LiveTransaction, piece: Participants, epoch: number): Promise<void> {
    const { participants } = this.#options;
    const guardMayCome = piece.groups.some(
      (groupId) => !this.#index().wasGuarded(transactionalId, transaction.transaction, groupId),
    );
    const common = { ended: endOf(transaction), coordinatorEpoch: epoch, guardMayCome };
    const byJournal = await participants.byJournal(piece);
    const wishes = [...byJournal].map(([journal, of]) => ({ journal, participants: of, ...common }));
    const told = await Promise.allSettled(wishes.map((wish) => participants.mark(wish)));
    for (const result of told) {
      if (result.status === 'fulfilled') continue;
      participants.mistrust(piece.groups);
      throw result.reason;
    }
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
