import { expect, test } from 'vitest';
import { BlockCache } from '../../../src/log/block-cache.ts';
import { type Chunk, ChunkPool } from '../../../src/log/chunk-pool.ts';
import { Leases, reserveFirst } from '../../../src/log/lease.ts';
import { PendingBatch, ProduceCall } from '../../../src/log/pending.ts';
import { ReadAhead, type ReadAheadOptions } from '../../../src/log/read-ahead.ts';
import { TailCache } from '../../../src/log/tail-cache.ts';
import { placeBatch, readBatchHeader } from '../../../src/record/batch.ts';
import { systemClock, systemTimers } from '../../../src/runtime/clock.ts';
import { manualRuntime } from './manual-runtime.ts';
import { batchOf } from './world.ts';

const pool = () => new ChunkPool({ idleBytesMax: 8 << 20, poison: true });
const custody = { add: () => {}, remove: () => {} };

/** A batch of `count` records at the start of what is left of the chunk. */
function place(chunk: Chunk, start: number, baseOffset: number, count = 1): PendingBatch {
  const bytes = batchOf(Array.from({ length: count }, () => 'x'.repeat(100)));
  bytes.copy(chunk.buffer, start);
  placeBatch(chunk.buffer, start, baseOffset, 1);
  chunk.retain();
  const header = readBatchHeader(chunk.buffer, start);
  const call = new ProduceCall(1, undefined);
  return new PendingBatch({
    call,
    index: 0,
    chunk,
    start,
    header,
    logAppendTimeMs: -1,
    expectedOffset: undefined,
    transaction: undefined,
    custody,
  });
}

test('the tail finds every offset that was appended, and neighbours share a run', () => {
  const chunks = pool();
  const chunk = chunks.take();
  const tail = new TailCache(1 << 30);
  let start = 0;
  for (let offset = 0; offset < 40; offset += 2) {
    const batch = place(chunk, start, offset, 2);
    tail.append('t', 0, offset, batch);
    start += batch.length;
  }
  expect(tail.find('t', 0, 0)).toBe(tail.find('t', 0, 39));
  expect(tail.find('t', 0, 7)).toMatchObject({ baseOffset: 0, endOffset: 40 });
  expect(tail.find('t', 0, 40)).toBeUndefined();
  expect(tail.find('t', 1, 0)).toBeUndefined();
});

test('the tail gives up whole chunks, oldest first, and finds nothing in them any more', () => {
  const chunks = pool();
  const [first, second, third] = [chunks.take(), chunks.take(), chunks.take()];
  const tail = new TailCache(2 * first.bytes);
  tail.append('t', 0, 0, place(first, 0, 0));
  tail.append('t', 1, 0, place(second, 0, 0));
  // Two chunks in turns: the run of the first chunk is not the oldest of its partition.
  tail.append('t', 1, 1, place(first, 1_000, 1));
  tail.append('t', 1, 2, place(second, 1_000, 2));
  tail.append('t', 1, 3, place(third, 0, 3));
  expect(tail.find('t', 0, 0)).toBeUndefined();
  expect([0, 1, 2, 3].map((offset) => tail.find('t', 1, offset)?.baseOffset)).toEqual([0, undefined, 2, 3]);
  expect(tail.bytes).toBe(2 * first.bytes);
  tail.clear();
  expect(tail.find('t', 1, 3)).toBeUndefined();
  expect(tail.bytes).toBe(0);
});

test('a gap in the tail is not papered over', () => {
  const chunk = pool().take();
  const tail = new TailCache(1 << 30);
  tail.append('t', 0, 0, place(chunk, 0, 0));
  tail.append('t', 0, 5, place(chunk, 1_000, 5));
  expect(tail.find('t', 0, 3)).toBeUndefined();
  expect(tail.find('t', 0, 5)).toMatchObject({ baseOffset: 5 });
});

test('the block cache gives up the least recently used page, and its chunk with it', () => {
  const chunks = pool();
  const cache = new BlockCache({ bytesMax: 2 * (1024 * 1024 + 10_000), ageMsMax: 60_000, clock: systemClock });
  const add = (source: string) => {
    const chunk = chunks.take();
    const run = { chunk, start: 0, end: 100, baseOffset: 0, endOffset: 1 };
    cache.add(chunk, [{ source, position: 0, run }]);
    chunk.release();
  };
  add('a');
  add('b');
  expect(cache.get('a', 0)).toBeDefined();
  add('c');
  expect(['a', 'b', 'c'].map((source) => cache.has(source, 0))).toEqual([true, false, true]);
  expect(chunks.liveCount).toBe(2);
  cache.clear();
  expect(chunks.liveCount).toBe(0);
});

test('a block that is too old is as good as gone', () => {
  const chunks = pool();
  let now = 0;
  const clock = { now: () => now, monotonic: () => now };
  const cache = new BlockCache({ bytesMax: 4 * 1024 * 1024, ageMsMax: 1_000, clock });
  const chunk = chunks.take();
  cache.add(chunk, [{ source: 'a', position: 0, run: { chunk, start: 0, end: 100, baseOffset: 0, endOffset: 1 } }]);
  chunk.release();
  now = 999;
  expect(cache.has('a', 0)).toBe(true);
  now = 1_000;
  expect(cache.get('a', 0)).toBeUndefined();
  expect(chunks.liveCount).toBe(0);
});

test('a block that was read twice is found in its newer page, also when the older one goes', () => {
  const chunks = pool();
  const cache = new BlockCache({ bytesMax: 2 * (1024 * 1024 + 10_000), ageMsMax: 60_000, clock: systemClock });
  const pages = ['x', 'x', 'y'].map((source) => {
    const chunk = chunks.take();
    cache.add(chunk, [{ source, position: 0, run: { chunk, start: 0, end: 100, baseOffset: 0, endOffset: 1 } }]);
    chunk.release();
    return chunk;
  });
  expect(cache.get('x', 0)?.chunk).toBe(pages[1]);
});

test('leases are given in order as far as there is room, and one that is alone always', async () => {
  const leases = new Leases(100, systemTimers);
  const { signal } = new AbortController();
  const first = leases.tryReserve(1_000)!;
  expect(leases.tryReserve(10)).toBeNull();
  const order: string[] = [];
  const reserve = async (name: string) => {
    const lease = await leases.reserve(60, 10_000, signal);
    order.push(name);
    return lease;
  };
  const second = reserve('second');
  const third = reserve('third');
  first.end();
  first.end();
  const given = await second;
  expect(order).toEqual(['second']);
  given!.end();
  (await third)!.end();
  expect([leases.outstanding, leases.reservedBytes]).toEqual([0, 0]);
});

test('who waits too long for a lease goes without', async () => {
  const runtime = manualRuntime();
  const leases = new Leases(100, runtime.timers);
  const held = leases.tryReserve(100)!;
  const waiting = leases.reserve(1, 1_000, new AbortController().signal);
  await runtime.advance(1_000);
  expect(await waiting).toBeNull();
  held.end();
  expect(leases.outstanding).toBe(0);
});

test('who gives up waiting for a lease does not stand in the way of smaller ones', async () => {
  const runtime = manualRuntime();
  const leases = new Leases(100, runtime.timers);
  const { signal } = new AbortController();
  const held = leases.tryReserve(80)!;
  const large = leases.reserve(50, 1_000, signal);
  const small = leases.reserve(20, 60_000, signal);
  await runtime.advance(1_000);
  expect(await large).toBeNull();
  (await small)!.end();
  expect([leases.outstanding, leases.reservedBytes]).toEqual([1, 80]);
  held.end();
});

test('who waits for several pools gets one lease, and what the others give goes back', async () => {
  const pools = [1, 2].map(() => new Leases(100, systemTimers));
  const { signal } = new AbortController();
  for (const order of [[0], [1], [0, 1], [1, 0]]) {
    const held = pools.map((pool) => pool.tryReserve(100)!);
    const waiting = reserveFirst(pools, 100, 60_000, signal);
    for (const index of order) held[index]!.end();
    const lease = await waiting;
    for (const each of held) each.end();
    expect(pools.map(({ outstanding }) => outstanding).toSorted()).toEqual([0, 1]);
    lease!.end();
    expect(pools.map(({ reservedBytes }) => reservedBytes)).toEqual([0, 0]);
  }
});

test('a lease holds a chunk once, keeps what is asked for, and gives all back at its end', () => {
  const chunks = pool();
  const [kept, dropped] = [chunks.take(), chunks.take()];
  const leases = new Leases(100, systemTimers);
  const lease = leases.tryReserve(1)!;
  for (const chunk of [kept, kept, dropped]) lease.hold(chunk);
  kept.release();
  dropped.release();
  lease.keepOnly(new Set([kept]));
  expect(chunks.liveCount).toBe(1);
  lease.end();
  expect(chunks.liveCount).toBe(0);
});

test('readers of partitions that are gone are not remembered for ever', () => {
  const readAhead = new ReadAhead({} as ReadAheadOptions);
  for (let at = 0; at < 250_000; at++) readAhead.ended({ topicId: `t${at % 50_000}`, partition: at % 7 }, at);
  expect(readAhead.partitionCount).toBeLessThanOrEqual(100_000);
  const before = readAhead.partitionCount;
  readAhead.forget('nobody read it', 0);
  expect(readAhead.partitionCount).toBe(before);
});
