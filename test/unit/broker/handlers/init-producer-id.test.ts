import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ask, door, versionsOf } from '../door.ts';
import { codeOf, type TransactionalDoor, transactionalDoor } from '../transactional-door.ts';

const idempotent = { transactionalId: null, transactionTimeoutMs: 1_000 };

test.each(versionsOf('InitProducerId'))('v%i gives every producer an id of its own', async (version) => {
  const broker = door();
  const first = await ask(broker, 'InitProducerId', version, idempotent);
  const second = await ask(broker, 'InitProducerId', version, idempotent);
  expect(first).toMatchObject({ errorCode: 0, producerEpoch: 0 });
  expect(second.producerId).not.toBe(first.producerId);
});

test('a producer that brings its id to have the epoch raised gets a new id', async () => {
  const broker = door();
  const { producerId } = await ask(broker, 'InitProducerId', 4, idempotent);
  const next = await ask(broker, 'InitProducerId', 4, { ...idempotent, producerId, producerEpoch: 0 });
  expect(next).toMatchObject({ errorCode: 0, producerEpoch: 0 });
  expect(next.producerId).not.toBe(producerId);
});

test.each([
  ['an empty transactional id', { transactionalId: '' }],
  ['a producer id without an epoch', { producerId: 5 }],
])('%s is refused', async (_what, change) => {
  const answer = await ask(door(), 'InitProducerId', 4, { ...idempotent, ...change });
  expect(answer).toMatchObject({ errorCode: codeOf('INVALID_REQUEST'), producerId: -1, producerEpoch: -1 });
});

describe('with a transactional id', () => {
  let broker: TransactionalDoor;
  beforeEach(async () => {
    broker = await transactionalDoor({ 'transaction.max.timeout.ms': '70000' });
  });
  afterEach(() => broker.close());

  test.each(versionsOf('InitProducerId'))('v%i raises the epoch of the producer id', async (version) => {
    const first = await broker.init(version);
    expect(first).toMatchObject({ errorCode: 0, producerEpoch: 0 });
    expect(await broker.init(version)).toMatchObject({ errorCode: 0, producerId: first.producerId, producerEpoch: 1 });
  });

  test('a producer that brings its id gets the next epoch, and the same one when it asks again', async () => {
    const { producerId, producerEpoch } = await broker.init();
    const bumped = await broker.init(3, { producerId, producerEpoch });
    expect(bumped).toMatchObject({ errorCode: 0, producerId, producerEpoch: 1 });
    expect(await broker.init(3, { producerId, producerEpoch })).toEqual(bumped);
  });

  test.each([
    [3, 'INVALID_PRODUCER_EPOCH'],
    [4, 'PRODUCER_FENCED'],
    [5, 'PRODUCER_FENCED'],
  ] as const)('v%i tells a zombie %s', async (version, error) => {
    const { producerId, producerEpoch } = await broker.init();
    await broker.init();
    const answer = await broker.init(version, { producerId, producerEpoch });
    expect(answer).toMatchObject({ errorCode: codeOf(error), producerId: -1, producerEpoch: -1 });
  });

  test.each([70_001, 0, -1])('a timeout of %i ms is refused', async (transactionTimeoutMs) => {
    const answer = await broker.init(1, { transactionTimeoutMs });
    expect(answer.errorCode).toBe(codeOf('INVALID_TRANSACTION_TIMEOUT'));
  });

  test('an id that is too long is refused', async () => {
    const answer = await broker.init(1, { transactionalId: 'x'.repeat(1_000) });
    expect(answer.errorCode).toBe(codeOf('INVALID_REQUEST'));
  });
});
