/**
 * A member was written by the last entry before the journal was handed over. Its answer came to where nobody knew the group
 * any more, and made it anew: with sessions of nobody. When the journal came back it stood there still, and took the place of
 * what the records say; a member that was never heard of again kept its partitions for ever.
 */
import { expect, test } from 'vitest';
import { openClusterWorld } from '../unit/coordinator/cluster-world.ts';
import { errorName } from '../unit/coordinator/share/share-world.ts';
import { steppedRuntime } from '../unit/coordinator/stepped-runtime.ts';
import { consumerHeartbeat, GROUP } from '../unit/coordinator/succession.ts';

const SESSION_MS = 45_000;

/** Turns of the microtask queue until the journal is let go: some before, some while the put is under way. */
const MOMENTS = Array.from({ length: 16 }, (_, turns) => turns);

test.each(MOMENTS)('a group that was handed over is known no more, and anew when it comes back (%i)', async (turns) => {
  const runtime = steppedRuntime();
  const world = await openClusterWorld({ runtime });
  await world.lead(1, 0);
  await world.lead(1, 1);
  await world.topics.create({ name: 'orders', partitions: 2, config: {} });
  const join = (memberId: string) => world.of(1).ask('ConsumerGroupHeartbeat', 1, consumerHeartbeat(memberId, 0));
  expect(await join('silent')).toMatchObject({ errorCode: 0 });
  const { coordinators, seats } = world.of(1);
  const { id: journal } = await coordinators.groups.place(GROUP, null);

  const joining = join('m');
  for (let turn = 0; turn < turns; turn++) await Promise.resolve();
  await seats.relinquish(journal);
  expect(['NONE', 'NOT_COORDINATOR']).toContain(errorName((await joining).errorCode));
  expect(coordinators.groups.count).toBe(0);

  await world.lead(1, journal);
  await runtime.advance(SESSION_MS + 1);
  expect(coordinators.consumerGroups.find(GROUP)!.memberCount).toBe(0);
  await world.close();
});
