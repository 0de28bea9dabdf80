/** What brokers tell of the first journal, whichever is asked. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { JournalReport } from '../../../src/cluster/journal-report.ts';
import { type SeatedBroker, SeatsWorld } from './seats-world.ts';

let world: SeatsWorld;
let one: SeatedBroker;
let two: SeatedBroker;
let reports: JournalReport[];

beforeEach(() => {
  world = new SeatsWorld(1);
  one = world.broker(1);
  two = world.broker(2);
  reports = [one, two].map(({ brokerId, brokerEpoch, seats }) => {
    const { network, leaders } = world;
    const cluster = { peers: network.peers({ brokerId, brokerEpoch }), registry: network.registry(brokerId) };
    return new JournalReport({ brokerId, journals: seats, leaders, cluster });
  });
});
afterEach(() => world.close());

test('every broker tells who leads the first journal, and its end', async () => {
  await world.lead(two);
  const expected = { leaderId: 2, leaderEpoch: 1, highWatermark: 1 };
  for (const report of reports) expect(await report.quorum()).toEqual(expected);
});

test('nobody is told while nobody leads it, or its leader does not answer', async () => {
  await expect(reports[0]!.quorum()).rejects.toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER' });
  await world.lead(two);
  await two.seats.relinquish(0);
  await expect(reports[0]!.quorum()).rejects.toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER' });
  await world.lead(two);
  world.network.cut.set(2, 'before');
  await expect(reports[0]!.quorum()).rejects.toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER' });
});

test('only who leads a journal tells the bytes of its partitions, and whether it leads any', async () => {
  const place = { topicId: 'J8fK2mGqT0aZxB1cD3eF5g', partition: 0, journal: 0 };
  expect(reports.map((report) => report.leadsAny)).toEqual([false, false]);
  await world.lead(two);
  expect(reports.map((report) => report.leadsAny)).toEqual([false, true]);
  expect(reports.map((report) => report.bytesOf(place))).toEqual([null, null]);
});
