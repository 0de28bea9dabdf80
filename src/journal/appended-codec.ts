/** `Appended` as bytes: who sent it, where the bytes lie, the batches or whose footer lists them, and what was not appended. */
import { StartupError, StorageCorruptError } from '../errors.ts';
import type { BatchDescription, PartitionBatches } from '../segment/footer.ts';
import type { ByteReader } from './byte-reader.ts';
import type { ByteWriter } from './byte-writer.ts';
import {
  type AppendException,
  type Appended,
  type AppendedBatches,
  type AppendedGroup,
  type AppendedSource,
  REFUSALS,
  type Refusal,
} from './entry.ts';
import { readSegmentReference, writeSegmentReference } from './extent-codec.ts';
import { readLane, writeLane } from './lane-codec.ts';

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

export function writeAppended(writer: ByteWriter, command: Appended, context: CodecContext): void {
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

export function readAppended(reader: ByteReader, context: CodecContext): Appended {
  return {
    type: 'appended',
    lane: readLane(reader),
    number: reader.uvarint(),
    source: readSource(reader),
    batches: readBatches(reader, context),
    exceptions: readExceptions(reader),
    groups: reader.many(
      (): AppendedGroup => ({
        key: reader.string(),
        fingerprint: reader.signed(),
        batches: reader.many(() => reader.uvarint()),
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
  const partitions = reader.many(() => {
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
  return writeFreshBatches(writer, batches.batches, start, timestamp);
}

/** Batches whose offsets are not known yet. Also the form in which they travel to a leader. */
export function writeFreshBatches(
  writer: ByteWriter,
  batches: readonly BatchDescription[],
  start: number,
  timestamp: number,
): number {
  writer.uvarint(batches.length);
  let position = start;
  for (const batch of batches) {
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
  return { topicId, partition, journal, batches: readFreshBatches(reader, start, timestamp) };
}

export function readFreshBatches(reader: ByteReader, start: number, timestamp: number): BatchDescription[] {
  let expected = start;
  return reader.many((): BatchDescription => {
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
  return reader.many((): AppendException => {
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
