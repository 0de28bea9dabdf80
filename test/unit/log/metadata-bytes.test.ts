/** Leaders own order, not bytes: what brokers tell each other of what is produced is a small part of it. */
import { expect, test } from 'vitest';
import { buildBatch } from '../../../src/record/records.ts';
import type { RpcMethod } from '../../../src/rpc/method.ts';
import type { CallOptions, Peers } from '../../../src/rpc/peers.ts';
import { openLogCluster } from './log-cluster.ts';

const MIB = 1024 * 1024;
const BATCH_BYTES = 16 * 1024;
const PARTITIONS = 100;

test('less than half a percent of records in batches of 16 KB', async () => {
  const told = new Map<string, number>();
  const wrapPeers = (peers: Peers): Peers => ({
    async call<Request, Response>(
      brokerId: number,
      method: RpcMethod<Request, Response>,
      request: Request,
      options: CallOptions,
    ): Promise<Response> {
      const answer = await peers.call(brokerId, method, request, options);
      const bytes = [...method.encodeRequest(request), ...method.encodeResponse(answer)];
      const frames = 2 * 16;
      told.set(method.name, (told.get(method.name) ?? 0) + bytes.reduce((sum, { length }) => sum + length, frames));
      return answer;
    },
  });
  const cluster = await openLogCluster({ wrapPeers });
  const topic = await cluster.topics.create({ name: 'orders', partitions: PARTITIONS, config: {} });
  told.clear();
  const { log } = cluster.brokers[1]!;
  const value = Buffer.alloc(BATCH_BYTES - 100, 'x').toString();
  let produced = 0;
  for (let round = 0; round < 16; round++) {
    const batches = Array.from({ length: PARTITIONS }, (_, partition) => {
      const producer = { producerId: 1 + (partition % 8), producerEpoch: 0, baseSequence: round };
      const records = buildBatch([{ key: null, value }], { timestamp: Date.now(), ...producer });
      produced += records.length;
      return { topicId: topic.topicId, partition, records };
    });
    // One at a time, as clients send them.
    const outcomes = await Promise.all(batches.map((batch) => log.produce([batch], { origin: 'kafka' })));
    for (const [outcome] of outcomes) expect(outcome!.error).toBe('NONE');
  }
  await cluster.close();
  const bytes = [...told.values()].reduce((sum, each) => sum + each, 0);
  expect([...told.keys()]).toEqual(['journal.append']);
  expect(produced).toBeGreaterThan(20 * MIB);
  expect(bytes / produced, `${bytes} bytes of ${produced}`).toBeLessThan(0.005);
});
