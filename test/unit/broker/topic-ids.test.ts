/** A topic that is deleted and created again is another topic: whoever knows its id is told so, and asks for metadata. */
import { describe, expect, test } from 'vitest';
import { ERRORS } from '../../../src/errors.ts';
import { ask, door } from './door.ts';
import { batch } from './sockets.ts';

async function recreated() {
  const broker = door();
  const old = await broker.topics.create({ name: 'orders', config: {} });
  await broker.log.produce([{ topicId: old.topicId, partition: 0, records: batch('of the old one') }]);
  await broker.topics.delete('orders');
  const now = await broker.topics.create({ name: 'orders', config: {} });
  expect(now.topicId).not.toBe(old.topicId);
  return { broker, oldId: old.topicId, newId: now.topicId };
}

const gone = ERRORS.UNKNOWN_TOPIC_ID.code;

describe('a topic id that is gone is UNKNOWN_TOPIC_ID', () => {
  test('in Produce', async () => {
    const { broker, oldId, newId } = await recreated();
    const partitions = [{ index: 0, records: batch('a') }];
    const topics = [oldId, newId].map((topicId) => ({ topicId, partitions }));
    const answer = await ask(broker, 'Produce', 13, { acks: -1, timeoutMs: 1_000, topics });
    expect(answer.topics.map(({ partitions: [partition] }) => partition)).toMatchObject([
      { errorCode: gone, baseOffset: -1 },
      { errorCode: 0, baseOffset: 0 },
    ]);
  });

  test('in Fetch, and nothing of the old topic shows in the new one', async () => {
    const { broker, oldId, newId } = await recreated();
    const partitions = [{ index: 0, fetchOffset: 0, partitionMaxBytes: 1_000 }];
    const topics = [oldId, newId].map((topicId) => ({ topicId, partitions }));
    const answer = await ask(broker, 'Fetch', 13, { maxWaitMs: 0, minBytes: 0, topics });
    expect(answer.errorCode).toBe(0);
    expect(answer.topics.map(({ topicId, partitions: [partition] }) => [topicId, partition])).toMatchObject([
      [oldId, { errorCode: gone, highWatermark: -1 }],
      [newId, { errorCode: 0, highWatermark: 0 }],
    ]);
  });

  test('in Metadata, and the name has the new one', async () => {
    const { broker, oldId, newId } = await recreated();
    const byId = await ask(broker, 'Metadata', 12, { topics: [{ name: null, topicId: oldId }] });
    expect(byId.topics).toMatchObject([{ errorCode: gone, name: null, topicId: oldId, partitions: [] }]);
    const byName = await ask(broker, 'Metadata', 12, { topics: [{ name: 'orders' }] });
    expect(byName.topics).toMatchObject([{ errorCode: 0, topicId: newId }]);
  });

  test('in DeleteTopics, and the new topic stays', async () => {
    const { broker, oldId, newId } = await recreated();
    const answer = await ask(broker, 'DeleteTopics', 6, { topics: [{ name: null, topicId: oldId }], timeoutMs: 1 });
    expect(answer.topics).toMatchObject([{ errorCode: gone }]);
    await expect(broker.topics.delete('orders', { topicId: oldId })).rejects.toMatchObject({
      error: 'UNKNOWN_TOPIC_ID',
    });
    expect(broker.topics.byName('orders')?.topicId).toBe(newId);
  });
});
