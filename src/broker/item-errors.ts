import { type ErrorName, KafkaError, toKafkaError } from '../errors.ts';
import { ADMIN_ITEMS_PER_REQUEST_MAX } from '../limits.ts';
import type { Call } from './handler.ts';

export interface ItemError {
  readonly errorCode: number;
  readonly errorMessage: string;
}

/** The error of one item of a request. A bug is thrown on: it fails the whole request. */
export function itemError(call: Call, cause: unknown): ItemError {
  const error = toKafkaError(cause);
  if (error === null) throw cause;
  return { errorCode: call.code(error.error), errorMessage: error.message };
}

export const refusal = (call: Call, error: ErrorName, message: string): ItemError => ({
  errorCode: call.code(error),
  errorMessage: message,
});

/** Throws POLICY_VIOLATION when one request names more than is done at once. */
export function checkItemCount(what: string, count: number): void {
  if (count <= ADMIN_ITEMS_PER_REQUEST_MAX) return;
  throw new KafkaError(
    'POLICY_VIOLATION',
    `Excessively large number of ${what} per request: ${count}, at most ${ADMIN_ITEMS_PER_REQUEST_MAX}.`,
  );
}

/** Items that a request names more than once: Kafka refuses each of them. */
export function namedTwice<T>(items: readonly T[]): ReadonlySet<T> {
  const seen = new Set<T>();
  return new Set(items.filter((item) => seen.size === seen.add(item).size));
}

export const unknownTopic = (name: string): KafkaError =>
  new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `there is no topic ${JSON.stringify(name)}`);

/** Changes of this many topics of one request are under way at once. */
const CONCURRENT_MAX = 16;

/** `change` for each item, several at once, results in the order of the items. */
export async function changeEach<T, R>(items: readonly T[], change: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = new Array(items.length);
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const index = next++;
      results[index] = await change(items[index]!);
    }
  };
  await Promise.all(Array.from({ length: Math.min(CONCURRENT_MAX, items.length) }, worker));
  return results;
}
