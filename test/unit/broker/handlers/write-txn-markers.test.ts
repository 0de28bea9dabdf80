import { afterEach, beforeEach, expect, test } from 'vitest';
import { versionsOf } from '../door.ts';
import { codeOf, type Producer, TOPIC, type TransactionalDoor, transactionalDoor } from '../transactional-door.ts';

let broker: TransactionalDoor;
beforeEach(async () => {
  broker = await transactionalDoor();
});
afterEach(() => broker.close());

const mark = async (version: number, { producerId, producerEpoch }: Producer, more: object = {}, partitions = [0]) => {
  const topics = [{ name: TOPIC, partitionIndexes: partitions }];
  const marker = { producerId, producerEpoch, transactionResult: false, topics, coordinatorEpoch: 100, ...more };
  const answer = await broker.ask('WriteTxnMarkers', version, { markers: [marker] });
  expect(answer.markers[0]!.producerId).toBe(producerId);
  return answer.markers[0]!.topics[0]!.partitions.map(({ errorCode }) => errorCode);
};
const watermarks = () => broker.core.log.watermarks({ topicId: broker.topicId, partition: 0 });

test.each(versionsOf('WriteTxnMarkers'))('v%i ends a transaction that hangs in a partition', async (version) => {
  const producer = await broker.init();
  expect(await broker.produce(12, producer, 0)).toBe(0);
  expect(await watermarks()).toMatchObject({ highWatermark: 1, lastStableOffset: 0 });
  expect(await mark(version, producer)).toEqual([0]);
  expect(await watermarks()).toMatchObject({ highWatermark: 2, lastStableOffset: 2 });
  expect(await broker.produce(11, producer, 1)).toBe(codeOf('TRANSACTION_ABORTABLE'));
  expect((await broker.end(5, producer, false)).errorCode).toBe(0);
  expect(await watermarks()).toMatchObject({ highWatermark: 2 });
});

test('a producer without an open transaction gets no marker', async () => {
  expect(await mark(1, { producerId: 5, producerEpoch: 0 })).toEqual([0]);
  expect(await watermarks()).toMatchObject({ highWatermark: 0 });
});

test('old epochs, of producers and coordinators, end nothing', async () => {
  const older = await broker.init();
  const producer = await broker.init();
  await broker.produce(12, producer, 0);
  expect(await mark(1, older)).toEqual([codeOf('INVALID_PRODUCER_EPOCH')]);
  const after = await broker.end(5, producer);
  await broker.produce(12, after, 0);
  expect(await mark(1, after, { coordinatorEpoch: -1 })).toEqual([codeOf('TRANSACTION_COORDINATOR_FENCED')]);
  expect(await watermarks()).toMatchObject({ highWatermark: 3, lastStableOffset: 2 });
});

test('what is not there is told by partition', async () => {
  const producer = await broker.init();
  await broker.produce(12, producer, 0);
  expect(await mark(1, producer, {}, [0, 9])).toEqual([0, codeOf('UNKNOWN_TOPIC_OR_PARTITION')]);
  expect(await mark(1, { producerId: -1, producerEpoch: 0 })).toEqual([codeOf('INVALID_REQUEST')]);
});
