import { describe, expect, test } from 'vitest';
import { Client } from '../../../src/client/client.ts';
import { ClientError } from '../../../src/client/client-error.ts';
import { backoffMs, mayRepeat, type Repeat, Transport } from '../../../src/client/transport.ts';
import { virtualTime } from './virtual-time.ts';

const refused = () => {
  throw new TypeError('fetch failed', { cause: { code: 'ECONNREFUSED' } });
};
const reset = () => {
  throw new TypeError('fetch failed', { cause: { code: 'ECONNRESET' } });
};
const answer = (status: number, body: unknown) => () => new Response(JSON.stringify(body), { status });
const problem = (status: number, code: string, retriable: boolean, noSideEffects = false) =>
  answer(status, { code, detail: 'why', retriable, no_side_effects: noSideEffects });
const ok = answer(200, { fine: true });

/** Answers with each step in turn, with the last for ever. */
function transport(...steps: (() => Response)[]) {
  let requests = 0;
  const made = new Transport(virtualTime(), {
    url: 'http://broker/base/',
    fetch: async () => steps[Math.min(requests++, steps.length - 1)]!(),
  });
  return { made, requests: () => requests };
}

const get = (repeat: Repeat) => ({ method: 'GET', path: '/v1/topics', repeat }) as const;

describe('what is repeated', () => {
  test.each<[string, () => Response, Repeat, boolean]>([
    ['nobody listens', refused, 'safe', true],
    ['nobody listens', refused, 'unsent', true],
    ['the connection broke', reset, 'safe', true],
    ['the connection broke', reset, 'unsent', false],
    ['storage is away', problem(503, 'KAFKA_STORAGE_ERROR', true), 'safe', true],
    ['storage is away', problem(503, 'KAFKA_STORAGE_ERROR', true), 'unsent', false],
    ['nothing was done', problem(503, 'KAFKA_STORAGE_ERROR', true, true), 'unsent', true],
    ['a proxy is busy', answer(502, 'bad gateway'), 'safe', true],
    ['the topic is unknown', problem(404, 'UNKNOWN_TOPIC_OR_PARTITION', true), 'safe', false],
    ['the request is wrong', problem(400, 'INVALID_REQUEST', false), 'safe', false],
    ['an answer of another server', answer(404, '<html>'), 'safe', false],
  ])('%s (%#)', async (_, step, repeat, again) => {
    const { made, requests } = transport(step, ok);
    const outcome = made.request(get(repeat));
    if (again) expect(await outcome).toMatchObject({ status: 200 });
    else await expect(outcome).rejects.toBeInstanceOf(ClientError);
    expect(requests()).toBe(again ? 2 : 1);
  });
});

test('what does not succeed in time fails with what happened last', async () => {
  const { made, requests } = transport(problem(503, 'KAFKA_STORAGE_ERROR', true));
  await expect(made.request(get('safe'))).rejects.toMatchObject({
    code: 'REQUEST_TIMED_OUT',
    message: 'given up after 60000 ms; last: why',
  });
  expect(requests()).toBeGreaterThan(20);
});

test('how long it took is told with the time that the broker may wait on purpose', async () => {
  const { made } = transport(problem(504, 'REQUEST_TIMED_OUT', true));
  await expect(made.request({ ...get('safe'), waitMs: 25_000 })).rejects.toMatchObject({
    message: 'given up after 85000 ms; last: why',
  });
});

test('a broker that never answers is given up on', async () => {
  const made = new Transport(virtualTime(), {
    url: 'http://broker',
    timeoutMs: 5_000,
    fetch: (_, { signal }) =>
      new Promise((_resolve, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason));
      }),
  });
  await expect(made.request(get('safe'))).rejects.toMatchObject({ code: 'REQUEST_TIMED_OUT', status: 0 });
});

test('an aborted signal ends the call with its reason', async () => {
  const stop = new AbortController();
  const { made } = transport(() => {
    stop.abort(new Error('enough'));
    return refused();
  });
  await expect(made.request({ ...get('safe'), signal: stop.signal })).rejects.toThrow('enough');
});

test('pauses grow to two seconds and are spread by chance', () => {
  expect([2, 3, 4, 8, 50].map((attempt) => backoffMs(attempt, 1))).toEqual([50, 100, 200, 2_000, 2_000]);
  expect(backoffMs(2, 0)).toBe(25);
});

test('an error that is not retriable is never repeated', () => {
  const error = new ClientError({ code: 'X', status: 400, detail: '', retriable: false, noSideEffects: true });
  expect(mayRepeat(error, 'safe')).toBe(false);
});

test.each(['', 'broker:8080', 'ftp://broker', 'http://user@broker', 'http://broker?x=1'])('%j is no URL', (url) => {
  expect(() => new Client({ url })).toThrow(TypeError);
});

test('paths are put behind the base, names are escaped', async () => {
  const urls: string[] = [];
  const client = new Client({
    url: 'http://broker/base/',
    runtime: virtualTime(),
    fetch: async (url) => {
      urls.push(url);
      return new Response(null, { status: 204 });
    },
  });
  await client.deleteTopic('a/b c');
  expect(urls).toEqual(['http://broker/base/v1/topics/a%2Fb%20c']);
});

test('topics are listed page by page', async () => {
  const pages = [
    { topics: [{ name: 'a', topic_id: 'A', partitions: 1 }], next_cursor: 'YQ' },
    { topics: [{ name: 'b', topic_id: 'B', partitions: 2 }], next_cursor: null },
  ];
  const urls: string[] = [];
  const client = new Client({
    url: 'http://broker',
    runtime: virtualTime(),
    fetch: async (url) => {
      urls.push(url);
      return Response.json(pages.shift());
    },
  });
  const names: string[] = [];
  for await (const { name } of client.listTopics('x y')) names.push(name);
  expect(names).toEqual(['a', 'b']);
  expect(urls[1]).toBe('http://broker/v1/topics?prefix=x+y&limit=1000&cursor=YQ');
});
