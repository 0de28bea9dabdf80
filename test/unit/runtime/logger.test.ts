import { expect, test } from 'vitest';
import { createLogger } from '../../../src/runtime/logger.ts';

function logged(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  let line = '';
  const logger = createLogger('info', {
    write(text: string) {
      line += text;
    },
  });
  logger.warn(fields, 'something failed');
  return JSON.parse(line);
}

test('an error is logged with its message and its causes', () => {
  const error = new TypeError('no such thing', { cause: new Error('AccessDenied') });
  expect(logged({ error })).toMatchObject({
    msg: 'something failed',
    error: { name: 'TypeError', message: 'no such thing', cause: { message: 'AccessDenied' } },
  });
});

test('what is no error is logged as it is', () => {
  expect(logged({ error: 'NOT_COORDINATOR', cause: 'journal 2', count: 3 })).toMatchObject({
    error: 'NOT_COORDINATOR',
    cause: 'journal 2',
    count: 3,
  });
});
