import { expect, test } from 'vitest';
import { ERRORS } from '../../../../src/errors.ts';
import { ask, door, versionsOf } from '../door.ts';

const asked = (name: string, index: number) => ({ topics: [{ name, partitions: [{ index }] }] });

test.each(versionsOf('DescribeQuorum'))('v%i: the leader of the first journal is the one voter', async (version) => {
  const answer = await ask(door(), 'DescribeQuorum', version, asked('__cluster_metadata', 0));
  const partition = answer.topics[0]!.partitions[0]!;
  expect(partition).toMatchObject({ errorCode: 0, leaderId: 7, leaderEpoch: 3, highWatermark: 12, observers: [] });
  expect(partition.currentVoters).toMatchObject([{ replicaId: 7, logEndOffset: 12 }]);
  const nodes = [{ nodeId: 7, listeners: [{ name: 'CONTROLLER', host: '127.0.0.1', port: 9092 }] }];
  expect(answer.nodes).toEqual(version >= 2 ? nodes : []);
});

test.each([
  ['orders', 0],
  ['__cluster_metadata', 1],
])('%s-%i has none', async (name, index) => {
  const answer = await ask(door(), 'DescribeQuorum', 2, asked(name, index));
  expect(answer.errorCode).toBe(0);
  expect(answer.topics[0]?.partitions[0]).toMatchObject({
    errorCode: ERRORS.UNKNOWN_TOPIC_OR_PARTITION.code,
    leaderId: -1,
    currentVoters: [],
  });
});
