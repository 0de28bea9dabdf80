/** Guards and markers on a draft: what the leader decides and what the fold repeats are the same functions. */
import { CONTROL_BATCH_BYTES } from '../record/control-batch.ts';
import { growPartition } from './append.ts';
import type { StateDraft } from './draft.ts';
import type { TransactionGuarded, TransactionMark, TransactionMarked } from './entry.ts';
import type { AbortedTransaction, Extent, PartitionState } from './partition-state.ts';
import { type ProducerRecord, producerKey } from './producers.ts';
import type { SharedList } from './shared-list.ts';
import { partitionKey } from './state.ts';
import {
  checkGuard,
  checkMarker,
  type GuardVerdict,
  guardedProducer,
  type MarkerVerdict,
  markedProducer,
} from './transactions.ts';

/** A partition that is gone takes no guard. */
export function guardVerdict(draft: StateDraft, command: TransactionGuarded): GuardVerdict {
  const partition = partitionKey(command.topicId, command.partition);
  if (!draft.partitions.has(partition)) return 'stale';
  return checkGuard(draft.producers.get(producerKey(partition, command.producerId)), command);
}

/** False when it was stale. */
export function applyGuard(draft: StateDraft, command: TransactionGuarded): boolean {
  if (guardVerdict(draft, command) !== 'opens') return false;
  const partition = partitionKey(command.topicId, command.partition);
  const key = producerKey(partition, command.producerId);
  draft.setProducer(key, guardedProducer(draft.producers.get(key), command, partition, draft.header.timestamp));
  return true;
}

/** A partition that is gone takes no marker. */
export function markerVerdict(draft: StateDraft, marker: TransactionMark): MarkerVerdict {
  const partition = partitionKey(marker.topicId, marker.partition);
  if (!draft.partitions.has(partition)) return 'stale';
  return checkMarker(draft.producers.get(producerKey(partition, marker.producerId)), marker);
}

export function applyMarker(draft: StateDraft, marker: TransactionMarked): void {
  const verdict = markerVerdict(draft, marker);
  if (verdict === 'stale') return;
  const partition = partitionKey(marker.topicId, marker.partition);
  const key = producerKey(partition, marker.producerId);
  const producer = draft.producers.get(key);
  if (verdict === 'ends') endOn(draft, marker, partition, producer!);
  draft.setProducer(key, markedProducer(producer, marker, partition, draft.header.timestamp));
}

function endOn(draft: StateDraft, marker: TransactionMarked, partition: string, producer: ProducerRecord): void {
  const state = draft.partitions.get(partition)!;
  const lastOffset = state.nextOffset;
  const unstable = state.unstable.filter(({ producerId }) => producerId !== marker.producerId);
  const extent = extentOf(draft, marker, lastOffset);
  const grown = growPartition(draft, { ...state, unstable }, [extent], lastOffset + 1, null);
  draft.setPartition(partition, marker.committed ? grown : withAborted(grown, producer, lastOffset));
}

function extentOf({ header, epoch }: StateDraft, { position }: TransactionMarked, baseOffset: number): Extent {
  return {
    baseOffset,
    endOffset: baseOffset + 1,
    source: { type: 'inline', seq: header.seq, entryId: header.id },
    position,
    length: CONTROL_BATCH_BYTES,
    batchCount: 1,
    maxTimestamp: header.timestamp,
    leaderEpoch: epoch,
    absolute: false,
    appendedAt: header.timestamp,
  };
}

/** One without records leaves nothing that a reader could have to skip. */
function withAborted(state: PartitionState, { producerId, open }: ProducerRecord, lastOffset: number): PartitionState {
  const firstOffset = open?.firstOffset ?? -1;
  if (firstOffset < 0) return state;
  const { lastStableOffset } = state;
  const list = state.abortedTransactions as SharedList<AbortedTransaction>;
  const abortedTransactions = list.append({ producerId, firstOffset, lastOffset, lastStableOffset });
  return { ...state, abortedTransactions };
}
