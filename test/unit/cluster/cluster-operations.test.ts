import { expect, test } from 'vitest';
import { Cluster, rightsLost } from './world/cluster.ts';

async function opened(ids: readonly number[] = [1, 2, 3]) {
  const cluster = new Cluster();
  await cluster.startAll(ids);
  return cluster;
}

test('any broker tells of the whole cluster', async () => {
  const cluster = await opened();
  for (const { id, operations } of cluster.brokers.values()) {
    expect(operations.info()).toEqual({
      clusterId: 'c',
      shared: true,
      store: 's3://b',
      table: 't',
      brokerId: id,
      controllerId: 1,
      brokers: { live: 3, draining: 0, gone: 0 },
      journals: { count: 6, led: 6 },
      versions: ['1.2.3'],
      zones: [],
    });
    expect(operations.journals().map(({ leaderId }) => leaderId)).toEqual(cluster.leaders());
    expect(operations.brokers().map(({ brokerId, state, controller }) => [brokerId, state, controller])).toEqual([
      [1, 'live', true],
      [2, 'live', false],
      [3, 'live', false],
    ]);
    expect(
      operations
        .brokers()
        .flatMap(({ journals }) => journals)
        .sort(),
    ).toEqual([0, 1, 2, 3, 4, 5]);
  }
});

test('a broker that was killed is listed as gone', async () => {
  const cluster = await opened();
  cluster.kill(3);
  await cluster.time.advance(1_000);
  expect(
    cluster
      .get(2)
      .operations.brokers()
      .map(({ state }) => state),
  ).toEqual(['live', 'live', 'gone']);
  expect(cluster.get(2).operations.info().brokers).toEqual({ live: 2, draining: 0, gone: 1 });
});

test.each([1, 2])('a journal moves where an administrator wants it, asked at broker %i', async (at) => {
  const cluster = await opened();
  const journal = cluster.leaders().indexOf(2);
  const { operations } = cluster.get(at);
  const place = await cluster.awaited(operations.move(journal, 3));
  expect(place).toMatchObject({ journal, leaderId: 3, assignedTo: 3 });
  expect(cluster.leaders()[journal]).toBe(3);
  // It is not balanced away, others may be.
  await cluster.time.advance(30_000);
  expect(cluster.leaders()[journal]).toBe(3);
  expect(await cluster.awaited(operations.move(journal, 3))).toMatchObject({ leaderId: 3 });
});

test('what makes no sense is refused', async () => {
  const cluster = await opened();
  const { operations } = cluster.get(2);
  await expect(operations.move(99, 1)).rejects.toMatchObject({ error: 'RESOURCE_NOT_FOUND' });
  await expect(operations.move(0, 42)).rejects.toMatchObject({ error: 'BROKER_ID_NOT_REGISTERED' });
  await expect(operations.drain(42)).rejects.toMatchObject({ error: 'BROKER_ID_NOT_REGISTERED' });
  cluster.kill(3);
  await cluster.time.advance(1_000);
  await expect(cluster.awaited(operations.move(0, 3))).rejects.toMatchObject({ error: 'BROKER_NOT_AVAILABLE' });
  await cluster.awaited(operations.drain(2));
  await expect(cluster.awaited(operations.drain(1))).rejects.toMatchObject({ error: 'INVALID_REQUEST' });
  await expect(cluster.awaited(operations.move(0, 2))).rejects.toMatchObject({
    error: 'INVALID_REQUEST',
    message: 'broker 2 is drained: undrain it first',
  });
  await expect(operations.addJournals(100_000)).rejects.toMatchObject({ error: 'INVALID_REQUEST' });
});

test('a broker is drained, told of as draining, and given its share again', async () => {
  const cluster = await opened();
  const { operations } = cluster.get(1);
  const held = cluster.get(2).seats.led;
  expect(await cluster.awaited(operations.drain(2))).toEqual({ brokerId: 2, moved: held });
  expect(cluster.counts()).toEqual({ 1: 3, 2: 0, 3: 3 });
  await cluster.time.advance(15_000);
  expect(cluster.counts()).toEqual({ 1: 3, 2: 0, 3: 3 });
  for (const { membership } of cluster.brokers.values()) {
    expect(membership.live().map(({ draining }) => draining)).toEqual([false, true, false]);
  }
  expect((await cluster.awaited(cluster.get(3).operations.undrain(2))).brokerId).toBe(2);
  await cluster.time.advance(15_000);
  expect(cluster.counts()).toEqual({ 1: 2, 2: 2, 3: 2 });
});

test('the controller may be drained, too', async () => {
  const cluster = await opened();
  await cluster.awaited(cluster.get(3).operations.drain(1));
  expect(cluster.counts()).toEqual({ 1: 0, 2: 3, 3: 3 });
});

test('a broker that starts again is not drained any more', async () => {
  const cluster = await opened();
  await cluster.awaited(cluster.get(1).operations.drain(2));
  await cluster.leave(2);
  await cluster.start(2);
  await cluster.time.advance(15_000);
  expect(cluster.get(1).membership.get(2)?.draining).toBe(false);
  expect(cluster.counts()).toEqual({ 1: 2, 2: 2, 3: 2 });
});

test('journals are added, and led at once', async () => {
  const cluster = await opened();
  expect(await cluster.awaited(cluster.get(3).operations.addJournals(3))).toEqual({ before: 6, count: 9 });
  expect(cluster.counts()).toEqual({ 1: 3, 2: 3, 3: 3 });
  for (const { seats } of cluster.brokers.values()) expect(seats.count).toBe(9);
  const late = await cluster.start(4);
  expect(late.seats.count).toBe(9);
});

test('two brokers that are asked for more journals at the same moment add as many as both are asked for', async () => {
  const cluster = await opened();
  const adding = [2, 3].map((id) => cluster.get(id).operations.addJournals(id));
  const added = await cluster.awaited(Promise.all(adding));
  expect(added.map(({ before, count }) => count - before)).toEqual([2, 3]);
  await cluster.time.advance(2_000);
  for (const { seats } of cluster.brokers.values()) expect(seats.count).toBe(11);
  expect(cluster.leaders()).not.toContain(null);
});

test('a pin goes with its broker', async () => {
  const cluster = await opened();
  await cluster.awaited(cluster.get(1).operations.move(0, 3));
  cluster.kill(3);
  await cluster.time.advance(2_000);
  expect(cluster.leaders()).not.toContain(null);
  expect(cluster.get(1).membership.controller.item!.pinned).toEqual({});
});

test('where no controller can be asked an operation says so', async () => {
  const cluster = await opened([1, 2]);
  cluster.network.cut(1, 2);
  await cluster.time.advance(2_000);
  await expect(cluster.awaited(cluster.get(2).operations.undrain(2))).rejects.toMatchObject({
    error: 'NOT_CONTROLLER',
  });
});

test('an operation that meets the end of the controller is carried out by the next one', async () => {
  const cluster = await opened();
  const journal = cluster.leaders().indexOf(3);
  cluster.kill(1);
  const place = await cluster.awaited(cluster.get(3).operations.move(journal, 2));
  expect(place.leaderId).toBe(2);
});

test('a controller that cannot write refuses what it is asked for', async () => {
  const cluster = await opened();
  cluster.get(1).table.refusal = rightsLost();
  const moved = cluster.awaited(cluster.get(3).operations.move(0, 3));
  await expect(moved).rejects.toMatchObject({ error: 'KAFKA_STORAGE_ERROR' });
});

test('journals that were added although no controller could be asked are not added again by who repeats what did nothing', async () => {
  const cluster = await opened([1, 2]);
  cluster.network.cut(1, 2);
  await cluster.time.advance(2_000);
  const without = [1, 2].find((id) => cluster.get(id).membership.controllerId !== id)!;
  const { operations, seats } = cluster.get(without);
  await expect(cluster.awaited(operations.addJournals(3))).rejects.toMatchObject({
    error: 'NOT_CONTROLLER',
    noSideEffects: false,
  });
  expect(seats.count).toBe(9);
});

test('an operation whose answer was lost is not said to have done nothing', async () => {
  const cluster = await opened([1, 2]);
  const asked = cluster.get(2).operations.move(cluster.leaders().indexOf(1), 2);
  cluster.network.cutOneWay(1, 2);
  await expect(cluster.awaited(asked)).rejects.toMatchObject({ noSideEffects: false });
});
