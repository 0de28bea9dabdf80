/**
 * The durable transactions of led journals, decoded, and what of them is known to be guarded. Follows the journals entry by
 * entry, so it is never older than what they answer.
 *
 * What is guarded is remembered while its transaction goes on: a producer's batches then cost no look at any journal.
 */
import type { Applied, Journal } from '../../journal/journal.ts';
import type { Journals } from '../../journal/journals.ts';
import { transactionalIdOf } from '../owner.ts';
import { eachPartition, type Participants, type Place } from './participants.ts';
import { readTransaction } from './transaction-records.ts';
import { isPrepared, type ProducerIdentity, type Transaction } from './transaction-state.ts';

export interface LiveTransaction {
  readonly transactionalId: string;
  readonly journal: Journal;
  readonly transaction: Transaction;
}

interface Known {
  live: LiveTransaction;
  /** Of the transaction that is open. */
  readonly partitions: Map<string, Set<number>>;
  readonly groups: Set<string>;
  /** Groups of the transaction that is being ended whose guards are known to be durable. */
  readonly ending: ReadonlySet<string>;
}

export class TransactionIndex {
  readonly #known = new Map<string, Known>();
  readonly #onChanged: (live: LiveTransaction) => void;
  readonly #stop: () => void;

  /** `onChanged` is called for every transaction that is found and after each change of one, not when it is forgotten. */
  constructor(journals: Journals, onChanged: (live: LiveTransaction) => void) {
    this.#onChanged = onChanged;
    this.#stop = journals.whileLeading((journal) => {
      for (const owner of journal.state.owners()) this.#follow(journal, owner);
      const unsubscribe = journal.subscribe((applied) => this.#onApplied(journal, applied));
      return () => {
        unsubscribe();
        for (const [id, { live }] of this.#known) if (live.journal === journal) this.#known.delete(id);
      };
    });
  }

  get count(): number {
    return this.#known.size;
  }

  find(transactionalId: string): LiveTransaction | undefined {
    return this.#known.get(transactionalId)?.live;
  }

  *list(): Generator<LiveTransaction> {
    for (const { live } of this.#known.values()) yield live;
  }

  /** Whether the producer's open transaction may write there, as far as is known here. */
  isGuarded(transactionalId: string, producer: ProducerIdentity, { topicId, partition }: Place): boolean {
    const known = this.#known.get(transactionalId);
    return isOf(known, producer) && known.partitions.get(topicId)?.has(partition) === true;
  }

  isGroupGuarded(transactionalId: string, producer: ProducerIdentity, groupId: string): boolean {
    const known = this.#known.get(transactionalId);
    return isOf(known, producer) && known.groups.has(groupId);
  }

  /** Whether a group's guard was durable before the end of the transaction was prepared, as far as is known here. */
  wasGuarded(transactionalId: string, transaction: number, groupId: string): boolean {
    const known = this.#known.get(transactionalId);
    return known?.live.transaction.transaction === transaction && known.ending.has(groupId);
  }

  /** Durable guards of one transaction; nothing is remembered once it has ended. */
  addGuarded(transactionalId: string, transaction: number, { partitions, groups }: Participants): void {
    const known = this.#known.get(transactionalId);
    const current = known?.live.transaction;
    if (!known || current?.state !== 'Ongoing' || current.transaction !== transaction) return;
    for (const { topicId, partition } of eachPartition(partitions)) {
      const numbers = known.partitions.get(topicId);
      if (numbers) numbers.add(partition);
      else known.partitions.set(topicId, new Set([partition]));
    }
    for (const groupId of groups) known.groups.add(groupId);
  }

  close(): void {
    this.#stop();
    this.#known.clear();
  }

  #onApplied(journal: Journal, { owners }: Applied): void {
    for (const owner of owners) this.#follow(journal, owner);
  }

  #follow(journal: Journal, owner: string): void {
    const transactionalId = transactionalIdOf(owner);
    if (transactionalId === null) return;
    const transaction = readTransaction(journal.state, transactionalId);
    if (transaction === null) {
      this.#known.delete(transactionalId);
      return;
    }
    const live = { transactionalId, journal, transaction };
    const known = this.#known.get(transactionalId);
    const isSame = known?.live.transaction.transaction === transaction.transaction;
    if (isSame && transaction.state === 'Ongoing') known.live = live;
    else {
      const ending = isSame && isPrepared(transaction) ? known.groups : NONE;
      this.#known.set(transactionalId, { live, partitions: new Map(), groups: new Set(), ending });
    }
    this.#onChanged(live);
  }
}

const NONE: ReadonlySet<string> = new Set();

const isOf = (known: Known | undefined, { producerId, producerEpoch }: ProducerIdentity): known is Known =>
  known?.live.transaction.producerId === producerId && known.live.transaction.producerEpoch === producerEpoch;
