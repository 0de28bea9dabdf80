/**
 * An append came after its segment had been given up, and the answer was lost. Sent again, to the next leader perhaps, it was
 * taken for a mistake of its sender: clients were told of an unknown error, which ends them, instead of one to retry.
 */
import { expect, test } from 'vitest';
import {
  brief,
  createTopic,
  lane,
  memoryStores,
  newBrokerEpoch,
  open,
  segmentAppend,
} from '../unit/journal/harness.ts';

const SEGMENT = '019aa3b5ec00-1-1-0-9f86d081';

test('an append that came too late is answered the same when it is sent again', async () => {
  const brokerEpoch = newBrokerEpoch();
  const journal = await open(memoryStores(), { brokerEpoch });
  await createTopic(journal);
  await journal.propose({ type: 'condemn', segmentIds: [SEGMENT] });
  const late = segmentAppend({ lane: lane(brokerEpoch), number: 0, segmentId: SEGMENT }, [{ batches: [{}] }]);
  for (let attempt = 0; attempt < 2; attempt++) {
    expect(brief((await journal.append(late)).answers)).toBe('KAFKA_STORAGE_ERROR');
  }
  await journal.close();
});
