import { expect, test } from 'vitest';
import { ERRORS } from '../../../../src/errors.ts';
import { ask, door, versionsOf } from '../door.ts';

test.each(versionsOf('DeleteTopics'))('v%i deletes by name, and the name is free again', async (version) => {
  const broker = door();
  await broker.topics.create({ name: 'orders', config: {} });
  const names = ['orders', 'missing'];
  const answer = await ask(broker, 'DeleteTopics', version, {
    topics: names.map((name) => ({ name })),
    topicNames: names,
    timeoutMs: 1,
  });
  expect(answer.topics.map(({ name, errorCode }) => [name, errorCode])).toEqual([
    ['orders', 0],
    ['missing', ERRORS.UNKNOWN_TOPIC_OR_PARTITION.code],
  ]);
  expect(broker.topics.count).toBe(0);
  await broker.topics.create({ name: 'orders', config: {} });
});

test('v6 deletes by id and tells the name', async () => {
  const broker = door();
  const { topicId } = await broker.topics.create({ name: 'orders', config: {} });
  const unknown = 'BBBBBBBBBBBBBBBBBBBBBA';
  const topics = [
    { name: null, topicId },
    { name: null, topicId: unknown },
  ];
  const answer = await ask(broker, 'DeleteTopics', 6, { topics, timeoutMs: 1 });
  expect(answer.topics).toMatchObject([
    { name: 'orders', topicId, errorCode: 0, errorMessage: null },
    { name: null, topicId: unknown, errorCode: ERRORS.UNKNOWN_TOPIC_ID.code },
  ]);
});

test('a topic that is named twice, by both its name and id, or by neither, is INVALID_REQUEST', async () => {
  const broker = door();
  const { topicId } = await broker.topics.create({ name: 'orders', config: {} });
  const topics = [{ name: 'orders' }, { name: null, topicId }, { name: 'orders', topicId }, { name: null }];
  const answer = await ask(broker, 'DeleteTopics', 6, { topics, timeoutMs: 1 });
  expect(answer.topics.map(({ errorCode }) => errorCode)).toEqual(topics.map(() => ERRORS.INVALID_REQUEST.code));
  expect(broker.topics.byName('orders')).toBeDefined();
});
