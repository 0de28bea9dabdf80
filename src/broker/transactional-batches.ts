/**
 * Batches of a transactional producer on their way into Produce since v12 (KIP-890): their partitions join the transaction
 * with them. Nothing is done once all of them have.
 */
import { type ErrorName, KafkaError, toKafkaError } from '../errors.ts';
import { BATCH_HEADER_BYTES } from '../limits.ts';
import type { ProduceBatch } from '../log/log.ts';
import { readBatchHeader, TRANSACTIONAL_FLAG } from '../record/batch.ts';
import type { Call } from './handler.ts';

/** Kafka's producers try again after these; of coordinators they know nothing here. */
const SPELLINGS: Partial<Record<ErrorName, ErrorName>> = {
  PRODUCER_FENCED: 'INVALID_PRODUCER_EPOCH',
  NOT_COORDINATOR: 'NOT_ENOUGH_REPLICAS',
  COORDINATOR_NOT_AVAILABLE: 'NOT_ENOUGH_REPLICAS',
  COORDINATOR_LOAD_IN_PROGRESS: 'NOT_ENOUGH_REPLICAS',
};

export type Enlisted =
  /** Copies, for later; or why none of them goes on. */
  | { readonly type: 'held'; readonly until: Promise<readonly ProduceBatch[] | KafkaError> }
  /** They go on at once, and count unless it resolves with an error. */
  | {
      readonly type: 'joining';
      readonly batches: readonly ProduceBatch[];
      readonly failure: Promise<KafkaError | null>;
    };

/** Null when nothing has to be done. */
export function enlist(transactionalId: string, batches: readonly ProduceBatch[], call: Call): Enlisted | null {
  const transactional = batches.filter(({ records }) => isTransactional(records));
  const [first] = transactional;
  if (first === undefined) return null;
  const producer = producerOf(first.records);
  const others = transactional.map(({ records }) => producerOf(records));
  if (
    others.some((other) => other.producerId !== producer.producerId || other.producerEpoch !== producer.producerEpoch)
  ) {
    return refused('INVALID_PRODUCER_ID_MAPPING', 'batches of several producers under one transactional id');
  }
  const bytes = batches.reduce((sum, { records }) => sum + records.length, 0);
  const enlisted = call.broker.coordinators.transactions.enlist(transactionalId, producer, transactional, bytes);
  if (enlisted === null) return null;
  if (enlisted.type === 'held') {
    const copies = batches.map((batch) => ({ ...batch, records: Buffer.from(batch.records) }));
    return { type: 'held', until: enlisted.until.then(() => copies, refusal) };
  }
  const { transaction, joined } = enlisted;
  return {
    type: 'joining',
    batches: batches.map((batch) => (isTransactional(batch.records) ? { ...batch, transaction } : batch)),
    failure: joined.then(() => null, refusal),
  };
}

const refused = (error: ErrorName, message: string): Enlisted => ({
  type: 'held',
  until: Promise.resolve(new KafkaError(error, message)),
});

function refusal(cause: unknown): KafkaError {
  const error = toKafkaError(cause);
  if (error === null) throw cause;
  return new KafkaError(SPELLINGS[error.error] ?? error.error, error.message, { cause });
}

/** One that is too short to tell is refused by the log. */
const isTransactional = (records: Uint8Array): records is Buffer =>
  records.length >= BATCH_HEADER_BYTES && (readBatchHeader(records as Buffer, 0).attributes & TRANSACTIONAL_FLAG) !== 0;

const producerOf = (records: Uint8Array) => {
  const { producerId, producerEpoch } = readBatchHeader(records as Buffer, 0);
  return { producerId, producerEpoch };
};
