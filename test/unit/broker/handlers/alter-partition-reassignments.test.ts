import { expect, test } from 'vitest';
import { ERRORS, type ErrorName } from '../../../../src/errors.ts';
import { ask, door, versionsOf } from '../door.ts';

async function reassign(
  version: number,
  replicas: number[] | null,
  allowReplicationFactorChange = true,
  name = 'orders',
) {
  const broker = door();
  await broker.topics.create({ name: 'orders', replicationFactor: 3, config: {} });
  const topics = [{ name, partitions: [{ index: 0, replicas }] }];
  const answer = await ask(broker, 'AlterPartitionReassignments', version, { allowReplicationFactorChange, topics });
  expect(answer.errorCode).toBe(0);
  return answer.topics[0]!.partitions[0]!;
}

test.each(versionsOf('AlterPartitionReassignments'))('v%i: what is where it should be is done', async (version) => {
  expect(await reassign(version, [7])).toMatchObject({ index: 0, errorCode: 0, errorMessage: null });
});

test.each<[string, number[] | null, boolean, string, ErrorName]>([
  ['a cancellation', null, true, 'orders', 'NO_REASSIGNMENT_IN_PROGRESS'],
  ['a broker that does not exist', [7, 8], true, 'orders', 'INVALID_REPLICA_ASSIGNMENT'],
  ['a broker twice', [7, 7], true, 'orders', 'INVALID_REPLICA_ASSIGNMENT'],
  ['no broker', [], true, 'orders', 'INVALID_REPLICA_ASSIGNMENT'],
  ['another number of replicas, which is forbidden', [7], false, 'orders', 'INVALID_REPLICATION_FACTOR'],
  ['a missing topic', [7], true, 'missing', 'UNKNOWN_TOPIC_OR_PARTITION'],
])('%s is refused', async (_what, replicas, mayChange, name, error) => {
  const { errorCode, errorMessage } = await reassign(1, replicas, mayChange, name);
  expect(errorCode).toBe(ERRORS[error].code);
  expect(errorMessage).toBeTruthy();
});

test('nothing is ever being moved', async () => {
  const broker = door();
  await broker.topics.create({ name: 'orders', config: {} });
  for (const topics of [null, [{ name: 'orders', partitions: [0] }]]) {
    expect(await ask(broker, 'ListPartitionReassignments', 0, { topics })).toMatchObject({ errorCode: 0, topics: [] });
  }
});
