/** What no sequence of acquisitions, acknowledgements, timeouts, failed writes and restarts may break. */
import { equal, fail, ok } from 'node:assert/strict';
import fc from 'fast-check';
import { test } from 'vitest';
import { type AcquireLimits, acquire, nextFetchOffset } from '../../../../src/coordinator/share/acquire.ts';
import { lengthOf } from '../../../../src/coordinator/share/in-flight.ts';
import {
  type Acknowledgement,
  acknowledge,
  beginRound,
  emptyWindow,
  endRound,
  expireLocks,
  releaseMember,
  type ShareWindow,
} from '../../../../src/coordinator/share/share-partition-state.ts';
import { decodeShareRecord, encodeShareRecord } from '../../../../src/coordinator/share/share-record.ts';

const LIMIT = 3;
const LOCK_MS = 100;
const limits: AcquireLimits = { deliveryCountLimit: LIMIT, recordLocksMax: 50, occupancyMax: 100, runsMax: 100 };

const textOf = (window: ShareWindow) => encodeShareRecord({ stateEpoch: 1, leaderEpoch: 1, window });

/** What the property remembers about each record, one by one. */
interface Fate {
  holder: string | null;
  deliveries: number;
  end: 'Acknowledged' | 'Archived' | null;
}

const MEMBERS = ['a', 'b', 'c'];
const LOG_END = 40;
const BATCH = 4;

test('every record is acknowledged or archived once, at most delivered to the limit, never held by two', () => {
  const member = fc.constantFrom(...MEMBERS);
  const offset = fc.integer({ min: 0, max: LOG_END - 1 });
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('acquire' as const),
        member,
        max: fc.integer({ min: 1, max: 9 }),
        mode: fc.constantFrom('batch_optimized' as const, 'record_limit' as const),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('acknowledge' as const),
        member,
        first: offset,
        length: fc.integer({ min: 1, max: 6 }),
        type: fc.integer({ min: 0, max: 4 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constantFrom('timeout' as const, 'begin' as const, 'end' as const, 'fail' as const, 'restart' as const),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('leave' as const), member }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const world = new World();
      for (const next of steps) world.step(next);
      world.drain();
    }),
    { numRuns: 100 },
  );
});

type Step =
  | { do: 'acquire'; member: string; max: number; mode: 'batch_optimized' | 'record_limit' }
  | { do: 'acknowledge'; member: string; first: number; length: number; type: number }
  | { do: 'timeout' | 'begin' | 'end' | 'fail' | 'restart' }
  | { do: 'leave'; member: string };

/** A share partition over a log of 40 records in batches of 4, with a journal that may fail, and the truth about it. */
class World {
  window = emptyWindow(0);
  durable = textOf(this.window);
  writing: { round: number; text: string } | null = null;
  now = 0;
  readonly fates = new Map<number, Fate>(
    Array.from({ length: LOG_END }, (_, offset) => [offset, { holder: null, deliveries: 0, end: null }]),
  );

  step(step: Step): void {
    const before = this.window.startOffset;
    this.now += 1;
    this.#act(step);
    this.#check();
    if (step.do !== 'restart') ok(this.window.startOffset >= before, 'the start offset went back');
  }

  #act(step: Step): void {
    switch (step.do) {
      case 'acquire':
        this.#acquire(step.member, step.max, step.mode);
        return;
      case 'acknowledge': {
        const wishes: Acknowledgement[] = [{ first: step.first, last: step.first + step.length - 1, type: step.type }];
        const answer = acknowledge(this.window, wishes, {
          memberId: step.member,
          deliveryCountLimit: LIMIT,
          lockUntilMs: this.now + LOCK_MS,
          logStartOffset: 0,
        });
        if ('window' in answer) this.window = answer.window;
        return;
      }
      case 'timeout':
        this.now += LOCK_MS;
        this.window = expireLocks(this.window, this.now, LIMIT);
        return;
      case 'leave':
        this.window = releaseMember(this.window, step.member, LIMIT);
        return;
      case 'begin':
        if (this.writing === null) {
          this.writing = {
            round: this.window.round,
            text: textOf(this.window),
          };
          this.window = beginRound(this.window);
        }
        return;
      case 'end':
      case 'fail':
        this.#endWrite(step.do === 'end');
        return;
      case 'restart': {
        // A write under way may or may not have become durable: here it did not.
        this.writing = null;
        this.window = decodeShareRecord(this.durable).window;
        for (const fate of this.fates.values()) fate.holder = null;
        return;
      }
    }
  }

  #acquire(member: string, maxRecords: number, mode: 'batch_optimized' | 'record_limit'): void {
    const fetchOffset = nextFetchOffset(this.window, limits);
    if (fetchOffset === null || fetchOffset >= LOG_END) return;
    const batches = [];
    for (let at = fetchOffset - (fetchOffset % BATCH); at < LOG_END; at += BATCH) {
      batches.push({ first: at, last: at + BATCH - 1, deliverable: true });
    }
    const lockedUntilMs = this.now + LOCK_MS;
    const wish = { memberId: member, lockedUntilMs, fetchOffset, batches, maxRecords, batchSize: 5, mode };
    const { window, ranges, count } = acquire(this.window, wish, limits);
    if (mode === 'record_limit') ok(count <= maxRecords);
    equal(
      count,
      ranges.reduce((sum, range) => sum + lengthOf(range), 0),
    );
    for (const { first, last, deliveryCount } of ranges) {
      ok(deliveryCount <= LIMIT);
      for (let each = first; each <= last; each++) {
        const fate = this.fates.get(each)!;
        if (fate.holder !== null || fate.end !== null) fail(`record ${each} was given out again`);
        fate.holder = member;
        fate.deliveries += 1;
      }
    }
    this.window = window;
  }

  #endWrite(ok: boolean): void {
    if (this.writing === null) return;
    const { round, text } = this.writing;
    this.writing = null;
    if (ok) this.durable = text;
    const settling = this.window.runs.filter((run) => run.becomes !== null && run.round === round);
    for (const { first, last, becomes, memberId } of settling) {
      for (let each = first; each <= last; each++) {
        const fate = this.fates.get(each)!;
        equal(fate.holder, memberId);
        if (!ok) continue;
        fate.holder = null;
        if (becomes !== 'Available') {
          equal(fate.end, null);
          fate.end = becomes as Fate['end'];
        }
      }
    }
    this.window = endRound(this.window, round, ok);
  }

  #check(): void {
    const { startOffset, endOffset, runs } = this.window;
    let next = startOffset;
    for (const { first, last, state, memberId } of runs) {
      equal(first, next);
      next = last + 1;
      for (let each = first; each <= last; each++) {
        const fate = this.fates.get(each)!;
        equal(fate.holder, state === 'Acquired' ? memberId : null);
        if (state === 'Available') equal(fate.end, null);
      }
    }
    equal(next, endOffset);
    for (let each = 0; each < startOffset; each++)
      if (!this.fates.get(each)?.end) fail(`record ${each} was passed over`);
    const restarted = decodeShareRecord(this.durable).window;
    for (let each = 0; each < restarted.startOffset; each++)
      if (!this.fates.get(each)?.end) fail(`record ${each} was passed over`);
  }

  /** Consumers that fail at everything: each record that is left is archived after its last delivery. */
  drain(): void {
    for (let turn = 0; turn < 1_000 && this.window.startOffset < LOG_END; turn++) {
      this.step({ do: 'acquire', member: MEMBERS[turn % 3]!, max: 9, mode: 'batch_optimized' });
      this.step({ do: 'timeout' });
      this.step({ do: 'end' });
      this.step({ do: 'begin' });
      this.step({ do: 'end' });
    }
    equal(this.window.startOffset, LOG_END);
    for (const [offset, fate] of this.fates) ok(fate.end, `record ${offset} has no end`);
  }
}
