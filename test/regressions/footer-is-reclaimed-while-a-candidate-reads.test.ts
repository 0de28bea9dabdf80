import { expect, test } from 'vitest';
import { readBatchHeader } from '../../src/record/batch.ts';
import { buildBatch } from '../../src/record/records.ts';
import { layoutSegment } from '../../src/segment/build.ts';
import { segmentKey } from '../../src/segment/segment-id.ts';
import { Faults, faultyObjectStore } from '../../src/storage/faulty.ts';
import { createTopic, lane, memoryStores, newBrokerEpoch, open, TOPIC, testRuntime } from '../unit/journal/harness.ts';

const ID = '019aa3b5ec00-1-1-0-9f86d081';
const KEY = segmentKey('c', ID);
const OPTIONS = { cause: 'tool' } as const;

/** So many batches that the entry refers to the footer instead of describing them. */
const batches = Array.from({ length: 100 }, () => {
  const bytes = buildBatch([{ key: null, value: 'x' }], { timestamp: 0 });
  return { bytes, header: readBatchHeader(bytes, 0) };
});

test('a candidate that slept while a segment was reclaimed begins again, instead of calling the journal damaged', async () => {
  const stores = memoryStores();
  const brokerEpoch = newBrokerEpoch();
  const leader = await open(stores, { brokerEpoch, limits: { snapshotEntryBytes: 3_000 } });
  await createTopic(leader);
  const segment = layoutSegment(ID, [{ topicId: TOPIC, partition: 0, journal: 0, batches }], 'fresh');
  await stores.objects.create(KEY, segment.parts, OPTIONS);
  const source = { type: 'segment', segment: segment.reference } as const;
  await leader.append({ lane: lane(brokerEpoch), number: 0, source, partitions: segment.footer.partitions });

  const faults = new Faults(testRuntime());
  faults.script({ operation: 'read', fault: 'hang', matches: (key) => key === KEY });
  const candidate = open({ ...stores, objects: faultyObjectStore(stores.objects, faults) }, { brokerId: 2 });
  await new Promise((resolve) => setTimeout(resolve, 20));

  // Meanwhile the records outlive their topic, a snapshot covers all of it, and reclaim does its work.
  await leader.propose({ type: 'advanceLogStart', topicId: TOPIC, partition: 0, logStartOffset: 100 });
  for (let topic = 0; topic < 200; topic++) await leader.propose({ type: 'allocateProducerIds', count: 1 });
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(await leader.propose({ type: 'condemn', segmentIds: [ID] })).toEqual({ type: 'condemned', segmentIds: [ID] });
  await stores.objects.delete([KEY], OPTIONS);
  faults.release();

  const successor = await candidate;
  expect(successor.role).toBe('leading');
  expect(successor.state.partition(TOPIC, 0)).toMatchObject({ logStartOffset: 100, nextOffset: 100 });
  await successor.close();
  await leader.close();
});

test('a footer that is gone for no reason is damage', async () => {
  const stores = memoryStores();
  const brokerEpoch = newBrokerEpoch();
  const leader = await open(stores, { brokerEpoch });
  await createTopic(leader);
  const segment = layoutSegment(ID, [{ topicId: TOPIC, partition: 0, journal: 0, batches }], 'fresh');
  const source = { type: 'segment', segment: segment.reference } as const;
  await leader.append({ lane: lane(brokerEpoch), number: 0, source, partitions: segment.footer.partitions });
  await leader.close();
  await expect(open(stores)).rejects.toThrow(`needs the footer of segment ${ID}, which is gone`);
});
