import { afterEach, beforeEach, expect, test } from 'vitest';
import { versionsOf } from '../door.ts';
import {
  codeOf,
  GROUP,
  ID,
  type Producer,
  TOPIC,
  type TransactionalDoor,
  transactionalDoor,
} from '../transactional-door.ts';

let broker: TransactionalDoor;
beforeEach(async () => {
  broker = await transactionalDoor();
});
afterEach(() => broker.close());

const addOffsets = async (version: number, { producerId, producerEpoch }: Producer, groupId = GROUP) =>
  (await broker.ask('AddOffsetsToTxn', version, { transactionalId: ID, producerId, producerEpoch, groupId })).errorCode;

const commit = async (version: number, { producerId, producerEpoch }: Producer, committedOffset: number) => {
  const partitions = [{ index: 0, committedOffset, committedMetadata: null }];
  const group = { groupId: GROUP, generationId: -1, memberId: '', groupInstanceId: null };
  const topics = [{ name: TOPIC, partitions }];
  const body = { transactionalId: ID, producerId, producerEpoch, ...group, topics };
  return (await broker.ask('TxnOffsetCommit', version, body)).topics[0]!.partitions[0]!.errorCode;
};

const committed = async () => {
  const topics = [{ name: TOPIC, partitionIndexes: [0] }];
  const answer = await broker.ask('OffsetFetch', 7, { groupId: GROUP, topics, requireStable: true });
  const { committedOffset, errorCode } = answer.topics[0]!.partitions[0]!;
  return errorCode === 0 ? committedOffset : errorCode;
};

test.each(versionsOf('AddOffsetsToTxn'))('v%i lets offsets follow, which count once committed', async (version) => {
  const producer = await broker.init();
  expect(await commit(0, producer, 7)).toBe(codeOf('INVALID_TXN_STATE'));
  expect(await addOffsets(version, producer)).toBe(0);
  expect(await addOffsets(version, producer)).toBe(0);
  expect(await commit(0, producer, 7)).toBe(0);
  expect(await committed()).toBe(codeOf('UNSTABLE_OFFSET_COMMIT'));
  await broker.end(0, producer);
  expect(await committed()).toBe(7);
});

test('TxnOffsetCommit v5 needs no such word', async () => {
  const producer = await broker.init();
  expect(await commit(5, producer, 7)).toBe(0);
  const after = await broker.end(5, producer);
  expect(await committed()).toBe(7);
  expect(await commit(5, producer, 8)).toBe(codeOf('INVALID_PRODUCER_EPOCH'));
  expect(await commit(5, after, 8)).toBe(0);
  await broker.end(5, after, false);
  expect(await committed()).toBe(7);
});

test.each([
  [1, 'INVALID_PRODUCER_EPOCH'],
  [2, 'PRODUCER_FENCED'],
] as const)('v%i tells a zombie %s', async (version, error) => {
  const zombie = await broker.init();
  await broker.init();
  expect(await addOffsets(version, zombie)).toBe(codeOf(error));
});

test('a group without an id is refused', async () => {
  expect(await addOffsets(3, await broker.init(), '')).toBe(codeOf('INVALID_GROUP_ID'));
});

test('whoever has no transactional id makes no group', async () => {
  expect(await addOffsets(3, { producerId: 1, producerEpoch: 0 })).toBe(codeOf('INVALID_PRODUCER_ID_MAPPING'));
  expect(broker.core.coordinators.groups.count).toBe(0);
});
