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

import type { LeaderCalls } from '../../cluster/leader-calls.ts';
import type { Located, Placements } from '../../cluster/placements.ts';
import type { StoreClock } from '../../cluster/store-clock.ts';
import type { TopicPartition } from '../../cluster/topics.ts';
import { KafkaError } from '../../errors.ts';
import type { DecisionView, Journal } from '../../journal/journal.ts';
import type { Journals } from '../../journal/journals.ts';
import { OWNER_BYTES_MAX } from '../../limits.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { confirmLeading, refuse, requireLeading, toCoordinatorError } from '../coordinator-error.ts';
import { transactionOwner } from '../owner.ts';
import { PATIENCE_MS, type Patience, patiently } from '../patience.ts';
import { Completions } from './completions.ts';
import { Deadlines } from './deadlines.ts';
import { decideTransaction, type TransactionAnswer } from './decide-transaction.ts';
import { type Enlistment, Enlistments } from './enlistments.ts';
import { type ForcedMarker, forceMarker } from './forced-marker.ts';
import { GuardWriter, refusalOf as participantRefusal } from './guard-writer.ts';
import type { ParticipantJournals } from './participant-journals.ts';
import { NO_PARTICIPANTS, type Participants, type Place, partitionsOf } from './participants.ts';
import { type LiveTransaction, TransactionIndex } from './transaction-index.ts';
import {
  type JoinGroupWish,
  TRANSACTIONS_ADD_GROUP,
  TRANSACTIONS_ADD_PARTITIONS,
  TRANSACTIONS_FORCE_MARKER,
} from './transaction-methods.ts';
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
  readonly settings: TransactionSettings;
  /** A new producer id, unique in the cluster. */
  readonly allocateProducerId: () => Promise<number>;
  readonly participants: ParticipantJournals;
  readonly calls: LeaderCalls;
  /** Asked before transactions time out and ids expire. */
  readonly storeClock?: Pick<StoreClock, 'checkJump'>;
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

/**
 * How long a request waits for the end of the last transaction before its client is told to come again: about as long as it
 * takes until a participant's journal has another leader. KafkaJS does not come again for AddOffsetsToTxn.
 */
const COMPLETION_WAIT_MS_MAX = PATIENCE_MS;
/** Their guards fit one entry with any record. */
const JOINING_AHEAD_COUNT_MAX = 200;
/** Of calls to other coordinators. */
const TIMEOUT_MS = 10_000;

export class Transactions {
  readonly #options: TransactionsOptions;
  readonly #index: TransactionIndex;
  readonly #completions: Completions;
  readonly #guards: GuardWriter;
  readonly #deadlines: Deadlines;
  /** Ids that are being initialized or forgotten; whoever is second waits. Never rejects. */
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly #enlistments: Enlistments;
  readonly #abort = new AbortController();
  readonly #patience: Patience;

  constructor(options: TransactionsOptions) {
    this.#options = options;
    const { journals, runtime, settings, participants, calls } = options;
    this.#patience = { runtime, patienceMs: calls.isAlone ? 0 : PATIENCE_MS, signal: this.#abort.signal };
    this.#guards = new GuardWriter({ participants, patience: this.#patience });
    const guardsOf = (transactionalId: string) => this.#guards.under(transactionalId);
    const onLeader = (listener: () => void) => calls.onChanged(listener);
    this.#completions = new Completions({ participants, runtime, guardsOf, onLeader }, () => this.#index);
    this.#enlistments = new Enlistments({
      isGuarded: (...asked) => this.#index.isGuarded(...asked),
      joinAhead: (...asked) => this.#joinAhead(...asked),
      join: (...asked) => this.#join(...asked),
    });
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
      storeClock: options.storeClock,
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

  /** AddPartitionsToTxn. Resolves with the number of the transaction when batches may follow. */
  async addPartitions(transactionalId: string, producer: ProducerIdentity, partitions: Partitions): Promise<number> {
    const journal = await this.#find(transactionalId);
    return this.#add(transactionalId, journal, { ...NO_PARTICIPANTS, producer, partitions });
  }

  /** AddOffsetsToTxn. `client` as in `Groups.place`. Resolves when offsets may follow. */
  async addGroup(transactionalId: string, producer: ProducerIdentity, groupId: string, client: string): Promise<void> {
    const journal = await this.#find(transactionalId);
    if (this.#index.isGroupGuarded(transactionalId, producer, groupId)) return confirmLeading(journal);
    const known = this.#index.find(transactionalId);
    // A client that may not speak makes no group. One that may once the last transaction is complete waits for that below.
    const refused = known ? refusalOf(known.transaction, producer) : null;
    if (refused && refused !== 'CONCURRENT_TRANSACTIONS') {
      const message = `producer ${producer.producerId} may not add a group with epoch ${producer.producerEpoch}`;
      await refuse(journal, new KafkaError(refused, message));
    }
    await this.#add(transactionalId, journal, { ...NO_PARTICIPANTS, groups: [groupId], producer }, client);
  }

  /** What TxnOffsetCommit does since v5, at whichever broker coordinates the group: as `addGroup` where it is to be asked. */
  async enlistGroup(wish: JoinGroupWish): Promise<void> {
    const { transactionalId, producer, groupId, client } = wish;
    if (this.#index.isGroupGuarded(transactionalId, producer, groupId)) return;
    await this.#atCoordinator(
      transactionalId,
      () => this.addGroup(transactionalId, producer, groupId, client),
      (journal) => this.#options.calls.ask(journal, TRANSACTIONS_ADD_GROUP, wish, { timeoutMs: TIMEOUT_MS }),
    );
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
    const journal = await this.#find(transactionalId);
    const known = this.#index.find(transactionalId)?.transaction ?? null;
    await confirmLeading(journal);
    return partitionVerifier(known, producer);
  }

  /** What Produce does since v12, at any broker. See `Enlistments.enlist`. */
  enlist(
    transactionalId: string,
    producer: ProducerIdentity,
    places: readonly Place[],
    bytes: number,
  ): Enlistment | null {
    return this.#enlistments.enlist(transactionalId, producer, places, bytes);
  }

  /** A batch that was enlisted was refused with INVALID_TXN_STATE. */
  mistrust(transactionalId: string): void {
    this.#enlistments.mistrust(transactionalId);
  }

  /** Throws TRANSACTIONAL_ID_NOT_FOUND, NOT_COORDINATOR. */
  async describe(transactionalId: string): Promise<Transaction> {
    checkId(transactionalId);
    const live = this.#index.find(transactionalId);
    if (live?.journal.role === 'leading') return live.transaction;
    const { journal } = await this.#locate(transactionalId);
    const message = `there is no transactional id ${JSON.stringify(transactionalId)}`;
    return refuse(journal, new KafkaError('TRANSACTIONAL_ID_NOT_FOUND', message));
  }

  /** Those whose journals this broker leads. */
  *list(): Generator<LiveTransaction> {
    for (const live of this.#index.list()) if (live.journal.role === 'leading') yield live;
  }

  /** WriteTxnMarkers. Throws as `forceMarker` (forced-marker.ts), NOT_LEADER_OR_FOLLOWER. */
  async forceMarker({ journal: id, ...place }: TopicPartition, marker: ForcedMarker): Promise<void> {
    const journal = this.#options.journals.get(id);
    if (journal?.role === 'leading') return forceMarker(journal, place, marker);
    const wish = { journal: id, place, marker };
    await this.#options.calls.ask(id, TRANSACTIONS_FORCE_MARKER, wish, { timeoutMs: TIMEOUT_MS });
  }

  /** Stops timers, and what is told to participants: the next start goes on with it. */
  close(): void {
    this.#abort.abort(new KafkaError('NOT_COORDINATOR', 'the broker is stopping'));
    this.#deadlines.close();
    this.#completions.close();
    this.#index.close();
  }

  /** `client` as in `Groups.place`, where there is a group. */
  async #add(
    transactionalId: string,
    journal: Journal,
    { producer, partitions, groups }: Participants & { readonly producer: ProducerIdentity },
    client = '',
  ): Promise<number> {
    const event = { type: 'add', producer, partitions, groups } as const;
    const groupsHere = groups.length === 0 ? null : () => this.#groupsHere(journal, groups, client);
    const { transaction, unguarded } = await this.#decide(transactionalId, journal, event, groupsHere);
    if (transaction === null) throw new KafkaError('INVALID_PRODUCER_ID_MAPPING', 'the transactional id is gone');
    await this.#guards.write(transactionalId, transaction, unguarded, client);
    this.#index.addGuarded(transactionalId, transaction.transaction, { partitions, groups });
    return transaction.transaction;
  }

  /** Which of the groups this journal keeps. All of them are placed, so that no record names one that may not be. */
  async #groupsHere(journal: Journal, groups: readonly string[], client: string): Promise<readonly string[]> {
    const here: string[] = [];
    for (const groupId of groups) {
      const home = await patiently(
        this.#patience,
        () => this.#options.participants.placeGroup(groupId, client),
        () => this.#options.participants.mistrust([groupId]),
      ).catch(throwRefusal);
      if (home === journal.id) here.push(groupId);
    }
    return here;
  }

  /** As `LocalTransactions.joinAhead`. */
  #joinAhead(transactionalId: string, producer: ProducerIdentity, places: readonly Place[]): Enlistment | null {
    const live = this.#index.find(transactionalId);
    if (live === undefined || live.journal.role !== 'leading' || places.length > JOINING_AHEAD_COUNT_MAX) return null;
    const { journal, transaction } = live;
    if (refusalOf(transaction, producer) !== null) return null;
    if (places.some(({ topicId, partition }) => !journal.state.partition(topicId, partition))) return null;
    const number = transaction.state === 'Ongoing' ? transaction.transaction : transaction.transaction + 1;
    const participants = { ...NO_PARTICIPANTS, partitions: partitionsOf(places) };
    const joined = this.#add(transactionalId, journal, { ...participants, producer }).then(() => {});
    return { type: 'joining', transaction: number, joined };
  }

  /** As `LocalTransactions.join`. */
  #join(transactionalId: string, producer: ProducerIdentity, partitions: Partitions): Promise<number | null> {
    const wish = { transactionalId, producer, partitions };
    return this.#atCoordinator<number | null>(
      transactionalId,
      () => this.addPartitions(transactionalId, producer, partitions).then(nothing),
      (journal) => this.#options.calls.ask(journal, TRANSACTIONS_ADD_PARTITIONS, wish, { timeoutMs: TIMEOUT_MS }),
    );
  }

  /** Here, or at the broker that coordinates the id. */
  async #atCoordinator<T>(
    transactionalId: string,
    here: () => Promise<T>,
    elsewhere: (journal: number) => Promise<T>,
  ): Promise<T> {
    const { placements } = this.#options;
    const owner = transactionOwner(transactionalId);
    return patiently(
      this.#patience,
      async () => {
        const journal = await placements.recall(owner);
        return journal.role === 'leading' ? here() : elsewhere(journal.id);
      },
      () => placements.mistrust(owner),
    ).catch(throwCoordinatorError);
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
    groupsHere: (() => Promise<readonly string[]>) | null = null,
  ): Promise<Extract<TransactionAnswer, { readonly type: 'done' }>> {
    const answer = await this.#decideWaiting(transactionalId, journal, event, groupsHere);
    if (answer.type === 'done') return answer;
    throw new KafkaError('CONCURRENT_TRANSACTIONS', `a ${event.type} was answered with ${answer.type}`);
  }

  /**
   * Throws CONCURRENT_TRANSACTIONS when the end of the last transaction takes too long. `groupsHere` is asked right before
   * each decision: which of the event's groups the journal keeps. That all is done already, or that a producer is out, is
   * not said by what a coordinator remembers that was succeeded: a producer may have begun its next transaction since.
   */
  async #decideWaiting(
    transactionalId: string,
    journal: Journal,
    event: TransactionEvent,
    groupsHere: (() => Promise<readonly string[]>) | null = null,
  ): Promise<Exclude<TransactionAnswer, { readonly type: 'concurrent' }>> {
    const { clock } = this.#options.runtime;
    const until = clock.monotonic() + COMPLETION_WAIT_MS_MAX;
    for (;;) {
      const here = groupsHere === null ? [] : await groupsHere();
      const decide = (view: DecisionView) => {
        const { commands, answer } = decideTransaction(view, transactionalId, event, here);
        return { commands, answer: { answer, isWritten: commands.length > 0 } };
      };
      const { answer, isWritten } = await journal.coordinate(decide).catch((cause) => refuse(journal, cause));
      if (answer.type === 'done' && !isWritten) await confirmLeading(journal);
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

const nothing = () => null;

const throwRefusal = (cause: unknown): never => {
  throw participantRefusal(cause);
};

const throwCoordinatorError = (cause: unknown): never => {
  throw toCoordinatorError(cause);
};
