/**
 * Writes snapshots (`snapshot-format.ts`) in slices, so that the event loop is never held up. The values are immutable: the
 * state may move on meanwhile.
 */
import { crc32c } from '../record/crc32c.ts';
import { writeExceptions } from './appended-codec.ts';
import { ByteWriter } from './byte-writer.ts';
import { REFUSALS } from './entry.ts';
import { writeExtent, writeSegmentReference } from './extent-codec.ts';
import type { ForgottenMark } from './forgotten.ts';
import type { IdempotencyRecord } from './idempotency.ts';
import type { CondemnedSegment, Records, SegmentUse } from './journal.ts';
import { writeLane } from './lane-codec.ts';
import type { LaneAnswer, LaneState } from './lanes.ts';
import type { PartitionState } from './partition-state.ts';
import type { ProducerRecord } from './producers.ts';
import {
  ANSWER_APPENDED,
  ANSWER_SKIPPED,
  MAGIC,
  NO_ID,
  REMEMBERED_APPENDED,
  SOURCE_INLINE,
  SOURCE_SEGMENT,
  TRANSACTION_NONE,
  TRANSACTION_OPEN,
  VERSION,
} from './snapshot-format.ts';
import { type JournalState, partitionKey } from './state.ts';

/** Encoding this much takes less than a millisecond. */
const SLICE_BYTES = 16 * 1024;

/** The values of a state at one moment, for encoding at leisure. */
export interface CapturedState {
  readonly journal: number;
  readonly lastSeq: number;
  readonly lastEntryId: string;
  readonly epoch: number;
  readonly nextProducerId: number;
  readonly fences: readonly number[];
  readonly segments: readonly SegmentUse[];
  readonly partitions: readonly PartitionState[];
  readonly condemned: readonly CondemnedSegment[];
  readonly forgotten: readonly ForgottenMark[];
  readonly sessions: readonly (readonly [brokerId: number, brokerEpoch: number])[];
  readonly lanes: readonly LaneState[];
  readonly producers: readonly ProducerRecord[];
  readonly idempotencyKeys: readonly IdempotencyRecord[];
  readonly records: readonly (readonly [owner: string, records: Records])[];
}

export function captureState(state: JournalState): CapturedState {
  const { journal, lastSeq, lastEntryId, epoch, nextProducerId, fences } = state;
  return {
    journal,
    lastSeq,
    lastEntryId,
    epoch,
    nextProducerId,
    fences,
    segments: [...state.segmentsById.values()],
    partitions: [...state.partitionsByKey.values()],
    condemned: [...state.condemnedById.values()],
    forgotten: [...state.forgottenByBroker.values()],
    sessions: [...state.sessions],
    lanes: [...state.lanes.values()],
    producers: [...state.producersByKey.values()],
    idempotencyKeys: [...state.idempotencyKeys.values()],
    records: [...state.recordsByOwner],
  };
}

/** Yields parts of some tens of kilobytes; together they are the snapshot. */
export function* encodeSnapshot(state: CapturedState): Generator<Buffer> {
  const writer = new ByteWriter(2 * SLICE_BYTES);
  let crc = 0;
  for (const _ of writeState(writer, state)) {
    const part = writer.finish();
    crc = crc32c(part, crc);
    writer.truncate(0);
    yield part;
  }
  crc = crc32c(writer.view(), crc);
  writer.uint32(crc);
  yield writer.finish();
}

/** Yields whenever a slice is full. */
function* writeState(writer: ByteWriter, state: CapturedState): Generator<void> {
  writer.raw(Buffer.from(MAGIC, 'latin1'));
  writer.byte(VERSION);
  writer.uvarint(state.journal);
  writer.uvarint(state.lastSeq);
  writer.hexId(state.lastEntryId === '' ? NO_ID : state.lastEntryId);
  writer.uvarint(state.epoch);
  writer.uvarint(state.nextProducerId);
  yield* writeAll(writer, state.fences, (seq) => writer.uvarint(seq));

  const places = new Map<string, number>();
  yield* writeAll(writer, state.segments, (segment) => {
    places.set(segment.id, places.size);
    writeSegmentReference(writer, segment);
  });
  const partitionPlaces = new Map<string, number>();
  writer.uvarint(state.partitions.length);
  for (const partition of state.partitions) {
    partitionPlaces.set(partitionKey(partition.topicId, partition.partition), partitionPlaces.size);
    yield* writePartition(writer, partition, places);
  }
  yield* writeAll(writer, state.condemned, ({ segmentId, seq }) => {
    writer.string(segmentId);
    writer.uvarint(seq);
  });
  yield* writeAll(writer, state.forgotten, ({ brokerId, brokerEpoch, number }) => {
    writer.uvarint(brokerId);
    writer.uvarint(brokerEpoch);
    writer.uvarint(number);
  });
  yield* writeAll(writer, state.sessions, ([brokerId, brokerEpoch]) => {
    writer.uvarint(brokerId);
    writer.uvarint(brokerEpoch);
  });
  writer.uvarint(state.lanes.length);
  for (const lane of state.lanes) {
    writeLane(writer, lane);
    writer.uvarint(lane.last);
    yield* writeAll(writer, lane.answers, (answer) => writeLaneAnswer(writer, answer));
  }
  yield* writeAll(writer, state.producers, (producer) => {
    writer.uvarint(partitionPlaces.get(producer.partitionKey)!);
    writeProducer(writer, producer);
  });
  yield* writeAll(writer, state.idempotencyKeys, (record) => writeIdempotencyRecord(writer, record));
  writer.uvarint(state.records.length);
  for (const [owner, records] of state.records) {
    writer.string(owner);
    yield* writeAll(writer, [...records], ([key, value]) => {
      writer.string(key);
      writer.string(value);
    });
  }
}

function* writeAll<T>(
  writer: ByteWriter,
  values: Iterable<T> & { readonly length: number },
  write: (value: T) => void,
): Generator<void> {
  writer.uvarint(values.length);
  for (const value of values) {
    write(value);
    if (writer.length >= SLICE_BYTES) yield;
  }
}

function* writePartition(
  writer: ByteWriter,
  partition: PartitionState,
  places: ReadonlyMap<string, number>,
): Generator<void> {
  writer.uuid(partition.topicId);
  writer.uvarint(partition.partition);
  writer.uvarint(partition.logStartOffset);
  writer.uvarint(partition.nextOffset);
  yield* writeAll(writer, partition.epochs, ({ epoch, startOffset }) => {
    writer.uvarint(epoch);
    writer.uvarint(startOffset);
  });
  yield* writeAll(writer, partition.unstable, ({ producerId, firstOffset }) => {
    writer.signed(producerId);
    writer.uvarint(firstOffset);
  });
  yield* writeAll(
    writer,
    partition.abortedTransactions,
    ({ producerId, firstOffset, lastOffset, lastStableOffset }) => {
      writer.signed(producerId);
      writer.uvarint(lastOffset);
      writer.near(firstOffset, lastOffset);
      writer.near(lastStableOffset, lastOffset);
    },
  );
  writer.uvarint(partition.extents.length);
  let offset = partition.logStartOffset;
  let timestamp = 0;
  for (const extent of partition.extents) {
    const { source } = extent;
    if (source.type === 'segment') {
      writer.byte(SOURCE_SEGMENT);
      writer.uvarint(places.get(source.segmentId)!);
    } else {
      writer.byte(SOURCE_INLINE);
      writer.uvarint(source.seq);
      writer.hexId(source.entryId);
    }
    writeExtent(writer, extent, offset, timestamp);
    offset = extent.endOffset;
    timestamp = extent.appendedAt;
    if (writer.length >= SLICE_BYTES) yield;
  }
}

function writeLaneAnswer(writer: ByteWriter, answer: LaneAnswer): void {
  writer.byte(answer.type === 'skipped' ? ANSWER_SKIPPED : ANSWER_APPENDED);
  writer.uvarint(answer.number);
  if (answer.type === 'skipped') return;
  writer.uvarint(answer.seq);
  writer.hexId(answer.entryId);
  writer.uvarint(answer.inlinePosition);
  writer.uvarint(answer.leaderEpoch);
  writer.uvarint(answer.batchCounts.length);
  for (const count of answer.batchCounts) writer.uvarint(count);
  for (const offset of answer.logStartOffsets) writer.signed(offset);
  writer.uvarint(answer.baseOffsets.length);
  let previous = 0;
  for (const offset of answer.baseOffsets) {
    writer.near(offset, previous);
    previous = offset;
  }
  writeExceptions(writer, answer.exceptions);
}

function writeProducer(writer: ByteWriter, producer: ProducerRecord): void {
  const { producerId, producerEpoch, batches, lastAppendAt, coordinatorEpoch, open, endedTransaction } = producer;
  writer.signed(producerId);
  writer.signed(producerEpoch);
  writer.signed(lastAppendAt);
  writer.signed(coordinatorEpoch);
  writer.signed(endedTransaction);
  writer.byte(open === null ? TRANSACTION_NONE : TRANSACTION_OPEN);
  if (open !== null) {
    writer.uvarint(open.transaction);
    writer.signed(open.firstOffset);
    writer.near(open.startedAt, lastAppendAt);
  }
  writer.uvarint(batches.length);
  let offset = 0;
  for (const batch of batches) {
    writer.signed(batch.baseSequence);
    writer.near(batch.lastSequence, batch.baseSequence);
    writer.near(batch.baseOffset, offset);
    writer.near(batch.maxTimestamp, lastAppendAt);
    offset = batch.baseOffset;
  }
}

function writeIdempotencyRecord(writer: ByteWriter, { key, fingerprint, rememberedAt, answers }: IdempotencyRecord) {
  writer.string(key);
  writer.signed(fingerprint);
  writer.signed(rememberedAt);
  writer.uvarint(answers.length);
  for (const answer of answers) {
    if (answer.type === 'appended') {
      writer.byte(REMEMBERED_APPENDED);
      writer.uvarint(answer.baseOffset);
      writer.near(answer.maxTimestamp, rememberedAt);
    } else {
      writer.byte(REFUSALS[answer.error]);
      writer.signed(answer.nextOffset);
    }
  }
}
