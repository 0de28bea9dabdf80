/** `/v1/groups/{group}/offsets`: read, reset, and checkpoint without being a member. */

import type { z } from '@hono/zod-openapi';
import type { OffsetMismatch, OffsetWrite } from '../../coordinator/group/offsets/change-offsets.ts';
import type { OffsetPlace } from '../../coordinator/group/offsets/offset-records.ts';
import type { FoundOffset } from '../../coordinator/group/offsets/offsets.ts';
import {
  type PlannedOffset,
  planReset,
  type ResetTo,
  requireReached,
} from '../../coordinator/group/offsets/reset-offsets.ts';
import { KafkaError } from '../../errors.ts';
import type { HttpContext } from '../context.ts';
import type { Api } from '../endpoint.ts';
import { findPartition, findTopic } from '../find-topic.ts';
import { clientOf } from '../group-coordinator.ts';
import {
  GroupOffsets,
  GroupParams,
  OFFSETS_PER_REQUEST_MAX,
  OffsetsQuery,
  PutOffsets,
  PutOffsetsBody,
} from '../group-schemas.ts';
import { HttpError } from '../problem.ts';
import { replyJson } from '../reply.ts';

const TAG = 'groups';
const OFFSETS = '/v1/groups/{group}/offsets';
/** Partitions of a reset that are looked up in the log at once: times are found by reading. */
const LOOKED_UP_AT_ONCE = 32;

type Body = z.output<typeof PutOffsetsBody>;

export function groupOffsetRoutes(api: Api): void {
  const { context } = api;

  api.add(
    {
      method: 'get',
      path: OFFSETS,
      operationId: 'readOffsets',
      tag: TAG,
      summary: 'What a group committed',
      description: 'Of a group that does not exist nothing is committed.',
      params: GroupParams,
      atCoordinator: true,
      query: OffsetsQuery,
      answers: { 200: { description: 'In order.', content: { 'application/json': { schema: GroupOffsets } } } },
      problems: { 404: 'No such topic.', 503: 'Another broker coordinates the group, or its journal is away.' },
    },
    async ({ params: { group }, query: { topic } }) => {
      await context.coordinators.offsets.learnTopics(group);
      const places = topic === undefined ? null : findTopic(context, topic).partitions;
      const offsets = await committed(context, group, places);
      return replyJson(200, { group, offsets: offsets.map((each) => shown(nameOf(context, each), each)) });
    },
  );

  api.add(
    {
      method: 'put',
      path: OFFSETS,
      operationId: 'writeOffsets',
      tag: TAG,
      summary: 'Reset what a group committed, or checkpoint without being a member',
      description:
        'Refused while the group has members: they would go on from where they are. `to` and `shift` stay within what the ' +
        'log has. `offsets` are written all together or not at all; one beyond the end of its partition is refused. With ' +
        '`expected` only one of several that read from the same place goes on from it.',
      params: GroupParams,
      atCoordinator: true,
      body: PutOffsetsBody,
      answers: {
        200: { description: 'What is committed now.', content: { 'application/json': { schema: PutOffsets } } },
      },
      problems: {
        404: 'No such topic or partition.',
        409: 'The group has members.',
        412: 'What is committed is not what was expected: OFFSET_MISMATCH with what is.',
        416: 'An offset beyond the end of its partition.',
        503: 'The change could not be made durable.',
      },
    },
    async ({ params: { group }, body, c }) => {
      await context.coordinators.offsets.learnTopics(group);
      const planned = body.offsets
        ? await planCheckpoint(context, group, body.offsets)
        : await planResets(context, group, body);
      if (!body.dry_run) await writeAll(context, { groupId: group, client: clientOf(c) }, planned);
      const offsets = planned.map(({ topic, partition, before, offset }) => ({ topic, partition, before, offset }));
      return replyJson(200, { group, dry_run: body.dry_run, offsets });
    },
  );
}

type Planned = PlannedOffset & Pick<OffsetWrite, 'expected' | 'leaderEpoch' | 'metadata'> & { readonly topic: string };

/** In order of topic name and partition, those of deleted topics left out. */
async function committed(
  context: HttpContext,
  groupId: string,
  places: readonly OffsetPlace[] | null,
): Promise<readonly FoundOffset[]> {
  const all = await context.coordinators.offsets.fetch({ groupId, memberId: null, memberEpoch: -1, places });
  return all
    .filter(({ topicId }) => context.topics.byId(topicId) !== undefined)
    .sort((a, b) => {
      const [left, right] = [nameOf(context, a), nameOf(context, b)];
      return left === right ? a.partition - b.partition : left < right ? -1 : 1;
    });
}

const nameOf = ({ topics }: HttpContext, { topicId }: OffsetPlace): string => topics.byId(topicId)?.name ?? '';

const shown = (topic: string, { partition, committed }: FoundOffset) => ({
  topic,
  partition,
  offset: committed?.offset ?? null,
  leader_epoch: committed?.leaderEpoch ?? null,
  metadata: committed?.metadata ?? '',
  committed_at: committed?.committedAt ?? null,
});

async function planCheckpoint(
  context: HttpContext,
  groupId: string,
  offsets: NonNullable<Body['offsets']>,
): Promise<readonly Planned[]> {
  const places = offsets.map(({ topic, partition }) => findPartition(context, topic, partition));
  await inChunks(offsets, (each, index) => requireReached(context.log, places[index]!, each.offset));
  const before = await context.coordinators.offsets.fetch({ groupId, memberId: null, memberEpoch: -1, places });
  return offsets.map(({ topic, offset, expected, leader_epoch, metadata }, index) => ({
    ...places[index]!,
    topic,
    before: before[index]!.committed?.offset ?? null,
    offset,
    ...(expected !== undefined && { expected }),
    leaderEpoch: leader_epoch ?? -1,
    metadata: metadata ?? '',
  }));
}

async function planResets(context: HttpContext, groupId: string, body: Body): Promise<readonly Planned[]> {
  const to = resetTo(body);
  const places = body.topics?.flatMap(({ topic, partitions }): readonly OffsetPlace[] =>
    partitions === undefined
      ? findTopic(context, topic).partitions
      : partitions.map((partition) => findPartition(context, topic, partition)),
  );
  const offsets = await committed(context, groupId, places ?? null);
  if (offsets.length === 0) {
    throw new KafkaError('GROUP_ID_NOT_FOUND', `group ${JSON.stringify(groupId)} has committed nothing: name topics`);
  }
  return inChunks(offsets, async (found) => {
    const { topicId, partition } = found;
    const before = found.committed?.offset ?? null;
    const planned = await planReset(context.log, { topicId, partition }, before, to);
    const expected = to.type === 'shift' ? { expected: before } : {};
    return { ...planned, ...expected, topic: nameOf(context, found), leaderEpoch: -1, metadata: '' };
  });
}

function resetTo({ to, shift }: Body): ResetTo {
  if (shift !== undefined) return { type: 'shift', by: shift };
  if (to === 'earliest' || to === 'latest') return { type: to };
  const at = to!.startsWith('@');
  return at ? { type: 'timestamp', timestamp: Number(to!.slice(1)) } : { type: 'offset', offset: Number(to) };
}

/** Throws OFFSET_MISMATCH with all that differ. */
async function writeAll(
  context: HttpContext,
  client: { readonly groupId: string; readonly client: string },
  planned: readonly Planned[],
): Promise<void> {
  for (let next = 0; next < planned.length; next += OFFSETS_PER_REQUEST_MAX) {
    const some = planned.slice(next, next + OFFSETS_PER_REQUEST_MAX);
    const writes = some.map(({ topic: _, before: __, ...write }): OffsetWrite => write);
    const mismatches = await context.coordinators.offsets.write(client, writes).catch((cause) => {
      throw next > 0 ? partly(cause) : cause;
    });
    if (mismatches.length > 0) throw mismatch(context, mismatches, next > 0);
  }
}

/** Some of a large reset is written. */
function partly(cause: unknown): unknown {
  if (!(cause instanceof KafkaError)) return cause;
  return new KafkaError(cause.error, cause.message, { cause, noSideEffects: false });
}

function mismatch(context: HttpContext, mismatches: readonly OffsetMismatch[], someWritten: boolean): HttpError {
  const members = mismatches.map(({ partition, expected, actual, ...place }) => ({
    topic: nameOf(context, { partition, ...place }),
    partition,
    expected,
    actual,
  }));
  const [{ topic, partition, expected, actual }] = members as [(typeof members)[number]];
  const detail = `${topic} ${partition} is committed at ${actual ?? 'nothing'}, not at ${expected ?? 'nothing'}`;
  return new HttpError('OFFSET_MISMATCH', detail, { members: { mismatches: members }, noSideEffects: !someWritten });
}

async function inChunks<T, R>(items: readonly T[], act: (item: T, index: number) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let next = 0; next < items.length; next += LOOKED_UP_AT_ONCE) {
    const some = items.slice(next, next + LOOKED_UP_AT_ONCE);
    results.push(...(await Promise.all(some.map((item, index) => act(item, next + index)))));
  }
  return results;
}
