import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { partitionOfKey } from '../../../src/record/partitioner.ts';
import { type HttpDoor, NDJSON, openDoor } from './http-door.ts';

let door: HttpDoor;
beforeAll(async () => {
  door = await openDoor({ given: { 'http.body.bytes.max': '100000' } });
});
afterAll(() => door.close());

/** A topic of its own for each test, and where to send and read. */
let topics = 0;
async function topic(partitions = 1, config: Readonly<Record<string, string>> = {}) {
  const name = `topic-${topics++}`;
  await door.createTopic(name, partitions, config);
  const path = `/v1/topics/${name}`;
  const partition = (number: number) => `${path}/partitions/${number}/records`;
  return {
    name,
    path: `${path}/records`,
    partition,
    values: async (number = 0) =>
      (await door.get(partition(number))).json.records.map(({ value }: { value: unknown }) => value),
  };
}

describe('producing to a topic', () => {
  test('answers offset, partition and timestamp of each record, in their order', async () => {
    const { path } = await topic(3);
    const before = Date.now();
    const { status, json } = await door.post(path, {
      records: [{ partition: 2 }, { partition: 0, timestamp: 12 }, { partition: 2 }],
    });
    expect(status).toBe(200);
    const now = json.results[0].timestamp;
    expect(now).toBeGreaterThanOrEqual(before);
    expect(json.results).toEqual([
      { partition: 2, offset: 0, timestamp: now },
      { partition: 0, offset: 0, timestamp: 12 },
      { partition: 2, offset: 1, timestamp: now },
    ]);
  });

  test('puts a key where every Kafka client puts it', async () => {
    const { path } = await topic(12);
    const keys = ['a', 'é', { id: 1 }, 7];
    const { json } = await door.post(path, { records: keys.map((key) => ({ key })) });
    const stored = keys.map((key) => Buffer.from(typeof key === 'string' ? key : JSON.stringify(key)));
    expect(json.results.map(({ partition }: any) => partition)).toEqual(stored.map((key) => partitionOfKey(key, 12)));
  });

  test('puts records without a key into one partition per request, and into all of them in turn', async () => {
    const { path } = await topic(4);
    const seen = new Set<number>();
    for (let request = 0; request < 4; request++) {
      const { json } = await door.post(path, { records: [{ value: 1 }, { value: 2 }] });
      expect(json.results[0].partition).toBe(json.results[1].partition);
      seen.add(json.results[0].partition);
    }
    expect(seen.size).toBe(4);
  });

  test('answers 207 when only some records failed, each with its reason', async () => {
    const { path, values } = await topic(2, { 'max.message.bytes': '1000' });
    const records = [{ value: 'a' }, { partition: 9 }, { value: 'x'.repeat(2_000) }, { value: 'b' }];
    const { status, json } = await door.post(path, { records: records.map((each) => ({ partition: 1, ...each })) });
    expect(status).toBe(207);
    expect(json.results).toMatchObject([
      { partition: 1, offset: 0 },
      { partition: 9, error: { code: 'UNKNOWN_TOPIC_OR_PARTITION', retriable: true, no_side_effects: true } },
      { partition: 1, error: { code: 'MESSAGE_TOO_LARGE', retriable: false, no_side_effects: true } },
      { partition: 1, offset: 1 },
    ]);
    expect(json.results[2].error.detail).toMatch(/max\.message\.bytes of topic topic-\d+ is 1000/);
    expect(await values(1)).toEqual(['a', 'b']);
  });

  test('is a problem when all records failed, with the status of the first', async () => {
    const { path } = await topic(1, { 'cleanup.policy': 'compact' });
    const one = await door.post(path, { records: [{ value: 1 }, { value: 2 }] });
    expect([one.status, one.json]).toMatchObject([400, { code: 'INVALID_RECORD', no_side_effects: true }]);
    expect(one.json.results).toBeUndefined();
    const two = await door.post(path, { records: [{ partition: 9 }, { value: 2 }] });
    expect([two.status, two.json.code]).toEqual([404, 'UNKNOWN_TOPIC_OR_PARTITION']);
    expect(two.json.results.map(({ error }: any) => error.code)).toEqual([
      'UNKNOWN_TOPIC_OR_PARTITION',
      'INVALID_RECORD',
    ]);
  });

  test('cuts what is longer than max.message.bytes into several batches', async () => {
    const { path, values } = await topic(1, { 'max.message.bytes': '1000' });
    const records = Array.from({ length: 100 }, (_, value) => ({ value }));
    const { json } = await door.post(path, { records });
    expect(json.results.map(({ offset }: any) => offset)).toEqual(records.map(({ value }) => value));
    expect(await values()).toEqual(records.map(({ value }) => value));
  });

  test('with LogAppendTime answers the time of the broker', async () => {
    const { path, partition } = await topic(1, { 'message.timestamp.type': 'LogAppendTime' });
    const { json } = await door.post(path, { records: [{ timestamp: 5 }, { timestamp: 1 }] });
    expect(json.results[0].timestamp).toBeGreaterThan(1e12);
    const read = (await door.get(partition(0))).json.records;
    expect(read.map(({ timestamp }: any) => timestamp)).toEqual(json.results.map(({ timestamp }: any) => timestamp));
  });

  test('refuses a time that the topic does not allow', async () => {
    const { path } = await topic();
    const { status, json } = await door.post(path, { records: [{ timestamp: Date.now() + 7_200_000 }] });
    expect([status, json.code]).toEqual([400, 'INVALID_TIMESTAMP']);
  });
});

describe('what is stored comes back', () => {
  test('as NDJSON, in and out', async () => {
    const { path, partition } = await topic();
    const answer = await door.post(path, '{"key":"k","value":{"a":1}}\n{"value":null,"headers":[["h","v"]]}\n', NDJSON);
    expect(answer.json.results).toHaveLength(2);
    const read = await door.get(partition(0), { accept: 'application/x-ndjson' });
    expect(read.headers.get('content-type')).toBe('application/x-ndjson');
    expect([read.headers.get('next-offset'), read.headers.get('high-watermark')]).toEqual(['2', '2']);
    const lines = read.text.split('\n');
    expect(lines).toHaveLength(3);
    expect(JSON.parse(lines[0]!)).toMatchObject({ offset: 0, key: 'k', value: { a: 1 }, headers: [] });
    expect(JSON.parse(lines[1]!)).toMatchObject({ offset: 1, key: null, value: null, headers: [['h', 'v']] });
  });

  test('with every digit of a number that JavaScript would round', async () => {
    const { path, partition } = await topic();
    await door.post(path, '{"records":[{"value":{"id":12345678901234567890,"x":1.0,"x":2}}]}');
    expect((await door.get(partition(0))).text).toContain('"value":{"id":12345678901234567890,"x":1.0,"x":2}');
  });

  test('in text and in base64', async () => {
    const { path, partition } = await topic();
    const base64 = { 'record-format': 'base64' };
    await door.post(path, { records: [{ key: 'k', value: '{"a": 1}' }] }, { 'record-format': 'text' });
    await door.post(path, { records: [{ key: '/w==', value: '/g==', headers: [['h', '/Q==']] }] }, base64);
    expect((await door.get(partition(0), { 'record-format': 'text' })).json.records).toMatchObject([
      { key: 'k', value: '{"a": 1}' },
      { key_base64: '/w==', value_base64: '/g==', headers: [['h', { base64: '/Q==' }]] },
    ]);
    expect((await door.get(partition(0), base64)).json.records).toMatchObject([
      { key: 'aw==', value: 'eyJhIjogMX0=' },
      { key: '/w==', value: '/g==', headers: [['h', '/Q==']] },
    ]);
    expect((await door.get(partition(0))).json.records[0].value).toEqual({ a: 1 });
  });
});

describe('producing to one partition', () => {
  test('is one batch: consecutive offsets, or nothing', async () => {
    const { partition, values } = await topic(2);
    const answer = await door.post(partition(1), {
      records: [
        { value: 1, partition: 1 },
        { key: 'k', value: 2 },
      ],
    });
    expect(answer.json.results).toMatchObject([
      { partition: 1, offset: 0 },
      { partition: 1, offset: 1 },
    ]);
    const refused = await door.post(partition(1), { records: [{ value: 3 }, { value: 4, timestamp: 9e15 }] });
    expect([refused.status, refused.json.code]).toEqual([400, 'INVALID_TIMESTAMP']);
    expect(await values(1)).toEqual([1, 2]);
  });

  test('refuses a record that names another partition, and a partition that does not exist', async () => {
    const { partition } = await topic(2);
    const other = await door.post(partition(1), { records: [{ partition: 1 }, { partition: 0 }] });
    expect([other.status, other.json.detail]).toEqual([400, 'records[1].partition is 0, the path says 1']);
    expect((await door.post(partition(2), { records: [{}] })).status).toBe(404);
    expect((await door.post(partition(2 ** 40), { records: [{}] })).status).toBe(400);
    expect((await door.post(partition(-1), { records: [{}] })).status).toBe(400);
  });

  test('refuses more than one batch may hold, with the limit and the ways out', async () => {
    const { partition, values } = await topic(1, { 'max.message.bytes': '1000' });
    const { status, json } = await door.post(partition(0), { records: Array(100).fill({ value: 'xxxxxxxxxx' }) });
    expect([status, json.code, json.no_side_effects]).toEqual([413, 'MESSAGE_TOO_LARGE', true]);
    expect(json.detail).toMatch(/is 1000: send fewer at once, raise it, or/);
    expect(await values()).toEqual([]);
  });

  test('with If-Match-Offset appends only there, and tells where else', async () => {
    const { partition, values } = await topic();
    const at = (offset: number, value: number) =>
      door.post(partition(0), { records: [{ value }, { value }] }, { 'if-match-offset': String(offset) });
    expect((await at(0, 1)).status).toBe(200);
    const missed = await at(0, 2);
    expect([missed.status, missed.json]).toMatchObject([
      412,
      { code: 'OFFSET_MISMATCH', next_offset: 2, retriable: false, no_side_effects: true },
    ]);
    expect((await at(2, 3)).json.results[0].offset).toBe(2);
    expect(await values()).toEqual([1, 1, 3, 3]);
    expect((await door.post(partition(0), { records: [{}] }, { 'if-match-offset': 'x' })).status).toBe(400);
  });

  test('many compare and append at once: one wins each offset', async () => {
    const { partition, values } = await topic();
    const writer = (value: number) => door.post(partition(0), { records: [{ value }] }, { 'if-match-offset': '0' });
    const answers = await Promise.all([1, 2, 3, 4, 5].map(writer));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 412, 412, 412, 412]);
    expect(await values()).toHaveLength(1);
  });
});

describe('an idempotent producer', () => {
  const producer = async () => {
    const { json } = await door.post('/v1/producers', {});
    return (sequence: number, epoch = json.producer_epoch) => ({
      'producer-id': String(json.producer_id),
      'producer-epoch': String(epoch),
      'producer-seq': String(sequence),
    });
  };

  test('gets the first answer when it repeats itself, and appends once', async () => {
    const { partition, values } = await topic();
    const at = await producer();
    const records = [{ value: 1 }, { value: 2, timestamp: 77 }];
    const first = await door.post(partition(0), { records }, at(0));
    expect([first.status, first.headers.get('duplicate')]).toEqual([200, null]);
    await door.post(partition(0), { records: [{ value: 3 }] }, at(2));
    const again = await door.post(partition(0), { records }, at(0));
    expect([again.status, again.headers.get('duplicate'), again.text]).toEqual([200, 'true', first.text]);
    expect(await values()).toEqual([1, 2, 3]);
  });

  test('that leaves a gap, or is of an old epoch, is refused', async () => {
    const { partition } = await topic();
    const at = await producer();
    await door.post(partition(0), { records: [{ value: 1 }] }, at(0, 1));
    const gap = await door.post(partition(0), { records: [{ value: 2 }] }, at(5, 1));
    expect([gap.status, gap.json.code]).toEqual([409, 'OUT_OF_ORDER_SEQUENCE_NUMBER']);
    const old = await door.post(partition(0), { records: [{ value: 2 }] }, at(1, 0));
    expect([old.status, old.json.code]).toEqual([409, 'INVALID_PRODUCER_EPOCH']);
  });

  test('says id, epoch and sequence, all three and only to one partition', async () => {
    const { partition } = await topic();
    const at = await producer();
    const { 'producer-seq': _, ...two } = at(0);
    expect((await door.post(partition(0), { records: [{}] }, two)).json.detail).toMatch(/go together/);
    expect((await door.post(partition(0), { records: [{}] }, { ...at(0), 'idempotency-key': 'k' })).status).toBe(400);
    expect((await door.post(partition(0), { records: [{}] }, { ...at(0), 'producer-seq': '-1' })).status).toBe(400);
    expect((await door.post(partition(0), { records: [{}] }, { ...at(0), 'producer-epoch': '32768' })).status).toBe(
      400,
    );
  });

  test('gets ids that nobody else has', async () => {
    const ids = await Promise.all([1, 2, 3].map(async () => (await door.post('/v1/producers', {})).json.producer_id));
    expect(new Set(ids).size).toBe(3);
  });
});

test('an Idempotency-Key holds for a request over the partitions of several journals', async () => {
  const other = await openDoor({ given: { journals: '4' } });
  await other.createTopic('spread', 8);
  const records = Array.from({ length: 40 }, (_, index) => ({ key: `key-${index}`, value: index }));
  const send = () => other.post('/v1/topics/spread/records', { records }, { 'idempotency-key': 'k' });
  const first = await send();
  expect(first.status).toBe(200);
  const again = await send();
  expect([again.status, again.headers.get('duplicate'), again.text]).toEqual([200, 'true', first.text]);
  const { partition_details: partitions } = (await other.get('/v1/topics/spread')).json;
  expect(partitions.reduce((sum: number, each: any) => sum + each.high_watermark, 0)).toBe(40);
  await other.close();
});

describe('a request with an Idempotency-Key', () => {
  test('gets the first answer when it is repeated, over all of its partitions', async () => {
    const { path, values } = await topic(3);
    const records = [{ key: 'a' }, { key: 'b' }, { key: 'c', timestamp: 5 }, { value: 'no key' }];
    const send = () => door.post(path, { records }, { 'idempotency-key': 'order 17' });
    const first = await send();
    const again = await send();
    expect([again.status, again.headers.get('duplicate'), again.text]).toEqual([200, 'true', first.text]);
    const stored = await Promise.all([0, 1, 2].map((partition) => values(partition)));
    expect(stored.flat()).toHaveLength(4);
  });

  test('and another body, another format or another path is refused', async () => {
    const { path, partition } = await topic();
    const key = { 'idempotency-key': 'k' };
    await door.post(path, { records: [{ value: 'YQ==' }] }, key);
    for (const [where, body, headers] of [
      [path, { records: [{ value: 'Yg==' }] }, key],
      [path, { records: [{ value: 'YQ==' }] }, { ...key, 'record-format': 'base64' }],
      [partition(0), { records: [{ value: 'YQ==' }] }, key],
    ] as const) {
      const answer = await door.post(where, body, headers);
      expect([answer.status, answer.json.code]).toEqual([422, 'IDEMPOTENCY_KEY_REUSED']);
    }
  });

  test('does not meet the same key of another topic', async () => {
    const [one, other] = [await topic(), await topic()];
    for (const { path } of [one, other]) {
      const answer = await door.post(path, { records: [{ value: 1 }] }, { 'idempotency-key': 'same' });
      expect([answer.status, answer.headers.get('duplicate')]).toEqual([200, null]);
    }
  });

  test('that is repeated while the first is under way is appended once', async () => {
    const { path, values } = await topic();
    const send = () => door.post(path, { records: [{ value: 1 }] }, { 'idempotency-key': 'at once' });
    const answers = await Promise.all([send(), send(), send()]);
    expect(new Set(answers.map(({ json }) => json.results[0].offset))).toEqual(new Set([0]));
    expect(await values()).toEqual([1]);
  });

  test('keeps its key within 255 visible characters', async () => {
    const { path } = await topic();
    const send = (key: string) => door.post(path, { records: [{}] }, { 'idempotency-key': key });
    expect((await send('k'.repeat(255))).status).toBe(200);
    expect((await send('k'.repeat(256))).status).toBe(400);
    expect((await send('é')).status).toBe(400);
  });
});
