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

/** Whoever is told one of these asks again, here or elsewhere, and has lost nothing by it. */
const PASSING: ReadonlySet<ErrorName> = new Set([
  'NONE',
  'NOT_COORDINATOR',
  'COORDINATOR_NOT_AVAILABLE',
  'COORDINATOR_LOAD_IN_PROGRESS',
  'MEMBER_ID_REQUIRED',
  'REBALANCE_IN_PROGRESS',
]);

/** Whether a client takes the error for the end of something: it throws away what it has, or gives up. */
export const isFinal = (error: ErrorName): boolean => !PASSING.has(error);

/** What a client is told that is to hear `refusal`: what is final is said by who leads, or not at all. */
export async function sureOf(journal: Journal, refusal: KafkaError): Promise<KafkaError> {
  if (!isFinal(refusal.error)) return refusal;
  try {
    await confirmLeading(journal);
    return refusal;
  } catch (cause) {
    return toCoordinatorError(cause);
  }
}

/** As `sureOf`, for errors that are answered by their names. */
export async function sureOfError(journal: Journal, error: ErrorName): Promise<ErrorName> {
  return isFinal(error) ? (await sureOf(journal, new KafkaError(error, 'refused'))).error : error;
}

/** Throws what the client is told of a decision that was not made, as `sureOf` has it. */
export async function refuse(journal: Journal, cause: unknown): Promise<never> {
  throw await sureOf(journal, toCoordinatorError(cause));
}

/** Throws NOT_COORDINATOR when this broker does not lead the journal. */
export function requireLeading(journal: Journal): Journal {
  if (journal.role === 'leading') return journal;
  throw new KafkaError('NOT_COORDINATOR', `this broker does not lead journal ${journal.id}`);
}
