/**
 * What the records of a simulated client say: the number of the batch that was sent, and the record's place in it. So
 * whoever reads a record, in a journal entry, in a segment or in an answer, knows who sent it and when.
 *
 *   key    the writer's name
 *   value  <batch>.<index>.xxxxx…
 */

import { BATCH_HEADER_BYTES } from '../../src/limits.ts';
import {
  CONTROL_FLAG,
  hasValidCrc,
  iterateBatches,
  type LocatedBatch,
  readBatchHeader,
  TRANSACTIONAL_FLAG,
} from '../../src/record/batch.ts';
import { readControlBatch } from '../../src/record/control-batch.ts';
import { buildBatch, decodeBatch, writeBatchHeader } from '../../src/record/records.ts';
import { VarintReader } from '../../src/record/varint.ts';
import { MARKER_ID } from './history.ts';

export interface PayloadOptions {
  readonly batchId: number;
  readonly writer: string;
  readonly recordCount: number;
  /** Bytes of each value, a little more for short ones. */
  readonly valueBytes: number;
  /** Of the first record; each further one is a millisecond later. -1: none. */
  readonly timestamp: number;
  readonly producer?: { readonly id: number; readonly epoch: number; readonly baseSequence: number };
  readonly transactional?: boolean;
}

export function buildPayload(options: PayloadOptions): Buffer {
  const { batchId, writer, recordCount, valueBytes, timestamp, producer, transactional = false } = options;
  const records = Array.from({ length: recordCount }, (_, index) => ({
    key: writer,
    value: `${batchId}.${index}.`.padEnd(valueBytes, 'x'),
    timestamp: timestamp < 0 ? -1 : timestamp + index,
  }));
  const batch = buildBatch(records, {
    timestamp,
    ...(producer && {
      producerId: producer.id,
      producerEpoch: producer.epoch,
      baseSequence: producer.baseSequence,
    }),
  });
  if (!transactional) return batch;
  const header = readBatchHeader(batch, 0);
  writeBatchHeader(batch, { ...header, attributes: header.attributes | TRANSACTIONAL_FLAG });
  return batch;
}

const DOT = 0x2e;
const ZERO = 0x30;

/** Which batch lies at `position`, without decoding all of it. */
export function batchIdAt(bytes: Uint8Array, position: number): number {
  if (readBatchHeader(bytes, position).attributes & CONTROL_FLAG) return MARKER_ID;
  const reader = new VarintReader(bytes, position + BATCH_HEADER_BYTES);
  reader.varint(); // Length of the record.
  reader.position++; // Attributes.
  reader.varint(); // Timestamp delta.
  reader.varint(); // Offset delta.
  const keyBytes = reader.varint();
  reader.position += keyBytes;
  reader.varint(); // Length of the value.
  let id = 0;
  for (let at = reader.position; bytes[at] !== DOT && at < bytes.length; at++) id = id * 10 + (bytes[at]! - ZERO);
  return id;
}

/** One record as a consumer saw it. */
export interface SeenRecord {
  readonly offset: number;
  readonly batchId: number;
  readonly index: number;
  readonly timestamp: number;
  /** -1 when it is not of an idempotent producer. */
  readonly producerId: number;
  readonly transactional: boolean;
  /** Null: a record of a client; else `batchId` is MARKER_ID. */
  readonly marker: 'commit' | 'abort' | null;
}

const DECOMPRESSED_BYTES_MAX = 64 * 1024 * 1024;

/** All records in the buffers of an answer. Throws when they are not what any client sent. */
export async function readPayload(buffers: readonly Buffer[]): Promise<SeenRecord[]> {
  const bytes = buffers.length === 1 ? buffers[0]! : Buffer.concat(buffers);
  const seen: SeenRecord[] = [];
  let end = 0;
  for (const located of iterateBatches(bytes)) {
    seen.push(...(await readOne(bytes, located)));
    end = located.position + located.header.length;
  }
  if (end !== bytes.length) throw new Error(`an answer of ${bytes.length} bytes has whole batches up to ${end} only`);
  return seen;
}

async function readOne(bytes: Buffer, { position, header }: LocatedBatch): Promise<SeenRecord[]> {
  if (!hasValidCrc(bytes, position, header.length)) {
    throw new Error(`the batch at offset ${header.baseOffset} fails its CRC`);
  }
  const batch = bytes.subarray(position, position + header.length);
  const { producerId, attributes } = header;
  const transactional = (attributes & TRANSACTIONAL_FLAG) !== 0;
  if (attributes & CONTROL_FLAG) {
    const control = readControlBatch(bytes, position);
    if (control === null) throw new Error(`the control batch at offset ${header.baseOffset} is no marker`);
    const marker = control.committed ? 'commit' : 'abort';
    const { baseOffset: offset, maxTimestamp: timestamp } = header;
    return [{ offset, batchId: MARKER_ID, index: 0, timestamp, producerId, transactional, marker }];
  }
  const records = await decodeBatch(batch, { decompressedBytesMax: DECOMPRESSED_BYTES_MAX });
  return records.map(({ offset, timestamp, value }) => {
    const parts = /^(\d+)\.(\d+)\.x*$/.exec(value?.toString('latin1') ?? '');
    if (!parts) throw new Error(`the record at offset ${offset} is not what anybody sent`);
    const [, batchId, index] = parts;
    return {
      offset,
      batchId: Number(batchId),
      index: Number(index),
      timestamp,
      producerId,
      transactional,
      marker: null,
    };
  });
}
