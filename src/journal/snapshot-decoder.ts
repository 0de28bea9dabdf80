/** Reads snapshots (`snapshot-format.ts`), trusting nothing, and counts again what is not written. */
import { StartupError, StorageCorruptError } from '../errors.ts';
import { crc32c } from '../record/crc32c.ts';
import { readExceptions, refusalOf } from './appended-codec.ts';
import { ByteReader } from './byte-reader.ts';
import { EncodedExtents, type SourceUse, type SourceUses } from './encoded-extents.ts';
import { readSegmentReference } from './extent-codec.ts';
import { SharedExtentList } from './extent-list.ts';
import type { IdempotencyRecord, RememberedAnswer } from './idempotency.ts';
import type { GuardedTransaction, ProducerBatch, Records } from './journal.ts';
import { readLane } from './lane-codec.ts';
import { type AppendedAnswer, type LaneAnswer, type LaneState, laneKey } from './lanes.ts';
import type { AbortedTransaction, EpochStart, Extent, PartitionState, UnstableTransaction } from './partition-state.ts';
import { type ProducerRecord, producerKey } from './producers.ts';
import { SharedList } from './shared-list.ts';
import {
  ANSWER_SKIPPED,
  CRC_BYTES,
  MAGIC,
  NO_ID,
  REMEMBERED_APPENDED,
  TRANSACTION_NONE,
  TRANSACTION_OPEN,
  VERSION,
} from './snapshot-format.ts';
import { JournalState, partitionKey } from './state.ts';
import { stableOffset } from './transactions.ts';

/** Decoding this much takes a millisecond or two. */
const SLICE_BYTES = 32 * 1024;
const CRC_SLICE_BYTES = 4 * 1024 * 1024;
/** A few extents are smaller decoded than what it takes to decode them later. */
const DECODED_COUNT_MAX = 4;
/** So many are decoded in one turn when somebody looks at one of them: a few milliseconds. */
const ENCODED_COUNT_MAX = 4_096;

/** Throws StorageCorruptError or StartupError (a version that is not known here), both naming `name`. */
export function decodeSnapshot(name: string, bytes: Buffer): JournalState {
  const decoding = decodeInSlices(name, bytes);
  for (;;) {
    const { done, value } = decoding.next();
    if (done) return value;
  }
}

/** As `decodeSnapshot`, giving others a turn every few milliseconds: large states take a second. */
export async function decodeSnapshotInTurns(
  name: string,
  bytes: Buffer,
  yieldTurn: () => Promise<void>,
): Promise<JournalState> {
  const decoding = decodeInSlices(name, bytes);
  for (;;) {
    const { done, value } = decoding.next();
    if (done) return value;
    await yieldTurn();
  }
}

/** Yields after each slice. */
type Sliced<T> = Generator<void, T>;

function* decodeInSlices(name: string, bytes: Buffer): Sliced<JournalState> {
  try {
    return yield* readState(yield* open(bytes));
  } catch (cause) {
    if (cause instanceof StartupError) throw new StartupError(`snapshot ${name}: ${cause.message}`, { cause });
    if (!(cause instanceof StorageCorruptError)) throw cause;
    throw new StorageCorruptError(`snapshot ${name}: ${cause.message}`, { cause });
  }
}

function* open(bytes: Buffer): Sliced<SliceReader> {
  const end = bytes.length - CRC_BYTES;
  if (end < MAGIC.length + 1) throw new StorageCorruptError(`it has ${bytes.length} bytes only`);
  let crc = 0;
  for (let start = 0; start < end; start += CRC_SLICE_BYTES) {
    if (start > 0) yield;
    crc = crc32c(bytes.subarray(start, Math.min(start + CRC_SLICE_BYTES, end)), crc);
  }
  if (bytes.readUInt32LE(end) !== crc) throw new StorageCorruptError('its checksum does not match');
  if (bytes.toString('latin1', 0, MAGIC.length) !== MAGIC) throw new StorageCorruptError('it is not a snapshot');
  const version = bytes[MAGIC.length]!;
  if (version !== VERSION) {
    throw new StartupError(`it has format version ${version}; this version of the broker reads ${VERSION}`);
  }
  return new SliceReader(bytes, MAGIC.length + 1, end);
}

/** Knows when a slice is full. */
class SliceReader extends ByteReader {
  #sliceEnd = SLICE_BYTES;

  get isSliceFull(): boolean {
    if (this.position < this.#sliceEnd) return false;
    this.#sliceEnd = this.position + SLICE_BYTES;
    return true;
  }

  /** A counted list, in slices. What becomes of each of them happens in `read`, so that it is part of the slice. */
  *eachInSlices(read: () => void): Sliced<void> {
    for (let count = this.count(); count > 0; count--) {
      read();
      if (this.isSliceFull) yield;
    }
  }

  *manyInSlices<T>(read: () => T): Sliced<T[]> {
    const values: T[] = [];
    yield* this.eachInSlices(() => {
      values.push(read());
    });
    return values;
  }
}

function* readState(reader: SliceReader): Sliced<JournalState> {
  const state = new JournalState(reader.uvarint());
  state.lastSeq = reader.uvarint();
  const lastEntryId = reader.hexId();
  state.lastEntryId = lastEntryId === NO_ID ? '' : lastEntryId;
  state.epoch = reader.uvarint();
  state.nextProducerId = reader.uvarint();
  state.fences = yield* reader.manyInSlices(() => reader.uvarint());

  const segments = yield* reader.manyInSlices(() => readSegment(reader, state));
  const sources: SourceUses = { segments, entries: state.inlineUses };
  /** By place: producers name their partitions so. */
  const partitionKeys: string[] = [];
  for (let count = reader.count(); count > 0; count--) {
    const partition = yield* readPartition(reader, sources);
    const key = partitionKey(partition.topicId, partition.partition);
    partitionKeys.push(key);
    state.partitionsByKey.set(key, partition);
  }
  yield* reader.eachInSlices(() => {
    const segmentId = reader.string();
    state.condemnedById.set(segmentId, { segmentId, seq: reader.uvarint() });
  });
  yield* reader.eachInSlices(() => {
    const brokerId = reader.uvarint();
    const mark = { brokerId, brokerEpoch: reader.uvarint(), number: reader.uvarint() };
    state.forgottenByBroker.set(brokerId, mark);
  });
  yield* reader.eachInSlices(() => {
    const brokerId = reader.uvarint();
    state.sessions.set(brokerId, reader.uvarint());
  });
  for (let count = reader.count(); count > 0; count--) {
    const lane = yield* readLaneState(reader);
    state.lanes.set(laneKey(lane.brokerId, lane.lane), lane);
  }
  yield* reader.eachInSlices(() => {
    const producer = readProducer(reader, partitionKeys);
    state.producersByKey.set(producerKey(producer.partitionKey, producer.producerId), producer);
    if (producer.open !== null) state.openTransactions++;
  });
  yield* reader.eachInSlices(() => {
    const record = readIdempotencyRecord(reader);
    state.idempotencyKeys.set(record.key, record);
  });
  for (let count = reader.count(); count > 0; count--) {
    const owner = reader.string();
    state.recordsByOwner.set(owner, yield* readRecords(reader));
  }
  if (reader.remaining !== 0) throw new StorageCorruptError(`${reader.remaining} bytes too many`);
  return state;
}

/** The state has its use, which is counted from now on. */
function readSegment(reader: ByteReader, state: JournalState): SourceUse {
  const { id, bytes, footerPosition, footerLength, footerCrc } = readSegmentReference(reader);
  const use = { id, bytes, footerPosition, footerLength, footerCrc, extentCount: 0, liveBytes: 0 };
  state.segmentsById.set(id, use);
  return { source: { type: 'segment', segmentId: id }, use };
}

function* readRecords(reader: SliceReader): Sliced<Records> {
  const records = new Map<string, string>();
  yield* reader.eachInSlices(() => {
    const key = reader.string();
    records.set(key, reader.string());
  });
  return records;
}

function* readPartition(reader: SliceReader, uses: SourceUses): Sliced<PartitionState> {
  const topicId = reader.uuid();
  const partition = reader.uvarint();
  const logStartOffset = reader.uvarint();
  const nextOffset = reader.uvarint();
  const epochs = reader.many((): EpochStart => ({ epoch: reader.uvarint(), startOffset: reader.uvarint() }));
  const unstable = reader.many(
    (): UnstableTransaction => ({ producerId: reader.signed(), firstOffset: reader.uvarint() }),
  );
  const abortedTransactions = SharedList.adopt(yield* reader.manyInSlices(() => readAborted(reader)));
  const encoded = yield* EncodedExtents.read(reader, reader.count(), logStartOffset, uses);
  if (reader.isSliceFull) yield;
  const { bytes } = encoded;
  const { length } = encoded;
  const isLeft = length > DECODED_COUNT_MAX && length <= ENCODED_COUNT_MAX;
  const extents = isLeft ? SharedExtentList.encoded(encoded) : SharedExtentList.adopt(yield* decodeAll(encoded));
  const lastStableOffset = stableOffset(logStartOffset, unstable, nextOffset);
  const transactions = { lastStableOffset, unstable, abortedTransactions };
  const stored = { extents, bytes, epochs };
  return { topicId, partition, logStartOffset, nextOffset, ...transactions, ...stored };
}

function* decodeAll(encoded: EncodedExtents): Sliced<Extent[]> {
  const extents: Extent[] = [];
  for (const extent of encoded) if (extents.push(extent) % ENCODED_COUNT_MAX === 0) yield;
  return extents;
}

function readAborted(reader: ByteReader): AbortedTransaction {
  const producerId = reader.signed();
  const lastOffset = reader.uvarint();
  const firstOffset = reader.near(lastOffset);
  return { producerId, firstOffset, lastOffset, lastStableOffset: reader.near(lastOffset) };
}

function* readLaneState(reader: SliceReader): Sliced<LaneState> {
  const lane = readLane(reader);
  const last = reader.uvarint();
  return { ...lane, last, answers: SharedList.adopt(yield* reader.manyInSlices(() => readLaneAnswer(reader))) };
}

function readLaneAnswer(reader: ByteReader): LaneAnswer {
  const type = reader.byte();
  const number = reader.uvarint();
  if (type === ANSWER_SKIPPED) return { type: 'skipped', number };
  const seq = reader.uvarint();
  const entryId = reader.hexId();
  const inlinePosition = reader.uvarint();
  const leaderEpoch = reader.uvarint();
  const batchCounts = reader.many(() => reader.uvarint());
  const logStartOffsets = batchCounts.map(() => reader.signed());
  let previous = 0;
  const baseOffsets = reader.many(() => {
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

function readProducer(reader: ByteReader, partitionKeys: readonly string[]): ProducerRecord {
  const key = partitionKeys[reader.uvarint()];
  if (key === undefined) throw new StorageCorruptError('a producer of no partition');
  const producerId = reader.signed();
  const producerEpoch = reader.signed();
  const lastAppendAt = reader.signed();
  const coordinatorEpoch = reader.signed();
  const endedTransaction = reader.signed();
  const open = readOpenTransaction(reader, lastAppendAt);
  let offset = 0;
  const batches = reader.many((): ProducerBatch => {
    const baseSequence = reader.signed();
    const lastSequence = reader.near(baseSequence);
    offset = reader.near(offset);
    return { baseSequence, lastSequence, baseOffset: offset, maxTimestamp: reader.near(lastAppendAt) };
  });
  const transactions = { coordinatorEpoch, open, endedTransaction };
  return { partitionKey: key, producerId, producerEpoch, batches, lastAppendAt, ...transactions };
}

function readOpenTransaction(reader: ByteReader, lastAppendAt: number): GuardedTransaction | null {
  const kind = reader.byte();
  if (kind === TRANSACTION_NONE) return null;
  if (kind !== TRANSACTION_OPEN) throw new StorageCorruptError(`a transaction of kind ${kind}`);
  return { transaction: reader.uvarint(), firstOffset: reader.signed(), startedAt: reader.near(lastAppendAt) };
}

function readIdempotencyRecord(reader: ByteReader): IdempotencyRecord {
  const key = reader.string();
  const fingerprint = reader.signed();
  const rememberedAt = reader.signed();
  const answers = reader.many((): RememberedAnswer => {
    const kind = reader.byte();
    if (kind !== REMEMBERED_APPENDED) {
      return { type: 'refused', error: refusalOf(kind), nextOffset: reader.signed() };
    }
    return { type: 'appended', baseOffset: reader.uvarint(), maxTimestamp: reader.near(rememberedAt) };
  });
  return { key, fingerprint, rememberedAt, answers };
}
