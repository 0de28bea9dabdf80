/** Produce with a transactional id; see produce.test.ts for all else. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { codeOf, type TransactionalDoor, transactionalDoor } from '../transactional-door.ts';

let broker: TransactionalDoor;
beforeEach(async () => {
  broker = await transactionalDoor();
});
afterEach(() => broker.close());

test.each([
  [3, 'INVALID_TXN_STATE'],
  [10, 'INVALID_TXN_STATE'],
  [11, 'TRANSACTION_ABORTABLE'],
] as const)('v%i without AddPartitionsToTxn is %s', async (version, error) => {
  expect(await broker.produce(version, await broker.init(), 0)).toBe(codeOf(error));
});

test.each([12, 13])('v%i adds partitions by itself, in every transaction', async (version) => {
  let producer = await broker.init();
  for (let round = 0; round < 3; round++) {
    expect(await broker.produce(version, producer, 0)).toBe(0);
    expect(await broker.produce(version, producer, 1)).toBe(0);
    expect(await broker.produce(version, producer, 0, 1)).toBe(0);
    const after = await broker.end(5, producer);
    expect(await broker.produce(version, producer, 2)).toBe(codeOf('INVALID_PRODUCER_EPOCH'));
    producer = after;
  }
});

test('requests that are sent without waiting keep their order', async () => {
  const producer = await broker.init();
  const sequences = Array.from({ length: 20 }, (_, index) => index);
  const codes = await Promise.all(sequences.map((sequence) => broker.produce(12, producer, sequence)));
  expect(new Set(codes)).toEqual(new Set([0]));
});

test('a zombie is told that its epoch is over, an unknown producer that it is unknown', async () => {
  const zombie = await broker.init();
  const { producerId } = await broker.init();
  expect(await broker.produce(12, zombie, 0)).toBe(codeOf('INVALID_PRODUCER_EPOCH'));
  const other = { producerId: producerId + 1, producerEpoch: 0 };
  expect(await broker.produce(12, other, 0)).toBe(codeOf('INVALID_PRODUCER_ID_MAPPING'));
});
