/**
 * One entry's changes over a JournalState. The leader decides proposals on it and the fold applies decoded commands to
 * it, through the same methods, so that both arrive at the same state. `commit` makes the changes at once; nobody sees
 * anything of them before.
 */
import { IDEMPOTENCY_KEYS_PER_JOURNAL_MAX, LANE_ANSWER_ENTRIES_MAX } from '../limits.ts';
import { assert } from '../runtime/assert.ts';
import type { SegmentReference } from '../segment/footer.ts';
import { parseSegmentId } from '../segment/segment-id.ts';
import { type ForgottenMark, isForgotten, raiseMark } from './forgotten.ts';
import type { IdempotencyRecord } from './idempotency.ts';
import type {
  Applied,
  CondemnedSegment,
  DecisionView,
  Lane,
  OpenTransaction,
  RecordChange,
  Records,
  SegmentUse,
} from './journal.ts';
import { advanceLane, forgetAnswers, type LaneAnswer, type LaneState, laneKey } from './lanes.ts';
import { Overlay } from './overlay.ts';
import type { Extent, PartitionState } from './partition-state.ts';
import { PRODUCERS_PER_JOURNAL_MAX, type ProducerRecord, producerKey } from './producers.ts';
import { type JournalState, NO_RECORDS, partitionKey, referenceOf } from './state.ts';
import { openTransactionOf } from './transactions.ts';

/** What an entry says of itself before its commands. */
export interface EntryHeader {
  readonly seq: number;
  readonly id: string;
  readonly epoch: number;
  readonly timestamp: number;
}

export interface Committed extends Applied {
  /** Entries below that no extent points into any more. */
  readonly releasedEntries: readonly number[];
}

const NO_ENTRY: EntryHeader = { seq: 0, id: '', epoch: 0, timestamp: 0 };

/** Sets the bounds of the state's caches; tests lower them. */
export interface StateLimits {
  readonly producersMax: number;
  readonly idempotencyKeysMax: number;
  readonly laneAnswerEntriesMax: number;
}

const STATE_LIMITS: StateLimits = {
  producersMax: PRODUCERS_PER_JOURNAL_MAX,
  idempotencyKeysMax: IDEMPOTENCY_KEYS_PER_JOURNAL_MAX,
  laneAnswerEntriesMax: LANE_ANSWER_ENTRIES_MAX,
};

export class StateDraft implements DecisionView {
  readonly base: JournalState;
  header: EntryHeader = NO_ENTRY;
  epoch = 0;
  nextProducerId = 0;
  openTransactions = 0;
  readonly partitions: Overlay<string, PartitionState>;
  readonly segments: Overlay<string, SegmentUse>;
  readonly condemned: Overlay<string, CondemnedSegment>;
  readonly forgotten: Overlay<number, ForgottenMark>;
  readonly sessions: Overlay<number, number>;
  readonly lanes: Overlay<string, LaneState>;
  readonly producers: Overlay<string, ProducerRecord>;
  readonly idempotencyKeys: Overlay<string, IdempotencyRecord>;
  readonly inlineUses: Overlay<number, number>;
  readonly recordsByOwner: Overlay<string, Records>;
  readonly #limits: StateLimits;
  #fences: readonly number[] = [];
  /** The partition of each changed key: a removed one has no value to name it. */
  readonly #touched = new Map<string, { readonly topicId: string; readonly partition: number }>();

  constructor(base: JournalState, limits: StateLimits = STATE_LIMITS) {
    this.base = base;
    this.#limits = limits;
    this.partitions = new Overlay(base.partitionsByKey);
    this.segments = new Overlay(base.segmentsById);
    this.condemned = new Overlay(base.condemnedById);
    this.forgotten = new Overlay(base.forgottenByBroker);
    this.sessions = new Overlay(base.sessions);
    this.lanes = new Overlay(base.lanes);
    this.producers = new Overlay(base.producersByKey, 'ordered');
    this.idempotencyKeys = new Overlay(base.idempotencyKeys, 'ordered');
    this.inlineUses = new Overlay(base.inlineUses);
    this.recordsByOwner = new Overlay(base.recordsByOwner);
  }

  begin(header: EntryHeader): void {
    this.#clear();
    this.header = header;
    this.epoch = this.base.epoch;
    this.nextProducerId = this.base.nextProducerId;
    this.openTransactions = this.base.openTransactions;
    this.#fences = this.base.fences;
  }

  commit(): Committed {
    const { base } = this;
    const committed: Committed = {
      seq: this.header.seq,
      entryId: this.header.id,
      partitions: [...this.#touched.values()],
      releasedSegments: removedKeys(this.segments.changes()),
      releasedEntries: removedKeys(this.inlineUses.changes()),
      owners: [...this.recordsByOwner.changes().keys()],
    };
    base.lastSeq = this.header.seq;
    base.lastEntryId = this.header.id;
    base.epoch = this.epoch;
    base.nextProducerId = this.nextProducerId;
    base.openTransactions = this.openTransactions;
    base.fences = this.#fences;
    for (const overlay of this.#overlays()) overlay.apply();
    this.#touched.clear();
    return committed;
  }

  get timestamp(): number {
    return this.header.timestamp;
  }

  partition(topicId: string, partition: number): PartitionState | undefined {
    return this.partitions.get(partitionKey(topicId, partition));
  }

  openTransaction(topicId: string, partition: number, producerId: number): OpenTransaction | undefined {
    return openTransactionOf(this.producers.get(producerKey(partitionKey(topicId, partition), producerId)));
  }

  record(owner: string, key: string): string | undefined {
    return this.recordsByOwner.get(owner)?.get(key);
  }

  records(owner: string): Records {
    return this.recordsByOwner.get(owner) ?? NO_RECORDS;
  }

  /** Readers may hold the map as it was: the first change in an entry copies it. */
  changeRecords(owner: string, changes: readonly RecordChange[]): void {
    const records = new Map(this.records(owner));
    for (const { key, value } of changes) {
      if (value === null) records.delete(key);
      else records.set(key, value);
    }
    if (records.size > 0) this.recordsByOwner.set(owner, records);
    else this.recordsByOwner.delete(owner);
  }

  setPartition(key: string, state: PartitionState): void {
    this.partitions.set(key, state);
    this.#touched.set(key, state);
  }

  deletePartition(key: string, state: PartitionState): void {
    this.partitions.delete(key);
    this.#touched.set(key, state);
  }

  /** Counts `extent` as a use of its segment or entry. `reference` names the segment. */
  addUse(extent: Extent, reference: SegmentReference | null): void {
    const { source } = extent;
    if (source.type === 'inline') {
      this.inlineUses.set(source.seq, (this.inlineUses.get(source.seq) ?? 0) + 1);
      return;
    }
    const known = this.segments.get(source.segmentId) ?? reference;
    assert(known, `an extent points into the unknown segment ${source.segmentId}`);
    const { extentCount, liveBytes } = 'extentCount' in known ? (known as SegmentUse) : NO_USE;
    this.segments.set(source.segmentId, {
      ...referenceOf(known),
      extentCount: extentCount + 1,
      liveBytes: liveBytes + extent.length,
    });
  }

  removeUse({ source, length }: Extent): void {
    if (source.type === 'inline') {
      const left = (this.inlineUses.get(source.seq) ?? 0) - 1;
      if (left > 0) this.inlineUses.set(source.seq, left);
      else this.inlineUses.delete(source.seq);
      return;
    }
    const use = this.segments.get(source.segmentId);
    if (!use) return;
    if (use.extentCount === 1) this.segments.delete(source.segmentId);
    else {
      const { extentCount, liveBytes } = use;
      this.segments.set(source.segmentId, {
        ...referenceOf(use),
        extentCount: extentCount - 1,
        liveBytes: liveBytes - length,
      });
    }
  }

  setProducer(key: string, record: ProducerRecord): void {
    const known = this.producers.get(key);
    this.openTransactions += (record.open === null ? 0 : 1) - (known?.open ? 1 : 0);
    this.producers.set(key, record);
    evict(this.producers, this.#limits.producersMax, isIdle);
  }

  deleteProducer(key: string, { open }: ProducerRecord): void {
    if (open !== null) this.openTransactions--;
    this.producers.delete(key);
  }

  rememberKey(record: IdempotencyRecord): void {
    this.idempotencyKeys.set(record.key, record);
    evict(this.idempotencyKeys, this.#limits.idempotencyKeysMax);
  }

  setLaneAnswer(lane: Lane, answer: LaneAnswer): void {
    this.openSession(lane.brokerId, lane.brokerEpoch);
    const key = laneKey(lane.brokerId, lane.lane);
    this.lanes.set(key, advanceLane(this.lanes.get(key), lane, answer));
  }

  /** Lanes whose answers are so old that nobody asks for them any more, without them. */
  *oldLanes(): Generator<[key: string, without: LaneState]> {
    const seq = this.header.seq - this.#limits.laneAnswerEntriesMax;
    for (const [key, lane] of this.lanes.entries()) {
      const without = forgetAnswers(lane, seq);
      if (without !== lane) yield [key, without];
    }
  }

  /** A newer life of a broker begins: the lanes of older ones are over. */
  openSession(brokerId: number, brokerEpoch: number): void {
    const known = this.sessions.get(brokerId);
    if (known !== undefined && known >= brokerEpoch) return;
    this.sessions.set(brokerId, brokerEpoch);
    for (const [key, lane] of this.lanes.entries()) {
      if (lane.brokerId === brokerId && lane.brokerEpoch < brokerEpoch) this.lanes.delete(key);
    }
  }

  forget(segmentId: string): void {
    this.condemned.delete(segmentId);
    const brokerId = parseSegmentId(segmentId)?.brokerId;
    if (brokerId === undefined) return;
    const mark = raiseMark(this.forgotten.get(brokerId), segmentId);
    if (mark) this.forgotten.set(brokerId, mark);
  }

  /** Its object is deleted or about to be: nothing may point into it any more. */
  isGivenUp(segmentId: string): boolean {
    return this.condemned.has(segmentId) || isForgotten(this.forgotten, segmentId);
  }

  startEpoch(epoch: number): void {
    this.epoch = epoch;
    this.#fences = [...this.#fences, this.header.seq];
  }

  #clear(): void {
    for (const overlay of this.#overlays()) overlay.clear();
    this.#touched.clear();
  }

  #overlays(): readonly { apply(): void; clear(): void }[] {
    return [
      this.partitions,
      this.segments,
      this.condemned,
      this.forgotten,
      this.sessions,
      this.lanes,
      this.producers,
      this.idempotencyKeys,
      this.inlineUses,
      this.recordsByOwner,
    ];
  }
}

/** Persisted in effect: every fold must evict the same. */
const EVICTED_SHARE = 64;
const NO_USE = { extentCount: 0, liveBytes: 0 };

function removedKeys<K>(changes: ReadonlyMap<K, unknown>): readonly K[] {
  const removed: K[] = [];
  for (const [key, value] of changes) if (value === null) removed.push(key);
  return removed;
}

/** What a transaction needs is never evicted. */
const isIdle = ({ open }: ProducerRecord): boolean => open === null;

/** Some at once: finding the oldest key of a map from which many old ones were deleted takes V8 a while. */
function evict<V extends object>(overlay: Overlay<string, V>, max: number, mayGo?: (value: V) => boolean): void {
  if (overlay.size <= max) return;
  const kept = max - Math.floor(max / EVICTED_SHARE);
  for (const [key, value] of overlay.entries()) {
    if (mayGo && !mayGo(value)) continue;
    overlay.delete(key);
    if (overlay.size <= kept) return;
  }
}
