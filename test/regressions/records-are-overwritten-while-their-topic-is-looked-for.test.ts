/**
 * A Produce request for a topic that this broker had not heard of waited for the store. Its records were views of the buffer
 * into which all connections read: by the time they were appended they could be those of another client. And a later request
 * of the same connection overtook it when the topic was heard of meanwhile.
 */
import { expect, test } from 'vitest';
import type { Topic, Topics } from '../../src/cluster/topics.ts';
import type { ProduceBatch } from '../../src/log/log.ts';
import { requestBytes } from '../integration/kafka-client.ts';
import { door, peer, routerOf } from '../unit/broker/door.ts';
import { batch, produceOf } from '../unit/broker/sockets.ts';

/** A broker that does not know `orders`, until somebody who looked for it is answered or `heard` is called. */
async function unaware() {
  const broker = door();
  await broker.topics.create({ name: 'orders', config: {} });
  const answer = Promise.withResolvers<void>();
  let isKnown = false;
  const { topics, log } = broker;
  const replaced: Partial<Topics> = {
    byName: (name) => (isKnown ? topics.byName(name) : undefined),
    async find(name): Promise<Topic | undefined> {
      await answer.promise;
      isKnown = true;
      return topics.byName(name);
    },
  };
  const appended: Buffer[] = [];
  const replacedLog = new Proxy(log, {
    get(target, name) {
      if (name === 'produce') {
        return (batches: readonly ProduceBatch[]) => {
          for (const { records } of batches) appended.push(Buffer.from(records as Buffer));
          return target.produce(batches);
        };
      }
      const value = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const forgetful = new Proxy(topics, {
    get(target, name) {
      const value = (replaced as Record<string | symbol, unknown>)[name] ?? Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const router = routerOf({ ...broker, topics: forgetful, log: replacedLog });
  const heard = () => {
    isKnown = true;
  };
  return { router, appended, answered: answer.resolve, heard };
}

const frameOf = (records: Buffer) => Buffer.from(requestBytes('Produce', 9, produceOf(records)).subarray(4));

test('what was received after a request does not become its records', async () => {
  const { router, appended, answered } = await unaware();
  const [own, others] = [batch('own'), batch('not')];
  const frame = frameOf(own);
  const handled = router.handle(frame, peer);
  frameOf(others).copy(frame);
  answered();
  await handled;
  expect(appended).toEqual([own]);
});

test('requests of a connection are appended in their order', async () => {
  const { router, appended, answered, heard } = await unaware();
  const sent = ['a', 'b', 'c'].map(batch);
  const other = { ...peer };
  const first = router.handle(frameOf(sent[0]!), peer);
  heard();
  const second = router.handle(frameOf(sent[1]!), peer);
  const third = router.handle(frameOf(sent[2]!), other);
  await third;
  expect(appended).toEqual([sent[2]]);
  answered();
  await Promise.all([first, second]);
  expect(appended).toEqual([sent[2], sent[0], sent[1]]);
});
