/**
 * Applies an append to a draft: offsets, extents, producers, remembered keys, the lane's answer. The leader passes a
 * verdict that decides, the fold one that repeats the recorded exceptions; all else is the same for both.
 */
import { LEADER_EPOCHS_KEPT } from '../limits.ts';
import type { BatchDescription, PartitionBatches, SegmentReference } from '../segment/footer.ts';
import type { StateDraft } from './draft.ts';
import type { AppendException, AppendedGroup, AppendedSource } from './entry.ts';
import { SharedExtentList } from './extent-list.ts';
import type { RememberedAnswer } from './idempotency.ts';
import type { Lane } from './journal.ts';
import type { AppendedAnswer } from './lanes.ts';
import type { EpochStart, Extent, ExtentSource, PartitionState, UnstableTransaction } from './partition-state.ts';
import { advanceProducer, producerKey } from './producers.ts';
import { partitionKey } from './state.ts';
import { NONE_ABORTED, stableOffset, withFirstOffset } from './transactions.ts';

export interface Append {
  readonly lane: Lane;
  readonly number: number;
  readonly source: AppendedSource;
  readonly partitions: readonly PartitionBatches[];
}

export interface BatchPlace {
  /** Of the batch's producer on this partition; empty when the batch is not idempotent. */
  readonly producerKey: string;
  /** Undefined when it does not exist. */
  readonly partition: PartitionState | undefined;
  /** Where the batch would go; -1 when the partition does not exist. */
  readonly nextOffset: number;
  /** Counts the batches of the append. */
  readonly index: number;
}

/** Null: the batch is appended. */
export type Verdict = (batch: BatchDescription, place: BatchPlace) => AppendException | null;

/** Appends what `verdict` lets pass, partition by partition; `groupsOf` names the keys to remember once all is known. */
export function applyAppend(
  draft: StateDraft,
  append: Append,
  verdict: Verdict,
  groupsOf: (answer: AppendedAnswer) => readonly AppendedGroup[],
): { readonly answer: AppendedAnswer; readonly groups: readonly AppendedGroup[] } {
  const walk = new AppendWalk(draft, append, verdict);
  for (const batches of append.partitions) walk.partition(batches);
  const { seq, id } = draft.header;
  const answer: AppendedAnswer = {
    type: 'appended',
    number: append.number,
    seq,
    entryId: id,
    inlinePosition: append.source.type === 'inline' ? append.source.position : 0,
    leaderEpoch: draft.epoch,
    batchCounts: append.partitions.map(({ batches }) => batches.length),
    logStartOffsets: walk.logStartOffsets,
    baseOffsets: walk.baseOffsets,
    exceptions: walk.exceptions,
  };
  const groups = groupsOf(answer);
  for (const group of groups) remember(draft, group, answer, walk.maxTimestamps);
  draft.setLaneAnswer(append.lane, answer);
  return { answer, groups };
}

class AppendWalk {
  readonly baseOffsets: number[] = [];
  readonly maxTimestamps: number[] = [];
  readonly logStartOffsets: number[] = [];
  readonly exceptions: AppendException[] = [];
  readonly #draft: StateDraft;
  readonly #append: Append;
  readonly #verdict: Verdict;
  readonly #source: ExtentSource;
  /** What batch positions count from, within the source. */
  readonly #origin: number;

  constructor(draft: StateDraft, append: Append, verdict: Verdict) {
    const { source } = append;
    this.#draft = draft;
    this.#append = append;
    this.#verdict = verdict;
    this.#origin = source.type === 'inline' ? source.position : 0;
    this.#source =
      source.type === 'inline'
        ? { type: 'inline', seq: draft.header.seq, entryId: draft.header.id }
        : { type: 'segment', segmentId: source.segment.id };
  }

  partition({ topicId, partition, batches }: PartitionBatches): void {
    const key = partitionKey(topicId, partition);
    const state = this.#draft.partitions.get(key);
    this.logStartOffsets.push(state ? state.logStartOffset : -1);
    let nextOffset = state ? state.nextOffset : -1;
    let run: Run | null = null;
    const extents: Extent[] = [];
    const begun: UnstableTransaction[] = [];
    for (const batch of batches) {
      const index = this.baseOffsets.length;
      const ofProducer = batch.producerId < 0 ? '' : producerKey(key, batch.producerId);
      const exception = this.#verdict(batch, { producerKey: ofProducer, partition: state, nextOffset, index });
      this.maxTimestamps.push(exception?.type === 'duplicate' ? exception.maxTimestamp : batch.maxTimestamp);
      if (exception) {
        this.exceptions.push(exception);
        this.baseOffsets.push(exception.type === 'duplicate' ? exception.baseOffset : exception.nextOffset);
        continue;
      }
      this.baseOffsets.push(nextOffset);
      if (ofProducer !== '') this.#advanceProducer(ofProducer, key, batch, nextOffset, begun);
      if (run !== null && run.position + run.length === batch.position) extendRun(run, batch);
      else {
        if (run) extents.push(this.#extentOf(run));
        run = startRun(batch, nextOffset);
      }
      nextOffset += batch.offsetCount;
    }
    if (run) extents.push(this.#extentOf(run));
    if (state && extents.length > 0) this.#draft.setPartition(key, this.#grow(state, extents, nextOffset, begun));
  }

  /** Tells `begun` of a transaction whose first batch it is. */
  #advanceProducer(
    ofProducer: string,
    partition: string,
    batch: BatchDescription,
    baseOffset: number,
    begun: UnstableTransaction[],
  ): void {
    const known = this.#draft.producers.get(ofProducer);
    const appendedAt = this.#draft.header.timestamp;
    const advanced = advanceProducer(known, batch, partition, baseOffset, appendedAt);
    const begins = advanced.open?.firstOffset === -1;
    if (begins) begun.push({ producerId: batch.producerId, firstOffset: baseOffset });
    this.#draft.setProducer(ofProducer, begins ? withFirstOffset(advanced, baseOffset) : advanced);
  }

  #extentOf(run: Run): Extent {
    const { baseOffset, offsetCount, position, length, batchCount, maxTimestamp } = run;
    return {
      baseOffset,
      endOffset: baseOffset + offsetCount,
      source: this.#source,
      position: this.#origin + position,
      length,
      batchCount,
      maxTimestamp,
      leaderEpoch: this.#draft.epoch,
      absolute: false,
      appendedAt: this.#draft.header.timestamp,
    };
  }

  #grow(
    state: PartitionState,
    added: readonly Extent[],
    nextOffset: number,
    begun: readonly UnstableTransaction[],
  ): PartitionState {
    const { source } = this.#append;
    const reference = source.type === 'segment' ? source.segment : null;
    const unstable = begun.length === 0 ? state.unstable : [...state.unstable, ...begun];
    return growPartition(this.#draft, { ...state, unstable }, added, nextOffset, reference);
  }
}

/** Puts extents behind the last one. `reference` names the segment that they lie in. */
export function growPartition(
  draft: StateDraft,
  state: PartitionState,
  added: readonly Extent[],
  nextOffset: number,
  reference: SegmentReference | null,
): PartitionState {
  const { topicId, partition, logStartOffset, unstable, abortedTransactions } = state;
  let extents = state.extents as SharedExtentList;
  let bytes = state.bytes;
  for (const extent of added) {
    extents = extents.append(extent);
    bytes += extent.length;
    draft.addUse(extent, reference);
  }
  const epochs = growEpochs(state.epochs, draft.epoch, state.nextOffset);
  const lastStableOffset = stableOffset(logStartOffset, unstable, nextOffset);
  const transactions = { lastStableOffset, unstable, abortedTransactions };
  return { topicId, partition, logStartOffset, nextOffset, ...transactions, extents, bytes, epochs };
}

/** Neighbouring batches on their way to one extent. */
interface Run {
  readonly baseOffset: number;
  readonly position: number;
  offsetCount: number;
  length: number;
  batchCount: number;
  maxTimestamp: number;
}

function startRun({ position, length, offsetCount, maxTimestamp }: BatchDescription, baseOffset: number): Run {
  return { baseOffset, position, offsetCount, length, batchCount: 1, maxTimestamp };
}

function extendRun(run: Run, batch: BatchDescription): void {
  run.offsetCount += batch.offsetCount;
  run.length += batch.length;
  run.batchCount += 1;
  if (batch.maxTimestamp > run.maxTimestamp) run.maxTimestamp = batch.maxTimestamp;
}

/**
 * The oldest go first. Where one of them ended is told too late then, and never too early, which a consumer would take for a truncated
 * log: here none ever is.
 */
function growEpochs(epochs: readonly EpochStart[], epoch: number, startOffset: number): readonly EpochStart[] {
  if (epochs.at(-1)?.epoch === epoch) return epochs;
  return [...epochs.slice(1 - LEADER_EPOCHS_KEPT), { epoch, startOffset }];
}

function remember(
  draft: StateDraft,
  { key, fingerprint, batches }: AppendedGroup,
  answer: AppendedAnswer,
  maxTimestamps: readonly number[],
): void {
  const answers = batches.map((index): RememberedAnswer => {
    const exception = answer.exceptions.find((candidate) => candidate.index === index);
    if (exception?.type === 'refused') {
      return { type: 'refused', error: exception.error, nextOffset: exception.nextOffset };
    }
    return { type: 'appended', baseOffset: answer.baseOffsets[index]!, maxTimestamp: maxTimestamps[index]! };
  });
  draft.rememberKey({ key, fingerprint, rememberedAt: draft.header.timestamp, answers });
}

/** The verdict of the fold: what the entry says. */
export function recordedVerdict(exceptions: readonly AppendException[]): Verdict {
  let at = 0;
  return (_batch, { index }) => {
    const exception = exceptions[at];
    if (exception?.index !== index) return null;
    at++;
    return exception;
  };
}

export const emptyPartition = (topicId: string, partition: number): PartitionState => ({
  topicId,
  partition,
  logStartOffset: 0,
  nextOffset: 0,
  lastStableOffset: 0,
  unstable: [],
  abortedTransactions: NONE_ABORTED,
  extents: SharedExtentList.empty,
  bytes: 0,
  epochs: [],
});
