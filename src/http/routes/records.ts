/** `/v1/topics/{topic}/records` and `/v1/topics/{topic}/partitions/{partition}/records`: produce, read, delete. */

import { z } from '@hono/zod-openapi';
import { KafkaError } from '../../errors.ts';
import { Gate } from '../../log/gate.ts';
import { linkSignals } from '../../runtime/linked-signals.ts';
import type { Api } from '../endpoint.ts';
import { findPartition, findTopic, requireExisting } from '../find-topic.ts';
import { type ProducerPlace, produceToPartition, produceToTopic } from '../produce.ts';
import { ProduceIntake } from '../produce-intake.ts';
import { readRecords } from '../read-records.ts';
import { replyJson, replyWith } from '../reply.ts';
import {
  DeletedRecords,
  DeleteRecordsQuery,
  NewRecord,
  PartitionParams,
  ProduceBody,
  ProduceHeaders,
  ProduceResults,
  ProduceToPartitionHeaders,
  ReadHeaders,
  ReadQuery,
  Record,
  RecordsPage,
  TopicParams,
} from '../schemas.ts';
import { partitionOfRequest, StickyPartitions } from '../sticky-partitions.ts';

const TAG = 'records';
const NDJSON = 'application/x-ndjson';
const PARTITION_RECORDS = '/v1/topics/{topic}/partitions/{partition}/records';

const recordBodies = { 'application/json': ProduceBody, [NDJSON]: NewRecord };
const results = { 'application/json': { schema: ProduceResults } };
const duplicateHeader = z.object({
  Duplicate: z
    .enum(['true'])
    .optional()
    .openapi({ description: 'Set when the request is a repeat of an earlier one.' }),
});
const positionHeaders = z.object({
  'Next-Offset': z.int().openapi({ description: '`next` of the JSON answer.' }),
  'High-Watermark': z.int().openapi({ description: '`high_watermark` of the JSON answer.' }),
  'Last-Stable-Offset': z.int().optional().openapi({ description: '`last_stable_offset` of the JSON answer.' }),
});

const writeProblems = {
  404: 'No such topic or partition.',
  409: 'Out of order, or of an old epoch, for this idempotent producer.',
  422: 'The Idempotency-Key was used for another request.',
  503: 'The records could not be made durable.',
};

export function recordRoutes(api: Api): void {
  const intake = new ProduceIntake(api.context);
  produceToTopicRoute(api, intake);
  produceToPartitionRoute(api, intake);
  readRoute(api);
  deleteRoute(api);
}

function produceToTopicRoute(api: Api, intake: ProduceIntake): void {
  const { context } = api;
  const sticky = new StickyPartitions(context.runtime.random);
  api.add(
    {
      method: 'post',
      path: '/v1/topics/{topic}/records',
      operationId: 'produceToTopic',
      tag: TAG,
      summary: 'Append records to a topic',
      description:
        'A record goes to the partition it names, else to that of its key (murmur2, as in Kafka), else to one that ' +
        'changes with each request. Partitions are written independently: 207 tells which records failed.',
      params: TopicParams,
      headers: ProduceHeaders,
      streamedBody: recordBodies,
      answers: {
        200: { description: 'All records are durable.', headers: duplicateHeader, content: results },
        207: { description: 'Some records are durable, each result tells.', content: results },
      },
      problems: writeProblems,
    },
    async (asked) => {
      const topic = findTopic(context, asked.params.topic);
      const key = asked.headers['Idempotency-Key'];
      const request = await intake.take(asked, topic, '');
      const choose = () => (key === undefined ? sticky.take(topic) : partitionOfRequest(key, topic));
      return produceToTopic(context, request, choose);
    },
  );
}

function produceToPartitionRoute(api: Api, intake: ProduceIntake): void {
  const { context } = api;
  api.add(
    {
      method: 'post',
      path: PARTITION_RECORDS,
      operationId: 'produceToPartition',
      tag: TAG,
      summary: 'Append records to one partition, all or none',
      description: 'The records become one batch: they get consecutive offsets, or none is appended.',
      params: PartitionParams,
      headers: ProduceToPartitionHeaders,
      streamedBody: recordBodies,
      answers: { 200: { description: 'All records are durable.', headers: duplicateHeader, content: results } },
      problems: {
        ...writeProblems,
        412: 'The partition does not end at If-Match-Offset; `next_offset` tells where it does.',
        413: 'The body has more than http.body.bytes.max bytes, or the batch more than max.message.bytes of the topic.',
      },
    },
    async (asked) => {
      const { params, headers } = asked;
      const topic = findTopic(context, params.topic);
      requireExisting(topic, params.partition);
      const producer = producerPlace(headers);
      const request = await intake.take(asked, topic, String(params.partition));
      return produceToPartition(context, request, params.partition, headers['If-Match-Offset'], producer);
    },
  );
}

function producerPlace(headers: z.output<typeof ProduceToPartitionHeaders>): ProducerPlace | null {
  const producerId = headers['Producer-Id'];
  const producerEpoch = headers['Producer-Epoch'];
  const baseSequence = headers['Producer-Seq'];
  if (producerId === undefined && producerEpoch === undefined && baseSequence === undefined) return null;
  if (producerId === undefined || producerEpoch === undefined || baseSequence === undefined) {
    throw new KafkaError('INVALID_REQUEST', 'Producer-Id, Producer-Epoch and Producer-Seq go together: send all three');
  }
  if (headers['Idempotency-Key'] !== undefined) {
    throw new KafkaError(
      'INVALID_REQUEST',
      'send Idempotency-Key or Producer-Id, not both: each alone makes a repeat safe',
    );
  }
  return { producerId, producerEpoch, baseSequence };
}

/** Each may take `http.decompressed.bytes.max`. */
const DECOMPRESSING_MAX = 2;

function readRoute(api: Api): void {
  const { context } = api;
  const decompressing = new Gate(DECOMPRESSING_MAX);
  api.add(
    {
      method: 'get',
      path: PARTITION_RECORDS,
      operationId: 'readPartition',
      tag: TAG,
      summary: 'Read records of one partition',
      description:
        '`Accept: application/x-ndjson` answers one record a line. Read on with `from` = `next` of the answer, until `next` = `high_watermark`, or `last_stable_offset` where there is one. An answer may hold no record and ' +
        'still move `next`. Records that cannot be shown (damaged, or beyond http.decompressed.bytes.max when ' +
        'decompressed) are answered with 422 and the `next` behind them.',
      params: PartitionParams,
      query: ReadQuery,
      headers: ReadHeaders,
      answers: {
        200: {
          description: 'Records in order of offsets.',
          headers: positionHeaders,
          content: { 'application/json': { schema: RecordsPage }, [NDJSON]: { schema: Record } },
        },
      },
      problems: {
        404: 'No such topic or partition.',
        416: 'The offset is not in the partition; `log_start_offset` and `high_watermark` tell what is.',
        422: 'The next records cannot be shown; `next` tells where to read on.',
        503: 'The records cannot be read now.',
      },
    },
    async ({ params, query, headers, c, holding }) => {
      const lines = /\bapplication\/(x-)?ndjson\b/i.test(c.req.raw.headers.get('accept') ?? '');
      const partition = findPartition(context, params.topic, params.partition);
      const { from, limit, max_bytes: maxBytes, wait: waitMs, isolation } = query;
      const format = headers['Record-Format'];
      const request = { partition, from, limit, maxBytes, waitMs, isolation, format, lines };
      const closing = waitMs > 0 && context.closing ? [context.closing] : [];
      const { signal, unlink } = linkSignals(c.req.raw.signal, ...closing);
      const read = await readRecords(context, request, holding, decompressing, signal).finally(unlink);
      const { body, next, highWatermark, lastStableOffset } = read;
      return replyWith(200, lines ? NDJSON : 'application/json', body, {
        'Next-Offset': String(next),
        'High-Watermark': String(highWatermark),
        ...(lastStableOffset !== null && { 'Last-Stable-Offset': String(lastStableOffset) }),
      });
    },
  );
}

function deleteRoute(api: Api): void {
  const { context } = api;
  api.add(
    {
      method: 'delete',
      path: PARTITION_RECORDS,
      operationId: 'deleteRecords',
      tag: TAG,
      summary: 'Delete the oldest records of one partition',
      params: PartitionParams,
      query: DeleteRecordsQuery,
      answers: {
        200: {
          description: 'Everything below is no longer readable.',
          content: { 'application/json': { schema: DeletedRecords } },
        },
      },
      problems: {
        404: 'No such topic or partition.',
        416: 'The offset is beyond the end of the partition.',
        503: 'The deletion could not be made durable.',
      },
    },
    async ({ params, query }) => {
      const partition = findPartition(context, params.topic, params.partition);
      const before = query.before === 'latest' ? -1 : Number(query.before);
      return replyJson(200, { log_start_offset: await context.log.deleteRecords(partition, before) });
    },
  );
}
