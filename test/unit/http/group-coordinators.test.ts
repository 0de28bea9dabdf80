/** `/v1/groups` at brokers that do not coordinate the group. */
import type { Hono } from 'hono';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { groupOwner } from '../../../src/coordinator/owner.ts';
import { app } from '../../../src/http/app.ts';
import type { HttpContext, HttpEnv } from '../../../src/http/context.ts';
import { PrometheusMetrics } from '../../../src/runtime/metrics.ts';
import { FakeOperations } from '../cluster/fake-operations.ts';
import { type ClusterWorld, openClusterWorld } from '../coordinator/cluster-world.ts';

let world: ClusterWorld;
let doors: readonly Hono<HttpEnv>[];

beforeEach(async () => {
  world = await openClusterWorld({ brokers: 3, journals: 2 });
  await world.lead(1, 0);
  await world.lead(2, 1);
  await world.topics.create({ name: 'orders', partitions: 1, config: {} });
  doors = world.brokers.map(({ broker, coordinators, log }) => {
    const { runtime, config, topics } = broker;
    const context: HttpContext = {
      ...{ runtime: { ...runtime, metrics: new PrometheusMetrics() }, config, topics, log, coordinators },
      cluster: new FakeOperations(),
      version: '0.0.0',
      readiness: () => ({ ready: true }),
    };
    return app(context);
  });
});
afterEach(() => world.close());

async function send(brokerId: number, method: string, path: string, body?: unknown) {
  const json = { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  const response = await doors[brokerId - 1]!.request(path, { method, ...(body !== undefined && json) });
  const text = await response.text();
  return { status: response.status, type: response.headers.get('content-type'), json: text && JSON.parse(text) };
}

/** Groups of both coordinators, in order. */
async function commitAll(count: number): Promise<string[]> {
  const groups = Array.from({ length: count }, (_, number) => `group-${number}`);
  for (const group of groups) {
    const offsets = [{ topic: 'orders', partition: 0, offset: 0 }];
    expect(await send(3, 'PUT', `/v1/groups/${group}/offsets`, { offsets })).toMatchObject({ status: 200 });
  }
  const at = await Promise.all(groups.map((group) => world.of(3).coordinators.whoCoordinates(groupOwner(group))));
  expect(new Set(at)).toEqual(new Set([1, 2]));
  return groups.sort();
}

test('a group is described, reset and deleted by its coordinator, whichever broker is asked', async () => {
  const groups = await commitAll(8);
  for (const group of groups) {
    for (const brokerId of [1, 2, 3]) {
      const described = await send(brokerId, 'GET', `/v1/groups/${group}`);
      expect(described).toMatchObject({ status: 200, type: 'application/json', json: { group, state: 'Empty' } });
      const { json } = await send(brokerId, 'GET', `/v1/groups/${group}/offsets?topic=orders`);
      expect(json.offsets).toMatchObject([{ topic: 'orders', partition: 0, offset: 0 }]);
      expect((await send(brokerId, 'GET', `/v1/groups/${group}/lag`)).json.total_lag).toBe(0);
    }
    expect((await send(3, 'DELETE', `/v1/groups/${group}`)).status).toBe(204);
    expect(await send(3, 'GET', `/v1/groups/${group}`)).toMatchObject({
      status: 404,
      type: 'application/problem+json',
      json: { code: 'GROUP_ID_NOT_FOUND' },
    });
  }
});

test('what is wrong is told as the coordinator tells it', async () => {
  const [group] = (await commitAll(8)) as [string];
  const wrong = await send(3, 'PUT', `/v1/groups/${group}/offsets`, { offsets: 'none' });
  expect(wrong).toMatchObject({ status: 400, json: { code: 'INVALID_REQUEST' } });
  const offsets = [{ topic: 'orders', partition: 0, offset: 5, expected: 3 }];
  const mismatch = await send(3, 'PUT', `/v1/groups/${group}/offsets`, { offsets });
  expect([mismatch.status, mismatch.json.code]).toEqual([416, 'OFFSET_OUT_OF_RANGE']);
});

test('groups of all brokers are listed together, a page at a time', async () => {
  const groups = await commitAll(8);
  for (const brokerId of [1, 2, 3]) {
    const found: string[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const query: string = cursor === '' ? '' : `&cursor=${cursor}`;
      const { json } = await send(brokerId, 'GET', `/v1/groups?limit=3${query}`);
      expect(json.groups.length).toBeLessThanOrEqual(3);
      found.push(...json.groups.map((each: { group: string }) => each.group));
      cursor = json.next_cursor;
    }
    expect(found).toEqual(groups);
  }
});

test('a coordinator that is away is waited for a while, and then 503', async () => {
  const [group] = (await commitAll(8)) as [string];
  const coordinator = (await world.of(3).coordinators.whoCoordinates(groupOwner(group)))!;
  world.network.cut.set(coordinator, 'before');
  const reading = send(3, 'GET', `/v1/groups/${group}`);
  setTimeout(() => world.network.cut.clear(), 50);
  expect((await reading).status).toBe(200);
  world.network.cut.set(coordinator, 'after');
  expect(await send(3, 'DELETE', `/v1/groups/${group}`)).toMatchObject({
    status: 503,
    json: { code: 'NOT_COORDINATOR', retriable: true, no_side_effects: false },
  });
  expect((await send(3, 'GET', '/v1/groups')).json.code).toBe('COORDINATOR_NOT_AVAILABLE');
});

test('a group that moved is asked of its next coordinator', async () => {
  const [group] = (await commitAll(8)) as [string];
  const owner = groupOwner(group);
  const before = (await world.of(3).coordinators.whoCoordinates(owner))!;
  await world.usurp(3, before - 1);
  expect((await send(before, 'GET', `/v1/groups/${group}`)).status).toBe(200);
  expect((await send(3 - before, 'GET', `/v1/groups/${group}`)).status).toBe(200);
});
