/** What a failed AWS request means to the ports. Judged by the error's code and status, never by its text. */
import { StorageFullError, StorageRefusedError, StorageThrottledError, StorageUnavailableError } from '../errors.ts';

/** Nothing was done, ask again later and less often. */
const THROTTLED = new Set([
  'SlowDown',
  'BandwidthLimitExceeded',
  'ProvisionedThroughputExceededException',
  'RequestLimitExceeded',
  'RequestThrottled',
  'RequestThrottledException',
  'Throttling',
  'ThrottlingException',
  'ThrottlingError', // Cancellation reason of a transaction.
  'ProvisionedThroughputExceeded', // Likewise.
  'TooManyRequestsException',
  'TransactionConflict', // Likewise: another transaction holds the item for a moment.
  'TransactionConflictException',
]);

/** A client error by its status that passes by itself. */
const PASSING = new Set([
  'BadDigest', // Damaged on the way.
  'ConditionalRequestConflict',
  'ExpiredToken', // The SDK fetches new credentials.
  'ExpiredTokenException',
  'OperationAborted',
  'RequestTimeout',
  'RequestTimeTooSkewed', // The SDK has taken over the server's clock by now.
  'TransactionInProgressException',
  'XAmzContentChecksumMismatch',
]);

const NOT_THERE = new Set(['NoSuchBucket', 'ResourceNotFoundException']);

interface AwsError {
  readonly name?: unknown;
  readonly message?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

/** The code of an AWS error, `NoSuchKey` and so on. */
export const awsErrorName = (cause: unknown): string => String((cause as AwsError | null)?.name ?? '');

export const awsErrorStatus = (cause: unknown): number => (cause as AwsError | null)?.$metadata?.httpStatusCode ?? 0;

export const isThrottle = (code: string): boolean => THROTTLED.has(code);

/** 301 is a bucket of another region, 501 a header that the store does not know. */
const isRefusal = (status: number, name: string): boolean =>
  ((status >= 300 && status < 500) || status === 501) && !PASSING.has(name);

/** The error that a port throws instead; `what` names the request, `PutObject` and so on. */
export function toStorageError(cause: unknown, what: string): Error {
  if (cause instanceof StorageUnavailableError) return cause;
  const name = awsErrorName(cause);
  const status = awsErrorStatus(cause);
  const hint = NOT_THERE.has(name) ? ' (`millrace storage init` creates what is missing)' : '';
  const message = `${what}: ${name} ${String((cause as AwsError | null)?.message ?? cause)}${hint}`;
  if (isThrottle(name) || status === 429) return new StorageThrottledError(message, { cause });
  if (status === 507) return new StorageFullError(message, { cause });
  if (name === 'CredentialsProviderError' || isRefusal(status, name))
    return new StorageRefusedError(message, { cause });
  return new StorageUnavailableError(message, { cause });
}
