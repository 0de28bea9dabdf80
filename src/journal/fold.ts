/**
 * The fold: what each command does to the state. Pure: the entry, the state and the footers that the entry names decide
 * all of it. The leader applies its own commands through the same functions while it decides.
 */
import { StorageCorruptError } from '../errors.ts';
import { assert, unreachable } from '../runtime/assert.ts';
import type { PartitionBatches } from '../segment/footer.ts';
import { applyAppend, emptyPartition, recordedVerdict } from './append.ts';
import type { Committed, StateDraft } from './draft.ts';
import type {
  Appended,
  Command,
  Entry,
  Expired,
  LogStartAdvanced,
  Merged,
  MergedSwap,
  PartitionsCreated,
  PartitionsDeleted,
} from './entry.ts';
import type { SharedExtentList } from './extent-list.ts';
import { applyGuard, applyMarker } from './guards.ts';
import type { EpochStart, Extent, PartitionState } from './partition-state.ts';
import { isExpired } from './producers.ts';
import { partitionKey } from './state.ts';
import { abortedFrom, stableOffset } from './transactions.ts';

/** Batches that segments' footers list for this journal, by segment id. */
export type Footers = ReadonlyMap<string, readonly PartitionBatches[]>;

export const NO_FOOTERS: Footers = new Map();

/** Folds one whole entry into the draft's state. */
export function foldEntry(draft: StateDraft, entry: Entry, footers: Footers): Committed {
  const { base } = draft;
  assert(entry.seq === base.lastSeq + 1, `entry ${entry.seq} after ${base.lastSeq} of journal ${base.journal}`);
  draft.begin(entry);
  for (const command of entry.commands) applyCommand(draft, command, footers);
  if (draft.epoch !== entry.epoch) {
    throw new StorageCorruptError(
      `entry ${entry.seq} of journal ${base.journal} was written in epoch ${entry.epoch}, the journal is in ${draft.epoch}`,
    );
  }
  return draft.commit();
}

export function applyCommand(draft: StateDraft, command: Command, footers: Footers): void {
  switch (command.type) {
    case 'epochStarted':
      checkEpoch(draft, command.epoch);
      draft.startEpoch(command.epoch);
      draft.openSession(command.brokerId, command.brokerEpoch);
      return;
    case 'partitionsCreated':
      createPartitions(draft, command);
      return;
    case 'partitionsDeleted':
      deletePartitions(draft, command);
      return;
    case 'appended':
      append(draft, command, footers);
      return;
    case 'laneSkipped':
      draft.setLaneAnswer(command.lane, { type: 'skipped', number: command.number });
      return;
    case 'merged':
      merge(draft, command);
      return;
    case 'logStartAdvanced':
      advanceLogStart(draft, command);
      return;
    case 'condemned':
      for (const segmentId of command.segmentIds) {
        draft.condemned.set(segmentId, { segmentId, seq: draft.header.seq });
      }
      return;
    case 'forgotten':
      for (const segmentId of command.segmentIds) draft.forget(segmentId);
      return;
    case 'expired':
      expire(draft, command);
      return;
    case 'producerIdsAllocated':
      draft.nextProducerId = command.first + command.count;
      return;
    case 'recordsChanged':
      draft.changeRecords(command.owner, command.changes);
      return;
    case 'transactionGuarded':
      applyGuard(draft, command);
      return;
    case 'transactionMarked':
      applyMarker(draft, command);
      return;
    default:
      unreachable(command);
  }
}

function checkEpoch({ base, header }: StateDraft, epoch: number): void {
  if (epoch === base.epoch + 1) return;
  throw new StorageCorruptError(
    `entry ${header.seq} of journal ${base.journal} starts epoch ${epoch}, the journal is in ${base.epoch}`,
  );
}

function append(draft: StateDraft, command: Appended, footers: Footers): void {
  const partitions = batchesOf(command, footers);
  const { lane, number, source, exceptions, groups } = command;
  applyAppend(draft, { lane, number, source, partitions }, recordedVerdict(exceptions), () => groups);
}

function batchesOf({ source, batches }: Appended, footers: Footers): readonly PartitionBatches[] {
  if (batches.type === 'described') return batches.partitions;
  assert(source.type === 'segment', 'only a segment has a footer');
  const partitions = footers.get(source.segment.id);
  assert(partitions, `the footer of segment ${source.segment.id} was not read`);
  const count = partitions.reduce((sum, partition) => sum + partition.batches.length, 0);
  if (count !== batches.batchCount) {
    throw new StorageCorruptError(
      `the footer of segment ${source.segment.id} lists ${count} batches, its append had ${batches.batchCount}`,
    );
  }
  return partitions;
}

function createPartitions(draft: StateDraft, { topicId, partitions }: PartitionsCreated): void {
  for (const partition of partitions) {
    const key = partitionKey(topicId, partition);
    if (!draft.partitions.has(key)) draft.setPartition(key, emptyPartition(topicId, partition));
  }
}

function deletePartitions(draft: StateDraft, { topicId, partitions }: PartitionsDeleted): void {
  const deleted = new Set<string>();
  for (const partition of partitions) {
    const key = partitionKey(topicId, partition);
    const state = draft.partitions.get(key);
    if (!state) continue;
    for (const extent of state.extents) draft.removeUse(extent);
    draft.deletePartition(key, state);
    deleted.add(key);
  }
  for (const [key, producer] of draft.producers.entries()) {
    if (deleted.has(producer.partitionKey)) draft.deleteProducer(key, producer);
  }
}

function advanceLogStart(draft: StateDraft, { topicId, partition, logStartOffset }: LogStartAdvanced): void {
  const key = partitionKey(topicId, partition);
  const state = draft.partitions.get(key);
  if (!state || logStartOffset <= state.logStartOffset) return;
  let dropped = 0;
  let { bytes } = state;
  for (const extent of state.extents) {
    if (extent.endOffset > logStartOffset) break;
    draft.removeUse(extent);
    bytes -= extent.length;
    dropped++;
  }
  const extents = (state.extents as SharedExtentList).dropFirst(dropped);
  const epochs = epochsFrom(state.epochs, logStartOffset);
  const abortedTransactions = abortedFrom(state.abortedTransactions, logStartOffset);
  const lastStableOffset = stableOffset(logStartOffset, state.unstable, state.nextOffset);
  const kept = { lastStableOffset, abortedTransactions, extents, bytes, epochs };
  draft.setPartition(key, { ...state, logStartOffset, ...kept });
}

/** Epochs that ended before the log start are of no use to anyone; the one that reaches over it stays. */
function epochsFrom(epochs: readonly EpochStart[], logStartOffset: number): readonly EpochStart[] {
  const first = epochs.findLastIndex(({ startOffset }) => startOffset <= logStartOffset);
  return first > 0 ? epochs.slice(first) : epochs;
}

function merge(draft: StateDraft, { segments, swaps }: Merged): void {
  const references = new Map(segments.map((segment) => [segment.id, segment]));
  for (const swap of swaps) {
    const key = partitionKey(swap.topicId, swap.partition);
    const state = draft.partitions.get(key);
    assert(state, `merged partition ${key} does not exist`);
    // Uses are added first, so that a segment on both sides is not taken for released.
    for (const extent of swap.add) {
      draft.addUse(extent, extent.source.type === 'segment' ? (references.get(extent.source.segmentId) ?? null) : null);
    }
    draft.setPartition(key, swapExtents(draft, state, swap));
  }
}

function swapExtents(draft: StateDraft, state: PartitionState, swap: MergedSwap): PartitionState {
  const index = state.extents.indexOf(swap.removeFrom);
  let { bytes } = state;
  for (let at = index; at < index + swap.removeCount; at++) {
    const extent = state.extents.at(at);
    assert(extent, `merge of ${swap.removeCount} extents from offset ${swap.removeFrom} finds fewer`);
    draft.removeUse(extent);
    bytes -= extent.length;
  }
  bytes += bytesOf(swap.add);
  const extents = (state.extents as SharedExtentList).splice(index, swap.removeCount, swap.add);
  return { ...state, extents, bytes };
}

const bytesOf = (extents: readonly Extent[]): number => extents.reduce((sum, { length }) => sum + length, 0);

function expire(draft: StateDraft, { before, keysBefore }: Expired): void {
  // Both are in order of age, but for clocks that were set back: what stands behind a younger one waits for it.
  for (const [key, producer] of draft.producers.entries()) {
    if (producer.lastAppendAt >= before) break;
    if (isExpired(producer, before, draft.header.timestamp)) draft.deleteProducer(key, producer);
  }
  for (const [key, record] of draft.idempotencyKeys.entries()) {
    if (record.rememberedAt >= keysBefore) break;
    draft.idempotencyKeys.delete(key);
  }
  for (const [key, lane] of draft.oldLanes()) draft.lanes.set(key, lane);
}
