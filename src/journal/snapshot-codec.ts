/**
 * The whole state as bytes:
 *
 *   magic 'MRSN', version uint8, then journal, lastSeq, id of that entry, epoch, next producer id, and as counted lists:
 *   fences, segments, partitions with extents, condemned segments, forgotten marks, sessions, lanes with answers,
 *   producers and idempotency keys (both least recent first); at the end the CRC-32C of everything before, uint32 LE.
 *
 * What follows from the extents (uses of segments and entries) is not written. Encoding comes in slices, so that the
 * event loop is never held up; the values are immutable, so that the state may move on meanwhile.
 */
import { StartupError, StorageCorruptError } from '../errors.ts';
import { crc32c } from '../record/crc32c.ts';
import type { SegmentReference } from '../segment/footer.ts';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import {
  readExceptions,
  readExtent,
  readLane,
  readMany,
  readSegmentReference,
  refusalOf,
  writeExceptions,
  writeExtent,
  writeLane,
  writeSegmentReference,
} from './command-codec.ts';
import { REFUSALS } from './entry.ts';
import { SharedExtentList } from './extent-list.ts';
import type { ForgottenMark } from './forgotten.ts';
import type { IdempotencyRecord, RememberedAnswer } from './idempotency.ts';
import type { CondemnedSegment, ProducerBatch, SegmentUse } from './journal.ts';
import { type AppendedAnswer, type LaneAnswer, type LaneState, laneKey } from './lanes.ts';
import type { EpochStart, Extent, ExtentSource, PartitionState } from './partition-state.ts';
import { type ProducerRecord, producerKey } from './producers.ts';
import { SharedList } from './shared-list.ts';
import { JournalState, partitionKey } from './state.ts';

const MAGIC = 'MRSN';
/** Persisted: never renumber. */
const VERSION = 1;
const CRC_BYTES = 4;
/** Encoding this much takes less than a millisecond. */
const SLICE_BYTES = 16 * 1024;

/** Persisted: never renumber. */
const SOURCE_SEGMENT = 0;
const SOURCE_INLINE = 1;
const ANSWER_SKIPPED = 0;
const ANSWER_APPENDED = 1;
const REMEMBERED_APPENDED = 0;

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
}

const NO_ID = '00000000000000000000000000000000';

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
  writer.uvarint(partition.extents.length);
  let offset = partition.logStartOffset;
  let timestamp = 0;
  for (let at = 0; at < partition.extents.length; at++) {
    const extent = partition.extents.at(at)!;
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

function writeProducer(writer: ByteWriter, { producerId, producerEpoch, batches, lastAppendAt }: ProducerRecord): void {
  writer.signed(producerId);
  writer.signed(producerEpoch);
  writer.signed(lastAppendAt);
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

/** Throws StorageCorruptError or StartupError (a version that is not known here), both naming `name`. */
export function decodeSnapshot(name: string, bytes: Buffer): JournalState {
  try {
    return readState(open(bytes));
  } catch (cause) {
    if (cause instanceof StartupError) throw new StartupError(`snapshot ${name}: ${cause.message}`, { cause });
    if (!(cause instanceof StorageCorruptError)) throw cause;
    throw new StorageCorruptError(`snapshot ${name}: ${cause.message}`, { cause });
  }
}

function open(bytes: Buffer): ByteReader {
  const end = bytes.length - CRC_BYTES;
  if (end < MAGIC.length + 1) throw new StorageCorruptError(`it has ${bytes.length} bytes only`);
  if (bytes.readUInt32LE(end) !== crc32c(bytes.subarray(0, end))) {
    throw new StorageCorruptError('its checksum does not match');
  }
  if (bytes.toString('latin1', 0, MAGIC.length) !== MAGIC) throw new StorageCorruptError('it is not a snapshot');
  const version = bytes[MAGIC.length]!;
  if (version !== VERSION) {
    throw new StartupError(`it has format version ${version}; this version of the broker reads ${VERSION}`);
  }
  return new ByteReader(bytes, MAGIC.length + 1, end);
}

function readState(reader: ByteReader): JournalState {
  const state = new JournalState(reader.uvarint());
  state.lastSeq = reader.uvarint();
  const lastEntryId = reader.hexId();
  state.lastEntryId = lastEntryId === NO_ID ? '' : lastEntryId;
  state.epoch = reader.uvarint();
  state.nextProducerId = reader.uvarint();
  state.fences = readMany(reader, () => reader.uvarint());

  const segments = readMany(reader, () => readSegmentReference(reader));
  const partitions = readMany(reader, () => readPartition(reader, segments));
  for (const partition of partitions) {
    state.partitionsByKey.set(partitionKey(partition.topicId, partition.partition), partition);
  }
  countUses(state, segments);
  for (const condemned of readMany(reader, () => ({ segmentId: reader.string(), seq: reader.uvarint() }))) {
    state.condemnedById.set(condemned.segmentId, condemned);
  }
  const marks = readMany(reader, () => ({
    brokerId: reader.uvarint(),
    brokerEpoch: reader.uvarint(),
    number: reader.uvarint(),
  }));
  for (const mark of marks) state.forgottenByBroker.set(mark.brokerId, mark);
  for (const [brokerId, brokerEpoch] of readMany(reader, () => [reader.uvarint(), reader.uvarint()] as const)) {
    state.sessions.set(brokerId, brokerEpoch);
  }
  for (const lane of readMany(reader, () => readLaneState(reader))) {
    state.lanes.set(laneKey(lane.brokerId, lane.lane), lane);
  }
  for (const producer of readMany(reader, () => readProducer(reader, partitions))) {
    state.producersByKey.set(producerKey(producer.partitionKey, producer.producerId), producer);
  }
  for (const record of readMany(reader, () => readIdempotencyRecord(reader))) {
    state.idempotencyKeys.set(record.key, record);
  }
  if (reader.remaining !== 0) throw new StorageCorruptError(`${reader.remaining} bytes too many`);
  return state;
}

function readPartition(reader: ByteReader, segments: readonly SegmentReference[]): PartitionState {
  const topicId = reader.uuid();
  const partition = reader.uvarint();
  const logStartOffset = reader.uvarint();
  const nextOffset = reader.uvarint();
  const epochs = readMany(reader, (): EpochStart => ({ epoch: reader.uvarint(), startOffset: reader.uvarint() }));
  let offset = logStartOffset;
  let timestamp = 0;
  let bytes = 0;
  const extents = readMany(reader, (): Extent => {
    const extent = readExtent(reader, readSource(reader, segments), offset, timestamp);
    offset = extent.endOffset;
    timestamp = extent.appendedAt;
    bytes += extent.length;
    return extent;
  });
  return { topicId, partition, logStartOffset, nextOffset, extents: SharedExtentList.of(extents), bytes, epochs };
}

function readSource(reader: ByteReader, segments: readonly SegmentReference[]): ExtentSource {
  const type = reader.byte();
  if (type === SOURCE_INLINE) return { type: 'inline', seq: reader.uvarint(), entryId: reader.hexId() };
  const segment = segments[reader.uvarint()];
  if (type !== SOURCE_SEGMENT || !segment) throw new StorageCorruptError('an extent points into no segment');
  return { type: 'segment', segmentId: segment.id };
}

function countUses(state: JournalState, segments: readonly SegmentReference[]): void {
  for (const segment of segments) state.segmentsById.set(segment.id, { ...segment, extentCount: 0, liveBytes: 0 });
  for (const { extents } of state.partitionsByKey.values()) {
    for (const { source, length } of extents) {
      if (source.type === 'inline') {
        state.inlineUses.set(source.seq, (state.inlineUses.get(source.seq) ?? 0) + 1);
        continue;
      }
      const use = state.segmentsById.get(source.segmentId)!;
      const { extentCount, liveBytes } = use;
      state.segmentsById.set(use.id, { ...use, extentCount: extentCount + 1, liveBytes: liveBytes + length });
    }
  }
}

function readLaneState(reader: ByteReader): LaneState {
  const lane = readLane(reader);
  const last = reader.uvarint();
  return { ...lane, last, answers: SharedList.of(readMany(reader, () => readLaneAnswer(reader))) };
}

function readLaneAnswer(reader: ByteReader): LaneAnswer {
  const type = reader.byte();
  const number = reader.uvarint();
  if (type === ANSWER_SKIPPED) return { type: 'skipped', number };
  const seq = reader.uvarint();
  const entryId = reader.hexId();
  const inlinePosition = reader.uvarint();
  const leaderEpoch = reader.uvarint();
  const batchCounts = readMany(reader, () => reader.uvarint());
  const logStartOffsets = batchCounts.map(() => reader.signed());
  let previous = 0;
  const baseOffsets = readMany(reader, () => {
    previous = reader.near(previous);
    return previous;
  });
  const exceptions = readExceptions(reader);
  const answer: AppendedAnswer = {
    type: 'appended',
    number,
    seq,
    entryId,
    inlinePosition,
    leaderEpoch,
    batchCounts,
    logStartOffsets,
    baseOffsets,
    exceptions,
  };
  return answer;
}

function readProducer(reader: ByteReader, partitions: readonly PartitionState[]): ProducerRecord {
  const partition = partitions[reader.uvarint()];
  if (!partition) throw new StorageCorruptError('a producer of no partition');
  const producerId = reader.signed();
  const producerEpoch = reader.signed();
  const lastAppendAt = reader.signed();
  let offset = 0;
  const batches = readMany(reader, (): ProducerBatch => {
    const baseSequence = reader.signed();
    const lastSequence = reader.near(baseSequence);
    offset = reader.near(offset);
    return { baseSequence, lastSequence, baseOffset: offset, maxTimestamp: reader.near(lastAppendAt) };
  });
  const key = partitionKey(partition.topicId, partition.partition);
  return { partitionKey: key, producerId, producerEpoch, batches, lastAppendAt };
}

function readIdempotencyRecord(reader: ByteReader): IdempotencyRecord {
  const key = reader.string();
  const fingerprint = reader.signed();
  const rememberedAt = reader.signed();
  const answers = readMany(reader, (): RememberedAnswer => {
    const kind = reader.byte();
    if (kind !== REMEMBERED_APPENDED) {
      return { type: 'refused', error: refusalOf(kind), nextOffset: reader.signed() };
    }
    return { type: 'appended', baseOffset: reader.uvarint(), maxTimestamp: reader.near(rememberedAt) };
  });
  return { key, fingerprint, rememberedAt, answers };
}
