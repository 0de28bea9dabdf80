/**
 * Reads what `build.ts` wrote, trusting nothing: every checksum is verified, every length is held against what is there
 * before anything is made of it. Errors are StorageCorruptError and name the segment, the byte and what is wrong.
 */
import { StorageCorruptError } from '../errors.ts';
import { BATCH_HEADER_BYTES, OFFSET_MAX } from '../limits.ts';
import { hasValidCrc, readBatchHeader } from '../record/batch.ts';
import { crc32c } from '../record/crc32c.ts';
import { VarintReader } from '../record/varint.ts';
import { comparePartitions } from './build.ts';
import type { BatchDescription, Footer, PartitionBatches, SegmentReference } from './footer.ts';
import { BATCH_FLAGS, corrupt, decodeTrailer, TRAILER_BYTES, type Trailer } from './format.ts';

/** Enough for the trailer and the footers of thousands of batches: one read opens most segments. */
export const SEGMENT_TAIL_BYTES = 65_536;

export type OpenedSegment =
  | {
      readonly type: 'opened';
      readonly reference: SegmentReference;
      readonly footer: Footer;
      /** CRC-32C of everything before the footer. */
      readonly bodyCrc: number;
    }
  /** The footer is longer than the tail that was given: read this many last bytes. */
  | { readonly type: 'needs'; readonly tailBytes: number };

/** Opens a segment from its last bytes and its size, as `ObjectStore.readLast` gives them. */
export function openSegment(id: string, tail: Uint8Array, objectBytes: number): OpenedSegment {
  const trailer = decodeTrailer(id, tail, objectBytes);
  const tailBytes = trailer.footerLength + TRAILER_BYTES;
  if (tailBytes > tail.length) return { type: 'needs', tailBytes };
  const { footerPosition, footerLength, footerCrc, bodyCrc } = trailer;
  const reference = { id, bytes: objectBytes, footerPosition, footerLength, footerCrc };
  const footer = readFooter(reference, tail.subarray(tail.length - tailBytes, tail.length - TRAILER_BYTES));
  return { type: 'opened', reference, footer, bodyCrc };
}

/** The footer from exactly its bytes, which the reference locates. */
export function readFooter(reference: SegmentReference, bytes: Uint8Array): Footer {
  const { id, footerPosition, footerLength, footerCrc } = reference;
  if (bytes.length !== footerLength) {
    throw corrupt(id, footerPosition, `the footer has ${bytes.length} bytes of ${footerLength}`);
  }
  if (crc32c(bytes) !== footerCrc) throw corrupt(id, footerPosition, 'the checksum of the footer is wrong');
  const reader = new VarintReader(bytes);
  try {
    return new FooterReader(reader, footerPosition).read();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw corrupt(id, footerPosition + reader.position, `the footer cannot be: ${why}`, cause);
  }
}

const FLAGS_ALL = Object.values(BATCH_FLAGS).reduce((all, flag) => all | flag, 0);
/** Flags, length, offset count, timestamp. */
const BATCH_BYTES_MIN = 4;

class FooterReader {
  readonly #reader: VarintReader;
  readonly #bodyBytes: number;
  #position = 0;
  #attributes = 0;
  #baseTimestamp = 0;
  #producerId = 0;

  constructor(reader: VarintReader, bodyBytes: number) {
    this.#reader = reader;
    this.#bodyBytes = bodyBytes;
  }

  read(): Footer {
    const count = this.#reader.uvarint();
    const partitions: PartitionBatches[] = [];
    for (let index = 0; index < count; index++) partitions.push(this.#partition(partitions.at(-1)));
    if (this.#reader.remaining > 0) throw new StorageCorruptError(`${this.#reader.remaining} bytes too many`);
    if (this.#position !== this.#bodyBytes) {
      throw new StorageCorruptError(`its batches have ${this.#position} bytes, the body has ${this.#bodyBytes}`);
    }
    return { partitions };
  }

  #partition(before: PartitionBatches | undefined): PartitionBatches {
    const reader = this.#reader;
    const kind = this.#byte();
    if (kind > 1 || (kind === 1 && !before)) throw new StorageCorruptError(`a partition of kind ${kind}`);
    const sameTopic = kind === 1;
    const topicId = sameTopic ? before!.topicId : this.#topicId();
    const partition = reader.uvarint() + (sameTopic ? before!.partition + 1 : 0);
    if (before && comparePartitions(before, { topicId, partition }) >= 0) {
      throw new StorageCorruptError(`partition ${topicId}-${partition} is out of order`);
    }
    const journal = reader.uvarint();
    const count = reader.uvarint();
    if (count === 0 || count * BATCH_BYTES_MIN > reader.remaining) {
      throw new StorageCorruptError(`${count} batches in ${reader.remaining} bytes`);
    }
    const batches: BatchDescription[] = [];
    for (let index = 0; index < count; index++) batches.push(this.#batch(batches.at(-1)));
    return { topicId, partition, journal, batches };
  }

  #byte(): number {
    if (this.#reader.remaining < 1) throw new StorageCorruptError('it is cut short');
    return this.#reader.bytes[this.#reader.position++]!;
  }

  #topicId(): string {
    const { bytes, position, remaining } = this.#reader;
    if (remaining < 16) throw new StorageCorruptError('it is cut short');
    this.#reader.position = position + 16;
    return Buffer.from(bytes.buffer, bytes.byteOffset + position, 16).toString('base64url');
  }

  #batch(before: BatchDescription | undefined): BatchDescription {
    const reader = this.#reader;
    const flags = this.#byte();
    if (flags > FLAGS_ALL) throw new StorageCorruptError(`a batch with flags ${flags}`);
    const position = this.#position;
    const length = reader.uvarint();
    const offsetCount = reader.uvarint();
    if (flags & BATCH_FLAGS.attributes) this.#attributes = reader.uvarint();
    this.#baseTimestamp += reader.varint();
    const maxTimestamp = this.#baseTimestamp + (flags & BATCH_FLAGS.maxTimestamp ? reader.varint() : 0);
    const producer = flags & BATCH_FLAGS.producer ? this.#producer(flags, before) : NO_PRODUCER;
    const placed = flags & BATCH_FLAGS.absolute ? this.#placed(before) : NOT_PLACED;
    if (length < BATCH_HEADER_BYTES || length > this.#bodyBytes - position || offsetCount === 0) {
      throw new StorageCorruptError(`a batch of ${length} bytes and ${offsetCount} offsets at byte ${position}`);
    }
    this.#position += length;
    return {
      position,
      length,
      offsetCount,
      producerId: producer.producerId,
      producerEpoch: producer.producerEpoch,
      baseSequence: producer.baseSequence,
      attributes: this.#attributes,
      baseTimestamp: this.#baseTimestamp,
      maxTimestamp,
      baseOffset: placed.baseOffset,
      leaderEpoch: placed.leaderEpoch,
    };
  }

  #producer(flags: number, before: BatchDescription | undefined): Producer {
    if (flags & BATCH_FLAGS.sameProducer) {
      if (!before) throw new StorageCorruptError('the first batch continues a producer');
      const { producerId, producerEpoch, baseSequence, offsetCount } = before;
      this.#producerId = producerId;
      return { producerId, producerEpoch, baseSequence: baseSequence + offsetCount };
    }
    this.#producerId += this.#reader.varint();
    return {
      producerId: this.#producerId,
      producerEpoch: this.#reader.uvarint(),
      baseSequence: flags & BATCH_FLAGS.noSequence ? -1 : this.#reader.uvarint(),
    };
  }

  #placed(before: BatchDescription | undefined): Placed {
    const baseOffset = this.#reader.uvarint() + (before ? before.baseOffset + before.offsetCount : 0);
    if (baseOffset > OFFSET_MAX) throw new StorageCorruptError(`offset ${baseOffset}`);
    return { baseOffset, leaderEpoch: (before?.leaderEpoch ?? 0) + this.#reader.varint() };
  }
}

type Producer = Pick<BatchDescription, 'producerId' | 'producerEpoch' | 'baseSequence'>;
type Placed = Pick<BatchDescription, 'baseOffset' | 'leaderEpoch'>;
const NO_PRODUCER: Producer = { producerId: -1, producerEpoch: -1, baseSequence: -1 };
const NOT_PLACED: Placed = { baseOffset: -1, leaderEpoch: -1 };

/**
 * Holds the bytes of one batch against what the footer says of it. `bytes` starts where the batch starts. Throws
 * StorageCorruptError naming segment, position, partition and what differs.
 */
export function checkStoredBatch(
  id: string,
  owner: PartitionBatches,
  batch: BatchDescription,
  bytes: Uint8Array,
): void {
  const damaged = (what: string) =>
    corrupt(id, batch.position, `batch of partition ${owner.topicId}-${owner.partition}: ${what}`);
  if (bytes.length < batch.length) throw damaged(`${bytes.length} bytes of ${batch.length}`);
  const header = readBatchHeader(bytes, 0);
  if (header.magic !== 2 || header.length !== batch.length) {
    throw damaged(`its header says format ${header.magic} and ${header.length} bytes, the footer ${batch.length}`);
  }
  if (!hasValidCrc(bytes, 0, batch.length)) throw damaged('its CRC is wrong');
  if (batch.baseOffset >= 0 && (header.baseOffset !== batch.baseOffset || header.leaderEpoch !== batch.leaderEpoch)) {
    throw damaged(`it carries offset ${header.baseOffset}, the footer says ${batch.baseOffset}`);
  }
}

/** Checks a whole body, `[0, footerPosition)`: each batch, to name the damaged one, then the checksum over all. */
export function checkBody(id: string, footer: Footer, bodyCrc: number, body: Uint8Array): void {
  for (const owner of footer.partitions) {
    for (const batch of owner.batches) {
      checkStoredBatch(id, owner, batch, body.subarray(batch.position, batch.position + batch.length));
    }
  }
  const crc = crc32c(body);
  if (crc !== bodyCrc) {
    throw corrupt(id, 0, 'the checksum of the body is wrong in bytes that no batch checksum covers');
  }
}

export type { Trailer };
