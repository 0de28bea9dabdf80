/**
 * Invariant 2: offsets of a partition are unique, dense when appended, and never change; every reader sees the same record
 * at the same offset. Answers about the ends of a log and about moments in time are as the log was while they were asked.
 */
import type {
  Checker,
  EpochEndSeen,
  FetchSeen,
  HistoryEvent,
  LedgerBatch,
  OffsetSeen,
  PartitionName,
} from '../history.ts';
import { nameOf, Violation } from '../history.ts';
import type { Ledger, LedgerPartition } from '../ledger.ts';
import type { SeenRecord } from '../payload.ts';

export interface OffsetsOptions {
  readonly ledger: Ledger;
}

/** Removed batches remembered per partition, for answers that were under way. */
const REMOVED_KEPT = 500;

export function offsets(options: OffsetsOptions): Checker {
  return new OffsetsChecker(options);
}

class OffsetsChecker implements Checker {
  readonly name = 'offsets';
  readonly #ledger: Ledger;
  readonly #ends = new Map<string, number>();
  readonly #removed = new Map<string, LedgerBatch[]>();

  constructor({ ledger }: OffsetsOptions) {
    this.#ledger = ledger;
  }

  observe(event: HistoryEvent): void {
    switch (event.type) {
      case 'batchAppended':
        this.#appended(event.batch);
        return;
      case 'markerAppended':
        this.#appended(event.marker);
        return;
      case 'logStartAdvanced':
        this.#keepRemoved(event, event.dropped);
        return;
      case 'partitionDeleted':
        this.#removed.delete(nameOf(event));
        this.#ends.delete(nameOf(event));
        return;
      case 'fetched':
        this.#fetched(event);
        return;
      case 'offsetListed':
        this.#listed(event);
        return;
      case 'epochEndTold':
        this.#epochEnd(event);
        return;
      default:
    }
  }

  #appended(batch: LedgerBatch): void {
    const end = this.#ends.get(nameOf(batch)) ?? 0;
    if (batch.baseOffset !== end) {
      this.#fail(`batch ${batch.batchId} of ${nameOf(batch)} is at ${batch.baseOffset}, the log ended at ${end}`);
    }
    this.#ends.set(nameOf(batch), end + batch.count);
  }

  #keepRemoved(name: PartitionName, dropped: readonly LedgerBatch[]): void {
    const removed = this.#removed.get(nameOf(name)) ?? [];
    removed.push(...dropped);
    this.#removed.set(nameOf(name), removed.slice(-REMOVED_KEPT));
  }

  #fetched(seen: FetchSeen): void {
    const where = `${seen.process} answers a fetch of ${nameOf(seen)} from ${seen.fetchOffset}`;
    if (seen.damage !== '') this.#fail(`${where} with bytes that cannot be read: ${seen.damage}`);
    const state = this.#ledger.partition(seen);
    if (state && seen.highWatermark > state.nextOffset) {
      this.#fail(`${where} with the high watermark ${seen.highWatermark}, the log ends at ${state.nextOffset}`);
    }
    const [first] = seen.records;
    if (!first) return;
    if (first.offset > seen.fetchOffset) this.#fail(`${where} with offset ${first.offset} first`);
    for (const [index, record] of seen.records.entries()) {
      if (record.offset !== first.offset + index) {
        this.#fail(`${where} with offset ${record.offset} where ${first.offset + index} was due`);
      }
      if (record.offset >= seen.highWatermark) {
        this.#fail(`${where} with offset ${record.offset}, beyond its high watermark ${seen.highWatermark}`);
      }
      this.#checkRecord(seen, record, where);
    }
  }

  #checkRecord(name: PartitionName, record: SeenRecord, where: string): void {
    const batch = this.#batchAt(name, record.offset);
    if (!batch) return; // Removed long ago, and the answer was on its way all the time.
    const is = `record ${record.index} of batch ${record.batchId}`;
    if (batch.batchId !== record.batchId || batch.baseOffset + record.index !== record.offset) {
      const expected = `record ${record.offset - batch.baseOffset} of batch ${batch.batchId}`;
      this.#fail(`${where}: offset ${record.offset} is ${is}, appended there was ${expected}`);
    }
    const timestamp = timestampAt(batch, record.offset);
    if (record.timestamp !== timestamp) {
      this.#fail(`${where}: offset ${record.offset} has timestamp ${record.timestamp} instead of ${timestamp}`);
    }
  }

  #batchAt(name: PartitionName, offset: number): LedgerBatch | undefined {
    const standing = this.#ledger.partition(name)?.batchAt(offset);
    if (standing) return standing;
    return this.#removed
      .get(nameOf(name))
      ?.find(({ baseOffset, count }) => baseOffset <= offset && offset < baseOffset + count);
  }

  #listed(seen: OffsetSeen): void {
    const state = this.#ledger.partition(seen);
    if (!state) return;
    const { at, offset, before, process } = seen;
    const where = `${process} says that the ${at.type} offset of ${nameOf(seen)} is ${offset}`;
    switch (at.type) {
      case 'earliest':
        if (offset < before.logStartOffset || offset > state.logStartOffset) {
          this.#fail(`${where}, it was ${before.logStartOffset} when it was asked and is ${state.logStartOffset} now`);
        }
        return;
      case 'latest':
        if (offset < before.nextOffset || offset > state.nextOffset) {
          this.#fail(`${where}, it was ${before.nextOffset} when it was asked and is ${state.nextOffset} now`);
        }
        return;
      case 'timestamp':
        this.#listedByTime(seen, state, at.timestamp, where);
        return;
      case 'maxTimestamp': {
        const largest = largestTimestamp(state, before.nextOffset);
        if (seen.timestamp < largest) this.#fail(`${where} with timestamp ${seen.timestamp}, there is ${largest}`);
      }
    }
  }

  /** The first record, in order of offsets, whose timestamp is at or after the one asked for. */
  #listedByTime(seen: OffsetSeen, state: LedgerPartition, timestamp: number, where: string): void {
    const { offset, before } = seen;
    if (offset >= 0) {
      const batch = this.#batchAt(seen, offset);
      const found = batch ? timestampAt(batch, offset) : seen.timestamp;
      if (found < timestamp || found !== seen.timestamp) {
        this.#fail(`${where} for ${timestamp}: that record has ${found}, the answer says ${seen.timestamp}`);
      }
    }
    const end = offset >= 0 ? offset : before.nextOffset;
    for (const batch of state.batches) {
      if (batch.baseOffset >= end) break;
      if (batch.maxTimestamp < timestamp) continue;
      for (let at = Math.max(batch.baseOffset, state.logStartOffset); at < Math.min(end, endOf(batch)); at++) {
        if (timestampAt(batch, at) >= timestamp) this.#fail(`${where} for ${timestamp}, but offset ${at} comes first`);
      }
    }
  }

  /** Whatever an epoch up to the one asked for appended lies before its end, and what later ones did behind it. */
  #epochEnd({ asked, epoch, endOffset, visible, process, ...name }: EpochEndSeen): void {
    if (endOffset < 0) return;
    const where = `${process} says that epoch ${epoch} of ${nameOf(name)}, asked for ${asked}, ended at ${endOffset}`;
    if (epoch > asked) this.#fail(where);
    for (const batch of this.#ledger.partition(name)?.batches ?? []) {
      const { batchId, baseOffset, epoch: appendedIn } = batch;
      const lost = appendedIn <= asked && endOf(batch) > endOffset && endOf(batch) <= visible;
      const early = appendedIn > asked && baseOffset < endOffset;
      if (lost || early) this.#fail(`${where}: batch ${batchId} at ${baseOffset} was appended in ${appendedIn}`);
    }
  }

  #fail(message: string): never {
    throw new Violation(this.name, message);
  }
}

const endOf = ({ baseOffset, count }: LedgerBatch): number => baseOffset + count;

/** Clients stamp the records of a batch a millisecond apart. */
function timestampAt({ baseOffset, count, maxTimestamp, logAppendTime }: LedgerBatch, offset: number): number {
  return logAppendTime || maxTimestamp < 0 ? maxTimestamp : maxTimestamp - (count - 1 - (offset - baseOffset));
}

function largestTimestamp({ batches, logStartOffset }: LedgerPartition, end: number): number {
  let largest = -1;
  for (const batch of batches) {
    const last = Math.min(end, endOf(batch)) - 1;
    if (last >= Math.max(batch.baseOffset, logStartOffset)) largest = Math.max(largest, timestampAt(batch, last));
  }
  return largest;
}
