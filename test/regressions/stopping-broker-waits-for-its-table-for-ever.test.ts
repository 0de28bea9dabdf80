/** A broker that was stopped while its table was away waited for the end of a put, and never stopped. */
import { expect, test } from 'vitest';
import { StorageRefusedError } from '../../src/errors.ts';
import { Cluster } from '../unit/cluster/world/cluster.ts';

test('a broker stops although a put of a journal does not come to an end', async () => {
  const cluster = new Cluster();
  await cluster.startAll([1]);
  const { seats, table } = cluster.get(1);
  seats.relinquish = () => new Promise(() => {});
  table.refusal = new StorageRefusedError('the table is away');
  const before = cluster.time.clock.monotonic();
  await cluster.leave(1);
  expect(cluster.time.clock.monotonic() - before).toBeLessThan(5_000);
});
