import { tmpdir } from 'node:os';
import { describe, expect, test } from 'vitest';
import { ask, door, versionsOf } from '../door.ts';

async function cluster(given = {}) {
  const broker = door({ data: tmpdir(), ...given });
  await broker.topics.create({ name: 'orders', partitions: 2, config: {} });
  await broker.topics.create({ name: 'returns', config: {} });
  return broker;
}

const size = (index: number) => ({ index, partitionSize: 1_234, offsetLag: 0, isFutureKey: false });

test.each(versionsOf('DescribeLogDirs'))('v%i tells the bytes of every partition', async (version) => {
  const { errorCode, results } = await ask(await cluster(), 'DescribeLogDirs', version, { topics: null });
  expect(errorCode).toBe(0);
  expect(results).toMatchObject([
    {
      errorCode: 0,
      logDir: tmpdir(),
      topics: [
        { name: 'orders', partitions: [size(0), size(1)] },
        { name: 'returns', partitions: [size(0)] },
      ],
    },
  ]);
});

test('only those that are asked for and exist', async () => {
  const topics = [
    { name: 'orders', partitions: [1, 5] },
    { name: 'missing', partitions: [0] },
  ];
  const { results } = await ask(await cluster(), 'DescribeLogDirs', 4, { topics });
  expect(results[0]?.topics).toEqual([{ name: 'orders', partitions: [size(1)] }]);
});

describe('the volume (v4)', () => {
  test('that the data directory is on', async () => {
    const { results } = await ask(await cluster(), 'DescribeLogDirs', 4, { topics: null });
    expect(results[0]!.totalBytes).toBeGreaterThan(results[0]!.usableBytes);
    expect(results[0]!.usableBytes).toBeGreaterThan(0);
  });

  test('an object store is none', async () => {
    const given = { store: 's3://bucket/prefix', table: 'table' };
    const { results } = await ask(await cluster(given), 'DescribeLogDirs', 4, { topics: null });
    expect(results[0]).toMatchObject({ logDir: 's3://bucket/prefix', totalBytes: -1, usableBytes: -1 });
  });
});
