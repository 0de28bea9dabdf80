import { afterEach, beforeEach, expect, test } from 'vitest';
import { versionsOf } from '../door.ts';
import { codeOf, ID, type TransactionalDoor, transactionalDoor } from '../transactional-door.ts';

let broker: TransactionalDoor;
beforeEach(async () => {
  broker = await transactionalDoor();
});
afterEach(() => broker.close());

const none = { stateFilters: [], producerIdFilters: [] };
const list = async (version: number, filters: object = {}) => {
  const answer = await broker.ask('ListTransactions', version, { ...none, ...filters });
  return answer.transactionStates.map(
    ({ transactionalId, transactionState }) => `${transactionalId} ${transactionState}`,
  );
};

test.each(versionsOf('ListTransactions'))('v%i lists transactions by state and producer', async (version) => {
  const open = await broker.init();
  await broker.init(5, { transactionalId: 'other' });
  await broker.addPartitions(3, open);
  expect(await list(version)).toEqual([`${ID} Ongoing`, 'other Empty']);
  expect(await list(version, { stateFilters: ['Empty', 'PrepareAbort'] })).toEqual(['other Empty']);
  expect(await list(version, { producerIdFilters: [open.producerId] })).toEqual([`${ID} Ongoing`]);
  expect(await list(version, { producerIdFilters: [open.producerId], stateFilters: ['Empty'] })).toEqual([]);
});

test('a state that does not exist is named, and matches nothing', async () => {
  await broker.init();
  const answer = await broker.ask('ListTransactions', 0, { ...none, stateFilters: ['Empy', 'Dead'] });
  expect(answer).toMatchObject({ errorCode: 0, unknownStateFilters: ['Empy'], transactionStates: [] });
});

test('v1 lists those that have been running for long', async () => {
  const open = await broker.init();
  await broker.init(5, { transactionalId: 'other' });
  await broker.addPartitions(3, open);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(await list(1, { durationFilter: 5 })).toEqual([`${ID} Ongoing`]);
  expect(await list(1, { durationFilter: 60_000 })).toEqual([]);
});

test('v2 lists ids that match an expression as a whole', async () => {
  for (const transactionalId of ['app-1', 'app-2', 'my-app-1']) await broker.init(5, { transactionalId });
  expect(await list(2, { transactionalIdPattern: 'app-.*' })).toEqual(['app-1 Empty', 'app-2 Empty']);
  expect(await list(2, { transactionalIdPattern: '' })).toHaveLength(3);
  const answer = await broker.ask('ListTransactions', 2, { ...none, transactionalIdPattern: '(' });
  expect(answer).toMatchObject({ errorCode: codeOf('INVALID_REGULAR_EXPRESSION'), transactionStates: [] });
});
