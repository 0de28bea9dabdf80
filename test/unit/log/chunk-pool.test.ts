import { expect, test } from 'vitest';
import { CHUNK_BYTES, ChunkPool, ChunkWriter } from '../../../src/log/chunk-pool.ts';

test('a chunk is used again only when every reference is given up', () => {
  const pool = new ChunkPool({ idleBytesMax: 4 * CHUNK_BYTES });
  const chunk = pool.take();
  chunk.retain();
  chunk.release();
  expect(pool.idleBytes).toBe(0);
  chunk.release();
  expect(pool.idleBytes).toBe(CHUNK_BYTES);
  expect(pool.take().buffer).toBe(chunk.buffer);
});

test('a reference that is given up twice is noticed, also after the buffer has a new user', () => {
  const pool = new ChunkPool({ idleBytesMax: 4 * CHUNK_BYTES });
  const chunk = pool.take();
  chunk.release();
  pool.take();
  expect(() => chunk.release()).toThrow(/released more often/);
  expect(() => chunk.retain()).toThrow(/went back to the pool/);
});

test('the pool keeps no more idle memory than it may', () => {
  const pool = new ChunkPool({ idleBytesMax: 2 * CHUNK_BYTES });
  const chunks = [pool.take(), pool.take(), pool.take()];
  expect(pool.liveBytes).toBe(3 * CHUNK_BYTES);
  for (const chunk of chunks) chunk.release();
  expect(pool.idleBytes).toBe(2 * CHUNK_BYTES);
  expect(pool.liveCount).toBe(0);
});

test('a batch larger than a chunk gets a buffer of its own, which does not join the pool', () => {
  const pool = new ChunkPool({ idleBytesMax: 2 * CHUNK_BYTES });
  const writer = new ChunkWriter(pool);
  const { chunk, start } = writer.write(Buffer.alloc(CHUNK_BYTES + 1, 'x'));
  expect(start).toBe(0);
  expect(chunk.bytes).toBe(CHUNK_BYTES + 1);
  chunk.release();
  expect(pool.idleBytes).toBe(0);
});

test('what is written one after the other lies one after the other', () => {
  const writer = new ChunkWriter(new ChunkPool({ idleBytesMax: 2 * CHUNK_BYTES }));
  const first = writer.write(Buffer.from('abc'));
  const second = writer.write(Buffer.from('defg'));
  expect(second.chunk).toBe(first.chunk);
  expect(first.chunk.buffer.toString('latin1', first.start, second.start + 4)).toBe('abcdefg');
});

test('the largest batch of the default max.message.bytes fits a chunk', () => {
  expect(CHUNK_BYTES).toBeGreaterThanOrEqual(1_048_588);
});

test('memory that answers keep is counted once for a chunk, however many answers keep it', () => {
  const pool = new ChunkPool({ idleBytesMax: 2 * CHUNK_BYTES });
  const chunk = pool.take();
  chunk.lease();
  chunk.lease();
  expect(pool.leasedBytes).toBe(CHUNK_BYTES);
  chunk.endLease();
  expect(pool.leasedBytes).toBe(CHUNK_BYTES);
  chunk.endLease();
  expect(pool.leasedBytes).toBe(0);
  expect(() => chunk.endLease()).toThrow(/twice/);
});

test('a read takes the least recycled size that will do, and a short one a buffer of its own size', () => {
  const pool = new ChunkPool({ idleBytesMax: 2 * CHUNK_BYTES });
  const sizes = [100, 40_000, 65_537, 300_000, CHUNK_BYTES, CHUNK_BYTES + 1].map((bytes) => pool.take(bytes).bytes);
  expect(sizes).toEqual([100, 65_536, 131_072, 524_288, CHUNK_BYTES, CHUNK_BYTES + 1]);
});
