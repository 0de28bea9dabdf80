/**
 * An append and its answer on the way between two brokers. Bytes between brokers are not free across zones, so numbers are
 * written relative to what precedes them: some 20 bytes a batch, 20 a partition, 80 an append, and 10 a batch coming back.
 *
 *   request:  lane, number, source, topics[partitions[batches]], conditions, idempotent groups, then the inline body
 *   answer:   seq, entry id, position of the inline body, leader epoch, partitions[log start, batches]
 *
 * Not persisted, but spoken between brokers of two minor versions.
 */
import { StorageCorruptError } from '../errors.ts';
import type { BatchDescription, PartitionBatches } from '../segment/footer.ts';
import { readFreshBatches, refusalOf, writeFreshBatches } from './appended-codec.ts';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import { REFUSAL_MESSAGES, REFUSALS, type Refusal } from './entry.ts';
import { readSegmentReference, writeSegmentReference } from './extent-codec.ts';
import type {
  AppendAnswer,
  AppendCondition,
  AppendRequest,
  AppendSource,
  BatchAnswer,
  IdempotentGroup,
} from './journal.ts';
import { readLane, writeLane } from './lane-codec.ts';

const SOURCE_SEGMENT = 0;
const SOURCE_INLINE = 1;
const CONDITION_OFFSET = 1;
const CONDITION_TRANSACTION = 2;
/** All batches of a partition were appended: the usual case needs no kinds. */
const ALL_APPENDED = 0;
const MIXED = 1;
const ANSWER_APPENDED = 0;
const ANSWER_DUPLICATE = 1;
const ANSWER_REFUSED = 2;

/** Everything but the inline body, which follows as it is. */
export function encodeAppendRequest(writer: ByteWriter, request: AppendRequest): readonly Uint8Array[] {
  const { lane, number, source, partitions, conditions = [], idempotency = [] } = request;
  writeLane(writer, lane);
  writer.uvarint(number);
  if (source.type === 'segment') {
    writer.byte(SOURCE_SEGMENT);
    writeSegmentReference(writer, source.segment);
  } else {
    writer.byte(SOURCE_INLINE);
    writer.uvarint(source.bytes);
  }
  writePartitions(writer, partitions);
  writer.uvarint(conditions.length);
  for (const condition of conditions) writeCondition(writer, condition);
  writer.uvarint(idempotency.length);
  for (const group of idempotency) writeGroup(writer, group);
  return source.type === 'inline' ? source.parts : [];
}

/** `journal` is the one that is asked: descriptions name it. The body is a view into the reader's buffer. */
export function decodeAppendRequest(reader: ByteReader, journal: number): AppendRequest {
  const lane = readLane(reader);
  const number = reader.uvarint();
  const isInline = reader.byte() === SOURCE_INLINE;
  const segment = isInline ? null : readSegmentReference(reader);
  const bytes = isInline ? reader.uvarint() : 0;
  const partitions = readPartitions(reader, journal);
  const conditions = reader.many(() => readCondition(reader));
  const idempotency = reader.many(() => readGroup(reader));
  checkPlaces(partitions, segment === null ? bytes : segment.bytes);
  checkIndexes(partitions, [...conditions, ...idempotency.flatMap(({ batches }) => batches)]);
  const source: AppendSource = segment
    ? { type: 'segment', segment }
    : { type: 'inline', parts: [reader.bytes(bytes)], bytes };
  return {
    lane,
    number,
    source,
    partitions,
    ...(conditions.length > 0 && { conditions }),
    ...(idempotency.length > 0 && { idempotency }),
  };
}

/** What is decided here is for ever: batches lie in their source, and are some. */
function checkPlaces(partitions: readonly PartitionBatches[], end: number): void {
  for (const { topicId, partition, batches } of partitions) {
    for (const { position, length, offsetCount } of batches) {
      if (position >= 0 && position + length <= end && offsetCount > 0) continue;
      const place = `[${position}, ${position + length}) of ${end} bytes`;
      throw new StorageCorruptError(`partition ${topicId}-${partition} has ${offsetCount} records in ${place}`);
    }
  }
}

interface BatchIndex {
  readonly partitionIndex: number;
  readonly batchIndex: number;
}

function checkIndexes(partitions: readonly PartitionBatches[], indexes: readonly BatchIndex[]): void {
  for (const { partitionIndex, batchIndex } of indexes) {
    if (batchIndex < (partitions[partitionIndex]?.batches.length ?? 0)) continue;
    throw new StorageCorruptError(`there is no batch ${batchIndex} of partition ${partitionIndex}`);
  }
}

function writePartitions(writer: ByteWriter, partitions: readonly PartitionBatches[]): void {
  const timestamp = partitions[0]?.batches[0]?.baseTimestamp ?? 0;
  writer.signed(timestamp);
  const topics = byTopic(partitions);
  writer.uvarint(topics.length);
  let position = 0;
  for (const ofTopic of topics) {
    writer.uuid(ofTopic[0]!.topicId);
    writer.uvarint(ofTopic.length);
    for (const { partition, batches } of ofTopic) {
      writer.uvarint(partition);
      position = writeFreshBatches(writer, batches, position, timestamp);
    }
  }
}

/** They are sorted by topic. */
function byTopic(partitions: readonly PartitionBatches[]): PartitionBatches[][] {
  const topics: PartitionBatches[][] = [];
  for (const partition of partitions) {
    const last = topics.at(-1);
    if (last?.[0]?.topicId === partition.topicId) last.push(partition);
    else topics.push([partition]);
  }
  return topics;
}

function readPartitions(reader: ByteReader, journal: number): PartitionBatches[] {
  const timestamp = reader.signed();
  const partitions: PartitionBatches[] = [];
  let position = 0;
  for (let topics = reader.count(); topics > 0; topics--) {
    const topicId = reader.uuid();
    for (let count = reader.count(); count > 0; count--) {
      const partition = reader.uvarint();
      const batches = readFreshBatches(reader, position, timestamp);
      partitions.push({ topicId, partition, journal, batches });
      position = endOf(batches) ?? position;
    }
  }
  return partitions;
}

function endOf(batches: readonly BatchDescription[]): number | undefined {
  const last = batches.at(-1);
  return last && last.position + last.length;
}

function writeCondition(writer: ByteWriter, condition: AppendCondition): void {
  const { partitionIndex, batchIndex, expectedOffset, transaction } = condition;
  writer.uvarint(partitionIndex);
  writer.uvarint(batchIndex);
  const offset = expectedOffset === undefined ? 0 : CONDITION_OFFSET;
  writer.byte(offset | (transaction === undefined ? 0 : CONDITION_TRANSACTION));
  if (expectedOffset !== undefined) writer.signed(expectedOffset);
  if (transaction !== undefined) writer.signed(transaction);
}

function readCondition(reader: ByteReader): AppendCondition {
  const partitionIndex = reader.uvarint();
  const batchIndex = reader.uvarint();
  const kinds = reader.byte();
  return {
    partitionIndex,
    batchIndex,
    ...(kinds & CONDITION_OFFSET && { expectedOffset: reader.signed() }),
    ...(kinds & CONDITION_TRANSACTION && { transaction: reader.signed() }),
  };
}

function writeGroup(writer: ByteWriter, { key, fingerprint, batches }: IdempotentGroup): void {
  writer.string(key);
  writer.signed(fingerprint);
  writer.uvarint(batches.length);
  for (const { partitionIndex, batchIndex } of batches) {
    writer.uvarint(partitionIndex);
    writer.uvarint(batchIndex);
  }
}

const readGroup = (reader: ByteReader): IdempotentGroup => ({
  key: reader.string(),
  fingerprint: reader.signed(),
  batches: reader.many(() => ({ partitionIndex: reader.uvarint(), batchIndex: reader.uvarint() })),
});

export function encodeAppendAnswer(answer: AppendAnswer): Buffer {
  const writer = new ByteWriter(ANSWER_BYTES);
  writer.uvarint(answer.seq);
  writer.hexId(answer.entryId);
  writer.uvarint(answer.inlinePosition);
  const leaderEpoch = leaderEpochOf(answer);
  writer.signed(leaderEpoch);
  writer.uvarint(answer.answers.length);
  for (const batches of answer.answers) {
    const logStartOffset = logStartOf(batches);
    writer.uvarint(batches.length);
    writer.signed(logStartOffset);
    const isMixed = batches.some(({ type }) => type !== 'appended');
    writer.byte(isMixed ? MIXED : ALL_APPENDED);
    let offset = logStartOffset;
    for (const batch of batches) offset = writeBatchAnswer(writer, batch, isMixed, offset);
  }
  return writer.finish();
}

/** Answers the offset that the next one is near to. */
function writeBatchAnswer(writer: ByteWriter, answer: BatchAnswer, isMixed: boolean, offset: number): number {
  switch (answer.type) {
    case 'appended':
      if (isMixed) writer.byte(ANSWER_APPENDED);
      writer.near(answer.baseOffset, offset);
      return answer.baseOffset;
    case 'duplicate':
      writer.byte(ANSWER_DUPLICATE);
      writer.near(answer.baseOffset, offset);
      writer.signed(answer.maxTimestamp);
      return answer.baseOffset;
    case 'refused':
      writer.byte(ANSWER_REFUSED);
      writer.byte(REFUSALS[answer.error as Refusal]);
      writer.signed(answer.nextOffset);
      return offset;
  }
}

export function decodeAppendAnswer(bytes: Buffer): AppendAnswer {
  const reader = new ByteReader(bytes);
  const seq = reader.uvarint();
  const entryId = reader.hexId();
  const inlinePosition = reader.uvarint();
  const leaderEpoch = reader.signed();
  const answers = reader.many(() => {
    const batchCount = reader.count();
    const logStartOffset = reader.signed();
    const isMixed = reader.byte() === MIXED;
    const batches: BatchAnswer[] = [];
    let offset = logStartOffset;
    for (let at = 0; at < batchCount; at++) {
      const batch = readBatchAnswer(reader, isMixed, offset, leaderEpoch, logStartOffset);
      batches.push(batch);
      if (batch.type !== 'refused') offset = batch.baseOffset;
    }
    return batches;
  });
  return { seq, entryId, inlinePosition, answers };
}

function readBatchAnswer(
  reader: ByteReader,
  isMixed: boolean,
  offset: number,
  leaderEpoch: number,
  logStartOffset: number,
): BatchAnswer {
  const kind = isMixed ? reader.byte() : ANSWER_APPENDED;
  if (kind === ANSWER_APPENDED) {
    return { type: 'appended', baseOffset: reader.near(offset), leaderEpoch, logStartOffset };
  }
  if (kind === ANSWER_DUPLICATE) {
    return { type: 'duplicate', baseOffset: reader.near(offset), maxTimestamp: reader.signed(), logStartOffset };
  }
  const error = refusalOf(reader.byte());
  return { type: 'refused', error, message: REFUSAL_MESSAGES[error], nextOffset: reader.signed() };
}

/** One entry was written in one epoch. */
function leaderEpochOf({ answers }: AppendAnswer): number {
  for (const batches of answers) {
    for (const batch of batches) if (batch.type === 'appended') return batch.leaderEpoch;
  }
  return -1;
}

/** Refused ones do not tell: of a partition that does not exist there is none. */
function logStartOf(batches: readonly BatchAnswer[]): number {
  for (const batch of batches) if (batch.type !== 'refused') return batch.logStartOffset;
  return -1;
}

const ANSWER_BYTES = 256;
