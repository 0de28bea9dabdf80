/**
 * What do frames cost one core?
 *
 * Sketch: 25,000 single-record requests a second leave 40 µs each. Header, request and response may take a tenth of that:
 * 4 µs. Records are opaque to the codec and are never copied, so their size must not show: 1 MiB costs what 1 KiB does.
 */
import { test } from 'vitest';
import { FrameSplitter } from '../../src/protocol/frame.ts';
import { decodeRequest, encodeRequest, encodeResponse, readRequestHeader } from '../../src/protocol/header.ts';
import { FetchRequest, FetchResponse } from '../../src/protocol/messages/fetch.ts';
import { ProduceRequest, ProduceResponse } from '../../src/protocol/messages/produce.ts';

// CI runs every benchmark once, so that none rots; `BENCH=1` measures.
const options = process.env['BENCH'] ? { time: 500 } : { time: 0, iterations: 1, warmup: false };

const topicId = 'AAECAwQFBgcICQoLDA0ODw';
const client = { correlationId: 7, clientId: 'rdkafka' };
const indexes = (count: number) => Array.from({ length: count }, (_, index) => index);

function produceFrame(version: number, partitions: number, recordsBytes: number): Buffer {
  const sent = indexes(partitions).map((index) => ({ index, records: Buffer.alloc(recordsBytes) }));
  const topics = [{ name: 'orders', topicId, partitions: sent }];
  return Buffer.concat(encodeRequest(ProduceRequest, version, client, { acks: -1, timeoutMs: 30_000, topics }));
}

const produces = [
  { version: 7, partitions: 1, kib: 1 },
  { version: 9, partitions: 1, kib: 1 },
  { version: 13, partitions: 1, kib: 1 },
  { version: 9, partitions: 1, kib: 1024 },
  { version: 9, partitions: 100, kib: 1 },
];

test.for(produces)('Produce v$version, $partitions × $kib KiB', async ({ version, partitions, kib }, { bench }) => {
  const frame = produceFrame(version, partitions, kib * 1024).subarray(4);
  await bench.compare(
    bench('decode the request', () => void decodeRequest(ProduceRequest, readRequestHeader(frame), frame)),
    bench('encode the response', () => {
      const answers = indexes(partitions).map((index) => ({ index, errorCode: 0, baseOffset: 42, logStartOffset: 0 }));
      encodeResponse(ProduceResponse, version, 7, { topics: [{ name: 'orders', topicId, partitions: answers }] });
    }),
    options,
  );
});

const fetches = [
  { version: 11, partitions: 1 },
  { version: 16, partitions: 1 },
  { version: 16, partitions: 100 },
];

test.for(fetches)('Fetch v$version, $partitions × 32 KiB', async ({ version, partitions }, { bench }) => {
  const asked = indexes(partitions).map((index) => ({ index, fetchOffset: 1_234_567, partitionMaxBytes: 1_048_576 }));
  const request = { maxWaitMs: 500, minBytes: 1, topics: [{ name: 'orders', topicId, partitions: asked }] };
  const frame = Buffer.concat(encodeRequest(FetchRequest, version, client, request)).subarray(4);
  const records = [Buffer.alloc(16_384), Buffer.alloc(16_384)];
  await bench.compare(
    bench('decode the request', () => void decodeRequest(FetchRequest, readRequestHeader(frame), frame)),
    bench('encode the response', () => {
      const answers = indexes(partitions).map((index) => ({ index, errorCode: 0, highWatermark: 1_234_999, records }));
      encodeResponse(FetchResponse, version, 7, { topics: [{ name: 'orders', topicId, partitions: answers }] });
    }),
    options,
  );
});

test('frames of 1 KiB in a read buffer of 1 MiB', async ({ bench }) => {
  const frame = produceFrame(9, 1, 1024);
  const chunk = Buffer.concat(indexes(Math.floor((1024 * 1024) / frame.length)).map(() => frame));
  const splitter = new FrameSplitter({ frameBytesMax: 100 * 1024 * 1024 });
  await bench(`split into ${chunk.length / frame.length}`, () => {
    splitter.feed(chunk);
    while (splitter.next());
  }).run(options);
});
