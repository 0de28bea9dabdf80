/** Transactions through a whole broker over the Kafka port, as clients of old and of new versions send them. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ERRORS, type ErrorName } from '../../src/errors.ts';
import { iterateBatches } from '../../src/record/batch.ts';
import { readControlBatch } from '../../src/record/control-batch.ts';
import { buildBatch, decodeBatch } from '../../src/record/records.ts';
import { startTestBroker, type TestBroker } from './kafka-broker.ts';
import type { KafkaClient } from './kafka-client.ts';

interface Producer {
  readonly producerId: number;
  readonly producerEpoch: number;
}

/** Versions that a client speaks, and whether it leaves partitions to Produce and takes epochs from EndTxn (KIP-890). */
const CLIENTS = [
  { name: 'an old client', init: 0, add: 0, offsets: 0, commit: 0, produce: 7, fetch: 4, end: 0, implicit: false },
  { name: 'librdkafka', init: 4, add: 0, offsets: 0, commit: 3, produce: 10, fetch: 12, end: 1, implicit: false },
  {
    name: 'a client of Kafka 3',
    init: 4,
    add: 3,
    offsets: 3,
    commit: 3,
    produce: 11,
    fetch: 16,
    end: 3,
    implicit: false,
  },
  {
    name: 'a client of Kafka 4',
    init: 5,
    add: 3,
    offsets: 4,
    commit: 5,
    produce: 13,
    fetch: 18,
    end: 5,
    implicit: true,
  },
] as const;

const code = (error: ErrorName) => ERRORS[error].code;

describe.each([1, 4])('with %i journals', (journals) => {
  let broker: TestBroker;
  let client: KafkaClient;
  let number = 0;

  beforeAll(async () => {
    broker = await startTestBroker({ journals: String(journals) });
    client = await broker.connect();
  });
  afterAll(() => broker.stop());

  describe.each(CLIENTS)('$name', (versions) => {
    const open = async () => {
      const name = `topic-${number++}`;
      const topics = [{ name, numPartitions: 4, replicationFactor: 1, configs: [] }];
      const { topicId } = (await client.call('CreateTopics', 7, { topics })).topics[0]!;
      const transactionalId = `tx of ${name}`;
      const groupId = `group of ${name}`;
      const topic = { name, topicId };

      const init = (): Promise<Producer & { errorCode: number }> =>
        client.call('InitProducerId', versions.init, { transactionalId, transactionTimeoutMs: 60_000 });
      const add = async (producer: Producer) => {
        if (versions.implicit) return;
        const body = { transactionalId, ...producer, topics: [{ name, partitions: [0, 1, 2, 3] }] };
        const answer = await client.call('AddPartitionsToTxn', versions.add, body);
        expect(answer.topics[0]!.partitions.every(({ errorCode }) => errorCode === 0)).toBe(true);
      };
      const produce = async (producer: Producer, baseSequence: number, index: number, value: string) => {
        const identity = { producerId: producer.producerId, producerEpoch: producer.producerEpoch, baseSequence };
        const records = buildBatch([{ key: null, value }], { timestamp: 1, ...identity, transactional: true });
        const partitions = [{ index, records }];
        const body = { transactionalId, acks: -1, timeoutMs: 5_000, topics: [{ ...topic, partitions }] };
        return (await client.call('Produce', versions.produce, body)).topics[0]!.partitions[0]!.errorCode;
      };
      const sendOffsets = async ({ producerId, producerEpoch }: Producer, committedOffset: number) => {
        const producer = { transactionalId, producerId, producerEpoch, groupId };
        if (!versions.implicit) {
          expect((await client.call('AddOffsetsToTxn', versions.offsets, producer)).errorCode).toBe(0);
        }
        const member = { generationId: -1, memberId: '', groupInstanceId: null };
        const partitions = [{ index: 0, committedOffset, committedMetadata: null }];
        const body = { ...producer, ...member, topics: [{ name, partitions }] };
        const answer = await client.call('TxnOffsetCommit', versions.commit, body);
        expect(answer.topics[0]!.partitions[0]!.errorCode).toBe(0);
      };
      /** Who goes on. */
      const end = async ({ producerId, producerEpoch }: Producer, committed: boolean): Promise<Producer> => {
        const body = { transactionalId, producerId, producerEpoch, committed };
        const answer = await client.call('EndTxn', versions.end, body);
        expect(answer.errorCode).toBe(0);
        return versions.end >= 5 ? answer : { producerId, producerEpoch };
      };
      /** What a consumer that reads committed records keeps of all partitions: values, without those that were aborted. */
      const read = async () => {
        const values: string[] = [];
        for (let index = 0; index < 4; index++) {
          const partitions = [{ index, fetchOffset: 0, partitionMaxBytes: 1_000_000 }];
          const body = { maxWaitMs: 0, minBytes: 0, isolationLevel: 1, topics: [{ ...topic, partitions }] };
          const found = (await client.call('Fetch', versions.fetch, body)).topics[0]!.partitions[0]!;
          values.push(...(await committedValues(found.records, found.abortedTransactions ?? [])));
        }
        return values.sort();
      };
      const committedOffset = async () => {
        const topics = [{ name, partitionIndexes: [0] }];
        const answer = await client.call('OffsetFetch', 7, { groupId, topics, requireStable: true });
        const { errorCode, committedOffset: offset } = answer.topics[0]!.partitions[0]!;
        return errorCode === 0 ? offset : errorCode;
      };
      return { init, add, produce, sendOffsets, end, read, committedOffset };
    };

    test('commits, aborts and commits again: readers see what was committed', async () => {
      const { init, add, produce, sendOffsets, end, read, committedOffset } = await open();
      let producer: Producer = await init();
      let sequence = 0;
      for (const [value, committed] of [
        ['a', true],
        ['b', false],
        ['c', true],
      ] as const) {
        await add(producer);
        for (let index = 0; index < 4; index++) {
          expect(await produce(producer, sequence, index, `${value}${index}`)).toBe(0);
        }
        await sendOffsets(producer, value.charCodeAt(0));
        expect(await read()).not.toContain(`${value}0`);
        const after = await end(producer, committed);
        sequence = after.producerEpoch === producer.producerEpoch ? sequence + 1 : 0;
        producer = after;
      }
      const expected = ['a0', 'a1', 'a2', 'a3', 'c0', 'c1', 'c2', 'c3'];
      await expect.poll(read, { timeout: 5_000 }).toEqual(expected);
      await expect.poll(committedOffset, { timeout: 5_000 }).toBe('c'.charCodeAt(0));
    });

    test('fences the producer before it, also after a restart of the broker', async () => {
      const { init, add, produce, end, read } = await open();
      const zombie = await init();
      await add(zombie);
      expect(await produce(zombie, 0, 0, 'lost')).toBe(0);
      await broker.restart();
      client = await broker.connect();
      const heir = await init();
      expect(heir.producerEpoch).toBeGreaterThan(zombie.producerEpoch);
      expect(await produce(zombie, 1, 0, 'lost as well')).toBe(code('INVALID_PRODUCER_EPOCH'));
      await add(heir);
      expect(await produce(heir, 0, 0, 'kept')).toBe(0);
      await end(heir, true);
      await expect.poll(read, { timeout: 5_000 }).toEqual(['kept']);
    });
  });

  test('transactions are offered to clients at version 2', async () => {
    const { finalizedFeatures } = await client.call('ApiVersions', 4, {
      clientSoftwareName: 'test',
      clientSoftwareVersion: '1',
    });
    expect(finalizedFeatures).toContainEqual({ name: 'transaction.version', maxVersionLevel: 2, minVersionLevel: 2 });
  });
});

/** As consumers do: a producer's batches are left out from the first offset of its aborted transaction to the marker. */
async function committedValues(
  records: Buffer | null,
  aborted: readonly { readonly producerId: number; readonly firstOffset: number }[],
): Promise<string[]> {
  const values: string[] = [];
  const coming = [...aborted].sort((a, b) => a.firstOffset - b.firstOffset);
  const aborting = new Set<number>();
  for (const { position, header } of iterateBatches(records!)) {
    while (coming[0] && coming[0].firstOffset <= header.baseOffset) aborting.add(coming.shift()!.producerId);
    const marker = readControlBatch(records!, position);
    if (marker && !marker.committed) aborting.delete(marker.producerId);
    if (marker || aborting.has(header.producerId)) continue;
    const batch = records!.subarray(position, position + header.length);
    for (const { value } of await decodeBatch(batch, { decompressedBytesMax: 1_000_000 })) values.push(`${value}`);
  }
  return values;
}
