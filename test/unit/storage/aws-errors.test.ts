import { expect, test } from 'vitest';
import { StorageCorruptError, StorageUnavailableError } from '../../../src/errors.ts';
import { toStorageError } from '../../../src/storage/aws-errors.ts';

const answer = (name: string, httpStatusCode: number) =>
  Object.assign(new Error('text'), { name, $metadata: { httpStatusCode } });
const network = (code: string) => Object.assign(new Error('text'), { code });

test.each([
  [answer('SlowDown', 503), 'StorageThrottledError'],
  [answer('ProvisionedThroughputExceededException', 400), 'StorageThrottledError'],
  [answer('ThrottlingException', 400), 'StorageThrottledError'],
  [answer('TransactionConflictException', 400), 'StorageThrottledError'],
  [answer('Unknown', 429), 'StorageThrottledError'],
  [answer('InternalError', 500), 'StorageUnavailableError'],
  [answer('ServiceUnavailable', 503), 'StorageUnavailableError'],
  [answer('ConditionalRequestConflict', 409), 'StorageUnavailableError'],
  [answer('OperationAborted', 409), 'StorageUnavailableError'],
  [answer('RequestTimeout', 400), 'StorageUnavailableError'],
  [answer('RequestTimeTooSkewed', 403), 'StorageUnavailableError'],
  [answer('ExpiredToken', 400), 'StorageUnavailableError'],
  [answer('BadDigest', 400), 'StorageUnavailableError'],
  [network('ECONNREFUSED'), 'StorageUnavailableError'],
  [network('ECONNRESET'), 'StorageUnavailableError'],
  [new SyntaxError('not JSON'), 'StorageUnavailableError'],
  [answer('InsufficientStorage', 507), 'StorageFullError'],
  [answer('AccessDenied', 403), 'StorageRefusedError'],
  [answer('NoSuchBucket', 404), 'StorageRefusedError'],
  [answer('PermanentRedirect', 301), 'StorageRefusedError'],
  [answer('NotImplemented', 501), 'StorageRefusedError'],
  [answer('ResourceNotFoundException', 400), 'StorageRefusedError'],
  [answer('ValidationException', 400), 'StorageRefusedError'],
  [Object.assign(new Error('text'), { name: 'CredentialsProviderError' }), 'StorageRefusedError'],
])('%o is a %s', (cause, expected) => {
  const error = toStorageError(cause, 'PutObject');
  expect(error.name).toBe(expected);
  expect(error).toBeInstanceOf(StorageUnavailableError);
  expect(error.message).toContain('PutObject');
  expect(error.cause).toBe(cause);
});

test('an error of the port stays as it is', () => {
  const own = new StorageUnavailableError('silent');
  expect(toStorageError(own, 'PutObject')).toBe(own);
  expect(new StorageCorruptError('x')).not.toBeInstanceOf(StorageUnavailableError);
});

test('what `storage init` would create is said', () => {
  expect(toStorageError(answer('NoSuchBucket', 404), 'PutObject').message).toContain('millrace storage init');
  expect(toStorageError(answer('ResourceNotFoundException', 400), 'GetItem').message).toContain(
    'millrace storage init',
  );
});
