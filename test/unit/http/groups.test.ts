/** `/v1/groups` over a whole broker in memory. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Committer } from '../../../src/coordinator/group/live-group.ts';
import { type HttpDoor, openDoor } from './http-door.ts';

let door: HttpDoor;
beforeAll(async () => {
  door = await openDoor({ given: { 'group.initial.rebalance.delay.ms': '0' } });
  await door.createTopic('orders', 3);
  for (const partition of [0, 1]) {
    for (let record = 0; record < 10; record++) {
      const timestamp = 1_000 * (record + 1);
      await door.post(`/v1/topics/orders/partitions/${partition}/records`, { records: [{ value: record, timestamp }] });
    }
  }
});
afterAll(() => door.close());

let groups = 0;
const newGroup = () => `group-${++groups}`;
const put = (group: string, body: unknown) => door.send('PUT', `/v1/groups/${group}/offsets`, body);
const at = (offset: number, more: object = {}) => ({ topic: 'orders', partition: 0, offset, ...more });
async function offsetsOf(group: string, query = ''): Promise<Record<string, number | null>> {
  const { json } = await door.get(`/v1/groups/${group}/offsets${query}`);
  return Object.fromEntries(json.offsets.map((each: any) => [`${each.topic}/${each.partition}`, each.offset]));
}

/** A member of a classic group that assigned partitions 0 and 2 of orders to itself. */
async function join(groupId: string): Promise<Committer> {
  const { classicGroups } = door.core.coordinators;
  const joined = await classicGroups.join(groupId, {
    memberId: '',
    groupInstanceId: 'instance',
    clientId: 'billing',
    clientHost: '/10.0.0.7',
    sessionTimeoutMs: 30_000,
    rebalanceTimeoutMs: 30_000,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: Buffer.from('0000000000010006', 'hex').toString('base64') }],
    asksForId: false,
    skipsAssignment: false,
  });
  if (joined.type !== 'joined') throw new Error(JSON.stringify(joined));
  const { memberId, generationId } = joined;
  const assignment = Buffer.concat([
    Buffer.from('0000' + '00000001' + '0006', 'hex'),
    Buffer.from('orders'),
    Buffer.from('00000002' + '00000000' + '00000002' + 'ffffffff', 'hex'),
  ]).toString('base64');
  await classicGroups.sync(groupId, {
    memberId,
    groupInstanceId: 'instance',
    generationId,
    protocolType: null,
    protocolName: null,
    assignments: new Map([[memberId, assignment]]),
  } as never);
  return {
    memberId,
    groupInstanceId: null,
    generationIdOrMemberEpoch: generationId,
    transactional: false,
    apiVersion: 8,
  };
}

describe('checkpoints', () => {
  test('make the group, and are read back', async () => {
    const group = newGroup();
    const answer = await put(group, { offsets: [at(3, { expected: null, metadata: 'm' }), at(4, { partition: 1 })] });
    expect([answer.status, answer.json]).toEqual([
      200,
      {
        group,
        dry_run: false,
        offsets: [
          { topic: 'orders', partition: 0, before: null, offset: 3 },
          { topic: 'orders', partition: 1, before: null, offset: 4 },
        ],
      },
    ]);
    const { json } = await door.get(`/v1/groups/${group}/offsets?topic=orders`);
    expect(json.offsets).toMatchObject([
      { topic: 'orders', partition: 0, offset: 3, metadata: 'm', leader_epoch: -1, committed_at: expect.any(Number) },
      { partition: 1, offset: 4, metadata: '' },
      { partition: 2, offset: null, leader_epoch: null, committed_at: null },
    ]);
    expect(await offsetsOf(group)).toEqual({ 'orders/0': 3, 'orders/1': 4 });
  });

  test('with another offset than expected are 412 with what is committed, and write nothing', async () => {
    const group = newGroup();
    await put(group, { offsets: [at(3), at(3, { partition: 1 })] });
    const answer = await put(group, { offsets: [at(5, { expected: 3 }), at(5, { partition: 1, expected: 2 })] });
    expect(answer.status).toBe(412);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(answer.json).toMatchObject({
      code: 'OFFSET_MISMATCH',
      no_side_effects: true,
      mismatches: [{ topic: 'orders', partition: 1, expected: 2, actual: 3 }],
    });
    expect(await offsetsOf(group)).toEqual({ 'orders/0': 3, 'orders/1': 3 });
  });

  test('beyond the end of a partition are 416', async () => {
    const answer = await put(newGroup(), { offsets: [at(11)] });
    expect([answer.status, answer.json.code]).toEqual([416, 'OFFSET_OUT_OF_RANGE']);
    expect((await put(newGroup(), { offsets: [at(10)] })).status).toBe(200);
  });

  test.each([
    [{ offsets: [{ topic: 'none', partition: 0, offset: 0 }] }, 404, 'UNKNOWN_TOPIC_OR_PARTITION'],
    [{ offsets: [at(0, { partition: 3 })] }, 404, 'UNKNOWN_TOPIC_OR_PARTITION'],
    [{ offsets: [] }, 400, 'INVALID_REQUEST'],
    [{ offsets: [at(-1)] }, 400, 'INVALID_REQUEST'],
    [{ offsets: [at(0)], to: 'earliest' }, 400, 'INVALID_REQUEST'],
    [{ offsets: [at(0)], topics: [{ topic: 'orders' }] }, 400, 'INVALID_REQUEST'],
    [{}, 400, 'INVALID_REQUEST'],
    [{ to: 'yesterday', topics: [{ topic: 'orders' }] }, 400, 'INVALID_REQUEST'],
    [{ to: 'earliest', shift: 1 }, 400, 'INVALID_REQUEST'],
    [{ to: 'earliest' }, 404, 'GROUP_ID_NOT_FOUND'],
    [{ shift: 1, topics: [{ topic: 'orders' }] }, 400, 'INVALID_REQUEST'],
    [{ offsets: [at(0, { metadata: 'x'.repeat(4_097) })] }, 400, 'OFFSET_METADATA_TOO_LARGE'],
  ])('%j is %i %s', async (body, status, code) => {
    const group = newGroup();
    const answer = await put(group, body);
    expect([answer.status, answer.json.code]).toEqual([status, code]);
    expect(await offsetsOf(group)).toEqual({});
  });

  test('with very many values are refused before each of them is looked at', async () => {
    const { status, json } = await put(newGroup(), { to: 'earliest', topics: new Array(50_000).fill(0) });
    expect([status, json.detail]).toEqual([400, 'body: more than 50000 values: send less at once']);
  });
});

describe('resets', () => {
  test.each([
    [{ to: 'earliest' }, 0],
    [{ to: 'latest' }, 10],
    [{ to: '7' }, 7],
    [{ to: '99' }, 10],
    [{ to: '@3500' }, 3],
    [{ to: '@99000' }, 10],
    [{ shift: 2 }, 7],
    [{ shift: -3 }, 2],
    [{ shift: -100 }, 0],
    [{ shift: 100 }, 10],
  ])('%j leads from 5 to %i', async (body, offset) => {
    const group = newGroup();
    await put(group, { offsets: [at(5)] });
    const dry = await put(group, { ...body, dry_run: true });
    expect(dry.json).toMatchObject({ dry_run: true, offsets: [{ topic: 'orders', partition: 0, before: 5, offset }] });
    expect(await offsetsOf(group)).toEqual({ 'orders/0': 5 });
    expect((await put(group, body)).status).toBe(200);
    expect(await offsetsOf(group)).toEqual({ 'orders/0': offset });
  });

  test('are for all partitions of a topic, or those that are named', async () => {
    const group = newGroup();
    await put(group, { to: 'latest', topics: [{ topic: 'orders' }] });
    expect(await offsetsOf(group)).toEqual({ 'orders/0': 10, 'orders/1': 10, 'orders/2': 0 });
    await put(group, { to: 'earliest', topics: [{ topic: 'orders', partitions: [1] }] });
    expect(await offsetsOf(group)).toEqual({ 'orders/0': 10, 'orders/1': 0, 'orders/2': 0 });
  });
});

describe('a group', () => {
  test('with members is described, and is neither moved nor deleted', async () => {
    const group = newGroup();
    const member = await join(group);
    const { topicId } = door.core.topics.byName('orders')!;
    const offset = { topicId, partition: 0, offset: 4, leaderEpoch: -1, metadata: '' };
    expect(await door.core.coordinators.offsets.commit({ groupId: group, client: 'test' }, member, [offset])).toEqual([
      null,
    ]);
    expect((await door.get(`/v1/groups/${group}`)).json).toEqual({
      group,
      type: 'classic',
      state: 'Stable',
      protocol_type: 'consumer',
      members: 1,
      protocol: 'range',
      member_details: [
        {
          member_id: member.memberId,
          instance_id: 'instance',
          client_id: 'billing',
          client_host: '/10.0.0.7',
          assignment: [{ topic: 'orders', partitions: [0, 2] }],
        },
      ],
    });
    const lag = (await door.get(`/v1/groups/${group}/lag`)).json;
    expect(lag).toMatchObject({ group, state: 'Stable', total_lag: 6 });
    expect(lag.partitions).toEqual([
      {
        topic: 'orders',
        partition: 0,
        committed_offset: 4,
        log_start_offset: 0,
        high_watermark: 10,
        lag: 6,
        member_id: member.memberId,
        client_id: 'billing',
        client_host: '/10.0.0.7',
      },
      expect.objectContaining({ partition: 2, committed_offset: null, high_watermark: 0, lag: null }),
    ]);
    const moved = await put(group, { to: 'earliest' });
    expect([moved.status, moved.json.code]).toEqual([409, 'NON_EMPTY_GROUP']);
    const deleted = await door.send('DELETE', `/v1/groups/${group}`);
    expect([deleted.status, deleted.json.code]).toEqual([409, 'NON_EMPTY_GROUP']);
    expect(await offsetsOf(group)).toEqual({ 'orders/0': 4 });
  });

  test('of the consumer protocol is described with what each member has', async () => {
    const { consumerGroups } = door.core.coordinators;
    const heartbeat = {
      groupId: 'modern',
      memberId: 'm-1',
      memberEpoch: 0,
      instanceId: null,
      rackId: null,
      rebalanceTimeoutMs: 10_000,
      subscribedTopicNames: ['orders'],
      subscribedTopicRegex: null,
      serverAssignor: 'range',
      topicPartitions: [],
      clientId: 'billing',
      clientHost: '/10.0.0.7',
    };
    await consumerGroups.heartbeat(heartbeat, 1);
    expect((await door.get('/v1/groups/modern')).json).toMatchObject({
      type: 'consumer',
      protocol_type: 'consumer',
      members: 1,
      protocol: 'range',
      member_details: [
        { member_id: 'm-1', instance_id: null, assignment: [{ topic: 'orders', partitions: [0, 1, 2] }] },
      ],
    });
    const lag = (await door.get('/v1/groups/modern/lag')).json;
    expect(lag.partitions.map(({ partition, member_id }: any) => [partition, member_id])).toEqual([
      [0, 'm-1'],
      [1, 'm-1'],
      [2, 'm-1'],
    ]);
    expect((await put('modern', { to: 'earliest', topics: [{ topic: 'orders' }] })).json.code).toBe('NON_EMPTY_GROUP');
  });

  test('of share consumers is described, and has no offsets to move', async () => {
    const heartbeat = {
      groupId: 'sharing',
      memberId: 'm-1',
      memberEpoch: 0,
      rackId: null,
      subscribedTopicNames: ['orders'],
      clientId: 'billing',
      clientHost: '/10.0.0.7',
    };
    await door.core.coordinators.shareGroups.heartbeat(heartbeat);
    expect((await door.get('/v1/groups/sharing')).json).toMatchObject({
      type: 'share',
      protocol: 'simple',
      member_details: [{ member_id: 'm-1', assignment: [{ topic: 'orders', partitions: [0, 1, 2] }] }],
    });
    const moved = await put('sharing', { to: 'earliest', topics: [{ topic: 'orders' }] });
    expect([moved.status, moved.json.code]).toEqual([404, 'GROUP_ID_NOT_FOUND']);
  });

  test('without members is deleted with its offsets', async () => {
    const group = newGroup();
    await put(group, { offsets: [at(5)] });
    expect((await door.send('DELETE', `/v1/groups/${group}`)).status).toBe(204);
    expect(await offsetsOf(group)).toEqual({});
    expect((await door.send('DELETE', `/v1/groups/${group}`)).status).toBe(404);
  });

  test.each(['', '/lag'])('that does not exist is 404 at %j', async (path) => {
    const answer = await door.get(`/v1/groups/none${path}`);
    expect([answer.status, answer.json.code]).toEqual([404, 'GROUP_ID_NOT_FOUND']);
  });

  test('may have any id', async () => {
    const group = 'a/b c%ü';
    expect((await put(encodeURIComponent(group), { offsets: [at(1)] })).status).toBe(200);
    expect((await door.get(`/v1/groups/${encodeURIComponent(group)}`)).json.group).toBe(group);
  });
});

test('groups are listed in pages in order of their ids, by prefix, state and type', async () => {
  for (const id of ['page.c', 'page.a', 'page.d', 'page.b']) await put(id, { offsets: [at(1)] });
  await join('page.m');
  const ids = async (query: string) =>
    (await door.get(`/v1/groups?${query}`)).json.groups.map(({ group }: any) => group);
  const first = (await door.get('/v1/groups?prefix=page.&limit=2')).json;
  expect(first.groups).toEqual(
    ['page.a', 'page.b'].map((group) => ({ group, type: 'classic', state: 'Empty', protocol_type: '', members: 0 })),
  );
  expect(await ids(`prefix=page.&limit=2&cursor=${first.next_cursor}`)).toEqual(['page.c', 'page.d']);
  expect((await door.get('/v1/groups?prefix=page.&limit=5')).json.next_cursor).toBeNull();
  expect(await ids('prefix=page.&state=Stable')).toEqual(['page.m']);
  expect(await ids('prefix=page.&type=share')).toEqual([]);
  expect((await door.get('/v1/groups?limit=1001')).status).toBe(400);
});
