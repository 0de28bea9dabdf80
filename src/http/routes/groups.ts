/** `/v1/groups`: list, describe, lag, delete. */
import { groupDetails } from '../../coordinator/group/group-details.ts';
import type { LiveGroup } from '../../coordinator/group/live-group.ts';
import type { DoorReply } from '../../coordinator/group-requests.ts';
import { KafkaError, toKafkaError } from '../../errors.ts';
import type { HttpContext } from '../context.ts';
import type { Api } from '../endpoint.ts';
import { requestOf } from '../group-coordinator.ts';
import { GroupDescription, GroupLag, GroupParams, GroupsPage, GroupsQuery } from '../group-schemas.ts';
import { replyJson, replyNothing } from '../reply.ts';

const TAG = 'groups';
const GROUP = '/v1/groups/{group}';
const UNKNOWN = 'No such group.';
const ELSEWHERE = 'Another broker coordinates the group, or its journal is away.';

export function groupRoutes(api: Api): void {
  const { context } = api;
  const { coordinators } = context;
  const { groups } = coordinators;

  api.add(
    {
      method: 'get',
      path: '/v1/groups',
      operationId: 'listGroups',
      tag: TAG,
      summary: 'List groups in order of their ids, a page at a time',
      query: GroupsQuery,
      answers: { 200: { description: 'One page.', content: { 'application/json': { schema: GroupsPage } } } },
      problems: {},
    },
    async ({ query: { prefix, state, type, cursor, limit }, c }) => {
      const after = cursor === undefined ? null : Buffer.from(cursor, 'base64url').toString();
      const wanted = (group: LiveGroup) =>
        group.groupId.startsWith(prefix) &&
        (after === null || group.groupId > after) &&
        (state === undefined || group.state === state) &&
        (type === undefined || group.type === type);
      const own = { groups: firstById(groups.list(), wanted, limit + 1).map(summary), next_cursor: null };
      const isPassedOn = c.env?.passedOnFor !== undefined;
      const others = isPassedOn ? [] : await coordinators.groupRequests.askOthers(requestOf(c, null), c.req.raw.signal);
      return replyJson(200, merged([own, ...others.map(pageFrom)], limit));
    },
  );

  api.add(
    {
      method: 'get',
      path: GROUP,
      operationId: 'describeGroup',
      tag: TAG,
      summary: 'Describe a group and its members',
      params: GroupParams,
      atCoordinator: true,
      answers: { 200: { description: 'The group.', content: { 'application/json': { schema: GroupDescription } } } },
      problems: { 404: UNKNOWN, 503: ELSEWHERE },
    },
    async ({ params }) => replyJson(200, await describe(context, await findGroup(context, params.group))),
  );

  api.add(
    {
      method: 'get',
      path: `${GROUP}/lag`,
      operationId: 'groupLag',
      tag: TAG,
      summary: 'How far a group is behind',
      description: 'All partitions with a committed offset or a member.',
      params: GroupParams,
      atCoordinator: true,
      answers: { 200: { description: 'The lag.', content: { 'application/json': { schema: GroupLag } } } },
      problems: { 404: UNKNOWN, 503: ELSEWHERE },
    },
    async ({ params }) => replyJson(200, await lag(context, await findGroup(context, params.group))),
  );

  api.add(
    {
      method: 'delete',
      path: GROUP,
      operationId: 'deleteGroup',
      tag: TAG,
      summary: 'Delete a group without members, and its offsets',
      params: GroupParams,
      atCoordinator: true,
      answers: { 204: { description: 'The group is gone.' } },
      problems: { 404: UNKNOWN, 409: 'The group has members.', 503: 'The change could not be made durable.' },
    },
    async ({ params }) => {
      await findGroup(context, params.group);
      await groups.delete(params.group);
      return replyNothing();
    },
  );
}

/** Throws GROUP_ID_NOT_FOUND, or NOT_COORDINATOR and the like when this broker cannot know. */
async function findGroup({ coordinators }: HttpContext, groupId: string): Promise<LiveGroup> {
  const group = coordinators.groups.find(groupId);
  if (group !== undefined) return group;
  const absence = await coordinators.groups.absence(groupId);
  if (absence === 'UNKNOWN_MEMBER_ID') {
    throw new KafkaError('GROUP_ID_NOT_FOUND', `there is no group ${JSON.stringify(groupId)}`);
  }
  throw new KafkaError(absence, `this broker does not coordinate group ${JSON.stringify(groupId)} now`);
}

/** The first `limit` in order of ids, without sorting a hundred thousand for a page of a hundred. */
function firstById(groups: Iterable<LiveGroup>, wanted: (group: LiveGroup) => boolean, limit: number): LiveGroup[] {
  const first: LiveGroup[] = [];
  for (const group of groups) {
    const { groupId } = group;
    if ((first.length === limit && groupId >= first[limit - 1]!.groupId) || !wanted(group)) continue;
    let [low, high] = [0, first.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (first[middle]!.groupId < groupId) low = middle + 1;
      else high = middle;
    }
    first.splice(low, 0, group);
    if (first.length > limit) first.pop();
  }
  return first;
}

/** Of another broker. */
function pageFrom({ status, body }: DoorReply): Page {
  const text = Buffer.from(body).toString();
  if (status === 200) return JSON.parse(text) as Page;
  throw new KafkaError('COORDINATOR_NOT_AVAILABLE', `a broker answered ${status}: ${text}`);
}

/** The first `limit` of all. A group that moves from one broker to another is told once. */
function merged(pages: readonly Page[], limit: number): Page {
  const byId = new Map(pages.flatMap(({ groups }) => groups).map((each) => [each.group, each]));
  const found = [...byId.values()].sort((a, b) => (a.group < b.group ? -1 : 1));
  const groups = found.slice(0, limit);
  const hasMore = found.length > limit || pages.some(({ next_cursor }) => next_cursor !== null);
  const last = hasMore ? groups.at(-1) : undefined;
  return { groups, next_cursor: last === undefined ? null : Buffer.from(last.group).toString('base64url') };
}

interface Page {
  readonly groups: readonly Summary[];
  readonly next_cursor: string | null;
}

type Summary = ReturnType<typeof summary>;

const summary = ({ groupId, type, state, protocolType, memberCount }: LiveGroup) => ({
  group: groupId,
  type,
  state,
  protocol_type: protocolType,
  members: memberCount,
});

async function describe(context: HttpContext, group: LiveGroup) {
  const { protocol, members } = await detailsOf(context, group);
  return {
    ...summary(group),
    protocol,
    member_details: members.map(({ memberId, groupInstanceId, clientId, clientHost, assignment }) => ({
      member_id: memberId,
      instance_id: groupInstanceId,
      client_id: clientId,
      client_host: clientHost,
      assignment,
    })),
  };
}

const detailsOf = ({ topics, coordinators: { consumerGroups } }: HttpContext, group: LiveGroup) =>
  groupDetails(group, { topics, consumerGroups });

interface Row {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number | null;
  readonly member: { readonly memberId: string; readonly clientId: string; readonly clientHost: string } | null;
}

async function lag(context: HttpContext, group: LiveGroup) {
  const rows = await lagRows(context, group);
  const described = rows.map(async ({ topic, partition, offset, member }) => {
    const marks = await watermarks(context, topic, partition);
    const behind = marks === null || offset === null ? null : Math.max(0, marks.highWatermark - offset);
    return {
      topic,
      partition,
      committed_offset: offset,
      log_start_offset: marks?.logStartOffset ?? null,
      high_watermark: marks?.highWatermark ?? null,
      lag: behind,
      member_id: member?.memberId ?? null,
      client_id: member?.clientId ?? null,
      client_host: member?.clientHost ?? null,
    };
  });
  const partitions = await Promise.all(described);
  const total = partitions.reduce((sum, { lag }) => sum + (lag ?? 0), 0);
  return { group: group.groupId, state: group.state, total_lag: total, partitions };
}

/** Partitions with a committed offset or a member, in order. */
async function lagRows(context: HttpContext, group: LiveGroup): Promise<readonly Row[]> {
  const { topics, coordinators } = context;
  const { groupId } = group;
  const committed = await coordinators.offsets.fetch({ groupId, memberId: null, memberEpoch: -1, places: null });
  const rows = new Map<string, Row>();
  for (const { topicId, partition, committed: found } of committed) {
    const topic = topics.byId(topicId)?.name;
    if (topic === undefined || found === null) continue;
    rows.set(`${topic}/${partition}`, { topic, partition, offset: found.offset, member: null });
  }
  const { members } = await detailsOf(context, group);
  for (const member of members) {
    for (const { topic, partitions } of member.assignment) {
      for (const partition of partitions) {
        const key = `${topic}/${partition}`;
        rows.set(key, { ...(rows.get(key) ?? { topic, partition, offset: null }), member });
      }
    }
  }
  const byPlace = (a: Row, b: Row) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1);
  return [...rows.values()].sort(byPlace);
}

/** Null for a partition whose journal is away, and for one that does not exist. */
async function watermarks({ topics, log }: HttpContext, name: string, partition: number) {
  const topicId = topics.byName(name)?.topicId;
  if (topicId === undefined) return null;
  try {
    return await log.watermarks({ topicId, partition });
  } catch (cause) {
    if (toKafkaError(cause) === null) throw cause;
    return null;
  }
}
