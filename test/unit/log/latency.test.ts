/**
 * How long a record takes in a cluster of three, of which each leads a part, by simulated time: what stores, hops and
 * cadence cost, not what a machine does. DynamoDB at 5 ms (p99 20), S3 at 50 ms (p99 200), 0.3 ms from broker to broker.
 */
import { expect, test } from 'vitest';
import type { Topic } from '../../../src/cluster/topics.ts';
import { iterateBatches } from '../../../src/record/batch.ts';
import { buildBatch } from '../../../src/record/records.ts';
import type { Peers } from '../../../src/rpc/peers.ts';
import { sleep } from '../../../src/runtime/clock.ts';
import { MemoryMetadataStore } from '../../../src/storage/memory/metadata-store.ts';
import { MemoryObjectStore } from '../../../src/storage/memory/object-store.ts';
import { type VirtualRuntime, virtualRuntime } from '../storage/virtual-runtime.ts';
import { type LogBroker, openLogCluster } from './log-cluster.ts';
import { fetchPartition } from './world.ts';

const PARTITIONS = 12;
const HOP_MS = 0.3;
/** Time must not jump while something is still to be done in this turn. */
const TICK_MS = 0.05;

interface Load {
  readonly journals: number;
  readonly perSecond: number;
  readonly batchBytes: number;
  readonly seconds: number;
}

/** Answers of one operation take their time, log-normally. */
function slow<T extends object>(
  store: T,
  operation: string,
  medianMs: number,
  p99Ms: number,
  { random, timers }: VirtualRuntime,
): T {
  const sigma = Math.log(p99Ms / medianMs) / 2.326;
  const delayMs = () => {
    const radius = Math.sqrt(-2 * Math.log(Math.max(1e-9, random.float())));
    return medianMs * Math.exp(sigma * radius * Math.cos(2 * Math.PI * random.float()));
  };
  return new Proxy(store, {
    get(target, name) {
      const value = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      if (name !== operation) return value.bind(target);
      return async (...given: unknown[]) => {
        await sleep(timers, delayMs());
        return value.apply(target, given);
      };
    },
  });
}

const distant = (peers: Peers, { timers }: VirtualRuntime): Peers => ({
  async call(brokerId, method, request, options) {
    const copied = method.decodeRequest(Buffer.concat(method.encodeRequest(request)));
    await sleep(timers, HOP_MS, options.signal);
    const answer = await peers.call(brokerId, method, copied, options);
    await sleep(timers, HOP_MS);
    return answer;
  },
});

async function measure({ journals, perSecond, batchBytes, seconds }: Load) {
  const runtime = virtualRuntime(7);
  const { timers, clock } = runtime;
  const metadata = new MemoryMetadataStore({ pricing: { writeUnit: 0.625, readUnit: 0.125 } });
  const objects = new MemoryObjectStore({ clock, pricing: { create: 5e-6, read: 4e-7, list: 5e-6 } });
  const cluster = await openLogCluster({
    runtime,
    journals,
    wrapPeers: (peers) => distant(peers, runtime),
    stores: { metadata: slow(metadata, 'put', 5, 20, runtime), objects: slow(objects, 'create', 50, 200, runtime) },
  });
  const { brokers } = cluster;
  for (let journal = 0; journal < journals; journal++) await cluster.lead(brokers[journal % 3]!, journal);
  const topic = await cluster.topics.create({ name: 'orders', partitions: PARTITIONS, config: {} });
  const sentAt = Array.from({ length: PARTITIONS }, () => [] as number[]);
  const produced: number[] = [];
  const seen: number[] = [];
  const ended = new AbortController();
  const tick = () => {
    if (!ended.signal.aborted) timers.after(TICK_MS, tick);
  };
  tick();
  const consuming = brokers.map((broker, at) =>
    consume(broker, topic, at, ended.signal, (partition, offset) => {
      seen.push(clock.monotonic() - sentAt[partition]![offset]!);
    }),
  );
  const value = 'x'.repeat(batchBytes - 70);
  const sending: Promise<void>[] = [];
  for (let at = 0; at < perSecond * seconds; at++) {
    const partition = at % PARTITIONS;
    const sent = clock.monotonic();
    sentAt[partition]!.push(sent);
    const records = buildBatch([{ key: null, value }], { timestamp: 1_000_000 });
    const given = [{ topicId: topic.topicId, partition, records }];
    const { log } = brokers[partition % 3]!;
    sending.push(
      log.produce(given, { origin: 'kafka' }).then(([outcome]) => {
        expect(outcome!.error).toBe('NONE');
        produced.push(clock.monotonic() - sent);
      }),
    );
    await sleep(timers, 1_000 / perSecond);
  }
  await Promise.all(sending);
  await sleep(timers, 500);
  ended.abort();
  await Promise.allSettled(consuming);
  await cluster.close();
  expect(seen.length).toBe(produced.length);
  return { produced: quantiles(produced), seen: quantiles(seen) };
}

/** Reads the partitions that are sent to this broker, as its clients do. */
async function consume(
  { log }: LogBroker,
  topic: Topic,
  place: number,
  signal: AbortSignal,
  onBatch: (partition: number, offset: number) => void,
): Promise<void> {
  const own = topic.partitions.filter(({ partition }) => partition % 3 === place).map(({ partition }) => partition);
  const offsets = own.map(() => 0);
  const limits = { minBytes: 1, maxBytes: 1 << 26, maxWaitMs: 500, isolation: 'read_uncommitted' } as const;
  while (!signal.aborted) {
    const partitions = own.map((partition, index) => fetchPartition(topic, partition, offsets[index]!));
    const answer = await log.fetch({ partitions, ...limits }, signal);
    for (const [index, { records }] of answer.partitions.entries()) {
      for (const { header } of records.flatMap((buffer) => [...iterateBatches(buffer)])) {
        onBatch(own[index]!, header.baseOffset);
        offsets[index] = header.baseOffset + header.lastOffsetDelta + 1;
      }
    }
    answer.release();
  }
}

function quantiles(ms: number[]) {
  ms.sort((a, b) => a - b);
  const at = (part: number) => ms[Math.floor(ms.length * part)]!;
  return { p50: at(0.5), p99: at(0.99) };
}

test.each([1, 6])('few small records take one conditional put and two hops, with %i journals', async (journals) => {
  const { produced, seen } = await measure({ journals, perSecond: 20, batchBytes: 200, seconds: 10 });
  expect(produced.p50).toBeLessThan(12);
  expect(produced.p99).toBeLessThan(40);
  expect(seen.p50 - produced.p50).toBeLessThan(5);
});

test.each([1, 6])('20 MB/s in batches of 16 KB share uploads, with %i journals', async (journals) => {
  const { produced, seen } = await measure({ journals, perSecond: 1_220, batchBytes: 16_384, seconds: 3 });
  expect(produced.p50).toBeLessThan(220);
  expect(produced.p99).toBeLessThan(480);
  expect(seen.p50 - produced.p50).toBeLessThan(5);
});
