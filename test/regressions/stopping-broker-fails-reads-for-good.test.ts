/**
 * A broker that stopped while it read inline records of a journal that it had lost answered the fetch with an internal error,
 * for which consumers give up.
 */
import { expect, test } from 'vitest';
import { SeatsWorld } from '../unit/cluster/seats-world.ts';
import { createTopic, inlineAppend, lane, TOPIC } from '../unit/journal/harness.ts';

test('who reads inline records at a broker that stops is told to ask another one', async () => {
  const world = new SeatsWorld();
  const leader = world.broker(1);
  const front = world.broker(2);
  await world.lead(leader);
  const journal = leader.seats.get(0)!;
  await createTopic(journal as never);
  await journal.append(inlineAppend({ lane: lane(1), number: 0 }, [{ batches: [{ count: 2 }] }], 'f'));
  const [extent] = [...journal.state.partition(TOPIC, 0)!.extents];
  world.network.cut.set(1, 'before');
  front.faults.plan = { latencyMs: [60_000, 60_000] };
  const reading = front.seats.get(0)!.readInline(extent!);
  const told = expect(reading).rejects.toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER' });
  await new Promise((resolve) => setImmediate(resolve));
  await front.seats.close();
  await told;
  await world.close();
});
