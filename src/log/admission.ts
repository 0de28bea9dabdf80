/**
 * What a batch of a client must be before its bytes are copied. Checks headers, sizes and the CRC, never records: only
 * batches for compacted topics are opened, to refuse records without a key (`checkKeys`).
 */

import type { TopicConfig } from '../cluster/topic-config.ts';
import type { Topic } from '../cluster/topics.ts';
import { type ErrorName, KafkaError } from '../errors.ts';
import { type BatchHeader, checkBatch, LOG_APPEND_TIME_FLAG, TRANSACTIONAL_FLAG } from '../record/batch.ts';
import { decodeBatch } from '../record/records.ts';
import type { ProduceOptions, RecordError } from './log.ts';

/** Throws KafkaError for what a client may not send. Nothing is changed. */
export function admitBatch(
  records: Uint8Array,
  topic: Topic,
  nowMs: number,
  origin: ProduceOptions['origin'],
): BatchHeader {
  const { config } = topic;
  // Before the CRC, so that size costs nothing.
  if (records.length > config.maxMessageBytes) {
    throw new KafkaError(
      'MESSAGE_TOO_LARGE',
      `a record batch of ${records.length} bytes: max.message.bytes of topic ${topic.name} is ${config.maxMessageBytes}`,
    );
  }
  const header = checkBatch(records);
  if (header.attributes & TRANSACTIONAL_FLAG && origin === 'http') {
    throw new KafkaError('INVALID_TXN_STATE', 'there are no transactions over HTTP');
  }
  if (config.timestampType === 'CreateTime') checkTimestamps(header, config, topic.name, nowMs);
  return header;
}

/** Kafka judges every record. First and largest timestamp are what the header tells. */
function checkTimestamps(header: BatchHeader, config: TopicConfig, name: string, nowMs: number): void {
  const { baseTimestamp, maxTimestamp } = header;
  if (maxTimestamp > nowMs + config.timestampAfterMaxMs) {
    throw new KafkaError(
      'INVALID_TIMESTAMP',
      `timestamp ${maxTimestamp} is more than message.timestamp.after.max.ms (${config.timestampAfterMaxMs}) of topic ${name} ahead of ${nowMs}`,
    );
  }
  if (baseTimestamp >= 0 && baseTimestamp < nowMs - config.timestampBeforeMaxMs) {
    throw new KafkaError(
      'INVALID_TIMESTAMP',
      `timestamp ${baseTimestamp} is more than message.timestamp.before.max.ms (${config.timestampBeforeMaxMs}) of topic ${name} before ${nowMs}`,
    );
  }
}

/** The header after `stampLogAppendTime`. */
export const stamped = (header: BatchHeader, nowMs: number): BatchHeader => ({
  ...header,
  attributes: header.attributes | LOG_APPEND_TIME_FLAG,
  maxTimestamp: nowMs,
});

/** Refuses a batch for some of its records. */
export class RefusedRecords extends KafkaError {
  readonly recordErrors: readonly RecordError[];

  constructor(error: ErrorName, message: string, recordErrors: readonly RecordError[]) {
    super(error, message);
    this.recordErrors = recordErrors;
  }
}

/** Throws INVALID_RECORD when records have no key: compaction could not tell what they replace. */
export async function checkKeys(batch: Uint8Array, topicName: string, decompressedBytesMax: number): Promise<void> {
  const records = await decodeBatch(batch, { decompressedBytesMax });
  const message = `Compacted topic cannot accept message without key in topic ${topicName}.`;
  const recordErrors = records.flatMap(({ key }, index) => (key === null ? [{ index, message }] : []));
  if (recordErrors.length === 0) return;
  const which = `${recordErrors.length} of ${records.length} records, the first of them record ${recordErrors[0]!.index}`;
  throw new RefusedRecords('INVALID_RECORD', `${message} It concerns ${which}.`, recordErrors);
}
