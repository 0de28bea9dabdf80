/** Appends the records of a request: one call to the log per request, whatever it holds. */
import type { Topic } from '../cluster/topics.ts';
import { KafkaError } from '../errors.ts';
import type { ProduceBatch, ProduceOptions } from '../log/log.ts';
import { buildBatch } from '../record/records.ts';
import type { HttpContext } from './context.ts';
import { type ProducePlan, planForTopic, requirePartition } from './plan-produce.ts';
import { produceReply } from './produce-results.ts';
import { readTimestamps } from './read-timestamps.ts';
import type { ParsedRecord } from './record-parser.ts';
import type { Reply } from './reply.ts';

export interface ProduceRequest {
  readonly topic: Topic;
  readonly records: readonly ParsedRecord[];
  /** When the request came; records without a timestamp got this one. */
  readonly now: number;
  readonly idempotency: ProduceOptions['idempotency'] | undefined;
}

export interface ProducerPlace {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
}

/** Partitions are written independently of each other: some records may fail, and each tells. */
export function produceToTopic(
  context: HttpContext,
  request: ProduceRequest,
  chooseKeyless: () => number,
): Promise<Reply> {
  const { topic, records, now } = request;
  const plan = planForTopic(records, topic, chooseKeyless, now);
  const batches = plan.batches.map((batch) => ({
    topicId: topic.topicId,
    partition: batch.partition,
    records: buildBatch(batch.records, { timestamp: now }),
  }));
  return send(context, request, plan, batches);
}

/** All records as one batch: all are appended, one after the other, or none. */
export function produceToPartition(
  context: HttpContext,
  request: ProduceRequest,
  partition: number,
  expectedOffset: number | undefined,
  producer: ProducerPlace | null,
): Promise<Reply> {
  const { topic, records, now } = request;
  requirePartition(records, topic, partition, now);
  const batch = buildBatch(records, { timestamp: now, ...producer });
  const { maxMessageBytes } = topic.config;
  if (batch.length > maxMessageBytes) {
    throw new KafkaError(
      'MESSAGE_TOO_LARGE',
      `${records.length} records make a batch of ${batch.length} bytes; max.message.bytes of topic ${topic.name} is ` +
        `${maxMessageBytes}: send fewer at once, raise it, or give up atomicity at /v1/topics/${topic.name}/records`,
    );
  }
  const plan = { batches: [{ partition, records }], refusals: [], places: new Int32Array(records.length) };
  const { topicId } = topic;
  return send(context, request, plan, [
    { topicId, partition, records: batch, ...(expectedOffset !== undefined && { expectedOffset }) },
  ]);
}

async function send(
  context: HttpContext,
  { records, idempotency }: ProduceRequest,
  plan: ProducePlan,
  batches: readonly ProduceBatch[],
): Promise<Reply> {
  const options: ProduceOptions = { origin: 'http', ...(idempotency && { idempotency }) };
  const outcomes = batches.length === 0 ? [] : await context.log.produce(batches, options);
  const originalTimestamps = new Map<number, readonly number[]>();
  for (const [index, outcome] of outcomes.entries()) {
    if (!('baseOffset' in outcome) || !outcome.duplicate || outcome.logAppendTimeMs >= 0) continue;
    const timestamps = await readTimestamps(context, batches[index]!, outcome.baseOffset);
    originalTimestamps.set(index, timestamps);
  }
  return produceReply(records, plan, outcomes, originalTimestamps);
}
