/** The leader's decision on every change that is not an append, against the draft of the entry being built. */
import { OFFSET_MAX } from '../limits.ts';
import { unreachable } from '../runtime/assert.ts';
import type { SegmentReference } from '../segment/footer.ts';
import type { StateDraft } from './draft.ts';
import type { Command, MergedSwap } from './entry.ts';
import { applyCommand, NO_FOOTERS } from './fold.ts';
import type { Change, ChangeOutcome, ExtentSwap } from './journal.ts';
import type { Extent, ExtentSource } from './partition-state.ts';
import { isExpired } from './producers.ts';
import { partitionKey } from './state.ts';

export interface ChangeContext {
  /**
   * Segments that something outside of the state still names: appends and merges that wait, and entries that no durable
   * snapshot covers yet, whose footers a recovery would have to read.
   */
  isNamed(segmentId: string): boolean;
}

export interface ChangeDecision {
  /** Null: nothing has to change. */
  readonly command: Command | null;
  readonly outcome: ChangeOutcome;
}

const DONE: ChangeOutcome = { type: 'done' };

/** Decides, and applies what it decides to the draft. */
export function decideChange(draft: StateDraft, change: Change, context: ChangeContext): ChangeDecision {
  const decision = decide(draft, change, context);
  if (decision.command) applyCommand(draft, decision.command, NO_FOOTERS);
  return decision;
}

function decide(draft: StateDraft, change: Change, context: ChangeContext): ChangeDecision {
  switch (change.type) {
    case 'createPartitions': {
      if (!isTopicId(change.topicId)) return refuse('INVALID_REQUEST', `${change.topicId} is not a topic id`);
      const partitions = change.partitions.filter((partition) => !hasPartition(draft, change.topicId, partition));
      if (partitions.length === 0) return nothing(DONE);
      return { command: { type: 'partitionsCreated', topicId: change.topicId, partitions }, outcome: DONE };
    }
    case 'deletePartitions': {
      const partitions = change.partitions.filter((partition) => hasPartition(draft, change.topicId, partition));
      if (partitions.length === 0) return nothing(DONE);
      return { command: { type: 'partitionsDeleted', topicId: change.topicId, partitions }, outcome: DONE };
    }
    case 'advanceLogStart':
      return decideLogStart(draft, change);
    case 'merge':
      return decideMerge(draft, change.segments, change.swaps);
    case 'condemn': {
      const segmentIds = change.segmentIds.filter(
        (id) => !draft.condemned.has(id) && !draft.segments.has(id) && !context.isNamed(id),
      );
      // Those condemned before are answered too: the caller may repeat after a lost answer.
      const condemned = change.segmentIds.filter((id) => draft.condemned.has(id) || segmentIds.includes(id));
      const outcome: ChangeOutcome = { type: 'condemned', segmentIds: condemned };
      return segmentIds.length === 0 ? nothing(outcome) : { command: { type: 'condemned', segmentIds }, outcome };
    }
    case 'forget': {
      const segmentIds = change.segmentIds.filter((id) => draft.condemned.has(id));
      return segmentIds.length === 0 ? nothing(DONE) : { command: { type: 'forgotten', segmentIds }, outcome: DONE };
    }
    case 'expire': {
      const { before, keysBefore } = change;
      if (!hasExpired(draft, before, keysBefore)) return nothing(DONE);
      return { command: { type: 'expired', before, keysBefore }, outcome: DONE };
    }
    case 'allocateProducerIds': {
      const { count } = change;
      const first = draft.nextProducerId;
      if (count < 1 || count > OFFSET_MAX - first) return refuse('INVALID_REQUEST', `${count} producer ids`);
      return {
        command: { type: 'producerIdsAllocated', first, count },
        outcome: { type: 'producerIds', first, count },
      };
    }
    default:
      return unreachable(change);
  }
}

/** Entries keep its 16 bytes only: another spelling of them would come back as a different topic. */
function isTopicId(text: string): boolean {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.length === 16 && bytes.toString('base64url') === text;
}

/** Of producers and keys it looks at the oldest ones only, as the fold does. */
function hasExpired(draft: StateDraft, before: number, keysBefore: number): boolean {
  for (const [, producer] of draft.producers.entries()) {
    if (isExpired(producer, before, draft.header.timestamp)) return true;
    if (producer.lastAppendAt >= before) break;
  }
  for (const [, record] of draft.idempotencyKeys.entries()) {
    if (record.rememberedAt < keysBefore) return true;
    break;
  }
  return draft.oldLanes().next().done !== true;
}

const hasPartition = (draft: StateDraft, topicId: string, partition: number): boolean =>
  draft.partitions.has(partitionKey(topicId, partition));

const nothing = (outcome: ChangeOutcome): ChangeDecision => ({ command: null, outcome });

const refuse = (error: Extract<ChangeOutcome, { type: 'refused' }>['error'], message: string): ChangeDecision =>
  nothing({ type: 'refused', error, message });

function decideLogStart(
  draft: StateDraft,
  { topicId, partition, logStartOffset }: Extract<Change, { type: 'advanceLogStart' }>,
): ChangeDecision {
  const state = draft.partitions.get(partitionKey(topicId, partition));
  if (!state) return refuse('UNKNOWN_TOPIC_OR_PARTITION', 'the partition does not exist');
  if (logStartOffset > state.nextOffset) {
    return refuse('OFFSET_OUT_OF_RANGE', `${logStartOffset} is beyond the end, ${state.nextOffset}`);
  }
  if (logStartOffset <= state.logStartOffset) {
    return nothing({ type: 'logStart', logStartOffset: state.logStartOffset });
  }
  return {
    command: { type: 'logStartAdvanced', topicId, partition, logStartOffset },
    outcome: { type: 'logStart', logStartOffset },
  };
}

function decideMerge(
  draft: StateDraft,
  segments: readonly SegmentReference[],
  swaps: readonly ExtentSwap[],
): ChangeDecision {
  const offered = new Set(segments.map(({ id }) => id));
  for (const id of offered) {
    if (draft.isGivenUp(id)) return refuse('KAFKA_STORAGE_ERROR', `segment ${id} was given up`);
  }
  const seen = new Set<string>();
  for (const swap of swaps) {
    const key = partitionKey(swap.topicId, swap.partition);
    const problem = seen.has(key) ? 'occurs twice' : findProblem(draft, swap, offered);
    if (problem) return refuse('INVALID_REQUEST', `merge of partition ${key}: ${problem}`);
    seen.add(key);
  }
  const command: Command = { type: 'merged', segments, swaps: swaps.map(toMergedSwap) };
  return { command, outcome: DONE };
}

const toMergedSwap = ({ topicId, partition, remove, add }: ExtentSwap): MergedSwap => ({
  topicId,
  partition,
  removeFrom: remove[0]!.baseOffset,
  removeCount: remove.length,
  add,
});

/** Null when the swap may be made. */
function findProblem(draft: StateDraft, { topicId, partition, remove, add }: ExtentSwap, offered: ReadonlySet<string>) {
  const state = draft.partitions.get(partitionKey(topicId, partition));
  const first = remove[0];
  const last = remove.at(-1);
  if (!state) return 'it does not exist';
  if (!first || !last) return 'nothing to remove';
  const index = state.extents.indexOf(first.baseOffset);
  for (const [at, extent] of remove.entries()) {
    const standing = state.extents.at(index + at);
    if (!standing || !sameExtent(standing, extent)) return `its extents changed at offset ${extent.baseOffset}`;
  }
  let offset = first.baseOffset;
  for (const extent of add) {
    if (extent.baseOffset < offset || extent.endOffset <= extent.baseOffset || extent.endOffset > last.endOffset) {
      return `the new extent [${extent.baseOffset}, ${extent.endOffset}) does not fit in`;
    }
    const { source } = extent;
    if (source.type !== 'segment' || !offered.has(source.segmentId)) return 'a new extent is outside of the segments';
    offset = extent.endOffset;
  }
  return null;
}

const sameExtent = (left: Extent, right: Extent): boolean =>
  left === right ||
  (left.baseOffset === right.baseOffset &&
    left.endOffset === right.endOffset &&
    left.position === right.position &&
    left.length === right.length &&
    sameSource(left.source, right.source));

function sameSource(left: ExtentSource, right: ExtentSource): boolean {
  if (left.type === 'segment') return right.type === 'segment' && left.segmentId === right.segmentId;
  return right.type === 'inline' && left.seq === right.seq && left.entryId === right.entryId;
}
