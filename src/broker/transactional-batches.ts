/**
 * Batches of a transactional producer on their way into Produce since v12 (KIP-890): their partitions join the transaction
 * first. Nothing is held once all of them have.
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

/** Null when the batches may go on at once. Else resolves with copies of them, or with why none of them may. */
export function heldUntilEnlisted(
  transactionalId: string,
  batches: readonly ProduceBatch[],
  call: Call,
): Promise<readonly ProduceBatch[] | KafkaError> | null {
  const transactional = batches.filter(({ records }) => isTransactional(records));
  const [first] = transactional;
  if (first === undefined) return null;
  const producer = producerOf(first.records);
  const others = transactional.map(({ records }) => producerOf(records));
  if (
    others.some((other) => other.producerId !== producer.producerId || other.producerEpoch !== producer.producerEpoch)
  ) {
    const message = 'batches of several producers under one transactional id';
    return Promise.resolve(new KafkaError('INVALID_PRODUCER_ID_MAPPING', message));
  }
  const bytes = batches.reduce((sum, { records }) => sum + records.length, 0);
  const enlisted = call.broker.coordinators.transactions.enlist(transactionalId, producer, transactional, bytes);
  if (enlisted === null) return null;
  const held = batches.map((batch) => ({ ...batch, records: Buffer.from(batch.records) }));
  return enlisted.then(() => held, refusal);
}

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
