/**
 * Every shape of the HTTP interface, once: these schemas validate requests and are what `/openapi.json` shows. The two
 * that pass by per record, `NewRecord` in and `Record` out, are read and written by hand (`record-parser.ts`,
 * `record-writer.ts`); tests hold those to what stands here.
 */
import { z } from '@hono/zod-openapi';
import { IDEMPOTENCY_KEY_CHARS_MAX, OFFSET_MAX, PARTITIONS_PER_TOPIC_MAX, TOPIC_NAME_CHARS_MAX } from '../limits.ts';
import { RECORD_FORMATS } from './record-format.ts';

export const TOPICS_PAGE_COUNT_MAX = 1_000;
export const READ_LIMIT_MAX = 10_000;
export const READ_WAIT_MS_MAX = 25_000;
const SEQUENCE_MAX = 2_147_483_647;
const PRODUCER_EPOCH_MAX = 32_767;

/** A whole number spelled in a path, a query or a header. */
export const integerText = (minimum: number, maximum: number) =>
  z
    .string()
    .regex(/^\d{1,16}$/, 'expected a whole number')
    .transform(Number)
    .pipe(z.number().min(minimum).max(maximum))
    .openapi({ type: 'integer', minimum, maximum });

export const count = z.int().min(0).max(OFFSET_MAX);
export const offset = count.openapi({ description: 'Position of a record in its partition.' });
export const milliseconds = z.int().openapi({ description: 'Milliseconds since 1970; -1 when there is none.' });

export const TopicParams = z.object({
  topic: z.string().openapi({ description: 'Name of the topic.', examples: ['orders'] }),
});
export const PartitionParams = TopicParams.extend({
  partition: integerText(0, SEQUENCE_MAX).openapi({ description: 'Number of the partition, from 0.' }),
});

// Topics

const ConfigValues = z
  .record(z.string(), z.string())
  .openapi({ description: "Kafka's topic configurations by name.", examples: [{ 'retention.ms': '604800000' }] });
/** Numbers and booleans are taken as the text they are written as. */
const ConfigValue = z.union([z.string(), z.number(), z.boolean()]);
const partitionCount = z.int().min(1).max(PARTITIONS_PER_TOPIC_MAX);

export const NewTopicBody = z
  .strictObject({
    name: z
      .string()
      .min(1)
      .max(TOPIC_NAME_CHARS_MAX)
      .openapi({
        description: 'Letters, digits, ".", "_" and "-".',
        examples: ['orders'],
      }),
    partitions: partitionCount.optional().openapi({ description: 'Default: num.partitions of the broker.' }),
    replication_factor: z.int().min(-1).max(PRODUCER_EPOCH_MAX).optional().openapi({
      description: 'Kept and reported; the store replicates.',
    }),
    config: z.record(z.string(), ConfigValue).optional(),
  })
  .openapi('NewTopic');

export const TopicSummary = z
  .object({
    name: z.string(),
    topic_id: z.string().openapi({ description: 'UUID in base64url, as Kafka prints it.' }),
    partitions: count,
  })
  .openapi('TopicSummary');

export const PartitionDescription = z
  .object({
    partition: count,
    log_start_offset: offset.optional(),
    high_watermark: offset.optional(),
    leader_epoch: count.optional(),
    error: z.string().optional().openapi({ description: 'Why the watermarks are not known now.' }),
  })
  .openapi('Partition');

export const TopicDescription = TopicSummary.extend({
  replication_factor: z.int(),
  created_at: milliseconds,
  config: ConfigValues.openapi({ description: 'What is in effect: overrides over defaults of the broker.' }),
  overrides: ConfigValues.openapi({ description: 'Only what was set for this topic.' }),
  partition_details: z.array(PartitionDescription),
}).openapi('Topic');

export const TopicsQuery = z.strictObject({
  prefix: z.string().max(TOPIC_NAME_CHARS_MAX).default('').openapi({ description: 'Only names that begin so.' }),
  cursor: z.string().max(400).optional().openapi({ description: '`next_cursor` of the page before.' }),
  limit: integerText(1, TOPICS_PAGE_COUNT_MAX)
    .default(100)
    .openapi({ type: 'integer', minimum: 1, maximum: TOPICS_PAGE_COUNT_MAX, default: 100 }),
});

export const TopicsPage = z
  .object({
    topics: z.array(TopicSummary),
    next_cursor: z.string().nullable().openapi({ description: 'null on the last page.' }),
  })
  .openapi('TopicsPage');

export const AlterTopicBody = z
  .strictObject({
    config: z.record(z.string(), ConfigValue.nullable()).openapi({
      description: 'null takes a configuration back to its default.',
      examples: [{ 'retention.ms': null }],
    }),
  })
  .openapi('AlterTopic');

export const PartitionsPage = z.object({ partitions: z.array(PartitionDescription) }).openapi('Partitions');
export const GrowTopicBody = z
  .strictObject({ count: partitionCount.openapi({ description: 'How many there shall be in all.' }) })
  .openapi('GrowTopic');

export const DeleteRecordsQuery = z.strictObject({
  before: z
    .string()
    .regex(/^(latest|\d{1,16})$/, 'expected an offset or latest')
    .openapi({ description: 'The first offset that stays readable, or `latest` to delete all there is.' }),
});
export const DeletedRecords = z.object({ log_start_offset: offset }).openapi('DeletedRecords');

// Records in

const base64 = z.string().regex(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/);
/** Any JSON. Spelled out, because an unknown schema would also mean "may be missing". */
const anyJson = z
  .union([z.string(), z.number(), z.boolean(), z.null(), z.array(z.unknown()), z.record(z.string(), z.unknown())])
  .openapi({ type: ['string', 'number', 'boolean', 'null', 'array', 'object'] });
const headerValue = z.union([z.string(), z.null(), z.strictObject({ base64 })]);

export const NewRecord = z
  .strictObject({
    key: anyJson.optional().openapi({
      description: 'A string is stored as its text, another JSON value as its JSON text. `text`, `base64`: a string.',
    }),
    value: anyJson.optional().openapi({
      description: 'Stored as its JSON text, exactly as written. `text`, `base64`: a string. null or absent: null.',
    }),
    key_base64: base64.nullable().optional().openapi({ description: 'Instead of `key`: any bytes.' }),
    value_base64: base64.nullable().optional().openapi({ description: 'Instead of `value`: any bytes.' }),
    headers: z
      .array(z.tuple([z.string(), headerValue]))
      .nullable()
      .optional()
      .openapi({ description: 'Pairs of name and value, in order; names may repeat.', examples: [[['trace', 'a1']]] }),
    timestamp: count.nullable().optional().openapi({ description: 'Milliseconds since 1970. Default: now.' }),
    partition: count.nullable().optional().openapi({
      description: 'Default: by the key (murmur2, as Kafka does), without a key one for the whole request.',
    }),
  })
  .openapi('NewRecord');

export const ProduceBody = z.strictObject({ records: z.array(NewRecord).min(1) }).openapi('Produce');

const recordFormat = z.enum(RECORD_FORMATS).default('json').openapi({
  description: 'How keys, values and header values are spelled.',
});
const idempotencyKey = z
  .string()
  .min(1)
  .max(IDEMPOTENCY_KEY_CHARS_MAX)
  .regex(/^[ -~]+$/, 'expected ASCII')
  .optional()
  .openapi({
    description:
      'Names this request within its topic: sent again within `http.idempotency.window.ms`, it gets the first answer and ' +
      'appends nothing.',
  });

export const ProduceHeaders = z.object({ 'Record-Format': recordFormat, 'Idempotency-Key': idempotencyKey });
export const ProduceToPartitionHeaders = ProduceHeaders.extend({
  'If-Match-Offset': integerText(0, OFFSET_MAX).optional().openapi({
    description: 'Append only if the first record gets exactly this offset, else 412 with the one it would get.',
  }),
  'Producer-Id': integerText(0, OFFSET_MAX).optional().openapi({
    description: 'From POST /v1/producers. Goes with Producer-Epoch and Producer-Seq.',
  }),
  'Producer-Epoch': integerText(0, PRODUCER_EPOCH_MAX).optional(),
  'Producer-Seq': integerText(0, SEQUENCE_MAX).optional().openapi({
    description:
      "Kafka's sequence number of the first record: counts this producer's records in this partition from 0.",
  }),
});

const problemMembers = {
  code: z.string().openapi({ description: "Kafka's name of the error.", examples: ['UNKNOWN_TOPIC_OR_PARTITION'] }),
  detail: z.string(),
  retriable: z.boolean().openapi({ description: 'Whether the same request may succeed later.' }),
  no_side_effects: z.boolean().openapi({ description: 'Certain that nothing was changed: a blind retry is safe.' }),
};

export const ProduceResults = z
  .object({
    results: z.array(
      z.union([
        z
          .object({
            partition: count,
            offset,
            timestamp: milliseconds.optional().openapi({
              description: 'Absent when a repeat was recognised whose records are no longer readable.',
            }),
          })
          .openapi('Appended'),
        z.object({ partition: count.optional(), error: z.object(problemMembers) }).openapi('Refused'),
      ]),
    ),
  })
  .openapi('ProduceResults');

// Records out

export const Record = z
  .object({
    offset,
    timestamp: milliseconds,
    key: z.string().nullable().optional().openapi({ description: 'As text; in `base64` as base64.' }),
    value: anyJson.optional().openapi({
      description: 'In `json`: the JSON it is, else its text as a string. `text`, `base64`: a string.',
    }),
    key_base64: base64.optional().openapi({ description: 'Instead of `key` when its bytes are not UTF-8.' }),
    value_base64: base64.optional().openapi({ description: 'Instead of `value` when its bytes are not UTF-8.' }),
    headers: z.array(z.tuple([z.string(), headerValue])),
  })
  .openapi('Record');

export const RecordsPage = z
  .object({
    records: z.array(Record),
    next: offset.openapi({ description: 'Where to read on: `from` of the next request.' }),
    high_watermark: offset.openapi({ description: 'The offset that the next record will get.' }),
    last_stable_offset: offset.optional().openapi({
      description:
        'While a transaction is open: where it begins. `next` does not go beyond it with `isolation=read_committed`.',
    }),
  })
  .openapi('Records');

export const ReadQuery = z.strictObject({
  from: z
    .string()
    .regex(/^(earliest|latest|-?\d{1,16}|@\d{1,16})$/, 'expected earliest, latest, OFFSET, -N or @MILLIS')
    .default('earliest')
    .openapi({
      description:
        '`earliest`, `latest` (only what comes next), an offset, `-N` (the last N) or `@MILLIS` (the first record of ' +
        'that time or later).',
      default: 'earliest',
    }),
  limit: integerText(1, READ_LIMIT_MAX)
    .default(500)
    .openapi({ type: 'integer', minimum: 1, maximum: READ_LIMIT_MAX, default: 500, description: 'Records at most.' }),
  max_bytes: integerText(1, OFFSET_MAX).default(1_048_576).openapi({
    type: 'integer',
    minimum: 1,
    default: 1_048_576,
    description:
      'Bytes of keys, values and headers at most, but at least one record. The broker has a limit of its own.',
  }),
  wait: integerText(0, READ_WAIT_MS_MAX).default(0).openapi({
    type: 'integer',
    minimum: 0,
    maximum: READ_WAIT_MS_MAX,
    default: 0,
    description: 'Milliseconds to wait for a record when there is none yet.',
  }),
  isolation: z
    .enum(['read_committed', 'read_uncommitted'])
    .default('read_committed')
    .openapi({
      default: 'read_committed',
      description:
        '`read_committed` answers no records of transactions that were aborted, and none from the first open transaction ' +
        'on. `read_uncommitted` answers all.',
    }),
});
export const ReadHeaders = z.object({ 'Record-Format': recordFormat });

// Producers and problems

export const Producer = z
  .object({ producer_id: count, producer_epoch: z.int().min(0).max(PRODUCER_EPOCH_MAX) })
  .openapi('Producer');

export const Problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int().min(400).max(599),
    ...problemMembers,
    next_offset: offset.optional().openapi({ description: 'OFFSET_MISMATCH: what the next record would get.' }),
    log_start_offset: offset.optional().openapi({ description: 'OFFSET_OUT_OF_RANGE: the first readable offset.' }),
    high_watermark: offset.optional().openapi({ description: 'OFFSET_OUT_OF_RANGE: the offset after the last.' }),
    next: offset.optional().openapi({ description: 'Where to read on behind records that cannot be answered.' }),
    mismatches: z
      .array(
        z.object({
          topic: z.string(),
          partition: count,
          expected: offset.nullable(),
          actual: offset.nullable().openapi({ description: 'What is committed; null: nothing.' }),
        }),
      )
      .optional()
      .openapi({ description: 'OFFSET_MISMATCH of committed offsets: every partition that differs.' }),
    results: z
      .array(z.unknown())
      .optional()
      .openapi({ description: 'Per record, when they failed for several reasons.' }),
  })
  .openapi('Problem');

export const Status = z.object({ status: z.string() }).openapi('Status');
