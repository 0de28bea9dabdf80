import { expect, test } from 'vitest';
import { LogLimiter } from '../../../src/runtime/log-limiter.ts';
import { type LogFields, silentLogger } from '../../../src/runtime/logger.ts';

test('a kind of warning is written once a second, with the number of those left out', () => {
  let nowMs = 0;
  const lines: [string, LogFields][] = [];
  const logger = { ...silentLogger, warn: (fields: LogFields, message: string) => lines.push([message, fields]) };
  const limited = new LogLimiter(logger, { now: () => nowMs, monotonic: () => nowMs });
  for (const at of [0, 1, 999, 1_000, 1_001, 5_000]) {
    nowMs = at;
    limited.warn('rubbish', { at });
    if (at === 1) limited.warn('other', { at });
  }
  expect(lines).toEqual([
    ['rubbish', { at: 0 }],
    ['other', { at: 1 }],
    ['rubbish', { at: 1_000, suppressed: 2 }],
    ['rubbish', { at: 5_000, suppressed: 1 }],
  ]);
});
