/**
 * What do 100 JSON records of a produce request cost one core, from the bytes of the body to the text of the answer?
 *
 * Sketch: the aim is 250,000 records a second for the whole broker, 4 µs each. Sockets, framework and the log behind the
 * door want half of it, so parsing, batching and wording must stay under 2 µs a record: 200 µs a request. JSON.parse and
 * JSON.stringify alone, which the parser does without, are here to compare.
 */
import { test } from 'vitest';
import { resolveTopicConfig } from '../../src/cluster/topic-config.ts';
import type { Topic } from '../../src/cluster/topics.ts';
import { planForTopic } from '../../src/http/plan-produce.ts';
import { produceReply } from '../../src/http/produce-results.ts';
import type { RecordFormat } from '../../src/http/record-format.ts';
import { parseRecords } from '../../src/http/record-parser.ts';
import { RecordWriter } from '../../src/http/record-writer.ts';
import { buildBatch, decodeBatch } from '../../src/record/records.ts';

// CI runs every benchmark once, so that none rots; `BENCH=1` measures.
const options = process.env['BENCH'] ? { time: 1_000 } : { time: 0, iterations: 1, warmup: false };

const NOW = 1_763_683_200_000;
const topicId = 'AAECAwQFBgcICQoLDA0ODw';

const topic = (partitions: number): Topic => ({
  name: 'orders',
  topicId,
  partitions: Array.from({ length: partitions }, (_, partition) => ({ topicId, partition, journal: 0 })),
  overrides: {},
  config: resolveTopicConfig({}, {}),
  replicationFactor: 1,
  createdAt: NOW,
});

const records = Array.from({ length: 100 }, (_, id) => ({
  key: `user-${id}`,
  value: { id, name: `name of ${id}`, amount: id * 1.25, active: true, note: 'lorem ipsum dolor sit' },
}));
const json = Buffer.from(JSON.stringify({ records }));
const lines = Buffer.from(records.map((record) => JSON.stringify(record)).join('\n'));
const base64 = Buffer.from(
  JSON.stringify({
    records: records.map(({ key, value }) => ({
      key: Buffer.from(key).toString('base64'),
      value: Buffer.from(JSON.stringify(value)).toString('base64'),
    })),
  }),
);

function produce(body: Buffer, format: RecordFormat, ndjson: boolean, to: Topic): void {
  const parsed = parseRecords(body, { format, lines: ndjson, now: NOW });
  const plan = planForTopic(parsed, to, () => 0, NOW);
  for (const batch of plan.batches) buildBatch(batch.records, { timestamp: NOW });
  const outcomes = plan.batches.map((_, index) => ({
    error: 'NONE' as const,
    baseOffset: index * 1_000,
    logAppendTimeMs: -1,
    logStartOffset: 0,
    duplicate: false,
  }));
  produceReply(parsed, plan, outcomes, new Map());
}

test.for([1, 12])('100 records into %d partitions', async (partitions, { bench }) => {
  const to = topic(partitions);
  await bench.compare(
    bench('from JSON', () => produce(json, 'json', false, to)),
    bench('from NDJSON', () => produce(lines, 'json', true, to)),
    bench('from base64', () => produce(base64, 'base64', false, to)),
    bench('JSON.parse and JSON.stringify alone', () => {
      const body = JSON.parse(json.toString()) as { records: { value: unknown }[] };
      for (const { value } of body.records) JSON.stringify(value);
    }),
    options,
  );
});

test('a page of 100 records', async ({ bench }) => {
  const batch = buildBatch(parseRecords(json, { format: 'json', lines: false, now: NOW }), { timestamp: NOW });
  const page = (format: RecordFormat, ndjson: boolean) => async () => {
    const writer = new RecordWriter(format, ndjson);
    for (const record of await decodeBatch(batch, { decompressedBytesMax: 1_000_000 })) writer.write(record);
    writer.finish(100, 100);
  };
  await bench.compare(
    bench('as JSON', page('json', false)),
    bench('as NDJSON', page('json', true)),
    bench('as base64', page('base64', false)),
    options,
  );
});
