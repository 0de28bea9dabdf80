/**
 * What clients of a coordinator are told when a decision did not become durable: Kafka's coordinators answer other errors
 * than its logs do, and clients look for the coordinator again only after these.
 */
import { type ErrorName, KafkaError, toKafkaError } from '../errors.ts';
import type { Journal } from '../journal/journal.ts';

const SPELLINGS: Partial<Record<ErrorName, ErrorName>> = {
  NOT_LEADER_OR_FOLLOWER: 'NOT_COORDINATOR',
  KAFKA_STORAGE_ERROR: 'COORDINATOR_NOT_AVAILABLE',
};

/** Throws on what is a bug of ours. */
export function toCoordinatorError(cause: unknown): KafkaError {
  const error = toKafkaError(cause);
  if (error === null) throw cause;
  const spelling = SPELLINGS[error.error];
  if (spelling === undefined) return error;
  return new KafkaError(spelling, error.message, { cause, noSideEffects: error.noSideEffects });
}

/** For answers that no entry stands behind. Throws NOT_COORDINATOR when this broker did not lead after the call. */
export async function confirmLeading(journal: Journal): Promise<void> {
  try {
    if (await journal.confirmLeadership()) return;
  } catch (cause) {
    throw toCoordinatorError(cause);
  }
  throw new KafkaError('NOT_COORDINATOR', `another broker took over journal ${journal.id}`);
}

/** Throws NOT_COORDINATOR when this broker does not lead the journal. */
export function requireLeading(journal: Journal): Journal {
  if (journal.role === 'leading') return journal;
  throw new KafkaError('NOT_COORDINATOR', `this broker does not lead journal ${journal.id}`);
}
