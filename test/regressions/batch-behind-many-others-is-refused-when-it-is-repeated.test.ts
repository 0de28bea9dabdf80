/**
 * A client that turns to another broker has up to five batches of a partition under way at each. When the answer of the old
 * broker was lost, it repeated a batch that more than five later ones had followed, was told OUT_OF_ORDER_SEQUENCE_NUMBER,
 * and had to take records that were there for lost. Java's client repeated it until `delivery.timeout.ms` was over.
 */
import { expect, test } from 'vitest';
import { buildBatch } from '../../src/record/records.ts';
import { openLogCluster } from '../unit/log/log-cluster.ts';

const BATCHES = 7;

test('a batch that was appended is never out of order, however many came after it', async () => {
  const { brokers, topics, close } = await openLogCluster();
  const { topicId } = await topics.create({ name: 'orders', config: {} });
  const [first, second] = brokers;
  const send = async (broker: typeof first, baseSequence: number) => {
    const records = buildBatch([{ key: null, value: Buffer.from(`${baseSequence}`) }], {
      timestamp: 1_763_683_200_000,
      producerId: 7,
      producerEpoch: 0,
      baseSequence,
    });
    const [outcome] = await broker!.log.produce([{ topicId, partition: 0, records }], { origin: 'kafka' });
    return outcome;
  };
  expect(await send(first, 0)).toMatchObject({ error: 'NONE', baseOffset: 0 });
  for (let sequence = 1; sequence < BATCHES; sequence++) await send(second, sequence);
  const written = { error: 'DUPLICATE_SEQUENCE_NUMBER', noSideEffects: false };
  expect(await send(second, 0)).toMatchObject(written);
  expect(await send(first, 1)).toMatchObject(written);
  expect(await send(first, 2)).toMatchObject({ error: 'NONE', baseOffset: 2, duplicate: true });
  expect(await send(first, BATCHES + 1)).toMatchObject({ error: 'OUT_OF_ORDER_SEQUENCE_NUMBER', noSideEffects: true });
  expect(await send(second, BATCHES)).toMatchObject({ error: 'NONE', baseOffset: BATCHES, duplicate: false });
  await close();
});
