/** Shapes of `/v1/groups`: validate requests, and are what `/openapi.json` shows. */
import { z } from '@hono/zod-openapi';
import { OFFSET_MAX, OWNER_BYTES_MAX, TOPIC_NAME_CHARS_MAX } from '../limits.ts';
import { count, integerText, milliseconds, offset } from './schemas.ts';

export const GROUPS_PAGE_COUNT_MAX = 1_000;
/** What one entry takes. */
export const OFFSETS_PER_REQUEST_MAX = 300;
const PARTITION_MAX = 2_147_483_647;

export const GroupParams = z.object({
  group: z.string().openapi({ description: 'Id of the group.', examples: ['billing'] }),
});

const STATES = [
  'Empty',
  'PreparingRebalance',
  'CompletingRebalance',
  'Assigning',
  'Reconciling',
  'Stable',
  'Dead',
] as const;
const TYPES = ['classic', 'consumer', 'share'] as const;

export const GroupsQuery = z.strictObject({
  prefix: z.string().max(OWNER_BYTES_MAX).default('').openapi({ description: 'Only ids that begin so.' }),
  state: z.enum(STATES).optional().openapi({ description: 'Only groups in this state.' }),
  type: z.enum(TYPES).optional().openapi({ description: 'Only groups of this type.' }),
  cursor: z.string().max(1_000).optional().openapi({ description: '`next_cursor` of the page before.' }),
  limit: integerText(1, GROUPS_PAGE_COUNT_MAX)
    .default(100)
    .openapi({ type: 'integer', minimum: 1, maximum: GROUPS_PAGE_COUNT_MAX, default: 100 }),
});

export const GroupSummary = z
  .object({
    group: z.string(),
    type: z.enum(TYPES),
    state: z.enum(STATES),
    protocol_type: z.string().openapi({ description: 'Empty for a group that only has offsets.' }),
    members: count.openapi({ description: 'How many.' }),
  })
  .openapi('GroupSummary');

export const GroupsPage = z
  .object({
    groups: z.array(GroupSummary),
    next_cursor: z.string().nullable().openapi({ description: 'null on the last page.' }),
  })
  .openapi('GroupsPage');

const GroupMember = z
  .object({
    member_id: z.string(),
    instance_id: z.string().nullable().openapi({ description: 'Of a static member.' }),
    client_id: z.string(),
    client_host: z.string(),
    assignment: z.array(z.object({ topic: z.string(), partitions: z.array(count) })),
  })
  .openapi('GroupMember');

export const GroupDescription = GroupSummary.extend({
  protocol: z.string().openapi({ description: 'The assignor; empty without members.' }),
  member_details: z.array(GroupMember),
}).openapi('Group');

export const GroupLag = z
  .object({
    group: z.string(),
    state: z.enum(STATES),
    total_lag: count.openapi({ description: 'Of all partitions whose lag is known.' }),
    partitions: z.array(
      z.object({
        topic: z.string(),
        partition: count,
        committed_offset: offset.nullable().openapi({ description: 'null: nothing is committed.' }),
        log_start_offset: offset.nullable(),
        high_watermark: offset.nullable().openapi({ description: 'null: not known now.' }),
        lag: count.nullable().openapi({ description: 'Records from the committed offset to the end.' }),
        member_id: z.string().nullable().openapi({ description: 'Who has the partition.' }),
        client_id: z.string().nullable(),
        client_host: z.string().nullable(),
      }),
    ),
  })
  .openapi('GroupLag');

export const OffsetsQuery = z.strictObject({
  topic: z.string().max(TOPIC_NAME_CHARS_MAX).optional().openapi({
    description:
      'All partitions of this topic, with `offset` null where nothing is committed. Default: what is committed.',
  }),
});

export const GroupOffsets = z
  .object({
    group: z.string(),
    offsets: z.array(
      z.object({
        topic: z.string(),
        partition: count,
        offset: offset.nullable(),
        leader_epoch: z.int().nullable(),
        metadata: z.string(),
        committed_at: milliseconds.nullable(),
      }),
    ),
  })
  .openapi('GroupOffsets');

const partition = z.int().min(0).max(PARTITION_MAX);
const topic = z.string().min(1).max(TOPIC_NAME_CHARS_MAX);

const NewOffset = z
  .strictObject({
    topic,
    partition,
    offset,
    expected: offset.nullable().optional().openapi({
      description:
        'What must be committed now, null for nothing; else 412 with what is, and nothing is written. Absent: whatever it is.',
    }),
    leader_epoch: z.int().min(-1).max(PARTITION_MAX).optional(),
    metadata: z.string().optional(),
  })
  .openapi('NewOffset');

export const PutOffsetsBody = z
  .strictObject({
    offsets: z.array(NewOffset).min(1).max(OFFSETS_PER_REQUEST_MAX).optional().openapi({
      description: 'Where to go on, partition by partition: a checkpoint, or a reset to offsets of your own.',
    }),
    to: z
      .string()
      .regex(/^(earliest|latest|\d{1,16}|@\d{1,16})$/, 'expected earliest, latest, OFFSET or @MILLIS')
      .optional()
      .openapi({
        description: 'Reset: `earliest`, `latest`, an offset, or `@MILLIS` for the first record of that time or later.',
      }),
    shift: z.int().min(-OFFSET_MAX).max(OFFSET_MAX).optional().openapi({
      description: 'Reset: this many records forward, or back when negative, from what is committed.',
    }),
    topics: z
      .array(z.strictObject({ topic, partitions: z.array(partition).min(1).optional() }))
      .min(1)
      .optional()
      .openapi({ description: 'What `to` and `shift` are for; default: all that is committed.' }),
    dry_run: z.boolean().default(false).openapi({ description: 'Answers what would be written.' }),
  })
  .refine(({ offsets, to, shift }) => [offsets, to, shift].filter((each) => each !== undefined).length === 1, {
    message: 'expected one of offsets, to and shift',
  })
  .refine(({ offsets, topics }) => offsets === undefined || topics === undefined, {
    message: 'topics go with to and shift only',
  })
  .openapi('PutOffsets');

export const PutOffsets = z
  .object({
    group: z.string(),
    dry_run: z.boolean(),
    offsets: z.array(z.object({ topic: z.string(), partition: count, before: offset.nullable(), offset })),
  })
  .openapi('WrittenOffsets');
