import { describe, expect, test } from 'vitest';
import { BrokerMetrics } from '../../../src/broker/broker-metrics.ts';
import type { Handler } from '../../../src/broker/handler.ts';
import { describeCluster } from '../../../src/broker/handlers/describe-cluster.ts';
import { Router } from '../../../src/broker/router.ts';
import { SERVED } from '../../../src/broker/served.ts';
import { ERRORS, KafkaError, StorageUnavailableError } from '../../../src/errors.ts';
import { API_NAMES, APIS } from '../../../src/protocol/apis.ts';
import { decodeResponse } from '../../../src/protocol/header.ts';
import type { LogFields, Logger } from '../../../src/runtime/logger.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import { requestBytes } from '../../integration/kafka-client.ts';
import { ask, door, noGauges, peer, routerOf, versionsOf } from './door.ts';

const header = (apiKey: number, version: number) => {
  const frame = Buffer.alloc(10);
  frame.writeInt16BE(apiKey, 0);
  frame.writeInt16BE(version, 2);
  frame.writeInt32BE(77, 4);
  frame.writeInt16BE(-1, 8);
  return frame;
};

describe('the router', () => {
  test('answers an ApiVersions from the future in version 0 with the range that is served (KIP-511)', async () => {
    const outcome = await routerOf(door()).handle(Buffer.concat([header(18, 99), Buffer.from('anything')]), peer);
    if (outcome.type !== 'respond') throw new Error(outcome.type);
    const frame = Buffer.concat(outcome.response.parts).subarray(4);
    const { correlationId, body } = decodeResponse(APIS.ApiVersions.response, 0, frame);
    expect(correlationId).toBe(77);
    expect(body.errorCode).toBe(ERRORS.UNSUPPORTED_VERSION.code);
    expect(body.apiKeys).toEqual([{ apiKey: 18, minVersion: 0, maxVersion: 4 }]);
  });

  test.each([
    ['an unknown API key', header(999, 0)],
    ['a negative API key', header(-1, 0)],
    ['an API that is known and not served', header(APIS.JoinGroup.key, 5)],
    ['a version that is too old', header(APIS.Produce.key, 2)],
    ['a version that is too new', header(APIS.Metadata.key, 14)],
    ['a negative version', header(APIS.Metadata.key, -1)],
    ['a header that is cut', header(3, 1).subarray(0, 8)],
    ['a body that is cut', requestBytes('Metadata', 1, { topics: [{ name: 'orders' }] }).subarray(4, -1)],
  ])('ends the connection of %s', async (_what, frame) => {
    expect(await routerOf(door()).handle(frame, peer)).toMatchObject({ type: 'close' });
  });

  test('takes every truncation of every request without a crash', async () => {
    const router = routerOf(door());
    for (const name of SERVED) {
      for (const version of versionsOf(name)) {
        const whole = requestBytes(name, version, examples[name] ?? {}).subarray(4);
        for (let length = 8; length < whole.length; length++) {
          const outcome = await router.handle(whole.subarray(0, length), peer);
          expect(['close', 'respond', 'silent']).toContain(outcome.type);
        }
      }
    }
  });

  test('answers a bug with UNKNOWN_SERVER_ERROR, logs its stack, and goes on', async () => {
    const logged: LogFields[] = [];
    const logger: Logger = { ...silentLogger, error: (fields) => logged.push(fields) };
    const broker = door({}, logger);
    await broker.topics.create({ name: 'orders', config: {} });
    broker.log.failure = new TypeError('undefined is not a function');
    const request = { replicaId: -1, topics: [{ name: 'orders', partitions: [{ index: 0, timestamp: -1 }] }] };
    const failed = await ask(broker, 'ListOffsets', 7, request);
    expect(failed.topics[0]?.partitions[0]?.errorCode).toBe(ERRORS.UNKNOWN_SERVER_ERROR.code);
    expect(logged).toHaveLength(1);
    expect(logged[0]?.['stack']).toContain('undefined is not a function');
    const next = await ask(broker, 'ListOffsets', 7, request);
    expect(next.topics[0]?.partitions[0]?.errorCode).toBe(0);
  });

  test('maps a store that does not answer to KAFKA_STORAGE_ERROR', async () => {
    const broker = door();
    await broker.topics.create({ name: 'orders', config: {} });
    broker.log.failure = new StorageUnavailableError('timeout');
    const request = { replicaId: -1, topics: [{ name: 'orders', partitions: [{ index: 0, timestamp: -1 }] }] };
    const answer = await ask(broker, 'ListOffsets', 7, request);
    expect(answer.topics[0]?.partitions[0]?.errorCode).toBe(ERRORS.KAFKA_STORAGE_ERROR.code);
  });

  test('serves no API of a feature whose level is 0', async () => {
    const broker = door();
    const nobody = { groupId: 'g', groupState: '', groupEpoch: 0, assignmentEpoch: 0, assignorName: '', members: [] };
    const handler: Handler<'ConsumerGroupDescribe'> = {
      handle: () => ({ groups: [] }),
      refuse: (_request, { error }) => ({ groups: [{ ...nobody, errorCode: ERRORS[error].code }] }),
    };
    const metrics = new BrokerMetrics(broker.runtime.metrics, noGauges);
    const router = new Router(broker, { ConsumerGroupDescribe: handler }, metrics);
    const describe = async () => {
      const outcome = await router.handle(
        requestBytes('ConsumerGroupDescribe', 1, { groupIds: ['g'], includeAuthorizedOperations: false }).subarray(4),
        peer,
      );
      if (outcome.type !== 'respond') throw new Error(outcome.type);
      return decodeResponse(APIS.ConsumerGroupDescribe.response, 1, Buffer.concat(outcome.response.parts).subarray(4))
        .body;
    };
    expect((await describe()).groups).toEqual([]);
    await broker.configs.features.update([{ feature: 'group.version', level: 0, upgradeType: 'SAFE_DOWNGRADE' }]);
    expect((await describe()).groups).toMatchObject([{ errorCode: ERRORS.UNSUPPORTED_VERSION.code }]);
  });

  test('counts the time that requests take against a quota, and not the time that they wait', async () => {
    const opened = door({ 'quota.window.num': '1' });
    const time = { ms: 0 };
    const runtime = { ...opened.runtime, clock: { now: () => 0, monotonic: () => time.ms } };
    const broker = { ...opened, runtime };
    await broker.configs.quotas.alter({ 'client-id': 'test' }, [{ name: 'request_percentage', value: 10 }]);
    const handler: Handler<'DescribeCluster'> = {
      async handle(request, call) {
        time.ms += 60;
        await Promise.resolve();
        time.ms += waitsMs;
        return describeCluster.refuse(request, new KafkaError('INVALID_REQUEST', ''), call)!;
      },
      refuse: describeCluster.refuse,
    };
    let waitsMs = 30_000;
    const router = new Router(broker, { DescribeCluster: handler }, new BrokerMetrics(runtime.metrics, noGauges));
    const throttled = async () => {
      const outcome = await router.handle(
        requestBytes('DescribeCluster', 1, { includeClusterAuthorizedOperations: false }).subarray(4),
        peer,
      );
      return outcome.type === 'respond' ? outcome.throttleMs : -1;
    };
    expect(await throttled()).toBe(0);
    waitsMs = 0;
    // 100 ms at most, 60 used, 6 come back, 60 used.
    expect(await throttled()).toBe(140);
  });

  test('counts requests, errors and latency by API', async () => {
    const broker = door();
    await ask(broker, 'Metadata', 9, { topics: [{ name: 'not here' }] });
    const exposed = await broker.runtime.metrics.expose();
    expect(exposed).toContain('millrace_kafka_errors_total{api="Metadata",error="INVALID_TOPIC_EXCEPTION"} 1');
    expect(exposed).toContain('millrace_kafka_request_seconds_count{api="Metadata"} 1');
  });
});

test('every API that is served is known to the codec', () => {
  for (const name of SERVED) expect(API_NAMES).toContain(name);
});

/** A request of some size for each API. */
const examples: Record<string, any> = {
  Produce: { acks: -1, timeoutMs: 1, topics: [{ name: 't', partitions: [{ index: 0, records: Buffer.alloc(70) }] }] },
  Fetch: {
    maxWaitMs: 0,
    minBytes: 1,
    topics: [{ name: 't', partitions: [{ index: 0, fetchOffset: 0, partitionMaxBytes: 1 }] }],
  },
  ListOffsets: { replicaId: -1, topics: [{ name: 't', partitions: [{ index: 0, timestamp: -1 }] }] },
  Metadata: { topics: [{ name: 't' }], allowAutoTopicCreation: false },
  FindCoordinator: { key: 'g', coordinatorKeys: ['g'] },
  CreateTopics: { topics: [{ name: 't', numPartitions: 1, replicationFactor: 1 }], validateOnly: true },
  DeleteTopics: { topics: [{ name: 't' }], topicNames: ['t'], timeoutMs: 1 },
  DeleteRecords: { topics: [{ name: 't', partitions: [{ index: 0, offset: 1 }] }], timeoutMs: 1 },
  InitProducerId: { transactionalId: null, transactionTimeoutMs: 1 },
  OffsetForLeaderEpoch: { topics: [{ name: 't', partitions: [{ index: 0, leaderEpoch: 1 }] }] },
  DescribeConfigs: { resources: [{ resourceType: 2, resourceName: 't', configurationKeys: ['retention.ms'] }] },
  AlterConfigs: { resources: [{ resourceType: 2, resourceName: 't', configs: [] }], validateOnly: true },
  CreatePartitions: { topics: [{ name: 't', count: 2 }], timeoutMs: 1, validateOnly: true },
  IncrementalAlterConfigs: { resources: [{ resourceType: 2, resourceName: 't', configs: [] }], validateOnly: true },
  DescribeCluster: { includeClusterAuthorizedOperations: false },
  DescribeTopicPartitions: { topics: [{ name: 't' }] },
  ApiVersions: { clientSoftwareName: 'test', clientSoftwareVersion: '1.0' },
};
