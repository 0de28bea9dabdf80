/**
 * A client that hung up while the coordinator still looked for its share group: the coordinator was told of the end before it
 * had opened the session, and opened it then. Such a session had no end, and each took the room of another one.
 */
import { expect, test } from 'vitest';
import { groupOwner } from '../../src/coordinator/owner.ts';
import { openClusterWorld } from '../unit/coordinator/cluster-world.ts';
import { steppedRuntime } from '../unit/coordinator/stepped-runtime.ts';

const [COORDINATOR, FRONT] = [1, 2];
const GROUP = 'queue';

test('no share session is opened for a client that has hung up', async () => {
  const runtime = steppedRuntime();
  const world = await openClusterWorld({ runtime });
  for (const journal of [0, 1]) await world.lead(COORDINATOR, journal);
  const { topicId } = await world.topics.create({ name: 'orders', partitions: 1, config: {} });
  const { coordinators: front } = world.of(FRONT);
  expect(await front.whoCoordinates(groupOwner(GROUP))).toBe(COORDINATOR);

  const { store, coordinators } = world.of(COORDINATOR);
  const { promise: late, resolve: answer } = Promise.withResolvers<void>();
  const { get } = store;
  Object.assign(store, { get: (...args: Parameters<typeof get>) => late.then(() => get(...args)) });
  const connection = new AbortController();
  const request = {
    ...{ groupId: GROUP, memberId: 'm', shareSessionEpoch: 0, maxWaitMs: 0, minBytes: 1, maxBytes: 1_000 },
    ...{ maxRecords: 10, batchSize: 10, shareAcquireMode: 0, isRenewAck: false, forgottenTopics: [] },
    topics: [{ topicId, partitions: [{ index: 0, acknowledgementBatches: [] }] }],
  };
  const fetching = world.of(FRONT).ask('ShareFetch', 2, request, { signal: connection.signal });
  fetching.catch(() => {});
  await runtime.settle();
  connection.abort(new Error('the client hung up'));
  await runtime.settle();
  answer();
  await runtime.settle();
  expect([coordinators.shares.sessionCount, front.shares.forwardedCount]).toEqual([0, 0]);
  await world.close();
});
