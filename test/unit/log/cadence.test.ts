import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  Cadence,
  type CadenceLimits,
  type Costs,
  costsOf,
  type FlushView,
  GATHER_MS,
  inlineCost,
  SHARE_BYTES,
  segmentCost,
} from '../../../src/log/cadence.ts';

const FREE: Costs = { create: 0, entry: 0, inlinePerKib: 0 };
const AWS: Costs = { create: 8, entry: 2, inlinePerKib: 2 };
const LIMITS: CadenceLimits = { lingerMs: 250, segmentBytesMax: 8 << 20, uploadsMax: 6, journals: 1 };

const nothing: FlushView = {
  now: 0,
  since: 0,
  bytes: 0,
  journals: 0,
  inlineBytes: 0,
  inlineBatches: 0,
  inlineJournals: 0,
  small: true,
  uploads: 0,
};
const inlineView = (bytes: number, now = 0): FlushView => ({
  ...nothing,
  now,
  bytes,
  journals: 1,
  inlineBytes: bytes,
  inlineBatches: 1,
  inlineJournals: 1,
});
const segmentView = (bytes: number, now = 0): FlushView => ({ ...nothing, now, bytes, journals: 1, small: false });

test('prices of S3 and DynamoDB are 8 units for an object and 2 for an entry with its deletion', () => {
  const objects = { create: 0.005 / 1_000, read: 0, list: 0 };
  expect(costsOf(objects, { writeUnit: 0.625, readUnit: 0.125 })).toEqual({ create: 8, entry: 2, inlinePerKib: 2 });
});

test('inline is cheaper than a segment below about 4 KiB', () => {
  expect(inlineCost(AWS, 3_900, 1, 1)).toBeLessThan(segmentCost(AWS, 1));
  expect(inlineCost(AWS, 6_000, 1, 1)).toBeGreaterThan(segmentCost(AWS, 1));
});

describe('where requests are free', () => {
  const cadence = new Cadence(FREE, LIMITS, 0);

  test('a small flush leaves inline at once', () => {
    expect(cadence.decide(inlineView(100))).toMatchObject({ flush: 'inline', reason: 'idle' });
  });

  test('a large flush leaves as a segment at once when no upload is in flight', () => {
    expect(cadence.decide(segmentView(200_000))).toMatchObject({ flush: 'segment', reason: 'idle' });
  });

  test('with uploads in flight it waits until it is worth one more', () => {
    expect(cadence.decide({ ...segmentView(SHARE_BYTES - 1), uploads: 1 }).flush).toBe('wait');
    expect(cadence.decide({ ...segmentView(SHARE_BYTES), uploads: 1 })).toMatchObject({ flush: 'segment' });
    expect(cadence.decide({ ...segmentView(SHARE_BYTES), uploads: 6 }).flush).toBe('wait');
  });

  test('what is small and blocked waits for what is in flight instead of creating a file', () => {
    expect(cadence.decide({ ...segmentView(100), small: true, uploads: 1 }).flush).toBe('wait');
  });
});

describe('where requests cost money', () => {
  test('with plenty of tokens a flush leaves at once', () => {
    const cadence = new Cadence(AWS, LIMITS, 0);
    for (let paid = 0; paid < 4; paid++) {
      expect(cadence.decide(segmentView(100_000))).toMatchObject({ flush: 'segment', reason: 'plenty' });
      cadence.spend(10, 0);
    }
    expect(cadence.decide(segmentView(100_000)).flush).toBe('wait');
    expect(cadence.decide(inlineView(100)).flush).toBe('wait');
  });

  test('20 records a second never wait for company', () => {
    const cadence = new Cadence(AWS, LIMITS, 0);
    for (let now = 0; now < 60_000; now += 50) {
      const decision = cadence.decide({ ...inlineView(200, now), since: now });
      expect(decision).toMatchObject({ flush: 'inline', reason: 'plenty' });
      if (decision.flush === 'inline') cadence.spend(decision.cost, now);
    }
  });

  test('with tokens a flush leaves after a few milliseconds', () => {
    const cadence = new Cadence(AWS, LIMITS, 0);
    cadence.spend(45, 0);
    expect(cadence.decide(segmentView(100_000))).toEqual({ flush: 'wait', at: GATHER_MS });
    expect(cadence.decide(segmentView(100_000, GATHER_MS))).toMatchObject({ flush: 'segment', reason: 'tokens' });
  });

  test('without tokens it waits for the linger', () => {
    const cadence = new Cadence(AWS, LIMITS, 0);
    for (let flush = 0; flush < 9; flush++) cadence.spend(10, 0);
    expect(cadence.decide(segmentView(100_000, GATHER_MS)).flush).toBe('wait');
    expect(cadence.decide(segmentView(100_000, 249)).flush).toBe('wait');
    expect(cadence.decide(segmentView(100_000, 250))).toMatchObject({ flush: 'segment', reason: 'linger' });
  });

  test('a full segment leaves at once', () => {
    const cadence = new Cadence(AWS, LIMITS, 0);
    for (let flush = 0; flush < 20; flush++) cadence.spend(10, 0);
    expect(cadence.decide(segmentView(8 << 20))).toMatchObject({ flush: 'segment', reason: 'full' });
  });

  test('small records wait behind their segment for the linger at most', () => {
    const cadence = new Cadence(AWS, LIMITS, 0);
    const blocked = { ...segmentView(100, 10), small: true, uploads: 1 };
    expect(cadence.decide(blocked)).toEqual({ flush: 'wait', at: 250 });
    expect(cadence.decide({ ...blocked, now: 250 })).toMatchObject({ flush: 'segment', reason: 'linger' });
  });
});

/** Drives a cadence with arrivals; what it spends, and how long the oldest record ever waited. */
function drive(cadence: Cadence, arrivals: readonly { readonly afterMs: number; readonly bytes: number }[]) {
  let now = 0;
  let since = 0;
  let bytes = 0;
  let spent = 0;
  let waitedMsMax = 0;
  const settle = (until: number) => {
    for (;;) {
      const view = bytes <= 65_536 ? inlineView(bytes, now) : segmentView(bytes, now);
      const decision = cadence.decide({ ...view, since });
      if (decision.flush === 'wait') {
        if (decision.at > until || bytes === 0) break;
        now = Math.max(now, decision.at);
        continue;
      }
      cadence.spend(decision.cost, now);
      spent += decision.cost;
      waitedMsMax = Math.max(waitedMsMax, now - since);
      bytes = 0;
    }
    now = until;
  };
  for (const arrival of arrivals) {
    settle(now + arrival.afterMs);
    if (bytes === 0) since = now;
    bytes += arrival.bytes;
  }
  settle(now + 1_000);
  return { spent, waitedMsMax, elapsedMs: now, left: bytes };
}

const arrivals = fc.array(
  fc.record({ afterMs: fc.double({ min: 0, max: 400, noNaN: true }), bytes: fc.integer({ min: 70, max: 1_000_000 }) }),
  { maxLength: 200 },
);

test('no record waits longer than the linger, nothing stays behind, and nothing is spent without records', () => {
  fc.assert(
    fc.property(arrivals, (given) => {
      const { waitedMsMax, left, spent } = drive(new Cadence(AWS, LIMITS, 0), given);
      expect(waitedMsMax).toBeLessThanOrEqual(250 + 1e-6);
      expect(left).toBe(0);
      if (given.length === 0) expect(spent).toBe(0);
    }),
  );
});

test('below full segments, spending never exceeds the burst and one flush every linger', () => {
  fc.assert(
    fc.property(arrivals, (given) => {
      const small = given.map(({ afterMs, bytes }) => ({ afterMs, bytes: Math.min(bytes, 200_000) }));
      const { spent, elapsedMs } = drive(new Cadence(AWS, { ...LIMITS, segmentBytesMax: 256 << 20 }, 0), small);
      // Debt of one flush, the flush that paid with it, and what is under way.
      expect(spent).toBeLessThanOrEqual(80 + (elapsedMs / 250) * 10 + 20 + 1e-6);
    }),
  );
});
