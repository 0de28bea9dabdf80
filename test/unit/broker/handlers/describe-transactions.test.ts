import { afterEach, beforeEach, expect, test } from 'vitest';
import { codeOf, ID, TOPIC, type TransactionalDoor, transactionalDoor } from '../transactional-door.ts';

let broker: TransactionalDoor;
beforeEach(async () => {
  broker = await transactionalDoor();
});
afterEach(() => broker.close());

const describeThem = async (...transactionalIds: string[]) =>
  (await broker.ask('DescribeTransactions', 0, { transactionalIds })).transactionStates;

test('a transaction is described while it is open, and after its end', async () => {
  const { producerId, producerEpoch } = await broker.init();
  const always = { errorCode: 0, transactionalId: ID, producerId, transactionTimeoutMs: 60_000 };
  expect(await describeThem(ID)).toMatchObject([
    { ...always, producerEpoch, transactionState: 'Empty', transactionStartTimeMs: -1, topics: [] },
  ]);
  await broker.addPartitions(3, { producerId, producerEpoch }, [0, 2]);
  const [open] = await describeThem(ID);
  const topics = [{ name: TOPIC, partitions: [0, 2] }];
  expect(open).toMatchObject({ ...always, producerEpoch, transactionState: 'Ongoing', topics });
  expect(open!.transactionStartTimeMs).toBeGreaterThan(Date.now() - 60_000);
  await broker.end(5, { producerId, producerEpoch });
  const after = { producerEpoch: producerEpoch + 1, transactionState: 'CompleteCommit', topics: [] };
  expect(await describeThem(ID)).toMatchObject([{ ...always, ...after }]);
});

test('an id that is not there, or is empty, says so', async () => {
  await broker.init();
  const found = await describeThem('none', ID, '');
  expect(found.map(({ transactionalId, errorCode }) => [transactionalId, errorCode])).toEqual([
    ['none', codeOf('TRANSACTIONAL_ID_NOT_FOUND')],
    [ID, 0],
    ['', codeOf('INVALID_REQUEST')],
  ]);
});
