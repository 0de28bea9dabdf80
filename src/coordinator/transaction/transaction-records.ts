/** The one record of a transactional id, `transaction` under `transaction/<id>`, as JSON. */
import { StorageCorruptError } from '../../errors.ts';
import type { RecordsChanged } from '../../journal/entry.ts';
import type { RecordsView } from '../../journal/journal.ts';
import { parseRecord } from '../group/group-record.ts';
import { transactionOwner } from '../owner.ts';
import type { Partitions, ProducerIdentity, Transaction, TransactionState } from './transaction-state.ts';

export const TRANSACTION_KEY = 'transaction';

interface StoredTransaction {
  readonly v: number;
  readonly state: number;
  readonly producerId: number;
  readonly epoch: number;
  readonly previous?: readonly [producerId: number, producerEpoch: number];
  readonly nextProducerId?: number;
  readonly transaction: number;
  readonly timeoutMs: number;
  readonly partitions?: Partitions;
  readonly groups?: readonly string[];
  readonly startedAt?: number;
  readonly updatedAt: number;
}

const VERSION = 1;

/** Numbers are Kafka's. Persisted: never renumber. */
const STATES = {
  Empty: 0,
  Ongoing: 1,
  PrepareCommit: 2,
  PrepareAbort: 3,
  CompleteCommit: 4,
  CompleteAbort: 5,
} as const satisfies Record<TransactionState, number>;

const STATES_BY_NUMBER: ReadonlyMap<number, TransactionState> = new Map(
  (Object.entries(STATES) as [TransactionState, number][]).map(([state, number]) => [number, state]),
);

/** Null when nothing is known of the id. Throws StorageCorruptError. */
export function readTransaction(view: RecordsView, transactionalId: string): Transaction | null {
  const owner = transactionOwner(transactionalId);
  const text = view.record(owner, TRANSACTION_KEY);
  return text === undefined ? null : decodeTransaction(owner, text);
}

/** The command that keeps it; null forgets the id. */
export const writeTransaction = (transactionalId: string, transaction: Transaction | null): RecordsChanged => ({
  type: 'recordsChanged',
  owner: transactionOwner(transactionalId),
  changes: [{ key: TRANSACTION_KEY, value: transaction && encodeTransaction(transaction) }],
});

/** What is as usual is left out: entries are paid for by the kilobyte. */
export function encodeTransaction(transaction: Transaction): string {
  const { state, producerId, producerEpoch, previous, nextProducerId, timeoutMs, partitions, groups } = transaction;
  const { startedAt, updatedAt } = transaction;
  const stored: StoredTransaction = {
    v: VERSION,
    state: STATES[state],
    producerId,
    epoch: producerEpoch,
    ...(previous && { previous: [previous.producerId, previous.producerEpoch] as const }),
    ...(nextProducerId !== -1 && { nextProducerId }),
    transaction: transaction.transaction,
    timeoutMs,
    ...(Object.keys(partitions).length > 0 && { partitions }),
    ...(groups.length > 0 && { groups }),
    ...(startedAt !== -1 && { startedAt }),
    updatedAt,
  };
  return JSON.stringify(stored);
}

/** Throws StorageCorruptError. */
export function decodeTransaction(owner: string, text: string): Transaction {
  const stored = parseRecord(owner, text, VERSION) as unknown as StoredTransaction;
  const state = STATES_BY_NUMBER.get(stored.state);
  if (state === undefined) throw new StorageCorruptError(`${owner}: a transaction in state ${stored.state}`);
  const { producerId, epoch, previous, nextProducerId = -1, transaction, timeoutMs } = stored;
  const { partitions = {}, groups = [], startedAt = -1, updatedAt } = stored;
  return {
    state,
    producerId,
    producerEpoch: epoch,
    previous: identity(previous),
    nextProducerId,
    transaction,
    timeoutMs,
    partitions,
    groups,
    startedAt,
    updatedAt,
  };
}

const identity = (pair: StoredTransaction['previous']): ProducerIdentity | null =>
  pair ? { producerId: pair[0], producerEpoch: pair[1] } : null;
