import { expect, test } from 'vitest';
import { ERRORS } from '../../../../src/errors.ts';
import { ask, door, versionsOf } from '../door.ts';

async function withTopics() {
  const broker = door();
  for (const name of ['orders', 'returns', 'twice']) await broker.topics.create({ name, partitions: 2, config: {} });
  return broker;
}

test.each(versionsOf('CreatePartitions'))('v%i answers every topic of the request, grown or not', async (version) => {
  const broker = await withTopics();
  const topics = [
    { name: 'orders', count: 5 },
    { name: 'missing', count: 5 },
    { name: 'returns', count: 2 },
    { name: 'twice', count: 3 },
    { name: 'twice', count: 4 },
  ];
  const answer = await ask(broker, 'CreatePartitions', version, { topics, timeoutMs: 1, validateOnly: false });
  expect(answer.topics.map(({ name, errorCode }) => [name, errorCode])).toEqual([
    ['orders', 0],
    ['missing', ERRORS.UNKNOWN_TOPIC_OR_PARTITION.code],
    ['returns', ERRORS.INVALID_PARTITIONS.code],
    ['twice', ERRORS.INVALID_REQUEST.code],
    ['twice', ERRORS.INVALID_REQUEST.code],
  ]);
  expect(answer.topics[0]?.errorMessage).toBeNull();
  expect(broker.topics.byName('orders')?.partitions).toHaveLength(5);
  expect(broker.topics.byName('twice')?.partitions).toHaveLength(2);
});

test('validateOnly changes nothing', async () => {
  const broker = await withTopics();
  const request = { topics: [{ name: 'orders', count: 5 }], timeoutMs: 1, validateOnly: true };
  expect((await ask(broker, 'CreatePartitions', 3, request)).topics[0]?.errorCode).toBe(0);
  expect(broker.topics.byName('orders')?.partitions).toHaveLength(2);
});

test.each([
  ['as many as there are new partitions', [{ brokerIds: [7] }, { brokerIds: [7] }], 0],
  ['that are an empty list', [], 0],
  ['too few', [{ brokerIds: [7] }], ERRORS.INVALID_REPLICA_ASSIGNMENT.code],
  ['to no broker', [{ brokerIds: [7] }, { brokerIds: [] }], ERRORS.INVALID_REPLICA_ASSIGNMENT.code],
  ['to a broker that does not exist', [{ brokerIds: [7] }, { brokerIds: [9] }], ERRORS.INVALID_REPLICA_ASSIGNMENT.code],
])('assignments %s', async (_what, assignments, errorCode) => {
  const request = { topics: [{ name: 'orders', count: 4, assignments }], timeoutMs: 1, validateOnly: false };
  expect((await ask(await withTopics(), 'CreatePartitions', 3, request)).topics[0]?.errorCode).toBe(errorCode);
});
