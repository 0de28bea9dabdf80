/**
 * Commands as bytes. Type numbers are given once and never again; a family has a range of its own, so that new ones can
 * be added in their own files. A number that is not known here stops a broker from leading: it cannot fold what it does
 * not understand.
 */
import { StartupError, StorageCorruptError } from '../errors.ts';
import type { BatchDescription, PartitionBatches, SegmentReference } from '../segment/footer.ts';
import type { ByteReader } from './byte-reader.ts';
import type { ByteWriter } from './byte-writer.ts';
import {
  type AppendException,
  type Appended,
  type AppendedBatches,
  type AppendedGroup,
  type AppendedSource,
  type Command,
  type Merged,
  type MergedSwap,
  REFUSALS,
  type Refusal,
} from './entry.ts';
import type { Lane } from './journal.ts';
import type { Extent } from './partition-state.ts';

/** Persisted: never renumber. 1 to 31 log, 32 to 63 groups, 64 to 95 transactions. */
const COMMAND_TYPES = {
  epochStarted: 1,
  partitionsCreated: 2,
  partitionsDeleted: 3,
  appended: 4,
  laneSkipped: 5,
  merged: 6,
  logStartAdvanced: 7,
  condemned: 8,
  forgotten: 9,
  expired: 10,
  producerIdsAllocated: 11,
} as const satisfies Record<Command['type'], number>;

/** Persisted: never renumber. */
const SOURCE_SEGMENT = 0;
const SOURCE_INLINE = 1;
const BATCHES_DESCRIBED = 0;
const BATCHES_IN_FOOTER = 1;
const EXCEPTION_DUPLICATE = 0;

/** What numbers in an entry are written relative to. */
export interface CodecContext {
  readonly journal: number;
  readonly timestamp: number;
}

interface CommandCodec<C extends Command> {
  write(writer: ByteWriter, command: C, context: CodecContext): void;
  read(reader: ByteReader, context: CodecContext): C;
}

type Codecs = { readonly [T in Command['type']]: CommandCodec<Extract<Command, { type: T }>> };

const CODECS: Codecs = {
  epochStarted: {
    write(writer, { epoch, brokerId, brokerEpoch }) {
      writer.uvarint(epoch);
      writer.uvarint(brokerId);
      writer.uvarint(brokerEpoch);
    },
    read: (reader) => ({
      type: 'epochStarted',
      epoch: reader.uvarint(),
      brokerId: reader.uvarint(),
      brokerEpoch: reader.uvarint(),
    }),
  },
  partitionsCreated: {
    write: writePartitionNumbers,
    read: (reader) => ({ type: 'partitionsCreated', ...readPartitionNumbers(reader) }),
  },
  partitionsDeleted: {
    write: writePartitionNumbers,
    read: (reader) => ({ type: 'partitionsDeleted', ...readPartitionNumbers(reader) }),
  },
  appended: { write: writeAppended, read: readAppended },
  laneSkipped: {
    write(writer, { lane, number }) {
      writeLane(writer, lane);
      writer.uvarint(number);
    },
    read: (reader) => ({ type: 'laneSkipped', lane: readLane(reader), number: reader.uvarint() }),
  },
  merged: { write: writeMerged, read: readMerged },
  logStartAdvanced: {
    write(writer, { topicId, partition, logStartOffset }) {
      writer.uuid(topicId);
      writer.uvarint(partition);
      writer.uvarint(logStartOffset);
    },
    read: (reader) => ({
      type: 'logStartAdvanced',
      topicId: reader.uuid(),
      partition: reader.uvarint(),
      logStartOffset: reader.uvarint(),
    }),
  },
  condemned: {
    write: writeSegmentIds,
    read: (reader) => ({ type: 'condemned', segmentIds: readSegmentIds(reader) }),
  },
  forgotten: {
    write: writeSegmentIds,
    read: (reader) => ({ type: 'forgotten', segmentIds: readSegmentIds(reader) }),
  },
  expired: {
    write(writer, { before, keysBefore }, { timestamp }) {
      writer.near(before, timestamp);
      writer.near(keysBefore, timestamp);
    },
    read: (reader, { timestamp }) => ({
      type: 'expired',
      before: reader.near(timestamp),
      keysBefore: reader.near(timestamp),
    }),
  },
  producerIdsAllocated: {
    write(writer, { first, count }) {
      writer.uvarint(first);
      writer.uvarint(count);
    },
    read: (reader) => ({ type: 'producerIdsAllocated', first: reader.uvarint(), count: reader.uvarint() }),
  },
};

const TYPES_BY_NUMBER: ReadonlyMap<number, Command['type']> = new Map(
  Object.entries(COMMAND_TYPES).map(([type, number]) => [number, type as Command['type']]),
);

export function writeCommand(writer: ByteWriter, command: Command, context: CodecContext): void {
  writer.uvarint(COMMAND_TYPES[command.type]);
  // The table pairs each type with its codec; the compiler cannot follow that through a lookup.
  (CODECS[command.type] as CommandCodec<Command>).write(writer, command, context);
}

export function readCommand(reader: ByteReader, context: CodecContext): Command {
  const number = reader.uvarint();
  const type = TYPES_BY_NUMBER.get(number);
  if (!type) {
    throw new StartupError(`it holds a command of type ${number}, which this version of the broker does not know`);
  }
  return CODECS[type].read(reader, context);
}

function writePartitionNumbers(
  writer: ByteWriter,
  { topicId, partitions }: { readonly topicId: string; readonly partitions: readonly number[] },
): void {
  writer.uuid(topicId);
  writer.uvarint(partitions.length);
  for (const partition of partitions) writer.uvarint(partition);
}

function readPartitionNumbers(reader: ByteReader): { topicId: string; partitions: number[] } {
  const topicId = reader.uuid();
  return { topicId, partitions: readMany(reader, () => reader.uvarint()) };
}

function writeSegmentIds(writer: ByteWriter, { segmentIds }: { readonly segmentIds: readonly string[] }): void {
  writer.uvarint(segmentIds.length);
  for (const id of segmentIds) writer.string(id);
}

const readSegmentIds = (reader: ByteReader): string[] => readMany(reader, () => reader.string());

export function writeLane(writer: ByteWriter, { brokerId, brokerEpoch, lane }: Lane): void {
  writer.uvarint(brokerId);
  writer.uvarint(brokerEpoch);
  writer.uvarint(lane);
}

export const readLane = (reader: ByteReader): Lane => ({
  brokerId: reader.uvarint(),
  brokerEpoch: reader.uvarint(),
  lane: reader.uvarint(),
});

export function writeSegmentReference(writer: ByteWriter, reference: SegmentReference): void {
  writer.string(reference.id);
  writer.uvarint(reference.bytes);
  writer.uvarint(reference.footerPosition);
  writer.uvarint(reference.footerLength);
  writer.uint32(reference.footerCrc);
}

export const readSegmentReference = (reader: ByteReader): SegmentReference => ({
  id: reader.string(),
  bytes: reader.uvarint(),
  footerPosition: reader.uvarint(),
  footerLength: reader.uvarint(),
  footerCrc: reader.uint32(),
});

function writeAppended(writer: ByteWriter, command: Appended, context: CodecContext): void {
  const { lane, number, source, batches, exceptions, groups } = command;
  writeLane(writer, lane);
  writer.uvarint(number);
  if (source.type === 'segment') {
    writer.byte(SOURCE_SEGMENT);
    writeSegmentReference(writer, source.segment);
  } else {
    writer.byte(SOURCE_INLINE);
    writer.uvarint(source.position);
    writer.uvarint(source.length);
  }
  if (batches.type === 'footer') {
    writer.byte(BATCHES_IN_FOOTER);
    writer.uvarint(batches.batchCount);
  } else {
    writer.byte(BATCHES_DESCRIBED);
    writer.uvarint(batches.partitions.length);
    // Positions usually follow one another over all partitions.
    let position = 0;
    for (const partition of batches.partitions) {
      position = writePartitionBatches(writer, partition, position, context.timestamp);
    }
  }
  writeExceptions(writer, exceptions);
  writer.uvarint(groups.length);
  for (const { key, fingerprint, batches: indexes } of groups) {
    writer.string(key);
    writer.signed(fingerprint);
    writer.uvarint(indexes.length);
    for (const index of indexes) writer.uvarint(index);
  }
}

function readAppended(reader: ByteReader, context: CodecContext): Appended {
  return {
    type: 'appended',
    lane: readLane(reader),
    number: reader.uvarint(),
    source: readSource(reader),
    batches: readBatches(reader, context),
    exceptions: readExceptions(reader),
    groups: readMany(
      reader,
      (): AppendedGroup => ({
        key: reader.string(),
        fingerprint: reader.signed(),
        batches: readMany(reader, () => reader.uvarint()),
      }),
    ),
  };
}

function readSource(reader: ByteReader): AppendedSource {
  const type = reader.byte();
  if (type === SOURCE_SEGMENT) return { type: 'segment', segment: readSegmentReference(reader) };
  if (type === SOURCE_INLINE) return { type: 'inline', position: reader.uvarint(), length: reader.uvarint() };
  throw new StorageCorruptError(`source type ${type}`);
}

function readBatches(reader: ByteReader, context: CodecContext): AppendedBatches {
  const type = reader.byte();
  if (type === BATCHES_IN_FOOTER) return { type: 'footer', batchCount: reader.uvarint() };
  if (type !== BATCHES_DESCRIBED) throw new StorageCorruptError(`batches of type ${type}`);
  let position = 0;
  const partitions = readMany(reader, () => {
    const read = readPartitionBatches(reader, position, context);
    const last = read.batches.at(-1);
    if (last) position = last.position + last.length;
    return read;
  });
  return { type: 'described', partitions };
}

/** Returns the position behind the last batch. */
function writePartitionBatches(
  writer: ByteWriter,
  batches: PartitionBatches,
  start: number,
  timestamp: number,
): number {
  writer.uuid(batches.topicId);
  writer.uvarint(batches.partition);
  writer.uvarint(batches.batches.length);
  let position = start;
  for (const batch of batches.batches) {
    writer.near(batch.position, position);
    writer.uvarint(batch.length);
    writer.uvarint(batch.offsetCount);
    writer.signed(batch.attributes);
    writer.near(batch.baseTimestamp, timestamp);
    writer.near(batch.maxTimestamp, batch.baseTimestamp);
    writer.signed(batch.producerId);
    if (batch.producerId >= 0) {
      writer.signed(batch.producerEpoch);
      writer.signed(batch.baseSequence);
    }
    position = batch.position + batch.length;
  }
  return position;
}

function readPartitionBatches(
  reader: ByteReader,
  start: number,
  { journal, timestamp }: CodecContext,
): PartitionBatches {
  const topicId = reader.uuid();
  const partition = reader.uvarint();
  let expected = start;
  const batches = readMany(reader, (): BatchDescription => {
    const position = reader.near(expected);
    const length = reader.uvarint();
    const offsetCount = reader.uvarint();
    const attributes = reader.signed();
    const baseTimestamp = reader.near(timestamp);
    const maxTimestamp = reader.near(baseTimestamp);
    const producerId = reader.signed();
    const isIdempotent = producerId >= 0;
    const producerEpoch = isIdempotent ? reader.signed() : -1;
    const baseSequence = isIdempotent ? reader.signed() : -1;
    expected = position + length;
    return {
      position,
      length,
      offsetCount,
      producerId,
      producerEpoch,
      baseSequence,
      attributes,
      baseTimestamp,
      maxTimestamp,
      baseOffset: -1,
      leaderEpoch: -1,
    };
  });
  return { topicId, partition, journal, batches };
}

const REFUSALS_BY_NUMBER: ReadonlyMap<number, Refusal> = new Map(
  Object.entries(REFUSALS).map(([refusal, number]) => [number, refusal as Refusal]),
);

/** Also the form in which a snapshot keeps them. */
export function writeExceptions(writer: ByteWriter, exceptions: readonly AppendException[]): void {
  writer.uvarint(exceptions.length);
  let previous = 0;
  for (const exception of exceptions) {
    writer.uvarint(exception.index - previous);
    previous = exception.index;
    if (exception.type === 'duplicate') {
      writer.byte(EXCEPTION_DUPLICATE);
      writer.uvarint(exception.baseOffset);
      writer.signed(exception.maxTimestamp);
    } else {
      writer.byte(REFUSALS[exception.error]);
      writer.signed(exception.nextOffset);
    }
  }
}

export function readExceptions(reader: ByteReader): AppendException[] {
  let index = 0;
  return readMany(reader, (): AppendException => {
    index += reader.uvarint();
    const kind = reader.byte();
    if (kind === EXCEPTION_DUPLICATE) {
      return { type: 'duplicate', index, baseOffset: reader.uvarint(), maxTimestamp: reader.signed() };
    }
    return { type: 'refused', index, error: refusalOf(kind), nextOffset: reader.signed() };
  });
}

export function refusalOf(number: number): Refusal {
  const refusal = REFUSALS_BY_NUMBER.get(number);
  if (!refusal) throw new StartupError(`it holds refusal ${number}, which this version of the broker does not know`);
  return refusal;
}

function writeMerged(writer: ByteWriter, { segments, swaps }: Merged, { timestamp }: CodecContext): void {
  writer.uvarint(segments.length);
  for (const segment of segments) writeSegmentReference(writer, segment);
  const places = new Map(segments.map(({ id }, place) => [id, place]));
  writer.uvarint(swaps.length);
  for (const { topicId, partition, removeFrom, removeCount, add } of swaps) {
    writer.uuid(topicId);
    writer.uvarint(partition);
    writer.uvarint(removeFrom);
    writer.uvarint(removeCount);
    writer.uvarint(add.length);
    for (const extent of add) {
      const { source } = extent;
      writer.uvarint(source.type === 'segment' ? places.get(source.segmentId)! : segments.length);
      writeExtent(writer, extent, removeFrom, timestamp);
    }
  }
}

function readMerged(reader: ByteReader, { timestamp }: CodecContext): Merged {
  const segments = readMany(reader, () => readSegmentReference(reader));
  const swaps = readMany(reader, (): MergedSwap => {
    const topicId = reader.uuid();
    const partition = reader.uvarint();
    const removeFrom = reader.uvarint();
    const removeCount = reader.uvarint();
    const add = readMany(reader, () => {
      const segment = segments[reader.uvarint()];
      if (!segment) throw new StorageCorruptError('a merged extent outside of the merged segments');
      return readExtent(reader, { type: 'segment', segmentId: segment.id }, removeFrom, timestamp);
    });
    return { topicId, partition, removeFrom, removeCount, add };
  });
  return { type: 'merged', segments, swaps };
}

/** All of an extent but its source. */
export function writeExtent(writer: ByteWriter, extent: Extent, offset: number, timestamp: number): void {
  writer.near(extent.baseOffset, offset);
  writer.uvarint(extent.endOffset - extent.baseOffset);
  writer.uvarint(extent.position);
  writer.uvarint(extent.length);
  writer.uvarint(extent.batchCount);
  writer.near(extent.maxTimestamp, timestamp);
  writer.uvarint(extent.leaderEpoch);
  writer.byte(extent.absolute ? 1 : 0);
  writer.near(extent.appendedAt, timestamp);
}

export function readExtent(reader: ByteReader, source: Extent['source'], offset: number, timestamp: number): Extent {
  const baseOffset = reader.near(offset);
  return {
    baseOffset,
    endOffset: baseOffset + reader.uvarint(),
    source,
    position: reader.uvarint(),
    length: reader.uvarint(),
    batchCount: reader.uvarint(),
    maxTimestamp: reader.near(timestamp),
    leaderEpoch: reader.uvarint(),
    absolute: reader.byte() === 1,
    appendedAt: reader.near(timestamp),
  };
}

export function readMany<T>(reader: ByteReader, read: () => T): T[] {
  const count = reader.count();
  const values: T[] = [];
  for (let at = 0; at < count; at++) values.push(read());
  return values;
}
