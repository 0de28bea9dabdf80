import { describe, expect, test } from 'vitest';
import { Client } from '../../../src/client/client.ts';
import { type ConsumeOptions, consume } from '../../../src/client/consume.ts';
import { virtualTime } from './virtual-time.ts';

/** Partitions that hold these values; pages of two records. */
class StandInReads {
  readonly partitions: (string | 'poison')[][];
  /** Grows by one record whenever a read would wait, until it has this many. */
  growTo = 0;
  logStartOffset = 0;
  reads = 0;

  constructor(partitions: string[][]) {
    this.partitions = partitions;
  }

  readonly fetch = async (url: string): Promise<Response> => {
    this.reads++;
    await new Promise((resolve) => setImmediate(resolve));
    const { pathname, searchParams } = new URL(url);
    const partition = Number(pathname.split('/').at(-2));
    const log = this.partitions[partition]!;
    const from = searchParams.get('from')!;
    const start =
      from === 'earliest'
        ? this.logStartOffset
        : from === 'latest'
          ? log.length
          : from.startsWith('-')
            ? Math.max(0, log.length + Number(from))
            : Number(from);
    if (start > log.length || start < this.logStartOffset) {
      return this.#problem(416, 'OFFSET_OUT_OF_RANGE', { log_start_offset: this.logStartOffset });
    }
    if (start === log.length && Number(searchParams.get('wait')) > 0 && log.length < this.growTo) {
      log.push(`later ${log.length}`);
    }
    if (log[start] === 'poison') return this.#problem(400, 'INVALID_RECORD', { next: start + 1 });
    const end = log.indexOf('poison', start);
    const page = log.slice(start, Math.min(start + 2, end === -1 ? Infinity : end));
    const records = page.map((value, index) => ({
      offset: start + index,
      timestamp: 100 + start + index,
      key: null,
      value: Buffer.from(value).toString('base64'),
      headers: [],
    }));
    return Response.json({ records, next: start + page.length, high_watermark: log.length });
  };

  #problem(status: number, code: string, more: object): Response {
    return new Response(JSON.stringify({ code, detail: code, retriable: false, no_side_effects: true, ...more }), {
      status,
    });
  }
}

async function read(broker: StandInReads, options: Partial<ConsumeOptions>, countMax = Infinity): Promise<string[]> {
  const client = new Client({ url: 'http://broker', fetch: broker.fetch, runtime: virtualTime() });
  const partitions = [...broker.partitions.keys()];
  const seen: string[] = [];
  for await (const consumed of consume(client, 't', { partitions, from: 'earliest', ...options })) {
    if (consumed.type === 'skipped') seen.push(`${consumed.partition}: skipped to ${consumed.next}`);
    else for (const { offset, value } of consumed.records) seen.push(`${consumed.partition}@${offset}: ${value}`);
    if (seen.length >= countMax) break;
  }
  return seen;
}

describe('consume', () => {
  test('reads every partition in order up to its present end, then ends', async () => {
    const seen = await read(new StandInReads([['a', 'b', 'c'], [], ['d']]), {});
    expect(seen.toSorted()).toEqual(['0@0: a', '0@1: b', '0@2: c', '2@0: d']);
    expect(seen.filter((line) => line.startsWith('0@'))).toEqual(['0@0: a', '0@1: b', '0@2: c']);
  });

  test.each([
    ['-2', ['0@1: b', '0@2: c']],
    [2, ['0@2: c']],
    ['latest', []],
  ])('starts at %s', async (from, expected) => {
    expect(await read(new StandInReads([['a', 'b', 'c']]), { from })).toEqual(expected);
  });

  test('ends before the first record of the time it is given', async () => {
    expect(await read(new StandInReads([['a', 'b', 'c']]), { until: 101 })).toEqual(['0@0: a']);
  });

  test('waits for what comes next when it follows', async () => {
    const broker = new StandInReads([['a']]);
    broker.growTo = 4;
    expect(await read(broker, { follow: true }, 4)).toEqual(['0@0: a', '0@1: later 1', '0@2: later 2', '0@3: later 3']);
  });

  test('tells about records that cannot be decoded and goes on behind them', async () => {
    expect(await read(new StandInReads([['a', 'poison', 'c']]), {})).toEqual(['0@0: a', '0: skipped to 2', '0@2: c']);
  });

  test('tells when retention has overtaken it and goes on where the log starts', async () => {
    const broker = new StandInReads([['a', 'b', 'c', 'd', 'e', 'f']]);
    const client = new Client({ url: 'http://broker', fetch: broker.fetch, runtime: virtualTime() });
    const reading = consume(client, 't', { partitions: [0], from: 'earliest' });
    const first = await reading.next();
    broker.logStartOffset = 5;
    const later: unknown[] = [];
    for await (const consumed of reading) later.push(consumed);
    expect(first.value).toMatchObject({ type: 'records', next: 2 });
    expect(later.at(-2)).toMatchObject({ type: 'skipped', next: 5 });
    expect(later.at(-1)).toMatchObject({ type: 'records', next: 6 });
  });

  test('an offset that the caller chose and that does not exist is an error', async () => {
    await expect(read(new StandInReads([['a']]), { from: 5 })).rejects.toMatchObject({ code: 'OFFSET_OUT_OF_RANGE' });
  });

  test('reads many partitions a few at a time', async () => {
    const broker = new StandInReads(Array.from({ length: 100 }, (_, index) => [`only ${index}`]));
    expect(await read(broker, {})).toHaveLength(100);
    expect(broker.reads).toBe(100);
  });

  test('ends with the reason of the signal', async () => {
    const stop = new AbortController();
    const broker = new StandInReads([['a']]);
    const reading = read(broker, { follow: true, signal: stop.signal });
    setImmediate(() => stop.abort(new Error('enough')));
    await expect(reading).rejects.toThrow('enough');
  });
});
