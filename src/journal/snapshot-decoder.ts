/** Reads snapshots (`snapshot-format.ts`), trusting nothing, and counts again what is not written. */
import { StartupError, StorageCorruptError } from '../errors.ts';
import { crc32c } from '../record/crc32c.ts';
import type { SegmentReference } from '../segment/footer.ts';
import { readExceptions, refusalOf } from './appended-codec.ts';
import { ByteReader } from './byte-reader.ts';
import { readExtent, readSegmentReference } from './extent-codec.ts';
import { SharedExtentList } from './extent-list.ts';
import type { IdempotencyRecord, RememberedAnswer } from './idempotency.ts';
import type { GuardedTransaction, ProducerBatch, Records } from './journal.ts';
import { readLane } from './lane-codec.ts';
import { type AppendedAnswer, type LaneAnswer, type LaneState, laneKey } from './lanes.ts';
import type {
  AbortedTransaction,
  EpochStart,
  Extent,
  ExtentSource,
  PartitionState,
  UnstableTransaction,
} from './partition-state.ts';
import { type ProducerRecord, producerKey } from './producers.ts';
import { SharedList } from './shared-list.ts';
import {
  ANSWER_SKIPPED,
  CRC_BYTES,
  MAGIC,
  NO_ID,
  REMEMBERED_APPENDED,
  SOURCE_INLINE,
  SOURCE_SEGMENT,
  TRANSACTION_NONE,
  TRANSACTION_OPEN,
  VERSION,
} from './snapshot-format.ts';
import { JournalState, partitionKey } from './state.ts';
import { stableOffset } from './transactions.ts';

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
  state.fences = reader.many(() => reader.uvarint());

  const segments = reader.many(() => readSegmentReference(reader));
  const partitions = reader.many(() => readPartition(reader, segments));
  for (const partition of partitions) {
    state.partitionsByKey.set(partitionKey(partition.topicId, partition.partition), partition);
  }
  countUses(state, segments);
  for (const condemned of reader.many(() => ({ segmentId: reader.string(), seq: reader.uvarint() }))) {
    state.condemnedById.set(condemned.segmentId, condemned);
  }
  const marks = reader.many(() => ({
    brokerId: reader.uvarint(),
    brokerEpoch: reader.uvarint(),
    number: reader.uvarint(),
  }));
  for (const mark of marks) state.forgottenByBroker.set(mark.brokerId, mark);
  for (const [brokerId, brokerEpoch] of reader.many(() => [reader.uvarint(), reader.uvarint()] as const)) {
    state.sessions.set(brokerId, brokerEpoch);
  }
  for (const lane of reader.many(() => readLaneState(reader))) {
    state.lanes.set(laneKey(lane.brokerId, lane.lane), lane);
  }
  for (const producer of reader.many(() => readProducer(reader, partitions))) {
    state.producersByKey.set(producerKey(producer.partitionKey, producer.producerId), producer);
    if (producer.open !== null) state.openTransactions++;
  }
  for (const record of reader.many(() => readIdempotencyRecord(reader))) {
    state.idempotencyKeys.set(record.key, record);
  }
  for (const [owner, records] of reader.many(() => readRecords(reader))) state.recordsByOwner.set(owner, records);
  if (reader.remaining !== 0) throw new StorageCorruptError(`${reader.remaining} bytes too many`);
  return state;
}

function readRecords(reader: ByteReader): readonly [owner: string, records: Records] {
  const owner = reader.string();
  return [owner, new Map(reader.many(() => [reader.string(), reader.string()] as const))];
}

function readPartition(reader: ByteReader, segments: readonly SegmentReference[]): PartitionState {
  const topicId = reader.uuid();
  const partition = reader.uvarint();
  const logStartOffset = reader.uvarint();
  const nextOffset = reader.uvarint();
  const epochs = reader.many((): EpochStart => ({ epoch: reader.uvarint(), startOffset: reader.uvarint() }));
  const unstable = reader.many(
    (): UnstableTransaction => ({ producerId: reader.signed(), firstOffset: reader.uvarint() }),
  );
  const abortedTransactions = SharedList.of(reader.many(() => readAborted(reader)));
  let offset = logStartOffset;
  let timestamp = 0;
  let bytes = 0;
  const extents = reader.many((): Extent => {
    const extent = readExtent(reader, readSource(reader, segments), offset, timestamp);
    offset = extent.endOffset;
    timestamp = extent.appendedAt;
    bytes += extent.length;
    return extent;
  });
  const lastStableOffset = stableOffset(logStartOffset, unstable, nextOffset);
  const transactions = { lastStableOffset, unstable, abortedTransactions };
  const stored = { extents: SharedExtentList.of(extents), bytes, epochs };
  return { topicId, partition, logStartOffset, nextOffset, ...transactions, ...stored };
}

function readAborted(reader: ByteReader): AbortedTransaction {
  const producerId = reader.signed();
  const lastOffset = reader.uvarint();
  const firstOffset = reader.near(lastOffset);
  return { producerId, firstOffset, lastOffset, lastStableOffset: reader.near(lastOffset) };
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
  return { ...lane, last, answers: SharedList.of(reader.many(() => readLaneAnswer(reader))) };
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

function readProducer(reader: ByteReader, partitions: readonly PartitionState[]): ProducerRecord {
  const partition = partitions[reader.uvarint()];
  if (!partition) throw new StorageCorruptError('a producer of no partition');
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
  const key = partitionKey(partition.topicId, partition.partition);
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
