import { expect, test } from 'vitest';
import { ERRORS } from '../../../../src/errors.ts';
import { ask, door, versionsOf } from '../door.ts';

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
  ['a transactional id', { transactionalId: 'tx' }, ERRORS.UNSUPPORTED_VERSION.code],
  ['an empty transactional id', { transactionalId: '' }, ERRORS.INVALID_REQUEST.code],
  ['a producer id without an epoch', { producerId: 5 }, ERRORS.INVALID_REQUEST.code],
])('%s is refused', async (_what, change, errorCode) => {
  const answer = await ask(door(), 'InitProducerId', 4, { ...idempotent, ...change });
  expect(answer).toMatchObject({ errorCode, producerId: -1, producerEpoch: -1 });
});
