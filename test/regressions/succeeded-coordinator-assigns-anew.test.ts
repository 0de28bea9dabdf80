import { expect, test } from 'vitest';
import { errorName } from '../unit/coordinator/share/share-world.ts';
import { consumerHeartbeat, openSuccession, to } from '../unit/coordinator/succession.ts';

test('a broker that does not know of its successor tells no member what to own', async () => {
  const { world, topicId } = await openSuccession(2);
  const both = [{ topicId, partitions: [0, 1] }];
  const one = await world.ask('ConsumerGroupHeartbeat', 1, consumerHeartbeat('m1', 0));
  expect(one.assignment?.topicPartitions).toEqual(both);
  const before = await world.takeOver();
  const owning = consumerHeartbeat('m1', one.memberEpoch, { topicPartitions: both });
  // The successor takes a partition from it. Its answer to that is lost, and the member asks the broker that it knew.
  await world.ask('ConsumerGroupHeartbeat', 1, consumerHeartbeat('m2', 0));
  const lost = await world.ask('ConsumerGroupHeartbeat', 1, owning);
  expect(lost.assignment?.topicPartitions).not.toEqual(both);
  const told = await to(before)('ConsumerGroupHeartbeat', 1, owning);
  expect(errorName(told.errorCode)).toBe('NOT_COORDINATOR');
  await world.close();
});
