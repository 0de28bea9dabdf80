import { afterEach, beforeEach, expect, test } from 'vitest';
import { versionsOf } from '../door.ts';
import { codeOf, type TransactionalDoor, transactionalDoor } from '../transactional-door.ts';

let broker: TransactionalDoor;
beforeEach(async () => {
  broker = await transactionalDoor();
});
afterEach(() => broker.close());

test.each(
  versionsOf('EndTxn').filter((version) => version < 5),
)('v%i keeps the epoch, and can be repeated', async (version) => {
  const producer = await broker.init();
  for (const committed of [true, false]) {
    await broker.addPartitions(0, producer);
    expect(await broker.end(version, producer, committed)).toMatchObject({ errorCode: 0, producerId: -1 });
    expect((await broker.end(version, producer, committed)).errorCode).toBe(0);
    expect((await broker.end(version, producer, !committed)).errorCode).toBe(codeOf('INVALID_TXN_STATE'));
  }
});

test('v5 answers the epoch to go on with, and again when it is asked again', async () => {
  const producer = await broker.init();
  await broker.addPartitions(3, producer);
  const { producerId } = producer;
  const after = await broker.end(5, producer);
  expect(after).toMatchObject({ errorCode: 0, producerId, producerEpoch: 1 });
  expect(await broker.end(5, producer)).toEqual(after);
  expect((await broker.end(5, producer, false)).errorCode).toBe(codeOf('INVALID_TXN_STATE'));
  // Nothing was added: such a transaction can be aborted, but not committed.
  expect((await broker.end(5, after)).errorCode).toBe(codeOf('INVALID_TXN_STATE'));
  expect(await broker.end(5, after, false)).toMatchObject({ errorCode: 0, producerId, producerEpoch: 2 });
});

test.each([
  [1, 'INVALID_PRODUCER_EPOCH'],
  [2, 'PRODUCER_FENCED'],
  [5, 'PRODUCER_FENCED'],
] as const)('v%i tells a zombie %s', async (version, error) => {
  const zombie = await broker.init();
  await broker.addPartitions(3, zombie);
  await broker.init();
  expect(await broker.end(version, zombie)).toMatchObject({ errorCode: codeOf(error), producerId: -1 });
});

test('an id that nobody initialized is told so', async () => {
  const { errorCode } = await broker.end(3, { producerId: 1, producerEpoch: 0 });
  expect(errorCode).toBe(codeOf('INVALID_PRODUCER_ID_MAPPING'));
});
