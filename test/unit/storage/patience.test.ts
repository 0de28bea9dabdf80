import { expect, test } from 'vitest';
import { StartupError, StorageRefusedError, StorageUnavailableError } from '../../../src/errors.ts';
import type { Logger } from '../../../src/runtime/logger.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import { whenStoreAnswers } from '../../../src/storage/patience.ts';
import { virtualRuntime } from './virtual-runtime.ts';

function logging() {
  const warnings: string[] = [];
  const logger: Logger = { ...silentLogger, warn: (_, message) => warnings.push(message) };
  return { runtime: { ...virtualRuntime(), logger }, warnings };
}

test('a store that comes back is waited for, with a line in the log for each attempt', async () => {
  const { runtime, warnings } = logging();
  let attempts = 0;
  const answer = await whenStoreAnswers('the table', runtime, async () => {
    attempts += 1;
    if (attempts < 4) throw new StorageUnavailableError('connection refused');
    return 'here';
  });
  expect(answer).toBe('here');
  expect(warnings).toEqual(Array(3).fill('the table does not answer'));
  expect(runtime.clock.monotonic()).toBe(6_000);
});

test('a store that stays away ends the start with its name, the time and the reason', async () => {
  const { runtime } = logging();
  const away = whenStoreAnswers('the table', runtime, () => Promise.reject(new StorageUnavailableError('refused')));
  await expect(away).rejects.toThrow(StartupError);
  await expect(away).rejects.toThrow('the table did not answer for 60 s: refused');
});

test('a refusal ends the start at once', async () => {
  const { runtime, warnings } = logging();
  const refused = whenStoreAnswers('the bucket', runtime, () =>
    Promise.reject(new StorageRefusedError('no such bucket')),
  );
  await expect(refused).rejects.toThrow(new StartupError('the bucket: no such bucket'));
  expect(warnings).toEqual([]);
});

test('what is not about the store is thrown as it is', async () => {
  const { runtime } = logging();
  const bug = new TypeError('bug');
  await expect(whenStoreAnswers('the table', runtime, () => Promise.reject(bug))).rejects.toBe(bug);
});
