/**
 * Decides where the records of a request go, before anything is written. Pure: the same records, topic and choice give
 * the same batches, which is what lets a repeated request be recognised.
 */
import type { Topic } from '../cluster/topics.ts';
import { type ErrorName, KafkaError } from '../errors.ts';
import { BATCH_HEADER_BYTES } from '../limits.ts';
import { partitionOfKey } from '../record/partitioner.ts';
import type { ParsedRecord } from './record-parser.ts';

export interface PlannedBatch {
  readonly partition: number;
  readonly records: readonly ParsedRecord[];
}

/** Why one record is not even tried. */
export interface Refusal {
  readonly error: ErrorName;
  readonly detail: string;
  readonly partition: number;
}

export interface ProducePlan {
  readonly batches: readonly PlannedBatch[];
  readonly refusals: readonly Refusal[];
  /** Per record of the request: an index into `batches`, or `~index` into `refusals`. Batches keep the order of records. */
  readonly places: Int32Array;
}

/** Varints at their longest and the attributes byte; a batch that is planned full is never too large when built. */
const RECORD_OVERHEAD_BYTES = 5 + 1 + 10 + 5 + 5 + 5 + 5;
const HEADER_OVERHEAD_BYTES = 10;

/**
 * Spreads records over the partitions of a topic: where they say, else by their key, else all to the partition that
 * `chooseKeyless` answers, which is asked once at most. A partition's batches end before `max.message.bytes`.
 */
export function planForTopic(
  records: readonly ParsedRecord[],
  topic: Topic,
  chooseKeyless: () => number,
  now: number,
): ProducePlan {
  const batches: { partition: number; records: ParsedRecord[] }[] = [];
  const refusals: Refusal[] = [];
  const places = new Int32Array(records.length);
  /** Index of the last batch of each partition, and how full it is. */
  const open = new Map<number, { index: number; bytes: number }>();
  const partitionCount = topic.partitions.length;
  let keyless = -1;
  for (let index = 0; index < records.length; index++) {
    const record = records[index]!;
    let { partition } = record;
    if (partition === -1 && record.key !== null) partition = partitionOfKey(record.key, partitionCount);
    else if (partition === -1) {
      if (keyless === -1) keyless = chooseKeyless();
      partition = keyless;
    }
    const refusal = refuse(record, partition, topic, now);
    if (refusal !== null) {
      places[index] = ~refusals.length;
      refusals.push(refusal);
      continue;
    }
    const bytes = recordBytesAtMost(record);
    let last = open.get(partition);
    if (last === undefined || last.bytes + bytes > topic.config.maxMessageBytes) {
      last = { index: batches.length, bytes: BATCH_HEADER_BYTES };
      open.set(partition, last);
      batches.push({ partition, records: [] });
    }
    last.bytes += bytes;
    batches[last.index]!.records.push(record);
    places[index] = last.index;
  }
  return { batches, refusals, places };
}

/** Throws for the first record that cannot go to this partition, before anything is written. */
export function requirePartition(records: readonly ParsedRecord[], topic: Topic, partition: number, now: number): void {
  for (let index = 0; index < records.length; index++) {
    const record = records[index]!;
    if (record.partition !== -1 && record.partition !== partition) {
      const detail = `records[${index}].partition is ${record.partition}, the path says ${partition}`;
      throw new KafkaError('INVALID_REQUEST', detail);
    }
    const refusal = refuse(record, partition, topic, now);
    if (refusal !== null) throw new KafkaError(refusal.error, `records[${index}]: ${refusal.detail}`);
  }
}

function refuse(record: ParsedRecord, partition: number, topic: Topic, now: number): Refusal | null {
  const { config, name } = topic;
  if (partition >= topic.partitions.length) {
    return { error: 'UNKNOWN_TOPIC_OR_PARTITION', detail: noPartition(topic, partition), partition };
  }
  if (config.compacted && record.key === null) {
    const detail = `the compacted topic ${name} takes only records with a key`;
    return { error: 'INVALID_RECORD', detail, partition };
  }
  if (config.timestampType === 'CreateTime') {
    const [first, last] = [now - config.timestampBeforeMaxMs, now + config.timestampAfterMaxMs];
    if (record.timestamp < first || record.timestamp > last) {
      const detail = `timestamp ${record.timestamp} is outside of ${first} to ${last}, which topic ${name} allows now`;
      return { error: 'INVALID_TIMESTAMP', detail, partition };
    }
  }
  return null;
}

export const noPartition = ({ name, partitions }: Topic, partition: number): string =>
  `topic ${name} has no partition ${partition}: it has 0 to ${partitions.length - 1}`;

/** Never too small. Does not depend on the time, so that a repeated request is cut into the same batches. */
function recordBytesAtMost({ key, value, headers }: ParsedRecord): number {
  let bytes = RECORD_OVERHEAD_BYTES + (key?.length ?? 0) + (value?.length ?? 0);
  for (const [name, headerValue] of headers) {
    bytes += HEADER_OVERHEAD_BYTES + Buffer.byteLength(name) + (headerValue?.length ?? 0);
  }
  return bytes;
}
