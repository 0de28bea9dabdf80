/** Classic groups over the Kafka port of a whole broker: members join, share, leave, and live through a restart. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ERRORS } from '../../src/errors.ts';
import { startTestBroker, type TestBroker } from './kafka-broker.ts';
import type { KafkaClient } from './kafka-client.ts';

let broker: TestBroker;

beforeAll(async () => {
  broker = await startTestBroker({ 'group.initial.rebalance.delay.ms': '50' });
});
afterAll(() => broker.stop());

interface Joined {
  readonly client: KafkaClient;
  readonly memberId: string;
  readonly generationId: number;
  readonly leader: string;
  readonly members: readonly string[];
}

async function joinAs(client: KafkaClient, groupId: string, memberId = ''): Promise<Joined> {
  const request = {
    groupId,
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 5_000,
    memberId,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: Buffer.from('subscription') }],
  };
  const answer = await client.call('JoinGroup', 5, request);
  if (answer.errorCode === ERRORS.MEMBER_ID_REQUIRED.code) return joinAs(client, groupId, answer.memberId);
  expect(answer.errorCode).toBe(0);
  const { generationId, leader } = answer;
  const members = answer.members.map((member) => member.memberId);
  return { client, memberId: answer.memberId, generationId, leader, members };
}

async function syncAs({ client, memberId, generationId, members }: Joined, groupId: string): Promise<string> {
  const assignments = members.map((each) => ({ memberId: each, assignment: Buffer.from(`for ${each}`) }));
  const answer = await client.call('SyncGroup', 5, { groupId, generationId, memberId, assignments });
  expect(answer.errorCode).toBe(0);
  return Buffer.from(answer.assignment).toString();
}

async function heartbeatAs({ memberId, generationId }: Joined, client: KafkaClient, groupId: string): Promise<number> {
  return (await client.call('Heartbeat', 4, { groupId, memberId, generationId })).errorCode;
}

test('two members share a generation, and go on in it after a restart of the broker', async () => {
  const clients = [await broker.connect(), await broker.connect()];
  const joined = await Promise.all(clients.map((client) => joinAs(client, 'orders')));
  expect(joined.map(({ generationId }) => generationId)).toEqual([1, 1]);
  const leader = joined.find(({ memberId, leader }) => memberId === leader)!;
  expect(leader.members).toHaveLength(2);
  const assigned = await Promise.all(joined.map((member) => syncAs(member, 'orders')));
  expect(assigned).toEqual(joined.map(({ memberId }) => `for ${memberId}`));

  await broker.restart();
  const client = await broker.connect();
  for (const member of joined) expect(await heartbeatAs(member, client, 'orders')).toBe(0);
  const described = await client.call('DescribeGroups', 6, { groups: ['orders'] });
  expect(described.groups[0]).toMatchObject({ groupState: 'Stable', protocolType: 'consumer', protocolData: 'range' });
  const assignments = described.groups[0]!.members.map((each) => Buffer.from(each.memberAssignment).toString());
  expect(assignments.sort()).toEqual([...assigned].sort());

  const left = await client.call('LeaveGroup', 5, { groupId: 'orders', members: [{ memberId: joined[0]!.memberId }] });
  expect(left.members[0]?.errorCode).toBe(0);
  expect(await heartbeatAs(joined[1]!, client, 'orders')).toBe(ERRORS.REBALANCE_IN_PROGRESS.code);
  const rejoined = await joinAs(client, 'orders', joined[1]!.memberId);
  expect(rejoined).toMatchObject({ generationId: 2, leader: joined[1]!.memberId });
});

test('a join that waits does not hold up the stop of the broker', async () => {
  const client = await broker.connect();
  const first = await joinAs(client, 'waiting');
  await syncAs(first, 'waiting');
  const second = await broker.connect();
  const waiting = joinAs(second, 'waiting').catch((cause) => cause);
  const before = Date.now();
  await broker.restart();
  expect(Date.now() - before).toBeLessThan(4_000);
  await waiting;
});
