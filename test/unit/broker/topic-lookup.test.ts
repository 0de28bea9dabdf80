/** Topics that another broker made and this one has not heard of. */
import { describe, expect, test } from 'vitest';
import type { Topic, Topics } from '../../../src/cluster/topics.ts';
import { ERRORS, StorageUnavailableError } from '../../../src/errors.ts';
import { openDoor } from '../http/http-door.ts';
import { ask, type Door, door } from './door.ts';
import { batch, fetchOf, produceOf } from './sockets.ts';

/** `topics`, of which the image does not know those named `hidden` until they were looked for. */
function forgetful<T extends Topics>(topics: T, hidden: Set<string>, looked: string[], failure?: Error): T {
  const known = (topic: Topic | undefined) => (topic !== undefined && hidden.has(topic.name) ? undefined : topic);
  const look = async (name: string, found: Topic | undefined) => {
    looked.push(name);
    await Promise.resolve();
    if (failure) throw failure;
    if (found) hidden.delete(found.name);
    return found;
  };
  const replaced: Partial<Topics> = {
    byName: (name) => known(topics.byName(name)),
    byId: (topicId) => known(topics.byId(topicId)),
    find: (name) => look(name, topics.byName(name)),
    findById: (topicId) => look(topicId, topics.byId(topicId)),
  };
  return new Proxy(topics, {
    get(target, name) {
      const value = (replaced as Record<string | symbol, unknown>)[name] ?? Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

async function unaware(failure?: Error) {
  const whole = door({ 'auto.create.topics.enable': false });
  const { topicId } = await whole.topics.create({ name: 'orders', partitions: 2, config: {} });
  const looked: string[] = [];
  const broker: Door = { ...whole, topics: forgetful(whole.topics, new Set(['orders']), looked, failure) };
  return { broker, topicId, looked };
}

describe('a topic that the image does not have is looked for', () => {
  test('by Metadata, by name and by id', async () => {
    for (const asked of ['name', 'id']) {
      const { broker, topicId } = await unaware();
      const topic = asked === 'name' ? { name: 'orders' } : { name: null, topicId };
      const { topics } = await ask(broker, 'Metadata', 12, { topics: [topic] });
      expect(topics[0]).toMatchObject({ errorCode: 0, name: 'orders' });
    }
  });

  test('by Produce, whose batches keep their order', async () => {
    const { broker } = await unaware();
    const sent = [1, 20, 3].map((length) => batch('x'.repeat(length)));
    await Promise.all(sent.map((records) => ask(broker, 'Produce', 9, produceOf(records))));
    expect(broker.log.produced).toEqual(sent.map(({ length }) => length));
  });

  test('by Fetch and ListOffsets', async () => {
    const { broker } = await unaware();
    expect((await ask(broker, 'Fetch', 12, fetchOf(0))).topics[0]!.partitions[0]!.errorCode).toBe(0);
    const other = await unaware();
    const topics = [{ name: 'orders', partitions: [{ index: 0, timestamp: -1 }] }];
    const { topics: told } = await ask(other.broker, 'ListOffsets', 7, { replicaId: -1, isolationLevel: 0, topics });
    expect(told[0]!.partitions[0]!.errorCode).toBe(0);
  });

  test('by DescribeConfigs', async () => {
    const { broker } = await unaware();
    const resources = [{ resourceType: 2, resourceName: 'orders', configurationKeys: null }];
    expect((await ask(broker, 'DescribeConfigs', 4, { resources })).results[0]!.errorCode).toBe(0);
  });
});

test('what is known is not looked for', async () => {
  const { broker, looked } = await unaware();
  await ask(broker, 'Metadata', 12, { topics: [{ name: 'orders' }] });
  await ask(broker, 'Metadata', 12, { topics: [{ name: 'orders' }] });
  expect(looked).toEqual(['orders']);
});

test('a topic that nobody made is unknown, and so is one while the store is away', async () => {
  const { broker } = await unaware();
  const answer = await ask(broker, 'Metadata', 12, { topics: [{ name: 'none' }] });
  expect(answer.topics[0]!.errorCode).toBe(ERRORS.UNKNOWN_TOPIC_OR_PARTITION.code);
  const away = await unaware(new StorageUnavailableError('away'));
  const { topics } = await ask(away.broker, 'Metadata', 12, { topics: [{ name: 'orders' }] });
  expect(topics[0]!.errorCode).toBe(ERRORS.UNKNOWN_TOPIC_OR_PARTITION.code);
});

test('HTTP looks for the topic of a path, too', async () => {
  const whole = await openDoor();
  await whole.createTopic('orders');
  const looked: string[] = [];
  const topics = forgetful(whole.context.topics, new Set(['orders']), looked);
  const http = await openDoor({ context: { topics } });
  expect((await http.get('/v1/topics/orders')).status).toBe(200);
  expect((await http.get('/v1/topics/none')).status).toBe(404);
  expect(looked).toEqual(['orders', 'none']);
  await http.close();
  await whole.close();
});
