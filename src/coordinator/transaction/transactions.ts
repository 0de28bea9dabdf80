/**
 * The transaction coordinator: what producers with a transactional id ask, decided on the journal that keeps the id.
 *
 * The order of things is the whole safety. A partition or group is durably in the transaction's record before, or with, its
 * guard; batches come after the guard. An end is durably prepared before, or with, the first marker; the transaction is
 * complete after the last one. So whatever dies in between, the record knows everything that has to be told.
 *
 * Where all of it is in one journal, each request is one entry. EndTxn is answered when the end is prepared, as in Kafka. A
 * request that would find the end of the last transaction incomplete waits for it a while before CONCURRENT_TRANSACTIONS.
 */
import type { Located, Placements } from '../../cluster/placements.ts';
import type { TopicPartition, Topics } from '../../cluster/topics.ts';
import { KafkaError } from '../../errors.ts';
import type { DecisionView, Journal } from '../../journal/journal.ts';
import type { Journals } from '../../journal/journals.ts';
import { OWNER_BYTES_MAX } from '../../limits.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { requireLeading, toCoordinatorError } from '../coordinator-error.ts';
import { transactionOwner } from '../owner.ts';
import { Completions } from './completions.ts';
import { Deadlines } from './deadlines.ts';
import { decideTransaction, type TransactionAnswer } from './decide-transaction.ts';
import { type ForcedMarker, forceMarker } from './forced-marker.ts';
import { GuardWriter } from './guard-writer.ts';
import { NO_PARTICIPANTS, type Participants, type Place, partitionsOf } from './participants.ts';
import { type LiveTransaction, TransactionIndex } from './transaction-index.ts';
import { transactionMetrics } from './transaction-metrics.ts';
import {
  identityOf,
  isPrepared,
  type Partitions,
  type ProducerIdentity,
  partitionVerifier,
  type Rejection,
  refusalOf,
  type Transaction,
  type TransactionEvent,
} from './transaction-state.ts';

export interface TransactionsOptions {
  readonly runtime: Runtime;
  readonly journals: Journals;
  readonly placements: Placements;
  readonly topics: Topics;
  readonly settings: TransactionSettings;
  /** A new producer id, unique in the cluster. */
  readonly allocateProducerId: () => Promise<number>;
  /** The journal of a group that need not exist yet; `client` is whose share of all groups it is. */
  readonly placeGroup: (groupId: string, client: string) => Promise<Journal>;
}

export interface TransactionSettings {
  /** `transaction.max.timeout.ms` */
  readonly timeoutMaxMs: number;
  /** `transactional.id.expiration.ms` */
  readonly idExpirationMs: number;
  /** `transaction.abort.timed.out.transaction.cleanup.interval.ms` */
  readonly abortIntervalMs: number;
  /** `transaction.remove.expired.transaction.cleanup.interval.ms` */
  readonly expireIntervalMs: number;
  /** Transactional ids of this broker; beyond it new ones are refused. */
  readonly idCountMax: number;
}

export interface InitRequest {
  readonly timeoutMs: number;
  /** Null from producers that begin; others bring what they have, to go on after an error (KIP-360). */
  readonly expected: ProducerIdentity | null;
}

export interface EndRequest {
  readonly producer: ProducerIdentity;
  readonly committed: boolean;
  /** KIP-890: the end takes an epoch, and the answer is the identity to go on with. */
  readonly bumpsEpoch: boolean;
}

export type Enlistment =
  /** Batches go on when it resolves. */
  | { readonly type: 'held'; readonly until: Promise<void> }
  /** Batches of this transaction go on at once: their guards are ahead of them. They count when it resolves. */
  | { readonly type: 'joining'; readonly transaction: number; readonly joined: Promise<void> };

/** How long a request waits for the end of the last transaction before its client is told to come again. */
const COMPLETION_WAIT_MS_MAX = 1_000;
/** Their guards fit one entry with any record. */
const JOINING_AHEAD_COUNT_MAX = 200;
/** Copies of batches whose partitions are joining their transactions. */
const HELD_BYTES_MAX = 64 * 1024 * 1024;

export class Transactions {
  readonly #options: TransactionsOptions;
  readonly #index: TransactionIndex;
  readonly #completions: Completions;
  readonly #guards: GuardWriter;
  readonly #deadlines: Deadlines;
  /** Ids that are being initialized or forgotten; whoever is second waits. Never rejects. */
  readonly #turns = new Map<string, Promise<unknown>>();
  /** The last batches of an id that are held. Never rejects. */
  readonly #enlisting = new Map<string, Promise<void>>();
  #heldBytes = 0;

  constructor(options: TransactionsOptions) {
    this.#options = options;
    const { journals, placements, topics, runtime, settings } = options;
    this.#guards = new GuardWriter(journals, topics);
    const guardsOf = (transactionalId: string) => this.#guards.under(transactionalId);
    this.#completions = new Completions({ journals, placements, topics, runtime, guardsOf }, () => this.#index);
    const timedOut = transactionMetrics(runtime.metrics, {
      ids: () => this.#index.count,
      open: () => count(this.list(), ({ transaction }) => transaction.state === 'Ongoing'),
      ending: () => this.#completions.count,
    });
    this.#deadlines = new Deadlines(runtime, settings, {
      list: () => this.list(),
      abort: async ({ transactionalId, journal }) => {
        await this.#decide(transactionalId, journal, { type: 'timeOut' });
        timedOut.add();
      },
      expire: (live, before) => this.#expire(live, before),
    });
    this.#index = new TransactionIndex(journals, (live) => this.#onChanged(live));
  }

  /** InitProducerId. Throws INVALID_TRANSACTION_TIMEOUT, PRODUCER_FENCED, CONCURRENT_TRANSACTIONS, POLICY_VIOLATION, … */
  async initProducerId(transactionalId: string, { timeoutMs, expected }: InitRequest): Promise<ProducerIdentity> {
    checkId(transactionalId);
    const { timeoutMaxMs } = this.#options.settings;
    if (timeoutMs <= 0 || timeoutMs > timeoutMaxMs) {
      const message = `a transaction timeout of ${timeoutMs} ms: it may take 1 to ${timeoutMaxMs} (transaction.max.timeout.ms)`;
      throw new KafkaError('INVALID_TRANSACTION_TIMEOUT', message);
    }
    return this.#inTurn(transactionalId, async () => {
      if (!this.#index.find(transactionalId) && this.#index.count >= this.#options.settings.idCountMax) {
        const message = `this broker has ${this.#index.count} transactional ids, which is all it may have`;
        throw new KafkaError('POLICY_VIOLATION', message);
      }
      const place = () => this.#options.placements.place(transactionOwner(transactionalId));
      const init = { type: 'init', expected, timeoutMs, freshProducerId: null } as const;
      const { transaction } = await this.#decideFresh(transactionalId, place, init);
      return identityOf(transaction);
    });
  }

  /** AddPartitionsToTxn, and what Produce does since v12. Resolves when batches may follow. */
  async addPartitions(transactionalId: string, producer: ProducerIdentity, partitions: Partitions): Promise<void> {
    const journal = await this.#find(transactionalId);
    await this.#add(transactionalId, journal, { ...NO_PARTICIPANTS, producer, partitions }, new Map());
  }

  /** AddOffsetsToTxn, and what TxnOffsetCommit does since v5. `client` as in `Groups.place`. Resolves when offsets may follow. */
  async addGroup(
    transactionalId: string,
    producerId: number,
    producerEpoch: number,
    groupId: string,
    client: string,
  ): Promise<void> {
    const producer = { producerId, producerEpoch };
    if (this.#index.isGroupGuarded(transactionalId, producer, groupId)) return;
    const journal = await this.#find(transactionalId);
    const known = this.#index.find(transactionalId);
    // A client that may not speak makes no group.
    const refused = known ? refusalOf(known.transaction, producer) : null;
    if (refused)
      throw new KafkaError(refused, `producer ${producerId} may not add a group with epoch ${producerEpoch}`);
    const ofGroup = await this.#options.placeGroup(groupId, client);
    const participants = { ...NO_PARTICIPANTS, groups: [groupId] };
    await this.#add(transactionalId, journal, { ...participants, producer }, new Map([[groupId, ofGroup]]));
  }

  /** EndTxn. Answers the identity to go on with. */
  async end(transactionalId: string, { producer, committed, bumpsEpoch }: EndRequest): Promise<ProducerIdentity> {
    const end = { type: 'end', producer, committed, bumpsEpoch, freshProducerId: null } as const;
    const { transaction } = await this.#decideFresh(transactionalId, () => this.#find(transactionalId), end);
    return identityOf(transaction);
  }

  /** Why each partition may not be written now, null where it may (AddPartitionsToTxn v4, `verifyOnly`). */
  async verify(
    transactionalId: string,
    producer: ProducerIdentity,
  ): Promise<(topicId: string, partition: number) => Rejection | 'TRANSACTION_ABORTABLE' | null> {
    await this.#find(transactionalId);
    return partitionVerifier(this.#index.find(transactionalId)?.transaction ?? null, producer);
  }

  /**
   * What Produce does since v12 (KIP-890): partitions join the transaction with their first batch. Null when all have, which
   * costs a look in memory. Where one journal keeps them all the batches, `bytes` of them, may follow at once; elsewhere
   * they are held, and so are later ones of the same id, in the order of these calls.
   */
  enlist(
    transactionalId: string,
    producer: ProducerIdentity,
    places: readonly Place[],
    bytes: number,
  ): Enlistment | null {
    const before = this.#enlisting.get(transactionalId);
    const areGuarded = () => places.every((place) => this.#index.isGuarded(transactionalId, producer, place));
    if (before === undefined) {
      if (areGuarded()) return null;
      const joining = this.#joinAhead(transactionalId, producer, places);
      if (joining) return joining;
    }
    if (this.#heldBytes + bytes > HELD_BYTES_MAX) {
      throw new KafkaError(
        'CONCURRENT_TRANSACTIONS',
        'too many batches wait for their partitions to join a transaction',
      );
    }
    this.#heldBytes += bytes;
    const join = async () => {
      if (!areGuarded()) await this.addPartitions(transactionalId, producer, partitionsOf(places));
    };
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

  /** Throws TRANSACTIONAL_ID_NOT_FOUND, NOT_COORDINATOR. */
  async describe(transactionalId: string): Promise<Transaction> {
    checkId(transactionalId);
    const live = this.#index.find(transactionalId);
    if (live?.journal.role === 'leading') return live.transaction;
    await this.#locate(transactionalId);
    throw new KafkaError(
      'TRANSACTIONAL_ID_NOT_FOUND',
      `there is no transactional id ${JSON.stringify(transactionalId)}`,
    );
  }

  /** Those whose journals this broker leads. */
  *list(): Generator<LiveTransaction> {
    for (const live of this.#index.list()) if (live.journal.role === 'leading') yield live;
  }

  /** WriteTxnMarkers. Throws as `forceMarker` (forced-marker.ts), NOT_LEADER_OR_FOLLOWER. */
  async forceMarker(place: TopicPartition, marker: ForcedMarker): Promise<void> {
    const journal = this.#options.journals.get(place.journal);
    if (!journal) throw new KafkaError('NOT_LEADER_OR_FOLLOWER', `this broker does not lead journal ${place.journal}`);
    await forceMarker(journal, place, marker);
  }

  /** Stops timers, and what is told to participants: the next start goes on with it. */
  close(): void {
    this.#deadlines.close();
    this.#completions.close();
    this.#index.close();
  }

  async #add(
    transactionalId: string,
    journal: Journal,
    { producer, partitions, groups }: Participants & { readonly producer: ProducerIdentity },
    groupJournals: ReadonlyMap<string, Journal>,
  ): Promise<void> {
    const groupsHere = groups.filter((groupId) => groupJournals.get(groupId) === journal);
    const event = { type: 'add', producer, partitions, groups } as const;
    const { transaction, unguarded } = await this.#decide(transactionalId, journal, event, groupsHere);
    if (transaction === null) throw new KafkaError('INVALID_PRODUCER_ID_MAPPING', 'the transactional id is gone');
    await this.#guards.write(transactionalId, transaction, unguarded, groupJournals);
    this.#index.addGuarded(transactionalId, transaction.transaction, { partitions, groups });
  }

  /** Null when a guard might come after its batches, or not at all. Proposes before it returns. */
  #joinAhead(transactionalId: string, producer: ProducerIdentity, places: readonly Place[]): Enlistment | null {
    const live = this.#index.find(transactionalId);
    if (live === undefined || live.journal.role !== 'leading' || places.length > JOINING_AHEAD_COUNT_MAX) return null;
    const { journal, transaction } = live;
    if (refusalOf(transaction, producer) !== null) return null;
    if (places.some(({ topicId, partition }) => !journal.state.partition(topicId, partition))) return null;
    const number = transaction.state === 'Ongoing' ? transaction.transaction : transaction.transaction + 1;
    const participants = { ...NO_PARTICIPANTS, partitions: partitionsOf(places) };
    const joined = this.#add(transactionalId, journal, { ...participants, producer }, new Map());
    return { type: 'joining', transaction: number, joined };
  }

  /** As `#decide`, with a fresh producer id when one is needed. */
  async #decideFresh(
    transactionalId: string,
    find: () => Promise<Journal>,
    event: Extract<TransactionEvent, { readonly freshProducerId: number | null }>,
  ): Promise<{ readonly transaction: Transaction }> {
    let answer = await this.#decideWaiting(transactionalId, await find(), event);
    if (answer.type === 'needsProducerId') {
      const freshProducerId = await this.#options.allocateProducerId().catch(throwCoordinatorError);
      answer = await this.#decideWaiting(transactionalId, await find(), { ...event, freshProducerId });
    }
    if (answer.type === 'done' && answer.transaction !== null) return { transaction: answer.transaction };
    throw new KafkaError('CONCURRENT_TRANSACTIONS', 'the transactional id is in use by somebody else');
  }

  async #decide(
    transactionalId: string,
    journal: Journal,
    event: TransactionEvent,
    groupsHere: readonly string[] = [],
  ): Promise<Extract<TransactionAnswer, { readonly type: 'done' }>> {
    const answer = await this.#decideWaiting(transactionalId, journal, event, groupsHere);
    if (answer.type === 'done') return answer;
    throw new KafkaError('CONCURRENT_TRANSACTIONS', `a ${event.type} was answered with ${answer.type}`);
  }

  /** Throws CONCURRENT_TRANSACTIONS when the end of the last transaction takes too long. */
  async #decideWaiting(
    transactionalId: string,
    journal: Journal,
    event: TransactionEvent,
    groupsHere: readonly string[] = [],
  ): Promise<Exclude<TransactionAnswer, { readonly type: 'concurrent' }>> {
    const { clock } = this.#options.runtime;
    const until = clock.monotonic() + COMPLETION_WAIT_MS_MAX;
    const decide = (view: DecisionView) => decideTransaction(view, transactionalId, event, groupsHere);
    for (;;) {
      const answer = await journal.coordinate(decide).catch(throwCoordinatorError);
      if (answer.type !== 'concurrent') return answer;
      await this.#untilComplete(transactionalId, until - clock.monotonic());
    }
  }

  async #untilComplete(transactionalId: string, leftMs: number): Promise<void> {
    const completion = this.#completions.under(transactionalId);
    const live = this.#index.find(transactionalId);
    // Nothing is known any more once this is closed.
    if (leftMs <= 0 || (completion === undefined && (!live || isPrepared(live.transaction)))) {
      throw new KafkaError('CONCURRENT_TRANSACTIONS', 'the end of the last transaction is not complete yet');
    }
    if (completion === undefined) return; // Completed meanwhile.
    await new Promise<void>((resolve) => {
      const timer = this.#options.runtime.timers.after(leftMs, resolve);
      completion.then(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  /** Throws INVALID_PRODUCER_ID_MAPPING for an unknown id, and as `#locate`. */
  async #find(transactionalId: string): Promise<Journal> {
    checkId(transactionalId);
    const live = this.#index.find(transactionalId);
    if (live?.journal.role === 'leading') return live.journal;
    const { journal, exists } = await this.#locate(transactionalId);
    if (exists) return journal;
    const message = `nothing is known of transactional id ${JSON.stringify(transactionalId)}`;
    throw new KafkaError('INVALID_PRODUCER_ID_MAPPING', message);
  }

  /** Throws NOT_COORDINATOR when another broker leads the journal that keeps the id, or would. */
  async #locate(transactionalId: string): Promise<Located> {
    const { placements } = this.#options;
    const located = await placements.locate(transactionOwner(transactionalId)).catch(throwCoordinatorError);
    requireLeading(located.journal);
    return located;
  }

  #onChanged(live: LiveTransaction): void {
    if (isPrepared(live.transaction)) this.#completions.start(live);
    else if (live.transaction.state === 'Ongoing') this.#deadlines.opened(live.transaction);
  }

  async #expire({ transactionalId, journal }: LiveTransaction, before: number): Promise<void> {
    if (this.#turns.has(transactionalId)) return; // In use.
    await this.#inTurn(transactionalId, async () => {
      const release = await this.#options.placements.releasing(transactionOwner(transactionalId));
      const { transaction } = await this.#decide(transactionalId, journal, { type: 'expire', before });
      if (transaction === null) await release();
    });
  }

  /** An id that is being forgotten must not be made anew before its placement is free. */
  async #inTurn<T>(transactionalId: string, act: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(transactionalId) ?? Promise.resolve();
    const turn = before.then(act);
    const settled = turn.catch(() => undefined);
    this.#turns.set(transactionalId, settled);
    try {
      return await turn;
    } catch (cause) {
      throw toCoordinatorError(cause);
    } finally {
      if (this.#turns.get(transactionalId) === settled) this.#turns.delete(transactionalId);
    }
  }
}

function checkId(transactionalId: string): void {
  if (transactionalId === '') throw new KafkaError('INVALID_REQUEST', 'a transactional id may not be empty');
  const bytes = Buffer.byteLength(transactionOwner(transactionalId));
  if (bytes <= OWNER_BYTES_MAX) return;
  throw new KafkaError(
    'INVALID_REQUEST',
    `a transactional id of ${bytes} bytes is too long: at most ${OWNER_BYTES_MAX}`,
  );
}

function count<T>(all: Iterable<T>, matches: (each: T) => boolean): number {
  let found = 0;
  for (const each of all) if (matches(each)) found++;
  return found;
}

const throwCoordinatorError = (cause: unknown): never => {
  throw toCoordinatorError(cause);
};
