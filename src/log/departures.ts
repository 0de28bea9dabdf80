/**
 * Carries flushes away: lays them out, uploads segments, appends in lane order, and answers every batch.
 *
 * Between the two lanes of a journal order is kept so: a partition with a segment ahead never goes inline (`open-flush.ts`),
 * and a segment's append waits until the inline appends of its partitions that left before it are settled. A segment is
 * ahead until its append is settled, also when its batches have failed by then: it might be appended still (`lane.ts`).
 */
import type { Leaders } from '../cluster/members.ts';
import { KafkaError } from '../errors.ts';
import type {
  AppendAnswer,
  AppendCondition,
  AppendSource,
  BatchAnswer,
  IdempotentGroup,
  Journal,
} from '../journal/journal.ts';
import type { Journals } from '../journal/journals.ts';
import { APPEND_PATIENCE_AT_CLOSE_MS, APPEND_PATIENCE_MS } from '../limits.ts';
import { placeBatch } from '../record/batch.ts';
import { assert } from '../runtime/assert.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { type Body, comparePartitions, layoutBody, type SegmentLayout, sealSegment } from '../segment/build.ts';
import { type SegmentIds, segmentKey } from '../segment/segment-id.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { FlushReason } from './cadence.ts';
import type { IngestMetrics } from './ingest-metrics.ts';
import { AppendLane, type LaneAppend, type LaneListener, type LaneOutcome } from './lane.ts';
import type { LineBatches, OpenFlush } from './open-flush.ts';
import { leadershipOf } from './open-transactions.ts';
import { failedOutcome, outcomeOf } from './outcome.ts';
import type { PendingBatch } from './pending.ts';

/** Persisted in the journals: never renumber. */
const SEGMENT_LANE = 0;
const INLINE_LANE = 1;

/** Where appended batches go, so that readers find them in memory. The chunk is shared: retain to keep. */
export interface Tail {
  append(topicId: string, partition: number, baseOffset: number, batch: PendingBatch): void;
}

export interface DeparturesOptions {
  readonly runtime: Runtime;
  readonly clusterId: string;
  readonly brokerId: number;
  readonly brokerEpoch: number;
  /** The one minter of this broker epoch. */
  readonly segmentIds: SegmentIds;
  readonly journals: Journals;
  readonly leaders: Leaders;
  readonly objects: ObjectStore;
  readonly tail: Tail;
  readonly metrics: IngestMetrics;
}

interface Lanes {
  readonly journal: Journal;
  readonly segment: AppendLane;
  readonly inline: AppendLane;
}

/** The part of a flush that goes to one journal. */
interface Share {
  readonly lanes: Lanes;
  readonly lines: readonly LineBatches[];
}

export class Departures {
  readonly #options: DeparturesOptions;
  readonly #lanes = new Map<number, Lanes>();
  /** Segments whose creation has not ended. */
  uploads = 0;
  #open: OpenFlush | null = null;
  #onProgress: () => void = () => {};

  #patienceMs = APPEND_PATIENCE_MS;
  readonly #unsubscribes: (() => void)[];

  constructor(options: DeparturesOptions) {
    this.#options = options;
    const wake = (journal: number) => {
      const lanes = this.#lanes.get(journal);
      lanes?.inline.wake();
      lanes?.segment.wake();
    };
    const onLeading = (journal: Journal) => {
      wake(journal.id);
      return () => undefined;
    };
    this.#unsubscribes = [options.leaders.onChanged(wake), options.journals.whileLeading(onLeading)];
  }

  /** What waits for a leader fails soon. */
  hurry(): void {
    this.#patienceMs = APPEND_PATIENCE_AT_CLOSE_MS;
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribes) unsubscribe();
  }

  /** `open` learns which partitions are no longer behind a segment; `callback` runs when something in flight ended. */
  onProgress(open: OpenFlush, callback: () => void): void {
    this.#open = open;
    this.#onProgress = callback;
  }

  /** One inline append per journal at a time: what comes meanwhile joins the next. A suspended lane refuses at once. */
  mayGoInline(journal: number): boolean {
    const { inline } = this.#lanesOf(journal);
    return inline.suspended ? !inline.resuming : inline.idle;
  }

  /** Some lane goes nowhere for now. */
  get anySuspended(): boolean {
    for (const { inline, segment } of this.#lanes.values()) if (inline.suspended || segment.suspended) return true;
    return false;
  }

  /** What goes by segment is refused. */
  isSegmentLaneShut(journal: number): boolean {
    const { segment } = this.#lanesOf(journal);
    return segment.suspended && !segment.resuming;
  }

  /** All lines belong to one journal, whose segment lane is shut. */
  refuseBehind(lines: readonly LineBatches[]): void {
    if (lines.length === 0) return;
    const lanes = this.#lanesOf(lines[0]!.line.journal);
    this.#refuseSuspended(lanes, lanes.segment, lines);
  }

  /** All lines belong to one journal and are behind no segment. */
  sendInline(taken: readonly LineBatches[], reason: FlushReason): void {
    const lines = taken.toSorted(byPartition);
    const lanes = this.#lanesOf(lines[0]!.line.journal);
    if (this.#refuseSuspended(lanes, lanes.inline, lines)) return;
    const body = layout(lines);
    this.#count('inline', reason, body, lines);
    const number = lanes.inline.reserve();
    for (const { line } of lines) line.inlineNumber = number;
    const source: AppendSource = { type: 'inline', parts: body.parts, bytes: body.bytes };
    const request: LaneAppend = { source, partitions: body.partitions, ...wishes(lines) };
    lanes.inline.append(number, request, {
      end: (outcome) => this.#end(lines, outcome),
      settled: nothing,
      maySend: always,
    });
  }

  /** All lines count the segment as ahead of them already. Takes an upload slot until the object is created. */
  sendSegment(taken: readonly LineBatches[], reason: FlushReason): void {
    const shares = this.#sharesOf(taken);
    if (shares.length === 0) return;
    const lines = shares.length === 1 ? shares[0]!.lines : shares.flatMap((share) => share.lines).sort(byPartition);
    const { runtime, segmentIds } = this.#options;
    const body = layout(lines);
    const segment = sealSegment(segmentIds.next(), body);
    this.#count('segment', reason, body, lines);
    const numbers = shares.map(({ lanes }) => lanes.segment.reserve());
    this.uploads++;
    this.#upload(segment).then(
      () => {
        this.uploads--;
        for (const [index, share] of shares.entries()) this.#appendSegment(share, numbers[index]!, segment);
        this.#onProgress();
      },
      (cause: unknown) => {
        this.uploads--;
        runtime.logger.warn({ error: cause, segment: segment.reference.id }, 'a segment could not be uploaded');
        for (const [index, share] of shares.entries()) {
          share.lanes.segment.skip(numbers[index]!);
          this.#segmentSettled(share.lines);
          this.#fail(share.lines, cause, false);
        }
        this.#onProgress();
      },
    );
  }

  async #upload({ reference, parts, crc32c }: SegmentLayout): Promise<void> {
    const { objects, clusterId, runtime, metrics } = this.#options;
    const startedAt = runtime.clock.monotonic();
    // 'exists' is our own earlier attempt, whose answer was lost: ids are never made twice.
    await objects.create(segmentKey(clusterId, reference.id), parts, { cause: 'ingest', crc32c });
    metrics.uploaded(runtime.clock.monotonic() - startedAt);
  }

  #appendSegment({ lanes, lines }: Share, number: number, segment: SegmentLayout): void {
    const { journal, inline } = lanes;
    let inlineBefore = -1;
    for (const { line } of lines) inlineBefore = Math.max(inlineBefore, line.inlineNumber);
    const request: LaneAppend = {
      source: { type: 'segment', segment: segment.reference },
      partitions: segment.footer.partitions.filter((partition) => partition.journal === journal.id),
      ...wishes(lines),
    };
    const listener: LaneListener = {
      end: (outcome) => this.#end(lines, outcome),
      settled: () => this.#segmentSettled(lines),
      maySend: () => inline.settledThrough >= inlineBefore,
    };
    lanes.segment.append(number, request, listener);
    // Given up while this was uploaded: it would wait for those until somebody resumes them.
    if (inline.suspended && !inline.resuming && inlineBefore > inline.settledThrough)
      lanes.segment.giveUp(inline.cause);
  }

  #segmentSettled(lines: readonly LineBatches[]): void {
    for (const { line } of lines) this.#open?.segmentAhead(line, -1);
  }

  #end(lines: readonly LineBatches[], outcome: LaneOutcome): void {
    if (outcome.type === 'failed') this.#fail(lines, outcome.cause, outcome.sent);
    else for (let index = 0; index < lines.length; index++) this.#answer(lines[index]!, outcome.answer, index);
  }

  #answer({ line, batches }: LineBatches, { answers }: AppendAnswer, index: number): void {
    const ofLine = answers[index];
    assert(ofLine?.length === batches.length, 'an append was answered for other batches than it had');
    for (let at = 0; at < batches.length; at++) {
      const batch = batches[at]!;
      const answer = ofLine[at]!;
      if (answer.type === 'appended') {
        // Nobody reads the bytes any more: the upload has ended, or the journal has its own copy.
        placeBatch(batch.bytes, 0, answer.baseOffset, answer.leaderEpoch);
        this.#options.tail.append(line.topicId, line.partition, answer.baseOffset, batch);
      } else if (answer.type === 'refused') {
        this.#options.metrics.refused(answer.error);
      }
      batch.end(this.#mayBelongToAnother(answer, batch, line.journal) ? OTHER_LEADER : outcomeOf(answer, batch));
    }
  }

  /** Refused for its transaction, which a leader told that is not the leader any more. */
  #mayBelongToAnother(answer: BatchAnswer, { toldUnder }: PendingBatch, journal: number): boolean {
    if (toldUnder === null || answer.type !== 'refused' || answer.error !== 'INVALID_TXN_STATE') return false;
    return leadershipOf(this.#lanesOf(journal).journal) !== toldUnder;
  }

  #fail(lines: readonly LineBatches[], cause: unknown, maybeDone: boolean): void {
    const outcome = failedOutcome(cause, maybeDone);
    for (const { batches } of lines) {
      this.#options.metrics.failed(batches.length);
      for (const batch of batches) batch.end(outcome);
    }
  }

  /** Splits a flush by journal. What goes to a suspended lane fails here. */
  #sharesOf(taken: readonly LineBatches[]): Share[] {
    const byJournal = new Map<number, LineBatches[]>();
    for (const lineBatches of taken) {
      const { journal } = lineBatches.line;
      const lines = byJournal.get(journal);
      if (lines === undefined) byJournal.set(journal, [lineBatches]);
      else lines.push(lineBatches);
    }
    const shares: Share[] = [];
    for (const [journal, lines] of byJournal) {
      const lanes = this.#lanesOf(journal);
      lines.sort(byPartition);
      if (lanes.segment.suspended) {
        this.#segmentSettled(lines);
        this.#refuseSuspended(lanes, lanes.segment, lines);
      } else {
        shares.push({ lanes, lines });
      }
    }
    return shares;
  }

  /** Clients decide how long to try: each attempt of theirs is one attempt to resume. */
  #refuseSuspended(lanes: Lanes, lane: AppendLane, lines: readonly LineBatches[]): boolean {
    if (!lane.suspended) return false;
    this.#fail(lines, lane.cause, false);
    lanes.inline.resume();
    lanes.segment.resume();
    return true;
  }

  #lanesOf(id: number): Lanes {
    const known = this.#lanes.get(id);
    if (known !== undefined) return known;
    const { journals, leaders, runtime, metrics, brokerId, brokerEpoch } = this.#options;
    const journal = journals.get(id);
    assert(journal !== undefined, `journal ${id} is not one of this cluster`);
    const common = {
      journal,
      runtime,
      patienceMs: () => this.#patienceMs,
      leaderId: () => leaders.of(id)?.brokerId ?? -1,
      onGoingBack: () => metrics.wentBack(),
    };
    const onGivenUp = (cause: unknown) =>
      runtime.logger.warn(
        { journal: id, error: cause },
        'appends to a journal failed; their clients are told to retry',
      );
    const segment = new AppendLane({
      ...common,
      lane: { brokerId, brokerEpoch, lane: SEGMENT_LANE },
      onProgress: () => this.#onProgress(),
      onGivenUp,
    });
    const inline = new AppendLane({
      ...common,
      lane: { brokerId, brokerEpoch, lane: INLINE_LANE },
      onProgress: () => {
        segment.pump();
        this.#onProgress();
      },
      // Segments that wait for these would wait for ever.
      onGivenUp: (cause) => {
        onGivenUp(cause);
        segment.giveUp(cause);
      },
    });
    const lanes = { journal, segment, inline };
    this.#lanes.set(id, lanes);
    return lanes;
  }

  #count(kind: 'inline' | 'segment', reason: FlushReason, body: Body, lines: readonly LineBatches[]): void {
    let batches = 0;
    for (const line of lines) batches += line.batches.length;
    this.#options.metrics.flushed(kind, reason, body.bytes, batches);
  }
}

const nothing = (): void => undefined;

const OTHER_LEADER = failedOutcome(
  new KafkaError('NOT_LEADER_OR_FOLLOWER', 'another broker leads the partition than the one that knew its transaction'),
  false,
);
const always = (): boolean => true;

const byPartition = (a: LineBatches, b: LineBatches): number => comparePartitions(a.line, b.line);

const layout = (lines: readonly LineBatches[]): Body =>
  layoutBody(
    lines.map(({ line, batches }) => ({
      topicId: line.topicId,
      partition: line.partition,
      journal: line.journal,
      batches,
    })),
    'fresh',
  );

interface Wishes {
  conditions?: AppendCondition[];
  idempotency?: IdempotentGroup[];
}

/** What was asked for beyond plain append, addressed by place in `lines`. */
function wishes(lines: readonly LineBatches[]): Wishes {
  const conditions: AppendCondition[] = [];
  const groups = new Map<PendingBatch['call'], { partitionIndex: number; batchIndex: number; index: number }[]>();
  lines.forEach(({ batches }, partitionIndex) => {
    batches.forEach(({ call, index, expectedOffset, transaction }, batchIndex) => {
      const at = { partitionIndex, batchIndex };
      if (expectedOffset !== undefined) conditions.push({ ...at, expectedOffset });
      if (transaction !== undefined) conditions.push({ ...at, transaction });
      if (call.idempotency === undefined) return;
      const group = groups.get(call);
      if (group === undefined) groups.set(call, [{ partitionIndex, batchIndex, index }]);
      else group.push({ partitionIndex, batchIndex, index });
    });
  });
  const given: Wishes = {};
  if (conditions.length > 0) given.conditions = conditions;
  if (groups.size > 0) {
    given.idempotency = [...groups].map(([{ idempotency }, places]) => ({
      key: idempotency!.key,
      fingerprint: idempotency!.fingerprint,
      // In the order of the request, which a repeat has too.
      batches: places
        .sort((a, b) => a.index - b.index)
        .map(({ partitionIndex, batchIndex }) => ({ partitionIndex, batchIndex })),
    }));
  }
  return given;
}
