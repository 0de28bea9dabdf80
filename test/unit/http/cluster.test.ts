/** `/v1/cluster` over a cluster in memory. */
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { KafkaError } from '../../../src/errors.ts';
import { FakeOperations } from '../cluster/fake-operations.ts';
import { openDoor } from './http-door.ts';

let cluster = new FakeOperations();
const door = await openDoor({
  context: {
    cluster: new Proxy({} as FakeOperations, { get: (_, name) => Reflect.get(cluster, name).bind(cluster) }),
  },
});
const alone = await openDoor();
afterAll(() => Promise.all([door.close(), alone.close()]));
beforeEach(() => {
  cluster = new FakeOperations();
});

test('the cluster is described', async () => {
  const { status, json } = await door.get('/v1/cluster');
  expect([status, json]).toEqual([
    200,
    {
      cluster_id: 'orders-eu',
      shared: true,
      store: 's3://streams/prod',
      table: 'streams',
      broker_id: 1,
      controller_id: 2,
      brokers: { live: 3, draining: 0, gone: 0 },
      journals: { count: 4, led: 4 },
      versions: ['1.2.3'],
      zones: ['eu-west-1a', 'eu-west-1b'],
    },
  ]);
});

test('brokers are listed', async () => {
  cluster.gone = [3];
  const { json } = await door.get('/v1/cluster/brokers');
  expect(json.brokers.map(({ broker_id, state }: any) => [broker_id, state])).toEqual([
    [1, 'live'],
    [2, 'live'],
    [3, 'gone'],
  ]);
  expect(json.brokers[0]).toEqual({
    broker_id: 1,
    broker_epoch: 1,
    state: 'live',
    controller: false,
    zone: 'eu-west-1a',
    kafka: 'broker-1:9092',
    http: 'broker-1:8080',
    internal: 'broker-1:7070',
    version: '1.2.3',
    started_at: 1_700_000_000_000,
    journals: [0, 3],
  });
});

test('journals are listed', async () => {
  cluster.leaders[1] = null;
  const { json } = await door.get('/v1/cluster/journals');
  expect(json.journals.slice(0, 2)).toEqual([
    { journal: 0, leader_id: 1, epoch: 5, assigned_to: 1 },
    { journal: 1, leader_id: null, epoch: null, assigned_to: 2 },
  ]);
});

test('a journal is moved', async () => {
  const { status, json } = await door.post('/v1/cluster/journals/3/move', { broker_id: 2 });
  expect([status, json]).toEqual([200, { journal: 3, leader_id: 2, epoch: 8, assigned_to: 2 }]);
});

test('a broker is drained and given its share again', async () => {
  const drained = await door.send('POST', '/v1/cluster/brokers/1/drain');
  expect([drained.status, drained.json]).toEqual([200, { broker_id: 1, moved: [0, 3] }]);
  expect((await door.get('/v1/cluster')).json.brokers).toEqual({ live: 3, draining: 1, gone: 0 });
  const back = await door.send('POST', '/v1/cluster/brokers/1/undrain');
  expect([back.status, back.json.state]).toEqual([200, 'live']);
});

test('journals are added', async () => {
  const { status, json } = await door.post('/v1/cluster/journals', { add: 2 });
  expect([status, json]).toEqual([200, { before: 4, count: 6 }]);
});

describe('what cannot be done is a problem', () => {
  test.each([
    ['/v1/cluster/journals/9/move', { broker_id: 1 }, 404, 'RESOURCE_NOT_FOUND'],
    ['/v1/cluster/journals/0/move', { broker_id: 9 }, 404, 'BROKER_ID_NOT_REGISTERED'],
    ['/v1/cluster/journals/0/move', {}, 400, 'INVALID_REQUEST'],
    ['/v1/cluster/journals/x/move', { broker_id: 1 }, 400, 'INVALID_REQUEST'],
    ['/v1/cluster/journals', { add: 0 }, 400, 'INVALID_REQUEST'],
    ['/v1/cluster/journals', { add: 1_000_000 }, 400, 'INVALID_REQUEST'],
    ['/v1/cluster/brokers/9/drain', undefined, 404, 'BROKER_ID_NOT_REGISTERED'],
    ['/v1/cluster/brokers/9/undrain', undefined, 404, 'BROKER_ID_NOT_REGISTERED'],
  ])('POST %s %j is %i %s', async (path, body, status, code) => {
    const answer = await door.send('POST', path, body);
    expect([answer.status, answer.json.code]).toEqual([status, code]);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
  });

  test('without a controller, and may be tried again', async () => {
    cluster.failure = new KafkaError('NOT_CONTROLLER', 'nobody is the controller now');
    const { status, headers, json } = await door.post('/v1/cluster/journals', { add: 1 });
    expect([status, json.code, json.retriable]).toEqual([503, 'NOT_CONTROLLER', true]);
    expect(headers.get('retry-after')).toBe('1');
  });
});

describe('a broker on embedded stores', () => {
  test('is all of its cluster', async () => {
    expect((await alone.get('/v1/cluster')).json).toMatchObject({
      shared: false,
      table: '',
      controller_id: 1,
      brokers: { live: 1 },
      journals: { count: 1, led: 1 },
    });
    expect((await alone.get('/v1/cluster/brokers')).json.brokers).toMatchObject([
      { broker_id: 1, controller: true, journals: [0] },
    ]);
  });

  test.each([
    ['/v1/cluster/journals/0/move', { broker_id: 2 }, 400, 'a broker on embedded stores is alone'],
    ['/v1/cluster/brokers/1/drain', undefined, 400, 'a broker on embedded stores is alone'],
    ['/v1/cluster/brokers/2/drain', undefined, 404, 'there is no broker 2'],
    ['/v1/cluster/journals/7/move', { broker_id: 1 }, 404, 'there is no journal 7'],
  ])('POST %s %j is %i: %s', async (path, body, status, detail) => {
    const answer = await alone.send('POST', path, body);
    expect([answer.status, answer.json.detail]).toEqual([status, expect.stringContaining(detail)]);
  });

  test('leads its journals already', async () => {
    const { json } = await alone.post('/v1/cluster/journals/0/move', { broker_id: 1 });
    expect(json).toMatchObject({ journal: 0, leader_id: 1 });
  });
});
