/**
 * What a journal has decided so far: the fold of its entries up to `lastSeq`. Values are immutable and shared; only a
 * `StateDraft` changes the maps, one whole entry at a time, so that whoever looks between two turns of the event loop
 * sees one version.
 */
import type { SegmentReference } from '../segment/footer.ts';
import type { ForgottenMark } from './forgotten.ts';
import type { IdempotencyRecord } from './idempotency.ts';
import type { CondemnedSegment, JournalView, OpenTransaction, ProducerState, Records, SegmentUse } from './journal.ts';
import type { LaneState } from './lanes.ts';
import type { PartitionState } from './partition-state.ts';
import { type ProducerRecord, producerKey } from './producers.ts';
import { openTransactionOf } from './transactions.ts';

export const partitionKey = (topicId: string, partition: number): string => `${topicId}:${partition}`;

export const NO_RECORDS: Records = new Map();

export class JournalState implements JournalView {
  readonly journal: number;
  /** The first entry of a journal has seq 1. */
  lastSeq = 0;
  lastEntryId = '';
  epoch = 0;
  nextProducerId = 0;
  /** Producers with an open transaction. */
  openTransactions = 0;
  /** Seqs of all EpochStarted entries, ascending: trimming keeps them. */
  fences: readonly number[] = [];

  readonly partitionsByKey = new Map<string, PartitionState>();
  readonly segmentsById = new Map<string, SegmentUse>();
  readonly condemnedById = new Map<string, CondemnedSegment>();
  readonly forgottenByBroker = new Map<number, ForgottenMark>();
  /** Broker epoch of each broker's current life. */
  readonly sessions = new Map<number, number>();
  readonly lanes = new Map<string, LaneState>();
  /** Least recently appended first. */
  readonly producersByKey = new Map<string, ProducerRecord>();
  /** Oldest first. */
  readonly idempotencyKeys = new Map<string, IdempotencyRecord>();
  /** How many extents point into the body of an entry. */
  readonly inlineUses = new Map<number, number>();
  /** Never an empty one. */
  readonly recordsByOwner = new Map<string, Records>();

  constructor(journal: number) {
    this.journal = journal;
  }

  partition(topicId: string, partition: number): PartitionState | undefined {
    return this.partitionsByKey.get(partitionKey(topicId, partition));
  }

  partitions(): Iterable<PartitionState> {
    return this.partitionsByKey.values();
  }

  segment(segmentId: string): SegmentUse | undefined {
    return this.segmentsById.get(segmentId);
  }

  segments(): Iterable<SegmentUse> {
    return this.segmentsById.values();
  }

  isCondemned(segmentId: string): boolean {
    return this.condemnedById.has(segmentId);
  }

  condemned(): Iterable<CondemnedSegment> {
    return this.condemnedById.values();
  }

  record(owner: string, key: string): string | undefined {
    return this.recordsByOwner.get(owner)?.get(key);
  }

  records(owner: string): Records {
    return this.recordsByOwner.get(owner) ?? NO_RECORDS;
  }

  owners(): Iterable<string> {
    return this.recordsByOwner.keys();
  }

  *producers(topicId: string, partition: number): Generator<ProducerState> {
    const key = partitionKey(topicId, partition);
    for (const record of this.producersByKey.values()) {
      if (record.partitionKey === key) yield record;
    }
  }

  openTransaction(topicId: string, partition: number, producerId: number): OpenTransaction | undefined {
    return openTransactionOf(this.producersByKey.get(producerKey(partitionKey(topicId, partition), producerId)));
  }
}

/** A copy that shares all values: what a snapshot encodes while the original moves on. */
export function copyState(state: JournalState): JournalState {
  const copy = new JournalState(state.journal);
  copy.lastSeq = state.lastSeq;
  copy.lastEntryId = state.lastEntryId;
  copy.epoch = state.epoch;
  copy.nextProducerId = state.nextProducerId;
  copy.openTransactions = state.openTransactions;
  copy.fences = state.fences;
  copyMap(state.partitionsByKey, copy.partitionsByKey);
  copyMap(state.segmentsById, copy.segmentsById);
  copyMap(state.condemnedById, copy.condemnedById);
  copyMap(state.forgottenByBroker, copy.forgottenByBroker);
  copyMap(state.sessions, copy.sessions);
  copyMap(state.lanes, copy.lanes);
  copyMap(state.producersByKey, copy.producersByKey);
  copyMap(state.idempotencyKeys, copy.idempotencyKeys);
  copyMap(state.inlineUses, copy.inlineUses);
  copyMap(state.recordsByOwner, copy.recordsByOwner);
  return copy;
}

function copyMap<K, V>(from: ReadonlyMap<K, V>, to: Map<K, V>): void {
  for (const [key, value] of from) to.set(key, value);
}

/** What two uses of one segment share. */
export const referenceOf = ({
  id,
  bytes,
  footerPosition,
  footerLength,
  footerCrc,
}: SegmentReference): SegmentReference => ({
  id,
  bytes,
  footerPosition,
  footerLength,
  footerCrc,
});
