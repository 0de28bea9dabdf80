/** Short spellings of events, for the tests that show each checker what it must not let pass. */
import type { Command, Entry } from '../../../src/journal/entry.ts';
import type { ProduceOutcome } from '../../../src/log/log.ts';
import { readBatchHeader } from '../../../src/record/batch.ts';
import { describeBatch } from '../../../src/segment/build.ts';
import { type Checker, History, type HistoryEvent, type LedgerBatch, type SentBatch, Violation } from '../history.ts';
import { Ledger } from '../ledger.ts';
import { buildPayload } from '../payload.ts';

export const TOPIC = 'AAAAAAAAQACAAAAAAAAAAA';
export const NAME = { topicId: TOPIC, partition: 0 };

export const NOTHING_BEFORE = { logStartOffset: 0, nextOffset: 0, visible: 0 };

export function sentBatch(batchId: number, more: Partial<SentBatch> = {}): SentBatch {
  return { ...NAME, batchId, writer: 'w', recordCount: 2, bytes: 100, timestamp: 1_000, kind: 'plain', ...more };
}

export function ledgerBatch(batchId: number, baseOffset: number, more: Partial<LedgerBatch> = {}): LedgerBatch {
  return {
    ...NAME,
    batchId,
    baseOffset,
    count: 2,
    bytes: 100,
    maxTimestamp: 1_001,
    journal: 0,
    seq: 3,
    epoch: 1,
    process: 'p1',
    ingest: { brokerId: 1, brokerEpoch: 1 },
    appendedAt: 1_000,
    producerId: -1,
    producerEpoch: -1,
    baseSequence: -1,
    logAppendTime: false,
    transactional: false,
    ...more,
  };
}

export const acked = (baseOffset: number, more: { duplicate?: boolean } = {}): ProduceOutcome => ({
  error: 'NONE',
  baseOffset,
  logAppendTimeMs: -1,
  logStartOffset: 0,
  duplicate: more.duplicate ?? false,
});

export const refused = (more: Partial<Exclude<ProduceOutcome, { error: 'NONE' }>> = {}): ProduceOutcome =>
  ({
    error: 'NOT_LEADER_OR_FOLLOWER',
    message: '',
    nextOffset: -1,
    noSideEffects: true,
    logStartOffset: -1,
    ...more,
  }) as ProduceOutcome;

export function fetched(more: Partial<Extract<HistoryEvent, { type: 'fetched' }>> = {}): HistoryEvent {
  return {
    type: 'fetched',
    ...NAME,
    process: 'p1',
    fetchOffset: 0,
    error: 'NONE',
    isolation: 'read_uncommitted',
    highWatermark: 0,
    lastStableOffset: 0,
    logStartOffset: 0,
    aborted: null,
    records: [],
    damage: '',
    before: NOTHING_BEFORE,
    ...more,
  };
}

export function entry(seq: number, commands: readonly Command[], more: Partial<Entry> = {}): Entry {
  return { seq, id: `id-${seq}`, epoch: 1, timestamp: 0, commands, body: Buffer.alloc(0), ...more };
}

export const fence = (seq: number, epoch: number): Entry =>
  entry(seq, [{ type: 'epochStarted', epoch, brokerId: 1, brokerEpoch: epoch }], { epoch });

export const created = (seq: number): Entry =>
  entry(seq, [{ type: 'partitionsCreated', topicId: TOPIC, partitions: [0] }]);

/** An entry that appends batches of two records each, inline. */
export function appended(seq: number, batchIds: readonly number[]): Entry {
  const payloads = batchIds.map((batchId) =>
    buildPayload({ batchId, writer: 'w', recordCount: 2, valueBytes: 10, timestamp: 1_000 }),
  );
  let position = 0;
  const batches = payloads.map((payload) => {
    const described = describeBatch(readBatchHeader(payload, 0), position, 'fresh');
    position += payload.length;
    return described;
  });
  const command: Command = {
    type: 'appended',
    lane: { brokerId: 1, brokerEpoch: 1, lane: 1 },
    number: seq,
    source: { type: 'inline', position: 0, length: position },
    batches: { type: 'described', partitions: [{ ...NAME, journal: 0, batches }] },
    exceptions: [],
    groups: [],
  };
  return entry(seq, [command], { body: Buffer.concat(payloads) });
}

/** A ledger with one partition, the given batches in it, and a checker that hears of all of it. */
export function withLedger(makeChecker: (ledger: Ledger) => Checker, batchIds: readonly number[]) {
  let history: History | null = null;
  const ledger = new Ledger({ now: () => 1_000, history: () => history! });
  const checker = makeChecker(ledger);
  history = new History([checker], (violation) => {
    throw violation;
  });
  ledger.entryPut(0, created(2), 'p1');
  if (batchIds.length > 0) ledger.entryPut(0, appended(3, batchIds), 'p1');
  return { ledger, checker, see: (...events: HistoryEvent[]) => see(checker, ...events) };
}

/** What the checker says to the last of these events, or null; the ones before must please it. */
export function see(checker: Checker, ...events: HistoryEvent[]): string | null {
  for (const [index, event] of events.entries()) {
    try {
      checker.observe(event);
    } catch (violation) {
      if (!(violation instanceof Violation) || index < events.length - 1) throw violation;
      return violation.message;
    }
  }
  return null;
}
