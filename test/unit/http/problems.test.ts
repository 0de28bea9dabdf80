import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { StorageCorruptError, StorageUnavailableError } from '../../../src/errors.ts';
import type { Timers } from '../../../src/runtime/clock.ts';
import { createLogger } from '../../../src/runtime/logger.ts';
import { Faults, faultyMetadataStore } from '../../../src/storage/faulty.ts';
import { MemoryMetadataStore } from '../../../src/storage/memory/metadata-store.ts';
import { type Answer, type HttpDoor, NDJSON, openDoor } from './http-door.ts';

const BODY_BYTES_MAX = 2_000;

let door: HttpDoor;
beforeAll(async () => {
  door = await openDoor({ given: { 'http.body.bytes.max': String(BODY_BYTES_MAX) } });
  await door.createTopic('orders');
});
afterAll(() => door.close());

async function stillServes(): Promise<void> {
  const { status, json } = await door.post('/v1/topics/orders/records', { records: [{ value: 'still here' }] });
  expect([status, json.results.length]).toEqual([200, 1]);
}

async function problem(asked: Promise<Answer>, status: number, code: string): Promise<any> {
  const answer = await asked;
  expect([answer.status, answer.json.code]).toEqual([status, code]);
  expect(answer.headers.get('content-type')).toBe('application/problem+json');
  expect(answer.headers.get('cache-control')).toBe('no-store');
  expect(answer.json).toMatchObject({
    type: 'about:blank',
    title: expect.any(String),
    status,
    detail: expect.any(String),
  });
  await stillServes();
  return answer.json;
}

describe('a request that cannot be served is told why, and the next one is served', () => {
  test('no such route: 404', async () => {
    await problem(door.get('/v2/topics'), 404, 'RESOURCE_NOT_FOUND');
    await problem(door.get('/v1/topics/orders/'), 404, 'RESOURCE_NOT_FOUND');
    await problem(door.get('/'), 404, 'RESOURCE_NOT_FOUND');
  });

  test('a method that a route has not: 405 with those it has', async () => {
    const answer = door.send('PUT', '/v1/topics/orders');
    const { detail } = await problem(answer, 405, 'INVALID_REQUEST');
    expect(detail).toBe('PUT /v1/topics/orders is not possible: use GET, PATCH, DELETE, HEAD');
    expect((await answer).headers.get('allow')).toBe('GET, PATCH, DELETE, HEAD');
    await problem(door.send('GET', '/v1/topics/orders/records'), 405, 'INVALID_REQUEST');
    await problem(door.send('DELETE', '/metrics'), 405, 'INVALID_REQUEST');
  });

  test('HEAD answers as GET does, without a body', async () => {
    const answer = await door.send('HEAD', '/v1/topics/orders');
    expect([answer.status, answer.text]).toEqual([200, '']);
    expect((await door.send('HEAD', '/v1/topics/missing')).status).toBe(404);
  });

  test.each([
    ['text/plain'],
    ['application/x-www-form-urlencoded'],
    ['application/octet-stream'],
    ['application/json; charset=utf-16'],
    [''],
  ])('a body of type %j: 415 with the types that are taken', async (type) => {
    const headers = { 'content-type': type };
    const answer = door.post('/v1/topics/orders/records', '{"records":[{}]}', headers);
    const { detail } = await problem(answer, 415, 'INVALID_REQUEST');
    expect(detail).toMatch(/send one of application\/json, application\/x-ndjson, in UTF-8$/);
    await problem(door.post('/v1/topics', '{"name":"other"}', headers), 415, 'INVALID_REQUEST');
  });

  test('a topic in NDJSON, or compressed records: 415', async () => {
    await problem(door.post('/v1/topics', '{"name":"other"}', NDJSON), 415, 'INVALID_REQUEST');
    const gzip = { 'content-encoding': 'gzip' };
    await problem(door.post('/v1/topics/orders/records', 'zipped', gzip), 415, 'INVALID_REQUEST');
  });

  test('media types are read as HTTP has them', async () => {
    for (const type of ['application/json; charset=utf-8', 'Application/JSON;charset="UTF-8"', 'application/ndjson']) {
      const answer = await door.post('/v1/topics/orders/records', '{"records":[{}]}', { 'content-type': type });
      expect(answer.status).toBe(type.endsWith('ndjson') ? 400 : 200);
    }
  });

  test('a body over the limit, announced or not: 413', async () => {
    const body = JSON.stringify({ records: [{ value: 'x'.repeat(BODY_BYTES_MAX) }] });
    const { detail } = await problem(door.post('/v1/topics/orders/records', body), 413, 'MESSAGE_TOO_LARGE');
    expect(detail).toMatch(/more than 2000 bytes \(http\.body\.bytes\.max\)/);
    const announced = { 'content-length': String(body.length) };
    await problem(door.post('/v1/topics/orders/records', body, announced), 413, 'MESSAGE_TOO_LARGE');
    await problem(door.post('/v1/topics', body), 413, 'MESSAGE_TOO_LARGE');
  });

  test.each([
    ['{"records":['],
    ['[]'],
    [''],
    ['null'],
    ['{"records":[{"value":01}]}'],
    [Buffer.from([0xff, 0xfe])],
  ])('a body that is not the JSON it should be (%s): 400', async (body) => {
    await problem(door.post('/v1/topics/orders/records', body), 400, 'INVALID_REQUEST');
    await problem(door.post('/v1/topics/orders/partitions/0/records', body), 400, 'INVALID_REQUEST');
    await problem(door.post('/v1/topics', body), 400, 'INVALID_REQUEST');
  });

  test('random bytes: 400', async () => {
    for (let seed = 1; seed <= 50; seed++) {
      const bytes = Buffer.from(Array.from({ length: 200 }, (_, index) => (seed * 7919 * (index + 1) ** 2) >> 5));
      const answers = [
        door.post('/v1/topics/orders/records', bytes),
        door.post('/v1/topics/orders/records', bytes, NDJSON),
      ];
      for (const { status } of await Promise.all(answers)) expect(status).toBe(400);
    }
    await stillServes();
  });

  test('JSON nested a million deep: 400', async () => {
    const deep = await openDoor();
    await deep.createTopic('orders');
    for (const open of ['[', '{"a":']) {
      const answer = await deep.post('/v1/topics/orders/records', `{"records":[{"value":${open.repeat(1_000_000)}`);
      expect([answer.status, answer.json.detail]).toEqual([
        400,
        expect.stringMatching(/at most 512 levels of nesting/),
      ]);
      expect((await deep.post('/v1/topics', `{"config":${open.repeat(1_000_000)}`)).status).toBe(400);
    }
    await deep.close();
  });

  test('what was sent is quoted in part only', async () => {
    const name = 'x'.repeat(1_900);
    const answer = door.post('/v1/topics/orders/records', `{"records":[{"${name}":1}]}`);
    expect((await problem(answer, 400, 'INVALID_REQUEST')).detail).toHaveLength(1_001);
    await problem(door.post('/v1/topics', `{"name":"ok","${name}":1}`), 400, 'INVALID_REQUEST');
  });

  test('an unknown Record-Format: 400', async () => {
    const { detail } = await problem(
      door.post('/v1/topics/orders/records', { records: [{}] }, { 'record-format': 'avro' }),
      400,
      'INVALID_REQUEST',
    );
    expect(detail).toMatch(/^header\.Record-Format: .*json/);
    await problem(
      door.get('/v1/topics/orders/partitions/0/records', { 'record-format': 'avro' }),
      400,
      'INVALID_REQUEST',
    );
  });

  test('a path that decodes to nonsense: 404', async () => {
    await problem(door.get('/v1/topics/%00'), 404, 'UNKNOWN_TOPIC_OR_PARTITION');
    await problem(door.get('/v1/topics/%E0%A4%A'), 404, 'UNKNOWN_TOPIC_OR_PARTITION');
    await problem(door.get(`/v1/topics/${'x'.repeat(5_000)}`), 404, 'UNKNOWN_TOPIC_OR_PARTITION');
  });
});

describe('a failure behind the door', () => {
  const lines: string[] = [];
  const logger = createLogger('error', { write: (line: string) => void lines.push(line) });
  const failing = (cause: unknown) => {
    const topics = { create: () => Promise.reject(cause) };
    return openDoor({ logger, context: { topics: Object.assign(Object.create(door.context.topics), topics) } });
  };
  const create = async (cause: unknown) => {
    const broken = await failing(cause);
    const answer = await broken.post('/v1/topics', { name: 'any' });
    await broken.close();
    return answer;
  };

  test('of a store that does not answer is 503 with the time to come back', async () => {
    const answer = await create(new StorageUnavailableError('connect ECONNREFUSED 10.0.0.1'));
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
    expect(answer.json).toMatchObject({
      code: 'KAFKA_STORAGE_ERROR',
      detail: 'storage is unavailable',
      retriable: true,
      no_side_effects: false,
    });
  });

  test('of damaged data names what is damaged', async () => {
    const answer = await create(new StorageCorruptError('journal/0.log at byte 17: bad checksum'));
    expect([answer.status, answer.json.detail]).toEqual([503, 'journal/0.log at byte 17: bad checksum']);
  });

  test('that is a bug is 500, logged, and tells the client nothing', async () => {
    lines.length = 0;
    const answer = await create(new TypeError('secret is undefined'));
    expect(answer.status).toBe(500);
    expect(answer.json).toMatchObject({ code: 'UNKNOWN_SERVER_ERROR', retriable: false, no_side_effects: false });
    expect(answer.text).not.toContain('secret');
    expect(lines.join('')).toContain('secret is undefined');
  });
});

describe('a store that is away', () => {
  test('fails writes in time, serves reads, and what was repeated meanwhile is there once', {
    timeout: 60_000,
  }, async () => {
    const { runtime } = door;
    const timers = { ...runtime.timers, after: afterSooner(runtime.timers.after) };
    const faults = new Faults({ random: runtime.random, timers: runtime.timers });
    const metadata = faultyMetadataStore(new MemoryMetadataStore(), faults);
    const away = await openDoor({ metadata, context: { runtime: { ...runtime, timers } } });
    await away.createTopic('orders');
    const path = '/v1/topics/orders/partitions/0/records';
    await away.post(path, { records: [{ value: 'before' }] });

    const during = () => away.post(path, { records: [{ value: 'during' }] }, { 'idempotency-key': 'during' });
    faults.plan = { operations: { put: { faults: { 'error-before': 1 } } } };
    const { status, json } = await during();
    expect([status, json]).toMatchObject([504, { code: 'REQUEST_TIMED_OUT', retriable: true, no_side_effects: false }]);
    expect((await away.get(`${path}?from=0`)).json.records).toMatchObject([{ value: 'before' }]);

    faults.heal();
    await vi.waitFor(async () => expect((await during()).status).toBe(200), { timeout: 30_000 });
    const values = (await away.get(`${path}?from=0`)).json.records.map(({ value }: any) => value);
    expect(values).toEqual(['before', 'during']);
    await away.close();
  });

  /** Thirty seconds pass in a tenth of one. */
  const afterSooner =
    (after: Timers['after']): Timers['after'] =>
    (delayMs, ...rest) =>
      after(delayMs / 300, ...rest);
});

describe('operators', () => {
  test('see that the process lives and whether it serves, and why not', async () => {
    let reason: string | null = null;
    const readiness = () => (reason === null ? { ready: true as const } : { ready: false as const, reason });
    const other = await openDoor({ context: { readiness } });
    expect((await other.get('/readyz')).json).toEqual({ status: 'ready' });
    reason = 'journal 0 is starting';
    const { status, json, headers } = await other.get('/readyz');
    expect([status, json.detail, headers.get('retry-after')]).toEqual([503, reason, '1']);
    expect([(await other.get('/healthz')).status, (await other.get('/healthz')).json]).toEqual([200, { status: 'ok' }]);
    await other.close();
  });

  test('see metrics by route, not by topic', async () => {
    await door.get('/v1/topics/orders/partitions/0/records');
    const { text, headers } = await door.get('/metrics');
    expect(headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(text).toMatch(
      /^millrace_http_requests_total\{method="GET",route="\/v1\/topics\/\{topic\}\/partitions\/\{partition\}\/records",status="200"\} \d+$/m,
    );
    expect(text).toMatch(
      /^millrace_http_request_seconds_count\{method="POST",route="\/v1\/topics\/\{topic\}\/records"\}/m,
    );
    expect(text).toMatch(
      /^millrace_http_request_bytes_total\{method="POST",route="\/v1\/topics\/\{topic\}\/records"\} [1-9]/m,
    );
    expect(text).toMatch(/^millrace_http_held_bytes 0$/m);
    expect(text).not.toContain('orders');
  });
});
