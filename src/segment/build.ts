/**
 * Lays out a segment, or the body of an inline append, without copying a byte of the batches: they stay where they
 * arrived, and a gather list says in which order the store writes them.
 */
import { type BatchHeader, wholeBatchCrc } from '../record/batch.ts';
import { crc32c, crc32cCombine } from '../record/crc32c.ts';
import { uvarintBytes, writeUvarint, writeVarint } from '../record/varint.ts';
import { assert } from '../runtime/assert.ts';
import type { BatchDescription, Footer, PartitionBatches, SegmentReference } from './footer.ts';
import { BATCH_FLAGS, encodeTrailer, TRAILER_BYTES } from './format.ts';

/** A batch where it lies in memory, with its checked header. */
export interface PlacedBatch {
  readonly bytes: Uint8Array;
  readonly header: BatchHeader;
}

export interface PartitionInput {
  readonly topicId: string;
  readonly partition: number;
  readonly journal: number;
  readonly batches: readonly PlacedBatch[];
}

/** `fresh`: offsets are assigned later; `absolute`: the batches carry base offset and leader epoch already. */
export type Offsets = 'fresh' | 'absolute';

export interface Body {
  /** Gather list: views of the batches' own memory, physically adjacent ones joined. Must not change until written. */
  readonly parts: readonly Uint8Array[];
  readonly bytes: number;
  /** CRC-32C of all parts. */
  readonly crc: number;
  /** Sorted, with positions. */
  readonly partitions: readonly PartitionBatches[];
}

export interface SegmentLayout {
  /** The whole object: batches, footer, trailer. */
  readonly parts: readonly Uint8Array[];
  readonly reference: SegmentReference;
  readonly footer: Footer;
  /** CRC-32C of the whole object. */
  readonly crc32c: number;
}

/** Batches shorter than this are hashed, longer ones have their checksum moved into place. */
const HASHED_BYTES_MAX = 1_024;

/** Orders as footers and appends do. Topic ids compare as text. */
export function comparePartitions(
  a: { readonly topicId: string; readonly partition: number },
  b: { readonly topicId: string; readonly partition: number },
): number {
  if (a.topicId !== b.topicId) return a.topicId < b.topicId ? -1 : 1;
  return a.partition - b.partition;
}

/** Partitions come in any order, each once and with at least one batch. */
export function layoutBody(given: readonly PartitionInput[], offsets: Offsets): Body {
  const parts: Uint8Array[] = [];
  let position = 0;
  let crc = 0;
  const partitions = given.toSorted(comparePartitions).map(({ topicId, partition, journal, batches }) => {
    assert(batches.length > 0, `partition ${topicId}-${partition} has no batches`);
    const descriptions = batches.map(({ bytes, header }) => {
      assert(bytes.length === header.length, `batch of ${bytes.length} bytes whose header says ${header.length}`);
      appendPart(parts, bytes);
      crc =
        bytes.length <= HASHED_BYTES_MAX
          ? crc32c(bytes, crc)
          : crc32cCombine(crc, wholeBatchCrc(bytes, 0, bytes.length), bytes.length);
      const description = describeBatch(header, position, offsets);
      position += bytes.length;
      return description;
    });
    return { topicId, partition, journal, batches: descriptions };
  });
  return { parts, bytes: position, crc, partitions };
}

function appendPart(parts: Uint8Array[], bytes: Uint8Array): void {
  const last = parts.at(-1);
  if (last && last.buffer === bytes.buffer && last.byteOffset + last.length === bytes.byteOffset) {
    parts[parts.length - 1] = new Uint8Array(last.buffer, last.byteOffset, last.length + bytes.length);
  } else {
    parts.push(bytes);
  }
}

/** What footers and appends say of a batch. */
export function describeBatch(header: BatchHeader, position: number, offsets: Offsets): BatchDescription {
  const idempotent = header.producerId >= 0;
  const absolute = offsets === 'absolute';
  return {
    position,
    length: header.length,
    offsetCount: header.lastOffsetDelta + 1,
    producerId: idempotent ? header.producerId : -1,
    producerEpoch: idempotent ? header.producerEpoch : -1,
    baseSequence: idempotent ? header.baseSequence : -1,
    attributes: header.attributes,
    baseTimestamp: header.baseTimestamp,
    maxTimestamp: header.maxTimestamp,
    baseOffset: absolute ? header.baseOffset : -1,
    leaderEpoch: absolute ? header.leaderEpoch : -1,
  };
}

export const layoutSegment = (id: string, partitions: readonly PartitionInput[], offsets: Offsets): SegmentLayout =>
  sealSegment(id, layoutBody(partitions, offsets));

/** Adds footer and trailer to a body. */
export function sealSegment(id: string, body: Body): SegmentLayout {
  assert(body.partitions.length > 0, 'an empty segment');
  const footer: Footer = { partitions: body.partitions };
  const footerBytes = encodeFooter(footer);
  const footerCrc = crc32c(footerBytes);
  const trailer = encodeTrailer({
    footerPosition: body.bytes,
    footerLength: footerBytes.length,
    footerCrc,
    bodyCrc: body.crc,
  });
  const endCrc = crc32c(trailer, footerCrc);
  return {
    parts: [...body.parts, footerBytes, trailer],
    reference: {
      id,
      bytes: body.bytes + footerBytes.length + TRAILER_BYTES,
      footerPosition: body.bytes,
      footerLength: footerBytes.length,
      footerCrc,
    },
    footer,
    crc32c: crc32cCombine(body.crc, endCrc, footerBytes.length + TRAILER_BYTES),
  };
}

/** More than any partition's and any batch's fields take. */
const PARTITION_BYTES_MAX = 40;
const BATCH_BYTES_MAX = 72;

/** Positions must follow from the lengths, as `layoutBody` gives them. */
export function encodeFooter({ partitions }: Footer): Buffer {
  let bytesMax = uvarintBytes(partitions.length);
  for (const { batches } of partitions) bytesMax += PARTITION_BYTES_MAX + batches.length * BATCH_BYTES_MAX;
  const bytes = Buffer.allocUnsafe(bytesMax);
  const previous: Previous = { position: 0, attributes: 0, baseTimestamp: 0, producerId: 0 };
  let at = writeUvarint(bytes, 0, partitions.length);
  let before: PartitionBatches | undefined;
  for (const partition of partitions) {
    at = writePartition(bytes, at, partition, before);
    let batchBefore: BatchDescription | undefined;
    for (const batch of partition.batches) {
      at = writeBatch(bytes, at, batch, batchBefore, previous);
      batchBefore = batch;
    }
    before = partition;
  }
  return bytes.subarray(0, at);
}

/** Values of the last batch written, whatever its partition. */
interface Previous {
  position: number;
  attributes: number;
  baseTimestamp: number;
  producerId: number;
}

function writePartition(
  bytes: Buffer,
  start: number,
  { topicId, partition, journal, batches }: PartitionBatches,
  before: PartitionBatches | undefined,
): number {
  assert(
    !before || comparePartitions(before, { topicId, partition }) < 0,
    `footer out of order at ${topicId}-${partition}`,
  );
  const sameTopic = before?.topicId === topicId;
  let at = start;
  bytes[at++] = sameTopic ? 1 : 0;
  if (!sameTopic) {
    const written = bytes.write(topicId, at, 'base64url');
    assert(written === 16, `${topicId} is not a topic id`);
    at += written;
  }
  at = writeUvarint(bytes, at, sameTopic ? partition - before.partition - 1 : partition);
  at = writeUvarint(bytes, at, journal);
  return writeUvarint(bytes, at, batches.length);
}

function writeBatch(
  bytes: Buffer,
  start: number,
  batch: BatchDescription,
  before: BatchDescription | undefined,
  previous: Previous,
): number {
  assert(batch.position === previous.position, `a gap in the body before byte ${batch.position}`);
  const flags = flagsOf(batch, before, previous);
  let at = start;
  bytes[at++] = flags;
  at = writeUvarint(bytes, at, batch.length);
  at = writeUvarint(bytes, at, batch.offsetCount);
  if (flags & BATCH_FLAGS.attributes) at = writeUvarint(bytes, at, batch.attributes);
  at = writeVarint(bytes, at, batch.baseTimestamp - previous.baseTimestamp);
  if (flags & BATCH_FLAGS.maxTimestamp) at = writeVarint(bytes, at, batch.maxTimestamp - batch.baseTimestamp);
  if (flags & BATCH_FLAGS.producer) {
    if (!(flags & BATCH_FLAGS.sameProducer)) {
      at = writeVarint(bytes, at, batch.producerId - previous.producerId);
      at = writeUvarint(bytes, at, batch.producerEpoch);
      if (!(flags & BATCH_FLAGS.noSequence)) at = writeUvarint(bytes, at, batch.baseSequence);
    }
    previous.producerId = batch.producerId;
  }
  if (flags & BATCH_FLAGS.absolute) {
    const gap = batch.baseOffset - (before ? before.baseOffset + before.offsetCount : 0);
    assert(gap >= 0, `offset ${batch.baseOffset} comes after a later one`);
    at = writeUvarint(bytes, at, gap);
    at = writeVarint(bytes, at, batch.leaderEpoch - (before?.leaderEpoch ?? 0));
  }
  previous.position += batch.length;
  previous.attributes = batch.attributes;
  previous.baseTimestamp = batch.baseTimestamp;
  return at;
}

function flagsOf(batch: BatchDescription, before: BatchDescription | undefined, previous: Previous): number {
  let flags = 0;
  if (batch.producerId >= 0) {
    flags |= BATCH_FLAGS.producer;
    if (
      before !== undefined &&
      before.producerId === batch.producerId &&
      before.producerEpoch === batch.producerEpoch &&
      before.baseSequence + before.offsetCount === batch.baseSequence
    ) {
      flags |= BATCH_FLAGS.sameProducer;
    } else if (batch.baseSequence < 0) {
      flags |= BATCH_FLAGS.noSequence;
    }
  }
  if (batch.attributes !== previous.attributes) flags |= BATCH_FLAGS.attributes;
  if (batch.maxTimestamp !== batch.baseTimestamp) flags |= BATCH_FLAGS.maxTimestamp;
  if (batch.baseOffset >= 0) flags |= BATCH_FLAGS.absolute;
  return flags;
}
