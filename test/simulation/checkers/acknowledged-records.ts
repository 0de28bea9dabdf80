/**
 * Invariant 1: an acknowledged record is readable at its offset until retention, DeleteRecords or the deletion of its topic
 * removes it, through any crash.
 *
 * Acknowledged means: an answer left the process, whether it reached the client or not. By then the journals must have the
 * batch at that offset; that readers find there what the journals have is seen by `offsets.ts`; here is seen that no
 * offset is refused which is there, that no process hides what it acknowledged, and that nothing is removed without reason.
 */
import type { Checker, HistoryEvent, LedgerBatch, PartitionName, SentBatch } from '../history.ts';
import { nameOf, Violation } from '../history.ts';
import type { Ledger } from '../ledger.ts';

export interface AcknowledgedRecordsOptions {
  readonly ledger: Ledger;
  /** Farthest that the wall clock of a broker that judges ages may be ahead of the true one, milliseconds. */
  readonly clockSkewMsMax: number;
}

/** A broker that is farther off must not judge ages, give or take what it takes to ask the store. */
const JUDGING_SKEW_MS_MAX = 5 * 60_000 + 20_000;
const REMOVED_KEPT = 50_000;
/** A record without a timestamp goes with its neighbours, which a slow request may have stamped this long ago. */
const OLD_STAMP_MS = 40_000;

interface Retention {
  ms: number;
  bytes: number;
}

export function acknowledgedRecords(options: AcknowledgedRecordsOptions): Checker {
  return new AcknowledgedRecords(options);
}

class AcknowledgedRecords implements Checker {
  readonly name = 'acknowledged records';
  readonly #ledger: Ledger;
  readonly #skewMs: number;
  readonly #appended = new Map<number, LedgerBatch>();
  /** Their answers may still be under way. Oldest first. */
  readonly #removedLately = new Map<number, LedgerBatch>();
  readonly #deletedBelow = new Map<string, number>();
  /** How often it was asked to delete everything, and nobody has answered. */
  readonly #emptying = new Map<string, number>();
  readonly #retention = new Map<string, Retention>();
  readonly #deleteAsked = new Set<string>();

  constructor({ ledger, clockSkewMsMax }: AcknowledgedRecordsOptions) {
    this.#ledger = ledger;
    this.#skewMs = Math.min(clockSkewMsMax, JUDGING_SKEW_MS_MAX);
  }

  observe(event: HistoryEvent): void {
    switch (event.type) {
      case 'batchAppended':
        this.#appended.set(event.batch.batchId, event.batch);
        return;
      case 'answered':
        if (event.outcome.error === 'NONE' && 'baseOffset' in event.outcome) {
          this.#acknowledged(event.batch, event.outcome.baseOffset, event.process);
        }
        return;
      case 'deleteRecordsAsked': {
        // Everything means what there is when the leader hears of it.
        if (event.beforeOffset === -1) this.#countEmptying(event, 1);
        else this.#raiseDeleted(event, event.beforeOffset);
        return;
      }
      case 'recordsDeleted': {
        const state = this.#ledger.partition(event);
        if (state && state.logStartOffset < event.logStartOffset) {
          this.#fail(`records of ${nameOf(event)} below ${event.logStartOffset} were said to be deleted and are there`);
        }
        if (event.beforeOffset === -1) {
          this.#countEmptying(event, -1);
          this.#raiseDeleted(event, event.logStartOffset);
        }
        return;
      }
      case 'retentionAsked':
        this.#tighten(event);
        return;
      case 'topicDeleteAsked':
        this.#deleteAsked.add(event.topicId);
        return;
      case 'topicDeleted':
        for (const partition of this.#ledger.partitions()) {
          if (partition.topicId === event.topicId)
            this.#fail(`${nameOf(partition)} was said to be deleted and is there`);
        }
        return;
      case 'logStartAdvanced':
        this.#removed(event);
        return;
      case 'partitionDeleted':
        this.#partitionDeleted(event);
        return;
      case 'fetched':
        this.#fetched(event);
        return;
      case 'unreadable':
        this.#fail(`${event.what} cannot be read`);
        return;
      default:
    }
  }

  #acknowledged({ batchId, topicId, partition }: SentBatch, baseOffset: number, process: string): void {
    const found = this.#appended.get(batchId) ?? this.#removedLately.get(batchId);
    const where = `${nameOf({ topicId, partition })}@${baseOffset}`;
    if (!found) this.#fail(`${process} acknowledged batch ${batchId} at ${where}, which no journal has`);
    if (found.topicId !== topicId || found.partition !== partition || found.baseOffset !== baseOffset) {
      this.#fail(`${process} acknowledged batch ${batchId} at ${where}, it is at ${nameOf(found)}@${found.baseOffset}`);
    }
  }

  #fetched(event: Extract<HistoryEvent, { type: 'fetched' }>): void {
    const { error, fetchOffset, process, before, highWatermark } = event;
    if (error === 'NONE' && highWatermark < before.visible) {
      const acknowledged = `${before.visible} was acknowledged before`;
      this.#fail(`${process} says that ${nameOf(event)} ends at ${highWatermark}, ${acknowledged}`);
    }
    const state = this.#ledger.partition(event);
    if (error !== 'OFFSET_OUT_OF_RANGE' || !state) return;
    if (fetchOffset >= state.logStartOffset && fetchOffset <= before.nextOffset) {
      const is = `${state.logStartOffset} to ${before.nextOffset}`;
      this.#fail(`${process} refused offset ${fetchOffset} of ${nameOf(event)}, which has ${is}`);
    }
  }

  #removed({ topicId, partition, logStartOffset, dropped, bytesLeft, now }: LogStartAdvanced): void {
    const name = { topicId, partition };
    const isEmptied = (this.#emptying.get(nameOf(name)) ?? 0) > 0;
    const asked = isEmptied ? logStartOffset : (this.#deletedBelow.get(nameOf(name)) ?? 0);
    let bytesBehind = bytesLeft;
    for (const batch of dropped.toReversed()) {
      const justified = batch.baseOffset + batch.count <= asked || this.#outlived(batch, bytesBehind, now);
      if (!justified)
        this.#fail(`batch ${batch.batchId} at ${nameOf(name)}@${batch.baseOffset} was removed for no reason`);
      bytesBehind += batch.bytes;
      this.#forget(batch);
    }
    const end = Math.max(asked, ...dropped.map(({ baseOffset, count }) => baseOffset + count));
    if (logStartOffset > end) this.#fail(`the log start of ${nameOf(name)} moved to ${logStartOffset} for no reason`);
  }

  /** By the loosest reading of what was ever asked for the topic. */
  #outlived({ topicId, maxTimestamp, appendedAt }: LedgerBatch, bytesBehind: number, now: number): boolean {
    const { ms, bytes } = this.#retention.get(topicId) ?? FOREVER;
    const stampedAt = maxTimestamp >= 0 ? maxTimestamp : appendedAt - OLD_STAMP_MS;
    return now + this.#skewMs - stampedAt >= ms || bytesBehind >= bytes;
  }

  #partitionDeleted(name: PartitionName): void {
    if (!this.#deleteAsked.has(name.topicId)) this.#fail(`${nameOf(name)} was deleted, which nobody asked for`);
    for (const batch of this.#appended.values()) {
      if (batch.topicId === name.topicId && batch.partition === name.partition) this.#forget(batch);
    }
    this.#deletedBelow.delete(nameOf(name));
  }

  #forget(batch: LedgerBatch): void {
    this.#appended.delete(batch.batchId);
    this.#removedLately.set(batch.batchId, batch);
    if (this.#removedLately.size <= REMOVED_KEPT) return;
    const [oldest] = this.#removedLately.keys();
    this.#removedLately.delete(oldest!);
  }

  #countEmptying(name: PartitionName, by: 1 | -1): void {
    this.#emptying.set(nameOf(name), (this.#emptying.get(nameOf(name)) ?? 0) + by);
  }

  #raiseDeleted(name: PartitionName, offset: number): void {
    this.#deletedBelow.set(nameOf(name), Math.max(this.#deletedBelow.get(nameOf(name)) ?? 0, offset));
  }

  #tighten({ topicId, retentionMs, retentionBytes }: Extract<HistoryEvent, { type: 'retentionAsked' }>): void {
    const known = this.#retention.get(topicId) ?? { ...FOREVER };
    this.#retention.set(topicId, known);
    if (retentionMs >= 0) known.ms = Math.min(known.ms, retentionMs);
    if (retentionBytes >= 0) known.bytes = Math.min(known.bytes, retentionBytes);
  }

  #fail(message: string): never {
    throw new Violation(this.name, message);
  }
}

type LogStartAdvanced = Extract<HistoryEvent, { type: 'logStartAdvanced' }>;

const FOREVER: Readonly<Retention> = { ms: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY };
