/**
 * Consumers that follow while producers write, over slow and failing stores, with so little memory that every buffer is
 * recycled many times. Buffers are poisoned when they come back: who reads one too late sees it in the CRC.
 */
import { describe, expect, test } from 'vitest';
import type { Topic } from '../../../src/cluster/topics.ts';
import type { OpenedLog } from '../../../src/log/open-log.ts';
import { hasValidCrc, iterateBatches } from '../../../src/record/batch.ts';
import { decodeBatch } from '../../../src/record/records.ts';
import { sleep } from '../../../src/runtime/clock.ts';
import { type FaultPlan, Faults, faultyMetadataStore, faultyObjectStore } from '../../../src/storage/faulty.ts';
import { MemoryMetadataStore } from '../../../src/storage/memory/metadata-store.ts';
import { MemoryObjectStore } from '../../../src/storage/memory/object-store.ts';
import { RETRY_POLICY, retryingMetadataStore, retryingObjectStore } from '../../../src/storage/retrying.ts';
import { type VirtualRuntime, virtualRuntime } from '../storage/virtual-runtime.ts';
import { batchOf, fetchPartition, openWorld } from './world.ts';

const PARTITIONS = 4;
const BATCHES = 60;
const FAULTS: FaultPlan = {
  latencyMs: [0, 5],
  slow: 0.1,
  slowMs: [5, 40],
  operations: {
    create: { faults: { throttled: 0.05, 'error-before': 0.05, 'answer-lost': 0.05 } },
    read: { faults: { 'error-before': 0.1, throttled: 0.05 } },
    put: { faults: { 'error-before': 0.02, 'answer-lost': 0.02 } },
  },
};

/** Sends one batch after the other, each until it is acknowledged. */
async function write(log: OpenedLog, topic: Topic, partition: number, runtime: VirtualRuntime): Promise<string[]> {
  const acknowledged: string[] = [];
  for (let place = 0; place < BATCHES; place++) {
    const bytes = runtime.random.float() < 0.5 ? 30 : Math.floor(runtime.random.float() * 150_000);
    const records = batchOf([`${place};`.padEnd(bytes, '.'), `${place}b`], { timestamp: runtime.clock.now() });
    for (;;) {
      const given = [{ topicId: topic.topicId, partition, records }];
      const [outcome] = await log.produce(given, { origin: 'kafka' });
      if ('baseOffset' in outcome!) {
        acknowledged.push(`${outcome.baseOffset}:${place}`);
        break;
      }
      await sleep(runtime.timers, 1);
    }
  }
  return acknowledged;
}

interface Follower {
  readonly signal: AbortSignal;
  readonly maxBytes: number;
  /** How long it keeps an answer before it releases it. */
  readonly slowMs: number;
}

/** Follows all partitions at once until every one of them has ended. */
async function follow(log: OpenedLog, topic: Topic, runtime: VirtualRuntime, follower: Follower): Promise<string[][]> {
  const offsets = Array.from({ length: PARTITIONS }, () => 0);
  const seen: string[][] = offsets.map(() => []);
  while (seen.some((ofPartition) => !ofPartition.at(-1)?.endsWith(`:${BATCHES - 1}`))) {
    const { maxBytes, signal } = follower;
    const partitions = offsets.map((offset, partition) => fetchPartition(topic, partition, offset, { maxBytes }));
    const request = {
      partitions,
      minBytes: 1,
      maxBytes: 1 << 20,
      maxWaitMs: 50,
      isolation: 'read_uncommitted' as const,
    };
    const answer = await log.fetch(request, signal);
    await sleep(runtime.timers, follower.slowMs * runtime.random.float());
    for (const [partition, fetched] of answer.partitions.entries()) {
      if (fetched.error !== 'NONE') continue; // The store did not answer; the next fetch tries again.
      const bytes = Buffer.concat(fetched.records);
      for (const { position, header } of iterateBatches(bytes)) {
        expect(hasValidCrc(bytes, position, header.length), 'CRC').toBe(true);
        expect(header.baseOffset, 'the next offset').toBe(offsets[partition]);
        const records = await decodeBatch(bytes.subarray(position), { decompressedBytesMax: 1 << 20 });
        const place = /^\d+/.exec(String(records[0]!.value))![0];
        seen[partition]!.push(`${header.baseOffset}:${place}`);
        offsets[partition] = header.baseOffset + header.lastOffsetDelta + 1;
      }
    }
    answer.release();
  }
  return seen;
}

describe.each([1, 4])('with %i journals', (journals) => {
  test.each([1, 2, 3, 4])('every follower sees every acknowledged batch once, at its offset, seed %i', async (seed) => {
    const runtime = virtualRuntime(seed);
    const objectFaults = new Faults(runtime);
    const metadataFaults = new Faults(runtime);
    const policy = { ...RETRY_POLICY, attemptsMax: 3 };
    const objects = retryingObjectStore(
      faultyObjectStore(new MemoryObjectStore({ clock: runtime.clock }), objectFaults),
      runtime,
      policy,
    );
    const metadata = retryingMetadataStore(faultyMetadataStore(new MemoryMetadataStore(), metadataFaults), runtime);
    const config = { 'fetch.cache.bytes.max': '4194304', 'ingest.buffer.bytes.max': '2097152' };
    const world = await openWorld({ journals, runtime, objects, metadata, config, journal: { hedge: false } });
    const { log, topics } = world;
    const topic = await topics.create({ name: 'orders', partitions: PARTITIONS, config: {} });
    objectFaults.plan = FAULTS;
    metadataFaults.plan = FAULTS;
    const { signal } = new AbortController();
    const followers = [
      { signal, maxBytes: 1 << 20, slowMs: 0 },
      { signal, maxBytes: 200_000, slowMs: 30 },
      { signal, maxBytes: 1, slowMs: 2 },
    ].map((follower) => follow(log, topic, runtime, follower));
    const writers = Array.from({ length: PARTITIONS }, (_, partition) => write(log, topic, partition, runtime));
    const acknowledged = await Promise.all(writers);
    for (const seen of await Promise.all(followers)) {
      for (const [partition, ofPartition] of acknowledged.entries()) {
        // Batches whose answer was lost are there twice, since nothing here is idempotent.
        expect(seen[partition]).toEqual(expect.arrayContaining(ofPartition));
      }
    }
    expect(log.leases).toBe(0);
    await world.close();
  });
});
