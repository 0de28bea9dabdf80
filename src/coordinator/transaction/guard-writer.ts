/**
 * Writes the guards that did not fit the entry of their transaction's record: those of other journals, or too many at once.
 * While another broker takes a journal over, its guards wait a while. One whose writing failed is asked for again by the
 * client, which was told so.
 */
import { isElsewhere } from '../../cluster/patience.ts';
import { KafkaError } from '../../errors.ts';
import { toCoordinatorError } from '../coordinator-error.ts';
import { type Patience, patiently } from '../patience.ts';
import type { ParticipantJournals } from './participant-journals.ts';
import { guardedBy, type Participants, piecesOf } from './participants.ts';
import type { Transaction } from './transaction-state.ts';

/** Guards of one entry: each takes some 60 bytes of it. */
const GUARD_COUNT_MAX = 1_000;

export interface GuardWriterOptions {
  readonly participants: ParticipantJournals;
  /** A takeover of a participant's journal is waited for. */
  readonly patience: Patience;
}

export class GuardWriter {
  readonly #options: GuardWriterOptions;
  /** Settled once all guards that are on their way have arrived or failed. Never rejects. */
  readonly #under = new Map<string, Promise<unknown>>();

  constructor(options: GuardWriterOptions) {
    this.#options = options;
  }

  /** Resolves when no guard of the id is on its way. */
  async under(transactionalId: string): Promise<void> {
    await this.#under.get(transactionalId);
  }

  /** Resolves when all are durable; `client` as in `Groups.place`. Throws what the first journal says that cannot be written. */
  async write(
    transactionalId: string,
    transaction: Transaction,
    unguarded: Participants,
    client: string,
  ): Promise<void> {
    if (Object.keys(unguarded.partitions).length === 0 && unguarded.groups.length === 0) return;
    await this.#requireTopics(unguarded);
    const written = Promise.allSettled(
      piecesOf(unguarded, GUARD_COUNT_MAX).map((piece) => this.#writePiece(transaction, piece, client)),
    );
    const under = Promise.all([this.#under.get(transactionalId), written]);
    this.#under.set(transactionalId, under);
    const results = await written;
    if (this.#under.get(transactionalId) === under) this.#under.delete(transactionalId);
    for (const result of results) if (result.status === 'rejected') throw refusalOf(result.reason);
  }

  async #writePiece(transaction: Transaction, piece: Participants, client: string): Promise<void> {
    const { participants, patience } = this.#options;
    const guarded = guardedBy(transaction);
    await patiently(
      patience,
      async () => {
        const byJournal = await participants.byJournal(piece);
        const wishes = [...byJournal].map(([journal, of]) => ({ journal, guarded, participants: of, client }));
        const results = await Promise.allSettled(wishes.map((wish) => participants.guard(wish)));
        for (const result of results) if (result.status === 'rejected') throw result.reason;
      },
      () => participants.mistrust(piece.groups),
    );
  }

  async #requireTopics({ partitions }: Participants): Promise<void> {
    for (const topicId of Object.keys(partitions)) {
      if (await this.#options.participants.hasTopic(topicId)) continue;
      throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `there is no topic ${topicId}`);
    }
  }
}

/** The client asks this broker again, which is the coordinator still. */
export function refusalOf(cause: unknown): KafkaError {
  if (!isElsewhere(cause)) return toCoordinatorError(cause);
  return new KafkaError('COORDINATOR_NOT_AVAILABLE', toCoordinatorError(cause).message, { cause });
}
