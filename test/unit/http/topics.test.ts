import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type HttpDoor, openDoor } from './http-door.ts';

let door: HttpDoor;
beforeAll(async () => {
  door = await openDoor({ given: { 'num.partitions': '2', 'log.retention.ms': '1234' } });
});
afterAll(() => door.close());

describe('creating a topic', () => {
  test('answers 201 with the topic and where it is', async () => {
    const answer = await door.post('/v1/topics', { name: 'orders', partitions: 3, config: { 'retention.ms': '1000' } });
    expect(answer.status).toBe(201);
    expect(answer.headers.get('location')).toBe('/v1/topics/orders');
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.json).toMatchObject({
      name: 'orders',
      topic_id: expect.stringMatching(/^[\w-]{22}$/),
      partitions: 3,
      overrides: { 'retention.ms': '1000' },
      partition_details: [0, 1, 2].map((partition) => ({ partition, log_start_offset: 0, high_watermark: 0 })),
    });
  });

  test('without partitions makes as many as the broker does by default', async () => {
    expect((await door.post('/v1/topics', { name: 'defaults' })).json).toMatchObject({ partitions: 2, overrides: {} });
  });

  test('takes configuration values as text, number or boolean', async () => {
    const config = { 'retention.ms': 60000, preallocate: true, 'cleanup.policy': 'compact' };
    expect((await door.post('/v1/topics', { name: 'values', config })).json.overrides).toEqual({
      'retention.ms': '60000',
      preallocate: 'true',
      'cleanup.policy': 'compact',
    });
  });

  test('that exists is 409', async () => {
    await door.createTopic('twice');
    const answer = await door.post('/v1/topics', { name: 'twice' });
    expect([answer.status, answer.json.code]).toEqual([409, 'TOPIC_ALREADY_EXISTS']);
  });

  test.each([
    [{ name: 'a b' }, 'INVALID_TOPIC_EXCEPTION'],
    [{ name: '..' }, 'INVALID_TOPIC_EXCEPTION'],
    [{ name: '' }, 'INVALID_REQUEST'],
    [{ name: 'x'.repeat(250) }, 'INVALID_REQUEST'],
    [{ name: 7 }, 'INVALID_REQUEST'],
    [{}, 'INVALID_REQUEST'],
    [[], 'INVALID_REQUEST'],
    ['{"name":', 'INVALID_REQUEST'],
    [{ name: 'ok', partitions: 0 }, 'INVALID_REQUEST'],
    [{ name: 'ok', partitions: 1.5 }, 'INVALID_REQUEST'],
    [{ name: 'ok', partitons: 1 }, 'INVALID_REQUEST'],
    [{ name: 'ok', config: { 'retention.ms': 'soon' } }, 'INVALID_CONFIG'],
    [{ name: 'ok', config: { 'no.such': '1' } }, 'INVALID_CONFIG'],
    [{ name: 'ok', config: { 'compression.type': 'gzip' } }, 'INVALID_CONFIG'],
  ])('%j is 400 %s', async (body, code) => {
    const answer = await door.post('/v1/topics', body);
    expect([answer.status, answer.json.code]).toEqual([400, code]);
    expect((await door.get('/v1/topics/ok')).status).toBe(404);
  });
});

describe('listing topics', () => {
  test('answers pages in order of names, with a cursor while there is more', async () => {
    for (const name of ['page.c', 'page.a', 'page.b']) await door.createTopic(name);
    const first = (await door.get('/v1/topics?prefix=page.&limit=2')).json;
    expect(first.topics.map(({ name }: any) => name)).toEqual(['page.a', 'page.b']);
    const second = (await door.get(`/v1/topics?prefix=page.&limit=2&cursor=${first.next_cursor}`)).json;
    expect(second.topics.map(({ name }: any) => name)).toEqual(['page.c']);
    expect(second.next_cursor).toBeNull();
  });

  test('never answers all: the limit has a limit', async () => {
    expect((await door.get('/v1/topics?limit=1001')).status).toBe(400);
    expect((await door.get('/v1/topics?limit=0')).status).toBe(400);
    expect((await door.get('/v1/topics?limit=ten')).json.detail).toBe('query.limit: expected a whole number');
    expect((await door.get('/v1/topics?limits=1')).json.detail).toMatch(/limits/);
  });
});

describe('a topic', () => {
  test('is described with what is in effect, what was set, and where its partitions begin and end', async () => {
    await door.createTopic('described', 2, { 'max.message.bytes': '2000' });
    await door.post('/v1/topics/described/partitions/1/records', { records: [{ value: 1 }, { value: 2 }] });
    const { json } = await door.get('/v1/topics/described');
    expect(json.config).toMatchObject({
      'retention.ms': '1234',
      'max.message.bytes': '2000',
      'cleanup.policy': 'delete',
    });
    expect(json.overrides).toEqual({ 'max.message.bytes': '2000' });
    expect(json.partition_details).toMatchObject([{ high_watermark: 0 }, { high_watermark: 2 }]);
    expect((await door.get('/v1/topics/described/partitions')).json.partitions).toEqual(json.partition_details);
  });

  test('changes only the configurations that are named, and null takes one back to its default', async () => {
    await door.createTopic('altered', 1, { 'retention.ms': '1000', 'segment.ms': '5000' });
    const answer = await door.send('PATCH', '/v1/topics/altered', {
      config: { 'retention.ms': null, 'retention.bytes': 4096 },
    });
    expect(answer.status).toBe(200);
    expect(answer.json.overrides).toEqual({ 'segment.ms': '5000', 'retention.bytes': '4096' });
    expect(answer.json.config['retention.ms']).toBe('1234');
  });

  test('changes nothing when one of the configurations is wrong', async () => {
    await door.createTopic('kept', 1, { 'retention.ms': '1000' });
    for (const config of [
      { 'retention.ms': '2000', 'no.such': null },
      { 'retention.ms': '2000', 'segment.ms': 'x' },
    ]) {
      const answer = await door.send('PATCH', '/v1/topics/kept', { config });
      expect([answer.status, answer.json.code]).toEqual([400, 'INVALID_CONFIG']);
    }
    expect((await door.get('/v1/topics/kept')).json.overrides).toEqual({ 'retention.ms': '1000' });
  });

  test('is gone when it is deleted, its name free', async () => {
    await door.createTopic('deleted');
    const answer = await door.send('DELETE', '/v1/topics/deleted');
    expect([answer.status, answer.text]).toEqual([204, '']);
    expect((await door.get('/v1/topics/deleted')).status).toBe(404);
    expect((await door.send('DELETE', '/v1/topics/deleted')).status).toBe(404);
    expect((await door.post('/v1/topics', { name: 'deleted' })).status).toBe(201);
  });

  test('grows, and does not shrink', async () => {
    await door.createTopic('grown', 1);
    const answer = await door.post('/v1/topics/grown/partitions', { count: 3 });
    expect(answer.json.partitions).toHaveLength(3);
    const shrunk = await door.post('/v1/topics/grown/partitions', { count: 2 });
    expect([shrunk.status, shrunk.json.code]).toEqual([400, 'INVALID_PARTITIONS']);
    expect((await door.post('/v1/topics/grown/partitions/2/records', { records: [{ value: 1 }] })).status).toBe(200);
  });

  test.each([
    ['GET', ''],
    ['PATCH', ''],
    ['DELETE', ''],
    ['GET', '/partitions'],
    ['POST', '/partitions'],
    ['POST', '/records'],
    ['POST', '/partitions/0/records'],
    ['GET', '/partitions/0/records'],
    ['DELETE', '/partitions/0/records?before=0'],
  ])('that does not exist is 404 for %s %s', async (method, path) => {
    const body = { POST: { count: 1 }, PATCH: { config: {} } }[method];
    const answer = await door.send(method, `/v1/topics/missing${path}`, body);
    expect(answer.status).toBe(404);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(answer.json).toMatchObject({ code: 'UNKNOWN_TOPIC_OR_PARTITION', retriable: true, no_side_effects: true });
  });
});

describe('deleting records', () => {
  test('makes everything below an offset unreadable', async () => {
    await door.createTopic('trimmed');
    const records = '/v1/topics/trimmed/partitions/0/records';
    await door.post(records, { records: [{ value: 0 }, { value: 1 }, { value: 2 }] });
    expect((await door.send('DELETE', `${records}?before=2`)).json).toEqual({ log_start_offset: 2 });
    expect((await door.get(records)).json.records.map(({ offset }: any) => offset)).toEqual([2]);
    const gone = await door.get(`${records}?from=1`);
    expect([gone.status, gone.json]).toMatchObject([416, { log_start_offset: 2, high_watermark: 3 }]);
    expect(gone.json.detail).toMatch(/from=earliest reads what is left/);
    expect((await door.send('DELETE', `${records}?before=latest`)).json).toEqual({ log_start_offset: 3 });
  });

  test('beyond the end is 416, and without an offset 400', async () => {
    await door.createTopic('untrimmed');
    const records = '/v1/topics/untrimmed/partitions/0/records';
    expect((await door.send('DELETE', `${records}?before=1`)).status).toBe(416);
    expect((await door.send('DELETE', records)).status).toBe(400);
    expect((await door.send('DELETE', `${records}?before=-1`)).status).toBe(400);
  });
});
