import { expect, test } from 'vitest';
import {
  createTopic,
  lane,
  memoryStores,
  newBrokerEpoch,
  open,
  segmentAppend,
  TOPIC,
} from '../unit/journal/harness.ts';

const SEGMENT = '019aa3b5ec00-1-1-0-9f86d081';

test('a journal opens again after an append came too late for its segment', async () => {
  const stores = memoryStores();
  const brokerEpoch = newBrokerEpoch();
  const journal = await open(stores, { brokerEpoch });
  await createTopic(journal);
  await journal.propose({ type: 'condemn', segmentIds: [SEGMENT] });
  // Reclaim deletes the object; the append was on its way all the time. It has too many batches for one small entry.
  const batches = Array.from({ length: 200 }, () => ({ count: 1 }));
  const late = segmentAppend({ lane: lane(brokerEpoch), number: 0, segmentId: SEGMENT }, [{ batches }]);
  const { answers } = await journal.append(late);
  expect(answers[0]).toHaveLength(200);
  expect(answers[0]?.every((answer) => answer.type === 'refused' && answer.error === 'KAFKA_STORAGE_ERROR')).toBe(true);
  await journal.skip(lane(brokerEpoch), 0);
  const next = await journal.append(segmentAppend({ lane: lane(brokerEpoch), number: 1 }, [{ batches: [{}] }]));
  expect(next.answers).toMatchObject([[{ type: 'appended', baseOffset: 0 }]]);
  await journal.close();

  const again = await open(stores);
  expect(again.state.partition(TOPIC, 0)?.nextOffset).toBe(1);
  await again.close();
});
