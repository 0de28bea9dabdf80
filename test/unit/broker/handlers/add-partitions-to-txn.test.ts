import { afterEach, beforeEach, expect, test } from 'vitest';
import { versionsOf } from '../door.ts';
import { codeOf, ID, TOPIC, type TransactionalDoor, transactionalDoor } from '../transactional-door.ts';

let broker: TransactionalDoor;
beforeEach(async () => {
  broker = await transactionalDoor();
});
afterEach(() => broker.close());

test.each(versionsOf('AddPartitionsToTxn'))('v%i lets partitions join, and batches follow', async (version) => {
  const producer = await broker.init();
  expect(await broker.produce(9, producer, 0)).toBe(codeOf('INVALID_TXN_STATE'));
  expect(await broker.addPartitions(version, producer, [0, 3])).toEqual([0, 0]);
  expect(await broker.addPartitions(version, producer, [0, 3])).toEqual([0, 0]);
  expect(await broker.produce(9, producer, 0, 3)).toBe(0);
  expect(await broker.produce(9, producer, 0, 1)).toBe(codeOf('INVALID_TXN_STATE'));
});

test.each(versionsOf('AddPartitionsToTxn'))('v%i adds all partitions or none', async (version) => {
  const producer = await broker.init();
  const unknown = codeOf('UNKNOWN_TOPIC_OR_PARTITION');
  expect(await broker.addPartitions(version, producer, [0, 4])).toEqual([codeOf('OPERATION_NOT_ATTEMPTED'), unknown]);
  expect(await broker.addPartitions(version, producer, [0], 'none')).toEqual([unknown]);
  expect(await broker.produce(9, producer, 0)).toBe(codeOf('INVALID_TXN_STATE'));
});

test.each([
  [0, 'INVALID_PRODUCER_EPOCH'],
  [1, 'INVALID_PRODUCER_EPOCH'],
  [2, 'PRODUCER_FENCED'],
  [3, 'PRODUCER_FENCED'],
  [4, 'PRODUCER_FENCED'],
  [5, 'PRODUCER_FENCED'],
] as const)('v%i tells a zombie %s', async (version, error) => {
  const zombie = await broker.init();
  await broker.init();
  expect(await broker.addPartitions(version, zombie, [0, 1])).toEqual([codeOf(error), codeOf(error)]);
});

test('a producer of another id is told so', async () => {
  const producer = await broker.init();
  const other = { ...producer, producerId: producer.producerId + 1 };
  expect(await broker.addPartitions(0, other)).toEqual([codeOf('INVALID_PRODUCER_ID_MAPPING')]);
});

test.each([
  [4, 'INVALID_TXN_STATE'],
  [5, 'TRANSACTION_ABORTABLE'],
] as const)('v%i tells which partitions belong to a transaction, others are %s', async (version, error) => {
  const { producerId, producerEpoch } = await broker.init();
  await broker.addPartitions(3, { producerId, producerEpoch }, [0]);
  const verify = { transactionalId: ID, producerId, producerEpoch, verifyOnly: true };
  const unknown = { ...verify, transactionalId: 'unknown' };
  const transactions = [verify, unknown].map((each) => ({ ...each, topics: [{ name: TOPIC, partitions: [0, 1, 9] }] }));
  const answer = await broker.ask('AddPartitionsToTxn', version, { transactions });
  const codes = answer.transactions.map(({ topics }) => topics[0]!.partitions.map(({ errorCode }) => errorCode));
  const mapping = codeOf('INVALID_PRODUCER_ID_MAPPING');
  expect(codes).toEqual([
    [0, codeOf(error), codeOf('UNKNOWN_TOPIC_OR_PARTITION')],
    [mapping, mapping, mapping],
  ]);
});
