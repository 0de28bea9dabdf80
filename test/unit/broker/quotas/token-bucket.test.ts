import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TokenBucket } from '../../../../src/broker/quotas/token-bucket.ts';

describe('a token bucket', () => {
  test('lets a window through at once, then makes wait for what is owed', () => {
    const bucket = new TokenBucket(1_000, 2, 0);
    bucket.take(2_000, 0);
    expect(bucket.waitMs(0)).toBe(0);
    bucket.take(500, 0);
    expect(bucket.waitMs(0)).toBe(500);
    expect(bucket.waitMs(400)).toBe(100);
    expect(bucket.waitMs(500)).toBe(0);
  });

  test('forgets what is owed beyond a window', () => {
    const bucket = new TokenBucket(1_000, 2, 0);
    bucket.take(1_000_000, 0);
    expect(bucket.waitMs(0)).toBe(2_000);
  });

  test('gathers no more than a window while nothing is taken', () => {
    const bucket = new TokenBucket(1_000, 2, 0);
    bucket.take(2_001, 1e9);
    expect(bucket.waitMs(1e9)).toBe(1);
  });

  test('a client that waits as told gets the rate over time, and a window on top', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e6 }),
        fc.integer({ min: 1, max: 11 }),
        fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 100 }),
        (perSecond, windowSeconds, percents) => {
          const bucket = new TokenBucket(perSecond, windowSeconds, 0);
          let now = 0;
          let taken = 0;
          for (const percent of percents) {
            // Never more at once than a window, as the broker asks for.
            const amount = (bucket.most * percent) / 100;
            bucket.take(amount, now);
            taken += amount;
            now += bucket.waitMs(now);
          }
          expect(taken).toBeLessThanOrEqual(bucket.most + (now / 1_000) * perSecond + 1);
        },
      ),
    );
  });
});
