import { expect, test } from 'vitest';
import { ERRORS } from '../../../../src/errors.ts';
import { FakeCluster, memberOf } from '../../cluster/cluster-of.ts';
import { ask, door, versionsOf } from '../door.ts';

const topics = [
  { name: 'orders', partitions: [0, 1, 9] },
  { name: 'missing', partitions: [0] },
];

async function cluster() {
  const broker = door();
  await broker.topics.create({ name: 'orders', partitions: 2, config: {} });
  return broker;
}

test.each(versionsOf('ElectLeaders'))('v%i: every partition has its leader', async (version) => {
  const answer = await ask(await cluster(), 'ElectLeaders', version, { topics });
  expect(answer.errorCode).toBe(0);
  expect(answer.topics.map(({ partitions }) => partitions.map(({ errorCode }) => errorCode))).toEqual([
    [ERRORS.ELECTION_NOT_NEEDED.code, ERRORS.ELECTION_NOT_NEEDED.code, ERRORS.UNKNOWN_TOPIC_OR_PARTITION.code],
    [ERRORS.UNKNOWN_TOPIC_OR_PARTITION.code],
  ]);
});

test('of all partitions those are told that need an election', async () => {
  const broker = await cluster();
  expect(await ask(broker, 'ElectLeaders', 2, { topics: null })).toMatchObject({ errorCode: 0, topics: [] });
});

test.each([
  [0, 'PREFERRED_LEADER_NOT_AVAILABLE'],
  [1, 'ELIGIBLE_LEADERS_NOT_AVAILABLE'],
] as const)('without a leader, type %i is %s', async (electionType, error) => {
  const leaders = new FakeCluster([memberOf(7)]);
  const broker = { ...(await cluster()), leaders };
  const answer = await ask(broker, 'ElectLeaders', 2, { electionType, topics: null });
  expect(answer.topics[0]?.partitions.map(({ errorCode }) => errorCode)).toEqual([
    ERRORS[error].code,
    ERRORS[error].code,
  ]);
});

test('an unknown type of election is INVALID_REQUEST', async () => {
  const answer = await ask(await cluster(), 'ElectLeaders', 2, { electionType: 2, topics });
  expect(answer).toMatchObject({ errorCode: ERRORS.INVALID_REQUEST.code, topics: [] });
});
