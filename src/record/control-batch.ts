/**
 * Control batches (KIP-98): the marker that ends a transaction in a partition, one record whose key says how.
 *
 *   key    version int16 (0) │ type int16: 0 abort, 1 commit
 *   value  version int16 (0) │ coordinatorEpoch int32
 *
 * Integers are big-endian. Consumers skip the record, but it takes an offset.
 */
import { BATCH_HEADER_BYTES } from '../limits.ts';
import { assert } from '../runtime/assert.ts';
import { CONTROL_FLAG, readBatchHeader, TRANSACTIONAL_FLAG } from './batch.ts';
import { writeBatchHeader } from './records.ts';
import { VarintReader } from './varint.ts';

export interface ControlMarker {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly coordinatorEpoch: number;
  /** False: aborted. */
  readonly committed: boolean;
}

const TYPE_ABORT = 0;
const TYPE_COMMIT = 1;
/** Zigzag varints of the record's length, and of those of its key and value. */
const RECORD_LENGTH = 16 * 2;
const KEY_LENGTH = 4 * 2;
const VALUE_LENGTH = 6 * 2;

/** Every one has this length. */
export const CONTROL_BATCH_BYTES = BATCH_HEADER_BYTES + 17;

/** At base offset 0, as appended batches are. `timestamp` in milliseconds since 1970. */
export function buildControlBatch(marker: ControlMarker, timestamp: number): Buffer {
  const { producerId, producerEpoch, coordinatorEpoch, committed } = marker;
  const batch = Buffer.alloc(CONTROL_BATCH_BYTES);
  let at = BATCH_HEADER_BYTES;
  batch[at] = RECORD_LENGTH;
  at += 4; // Attributes and both deltas are 0.
  batch[at++] = KEY_LENGTH;
  at = batch.writeInt16BE(0, at);
  at = batch.writeInt16BE(committed ? TYPE_COMMIT : TYPE_ABORT, at);
  batch[at++] = VALUE_LENGTH;
  at = batch.writeInt16BE(0, at);
  at = batch.writeInt32BE(coordinatorEpoch, at);
  assert(at + 1 === batch.length, `a control batch of ${at + 1} bytes`); // No headers.
  writeBatchHeader(batch, {
    attributes: TRANSACTIONAL_FLAG | CONTROL_FLAG,
    baseTimestamp: timestamp,
    maxTimestamp: timestamp,
    producerId,
    producerEpoch,
    baseSequence: -1,
    recordCount: 1,
  });
  return batch;
}

/** Null when the batch at `at` is no marker that ends a transaction. */
export function readControlBatch(bytes: Buffer, at = 0): ControlMarker | null {
  const { attributes, length, producerId, producerEpoch } = readBatchHeader(bytes, at);
  if (!(attributes & CONTROL_FLAG) || !(attributes & TRANSACTIONAL_FLAG)) return null;
  const reader = new VarintReader(bytes, at + BATCH_HEADER_BYTES, at + length);
  reader.varint();
  reader.position++;
  reader.varint();
  reader.varint();
  if (reader.varint() !== KEY_LENGTH / 2) return null;
  const type = bytes.readInt16BE(reader.position + 2);
  reader.position += KEY_LENGTH / 2;
  if (type !== TYPE_ABORT && type !== TYPE_COMMIT) return null;
  if (reader.varint() !== VALUE_LENGTH / 2) return null;
  const coordinatorEpoch = bytes.readInt32BE(reader.position + 2);
  return { producerId, producerEpoch, coordinatorEpoch, committed: type === TYPE_COMMIT };
}
