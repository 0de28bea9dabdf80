/**
 * What Produce does since v12 (KIP-890): partitions join their transaction with its first batch there, at whichever broker
 * that arrives. The transaction's coordinator lets them in; here is remembered which have joined, so that further batches
 * cost a look in memory.
 */
import { KafkaError } from '../../errors.ts';
import { eachPartition, type Place, partitionsOf } from './participants.ts';
import type { Partitions, ProducerIdentity } from './transaction-state.ts';

export type Enlistment =
  /** Batches go on when it resolves. */
  | { readonly type: 'held'; readonly until: Promise<void> }
  /** Batches of this transaction go on at once: their guards are ahead of them. They count when it resolves. */
  | { readonly type: 'joining'; readonly transaction: number; readonly joined: Promise<void> };

/** The coordinator, as far as it is this broker. */
export interface LocalTransactions {
  isGuarded(transactionalId: string, producer: ProducerIdentity, place: Place): boolean;
  /** Null when a guard might come after its batches, or not at all. Proposes before it returns. */
  joinAhead(transactionalId: string, producer: ProducerIdentity, places: readonly Place[]): Enlistment | null;
  /** At the coordinator, whichever broker that is. Answers the number of the transaction; null when it is this broker. */
  join(transactionalId: string, producer: ProducerIdentity, partitions: Partitions): Promise<number | null>;
}

/** Copies of batches whose partitions are joining their transactions. */
const HELD_BYTES_MAX = 64 * 1024 * 1024;
/** Transactions of other coordinators; beyond it the one that began first is asked again. */
const KNOWN_COUNT_MAX = 10_000;

/** A transaction that another broker coordinates. Each has an epoch of its own: its end takes one (KIP-890). */
interface Known extends ProducerIdentity {
  readonly transaction: number;
  readonly partitions: Map<string, Set<number>>;
}

export class Enlistments {
  readonly #local: LocalTransactions;
  readonly #known = new Map<string, Known>();
  /** The last batches of an id that are held. Never rejects. */
  readonly #enlisting = new Map<string, Promise<void>>();
  #heldBytes = 0;

  constructor(local: LocalTransactions) {
    this.#local = local;
  }

  /**
   * Null when all have joined. Where one journal keeps them all the batches, `bytes` of them, may follow at once; elsewhere
   * they are held, and so are later ones of the same id, in the order of these calls.
   */
  enlist(
    transactionalId: string,
    producer: ProducerIdentity,
    places: readonly Place[],
    bytes: number,
  ): Enlistment | null {
    const before = this.#enlisting.get(transactionalId);
    if (before === undefined) {
      if (places.every((place) => this.#local.isGuarded(transactionalId, producer, place))) return null;
      const known = this.#joined(transactionalId, producer, places);
      if (known) return { type: 'joining', transaction: known.transaction, joined: DONE };
      const joining = this.#local.joinAhead(transactionalId, producer, places);
      if (joining) return joining;
    }
    if (this.#heldBytes + bytes > HELD_BYTES_MAX) {
      throw new KafkaError(
        'CONCURRENT_TRANSACTIONS',
        'too many batches wait for their partitions to join a transaction',
      );
    }
    this.#heldBytes += bytes;
    const join = () => this.#join(transactionalId, producer, places);
    const until = before === undefined ? join() : before.then(join);
    const settled: Promise<void> = until
      .catch(() => {})
      .then(() => {
        this.#heldBytes -= bytes;
        if (this.#enlisting.get(transactionalId) === settled) this.#enlisting.delete(transactionalId);
      });
    this.#enlisting.set(transactionalId, settled);
    return { type: 'held', until };
  }

  /** A batch was refused: what is remembered of its transaction may be over. */
  mistrust(transactionalId: string): void {
    this.#known.delete(transactionalId);
  }

  async #join(transactionalId: string, producer: ProducerIdentity, places: readonly Place[]): Promise<void> {
    if (places.every((place) => this.#local.isGuarded(transactionalId, producer, place))) return;
    if (this.#joined(transactionalId, producer, places)) return;
    const partitions = partitionsOf(places);
    const transaction = await this.#local.join(transactionalId, producer, partitions);
    if (transaction === null) this.#known.delete(transactionalId);
    else this.#remember(transactionalId, producer, transaction, partitions);
  }

  #joined(transactionalId: string, producer: ProducerIdentity, places: readonly Place[]): Known | null {
    const known = this.#known.get(transactionalId);
    const isOf = known?.producerId === producer.producerId && known.producerEpoch === producer.producerEpoch;
    if (!isOf) return null;
    return places.every(({ topicId, partition }) => known.partitions.get(topicId)?.has(partition)) ? known : null;
  }

  #remember(
    transactionalId: string,
    { producerId, producerEpoch }: ProducerIdentity,
    transaction: number,
    partitions: Partitions,
  ): void {
    const standing = this.#known.get(transactionalId);
    const goesOn = standing?.transaction === transaction && standing.producerEpoch === producerEpoch;
    const known = goesOn ? standing : { producerId, producerEpoch, transaction, partitions: new Map() };
    for (const { topicId, partition } of eachPartition(partitions)) {
      known.partitions.set(topicId, (known.partitions.get(topicId) ?? new Set<number>()).add(partition));
    }
    this.#known.set(transactionalId, known);
    if (this.#known.size <= KNOWN_COUNT_MAX) return;
    const [oldest] = this.#known.keys();
    this.#known.delete(oldest!);
  }
}

const DONE = Promise.resolve();
