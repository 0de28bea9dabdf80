import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CoordinatorCommand } from '../../../src/journal/journal.ts';
import { buildBatch, compressBatch, type NewRecord } from '../../../src/record/records.ts';
import { type HttpDoor, openDoor } from './http-door.ts';

let door: HttpDoor;
beforeAll(async () => {
  door = await openDoor({ given: { 'http.decompressed.bytes.max': '100000' } });
});
afterAll(() => door.close());

let topics = 0;
/** A topic with a batch per element, each of records with these values. */
async function topic(...batches: readonly (readonly unknown[])[]): Promise<string> {
  const name = `topic-${topics++}`;
  await door.createTopic(name);
  const path = `/v1/topics/${name}/partitions/0/records`;
  for (const values of batches) await door.post(path, { records: values.map((value) => ({ value })) });
  return path;
}

/** Appends a batch as a Kafka client would send it. */
async function append(path: string, batch: Buffer): Promise<void> {
  const { topicId } = door.core.topics.byName(path.split('/')[3]!)!;
  const [outcome] = await door.core.log.produce([{ topicId, partition: 0, records: batch }], { origin: 'kafka' });
  expect(outcome!.error).toBe('NONE');
}

const now = Date.now();
const batchOf = (...records: readonly Partial<NewRecord>[]) =>
  buildBatch(
    records.map((record) => ({ key: null, value: null, ...record })),
    { timestamp: now },
  );

const offsets = (json: any) => json.records.map(({ offset }: any) => offset);

describe('where to begin', () => {
  let path: string;
  beforeAll(async () => {
    path = await topic();
    await append(path, batchOf(...[10, 20, 30].map((timestamp) => ({ timestamp }))));
    await append(path, batchOf(...[40, 50].map((timestamp) => ({ timestamp }))));
  });

  test.each([
    ['', [0, 1, 2, 3, 4]],
    ['from=earliest', [0, 1, 2, 3, 4]],
    ['from=latest', []],
    ['from=0', [0, 1, 2, 3, 4]],
    ['from=3', [3, 4]],
    ['from=1', [1, 2, 3, 4]],
    ['from=5', []],
    ['from=-1', [4]],
    ['from=-3', [2, 3, 4]],
    ['from=-99', [0, 1, 2, 3, 4]],
    ['from=-0', []],
    ['from=@0', [0, 1, 2, 3, 4]],
    ['from=@20', [1, 2, 3, 4]],
    ['from=@21', [2, 3, 4]],
    ['from=@50', [4]],
    ['from=@51', []],
  ])('%s reads %j', async (query, expected) => {
    const { status, json } = await door.get(`${path}?${query}`);
    expect(status).toBe(200);
    expect([offsets(json), json.next, json.high_watermark]).toEqual([expected, 5, 5]);
  });

  test.each([
    'from=now',
    'from=',
    'from=1.5',
    'from=@',
    'from=--1',
    'limit=0',
    'limit=10001',
    'wait=25001',
    'max_bytes=0',
  ])('%s is 400', async (query) => {
    expect((await door.get(`${path}?${query}`)).status).toBe(400);
  });

  test('beyond the end is 416, with what can be read', async () => {
    const { status, json } = await door.get(`${path}?from=6`);
    expect([status, json]).toMatchObject([
      416,
      { code: 'OFFSET_OUT_OF_RANGE', log_start_offset: 0, high_watermark: 5, retriable: false },
    ]);
  });
});

describe('how much', () => {
  test('limit ends a page in the middle of a batch, and next goes on there', async () => {
    const path = await topic([0, 1, 2], [3, 4]);
    const read: number[][] = [];
    for (let next = 0; next < 5; ) {
      const { json } = await door.get(`${path}?from=${next}&limit=2`);
      read.push(offsets(json));
      next = json.next;
    }
    expect(read).toEqual([[0, 1], [2, 3], [4]]);
  });

  test('max_bytes counts keys, values and headers, and always lets one record through', async () => {
    const path = await topic(['aaaaaaaa', 'bbbbbbbb', 'c'.repeat(500), 'd']);
    const page = async (from: number, maxBytes: number) =>
      offsets((await door.get(`${path}?from=${from}&max_bytes=${maxBytes}`)).json);
    expect(await page(0, 20)).toEqual([0, 1]);
    expect(await page(0, 19)).toEqual([0]);
    expect(await page(2, 1)).toEqual([2]);
    expect(await page(0, 10 ** 15)).toEqual([0, 1, 2, 3]);
  });
});

describe('waiting', () => {
  test('answers as soon as there is a record', async () => {
    const path = await topic();
    const waiting = door.get(`${path}?from=latest&wait=20000`);
    await new Promise((resolve) => setTimeout(resolve, 30));
    await door.post(path, { records: [{ value: 'new' }] });
    const { json } = await waiting;
    expect([json.records[0].value, json.next]).toEqual(['new', 1]);
  });

  test('answers nothing when nothing came, and does not wait for what is there', async () => {
    const path = await topic([1]);
    const before = performance.now();
    expect((await door.get(`${path}?wait=20000`)).json.records).toHaveLength(1);
    expect((await door.get(`${path}?from=1&wait=60`)).json).toEqual({ records: [], next: 1, high_watermark: 1 });
    expect(performance.now() - before).toBeLessThan(10_000);
  });
});

describe.each(['gzip', 'snappy', 'lz4', 'zstd'] as const)('%s', (codec) => {
  test('batches of Kafka clients are read like any other', async () => {
    const path = await topic();
    await append(
      path,
      await compressBatch(batchOf({ value: Buffer.from('{"a":1}') }, { value: Buffer.from('b') }), codec),
    );
    expect((await door.get(`${path}?from=1`)).json.records).toMatchObject([{ offset: 1, value: 'b' }]);
    expect((await door.get(path)).json.records).toMatchObject([{ value: { a: 1 } }, { value: 'b' }]);
  });

  test('a decompression bomb is told, read past, and harms nothing', async () => {
    const path = await topic(['before']);
    const bomb = batchOf({ value: Buffer.alloc(1_000_000) }, {});
    await append(path, await compressBatch(bomb, codec));
    await door.post(path, { records: [{ value: 'behind' }] });

    const first = (await door.get(path)).json;
    expect([first.records.map(({ value }: any) => value), first.next]).toEqual([['before'], 1]);
    const { status, json } = await door.get(`${path}?from=${first.next}`);
    expect([status, json]).toMatchObject([422, { code: 'RECORD_LIST_TOO_LARGE', retriable: false, next: 3 }]);
    expect(json.detail).toMatch(/http\.decompressed\.bytes\.max.*from=3 reads on behind them/);
    expect((await door.get(`${path}?from=${json.next}`)).json.records).toMatchObject([{ value: 'behind' }]);
  });
});

test('records that contradict their batch are told and read past', async () => {
  const path = await topic();
  const batch = batchOf({ value: Buffer.from('first') }, { value: Buffer.from('second') });
  const lying = await compressBatch(batch, 'none'); // Writes the CRC anew.
  lying[61] = 0x7f;
  await append(path, await compressBatch(lying, 'none'));
  const { status, json } = await door.get(path);
  expect([status, json]).toMatchObject([422, { code: 'INVALID_RECORD', next: 2 }]);
});

test('many read at once without holding on to buffers', async () => {
  const path = await topic(Array.from({ length: 200 }, (_, value) => ({ value })));
  const pages = await Promise.all(Array.from({ length: 20 }, () => door.get(path)));
  for (const { json } of pages) expect(json.records).toHaveLength(200);
});

describe('transactions', () => {
  let path: string;
  /** One aborted, one committed, one open, each with a record of its own. */
  beforeAll(async () => {
    path = await topic(['plain']);
    const { topicId } = door.core.topics.byName(path.split('/')[3]!)!;
    const { journal } = door.core.topics.byId(topicId)!.partitions[0]!;
    const coordinate = (command: CoordinatorCommand) =>
      door.core.journals[journal]!.coordinate(() => ({ commands: [command], answer: null }));
    for (const [producerId, ending] of [
      [7, false],
      [8, true],
      [9, null],
    ] as const) {
      const fields = { topicId, partition: 0, producerId, producerEpoch: 0, transaction: 1 };
      await coordinate({ type: 'transactionGuarded', ...fields });
      const producer = { producerId, producerEpoch: 0, baseSequence: 0, transactional: true };
      await append(path, buildBatch([{ key: null, value: `of ${producerId}` }], { timestamp: now, ...producer }));
      if (ending === null) continue;
      await coordinate({ type: 'transactionMarked', ...fields, coordinatorEpoch: 1, committed: ending });
    }
    await append(path, batchOf({ value: 'behind' }));
  });

  test.each([
    ['', ['plain', 'of 8'], 5, 5],
    ['isolation=read_committed', ['plain', 'of 8'], 5, 5],
    ['isolation=read_uncommitted', ['plain', 'of 7', 'of 8', 'of 9', 'behind'], 7, undefined],
    ['from=1', ['of 8'], 5, 5],
    ['from=-1', [], 5, 5],
    ['from=latest', [], 5, 5],
    ['from=latest&isolation=read_uncommitted', [], 7, undefined],
  ])('?%s shows %j', async (query, values, next, lastStableOffset) => {
    const { json, headers } = await door.get(`${path}?${query}`);
    expect(json.records.map(({ value }: any) => value)).toEqual(values);
    expect([json.next, json.high_watermark, json.last_stable_offset]).toEqual([next, 7, lastStableOffset]);
    expect(headers.get('last-stable-offset')).toBe(lastStableOffset === undefined ? null : '5');
  });

  test('an isolation that does not exist is refused', async () => {
    expect((await door.get(`${path}?isolation=serializable`)).status).toBe(400);
  });
});
