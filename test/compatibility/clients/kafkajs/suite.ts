/**
 * KafkaJS as it comes: old versions of every API, none of them flexible, and a parser of its own for each.
 * `node suite.ts BROKER [PART OF A NAME]…`
 */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { setTimeout as pause } from 'node:timers/promises';
import kafkajs, {
  type Admin,
  type Consumer,
  type ConsumerConfig,
  type ConsumerRunConfig,
  type EachMessagePayload,
  type Producer,
  type ProducerConfig,
} from 'kafkajs';
import { type Cases, type Cleanup, runCases, unique, until } from '../node-cases.ts';

const [broker, ...only] = process.argv.slice(2);
const { version } = createRequire(import.meta.url)('kafkajs/package.json');
process.env['KAFKAJS_NO_PARTITIONER_WARNING'] = '1';

const { AssignerProtocol, CompressionTypes, ConfigResourceTypes, Kafka, logLevel } = kafkajs;

const kafka = new Kafka({
  clientId: 'suite',
  brokers: [broker!],
  logLevel: logLevel.NOTHING,
  retry: { initialRetryTime: 100, retries: 8 },
});

async function admin(cleanup: Cleanup): Promise<Admin> {
  const admin = kafka.admin();
  cleanup(() => admin.disconnect());
  await admin.connect();
  return admin;
}

async function producer(cleanup: Cleanup, config: ProducerConfig = {}): Promise<Producer> {
  const producer = kafka.producer(config);
  cleanup(() => producer.disconnect());
  await producer.connect();
  return producer;
}

async function topic(cleanup: Cleanup, numPartitions = 1): Promise<string> {
  const name = unique('kafkajs');
  await (await admin(cleanup)).createTopics({ topics: [{ topic: name, numPartitions }], waitForLeaders: true });
  return name;
}

interface Reading {
  readonly consumer: Consumer;
  readonly records: EachMessagePayload[];
  readonly values: () => string[];
  /** Of the last rebalance. */
  assignment: readonly number[];
  joins: number;
}

const textOf = ({ message }: EachMessagePayload): string => message.value!.toString();

/** A member of a group that reads until the case ends. */
async function read(
  cleanup: Cleanup,
  name: string,
  groupId: string,
  config: Partial<ConsumerConfig> = {},
  how: ConsumerRunConfig = { autoCommitInterval: 200 },
): Promise<Reading> {
  const consumer = kafka.consumer({
    groupId,
    sessionTimeout: 6_000,
    heartbeatInterval: 500,
    maxWaitTimeInMs: 200,
    ...config,
  });
  cleanup(() => consumer.disconnect());
  const records: EachMessagePayload[] = [];
  const reading: Reading = { consumer, records, values: () => records.map(textOf), assignment: [], joins: 0 };
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    reading.assignment = payload.memberAssignment[name] ?? [];
    reading.joins++;
  });
  await consumer.connect();
  await consumer.subscribe({ topics: [name], fromBeginning: true });
  await consumer.run({ ...how, eachMessage: async (payload) => void records.push(payload) });
  return reading;
}

const messages = (count: number, prefix = 'value') =>
  Array.from({ length: count }, (_, index) => ({ key: `key-${index}`, value: `${prefix}-${index}` }));
const values = (count: number, prefix = 'value') => messages(count, prefix).map(({ value }) => value);

const CASES: Cases = {
  async 'admin: topics are created, listed, described and deleted'(cleanup) {
    const client = await admin(cleanup);
    const name = await topic(cleanup, 3);
    assert.ok((await client.listTopics()).includes(name));
    const { topics } = await client.fetchTopicMetadata({ topics: [name] });
    assert.equal(topics[0]!.partitions.length, 3);
    assert.equal(await client.createTopics({ topics: [{ topic: name }] }), false, 'exists already');
    await client.deleteTopics({ topics: [name] });
    assert.ok(!(await client.listTopics()).includes(name));
  },
  async 'admin: a topic is created with configs; names and configs that are wrong are refused'(cleanup) {
    const client = await admin(cleanup);
    const name = unique('configured');
    const configEntries = [{ name: 'cleanup.policy', value: 'compact' }];
    await client.createTopics({ topics: [{ topic: name, configEntries }] });
    const { resources } = await client.describeConfigs({
      includeSynonyms: true,
      resources: [{ type: ConfigResourceTypes.TOPIC, name, configNames: ['cleanup.policy'] }],
    });
    assert.equal(resources[0]!.configEntries[0]!.configValue, 'compact');
    await assert.rejects(client.createTopics({ topics: [{ topic: 'no spaces' }] }));
    const wrong = [{ name: 'retention.ms', value: 'soon' }];
    await assert.rejects(client.createTopics({ topics: [{ topic: unique('wrong'), configEntries: wrong }] }));
  },
  async 'admin: partitions are added'(cleanup) {
    const client = await admin(cleanup);
    const name = await topic(cleanup);
    await client.createPartitions({ topicPartitions: [{ topic: name, count: 4 }] });
    const { topics } = await client.fetchTopicMetadata({ topics: [name] });
    assert.equal(topics[0]!.partitions.length, 4);
  },
  async 'admin: configs of a topic are altered'(cleanup) {
    const client = await admin(cleanup);
    const name = await topic(cleanup);
    await client.alterConfigs({
      validateOnly: false,
      resources: [
        { type: ConfigResourceTypes.TOPIC, name, configEntries: [{ name: 'retention.ms', value: '123456789' }] },
      ],
    });
    const { resources } = await client.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name }],
    });
    const entries = new Map(resources[0]!.configEntries.map((entry) => [entry.configName, entry.configValue]));
    assert.equal(entries.get('retention.ms'), '123456789');
    assert.ok(entries.size > 20, `${entries.size} configs`);
  },
  async 'admin: configs of the broker are described'(cleanup) {
    const client = await admin(cleanup);
    const { brokers } = await client.describeCluster();
    const { resources } = await client.describeConfigs({
      includeSynonyms: true,
      resources: [{ type: ConfigResourceTypes.BROKER, name: String(brokers[0]!.nodeId) }],
    });
    assert.ok(resources[0]!.configEntries.length > 20, `${resources[0]!.configEntries.length} configs`);
  },
  async 'admin: the cluster is described'(cleanup) {
    const { brokers, clusterId, controller } = await (await admin(cleanup)).describeCluster();
    assert.equal(`${brokers[0]!.host}:${brokers[0]!.port}`, broker);
    assert.equal(controller, brokers[0]!.nodeId);
    assert.ok(clusterId);
  },
  async 'admin: offsets of a topic are told, also by time'(cleanup) {
    const client = await admin(cleanup);
    const name = await topic(cleanup);
    const sender = await producer(cleanup);
    await sender.send({ topic: name, messages: messages(3) });
    await pause(20);
    const between = Date.now();
    await pause(20);
    await sender.send({ topic: name, messages: messages(2) });
    const [{ low, high } = { low: '', high: '' }] = await client.fetchTopicOffsets(name);
    assert.deepEqual([low, high], ['0', '5']);
    assert.deepEqual(await client.fetchTopicOffsetsByTimestamp(name, between), [{ partition: 0, offset: '3' }]);
  },
  async 'admin: records are deleted up to an offset'(cleanup) {
    const client = await admin(cleanup);
    const name = await topic(cleanup);
    await (await producer(cleanup)).send({ topic: name, messages: messages(10) });
    await client.fetchTopicOffsets(name); // KafkaJS deletes only what it has metadata of.
    await client.deleteTopicRecords({ topic: name, partitions: [{ partition: 0, offset: '7' }] });
    const [{ low, high } = { low: '', high: '' }] = await client.fetchTopicOffsets(name);
    assert.deepEqual([low, high], ['7', '10']);
  },
  async 'admin: offsets of a group are set, fetched and reset'(cleanup) {
    const client = await admin(cleanup);
    const name = await topic(cleanup, 2);
    const groupId = unique('offsets');
    await (await producer(cleanup)).send({ topic: name, messages: messages(20) });
    await client.setOffsets({ groupId, topic: name, partitions: [{ partition: 1, offset: '3' }] });
    const fetched = async () => {
      const [found] = await client.fetchOffsets({ groupId, topics: [name] });
      return found!.partitions.map(({ offset }) => offset);
    };
    assert.deepEqual(await fetched(), ['-1', '3']);
    await client.resetOffsets({ groupId, topic: name, earliest: true });
    const resolved = await client.fetchOffsets({ groupId, topics: [name], resolveOffsets: true });
    assert.deepEqual(
      resolved[0]!.partitions.map(({ offset }) => offset),
      ['0', '0'],
    );
  },
  async 'admin: groups are listed, described and deleted'(cleanup) {
    const client = await admin(cleanup);
    const name = await topic(cleanup);
    const groupId = unique('group');
    const { consumer } = await read(cleanup, name, groupId);
    await until('stable', async () => (await client.describeGroups([groupId])).groups[0]!.state === 'Stable');
    const [group] = (await client.describeGroups([groupId])).groups;
    assert.equal(group!.protocolType, 'consumer');
    assert.equal(group!.protocol, 'RoundRobinAssigner');
    assert.equal(group!.members.length, 1);
    const assignment = AssignerProtocol.MemberAssignment.decode(group!.members[0]!.memberAssignment)!;
    assert.deepEqual({ ...assignment.assignment }, { [name]: [0] });
    assert.ok((await client.listGroups()).groups.some((each) => each.groupId === groupId));
    await assert.rejects(client.deleteGroups([groupId]), 'not while it has members');
    await consumer.disconnect();
    await client.deleteGroups([groupId]);
    assert.ok(!(await client.listGroups()).groups.some((each) => each.groupId === groupId));
  },
  async 'admin: reassignments are listed'(cleanup) {
    const client = await admin(cleanup);
    const name = await topic(cleanup);
    const { topics } = await client.listPartitionReassignments({ topics: [{ topic: name, partitions: [0] }] });
    assert.deepEqual(topics, []);
  },
  async 'admin: access control lists are kept'(cleanup) {
    const client = await admin(cleanup);
    await client.describeAcls({ resourceType: 2, resourcePatternType: 3, operation: 3, permissionType: 3 });
  },
  async 'producer: keys, null values and headers come back as they were sent'(cleanup) {
    const name = await topic(cleanup);
    await (await producer(cleanup)).send({
      topic: name,
      messages: [
        { key: 'a', value: 'one', headers: { trace: 'abc', many: ['x', 'y'] } },
        { key: 'b', value: null },
        { value: '' },
      ],
    });
    const { records } = await read(cleanup, name, unique('shapes'));
    await until('three records', () => records.length === 3);
    const [first, second, third] = records.map(({ message }) => message);
    assert.equal(first!.headers!['trace']!.toString(), 'abc');
    assert.deepEqual((first!.headers!['many'] as Buffer[]).map(String), ['x', 'y']);
    assert.equal(second!.value, null);
    assert.equal(third!.key, null);
    assert.equal(third!.value!.length, 0);
  },
  async 'producer: gzip batches'(cleanup) {
    const name = await topic(cleanup);
    const sender = await producer(cleanup);
    await sender.send({ topic: name, messages: messages(500), compression: CompressionTypes.GZIP });
    const { values: read1 } = await read(cleanup, name, unique('gzip'));
    await until('500 records', () => read1().length === 500);
    assert.deepEqual(read1(), values(500));
  },
  async 'producer: a topic that is not there is created'(cleanup) {
    const name = unique('made-by-producing');
    const sender = await producer(cleanup, { allowAutoTopicCreation: true });
    const [sent] = await sender.send({ topic: name, messages: messages(1) });
    assert.equal(sent!.baseOffset, '0');
  },
  async 'producer: idempotent, many batches in order'(cleanup) {
    const name = await topic(cleanup);
    const sender = await producer(cleanup, { idempotent: true, maxInFlightRequests: 5 });
    const sent = Array.from({ length: 20 }, (_, batch) =>
      sender.send({ topic: name, acks: -1, messages: messages(10, `batch-${batch}`) }),
    );
    const offsets = (await Promise.all(sent)).map(([result]) => Number(result!.baseOffset));
    assert.deepEqual(
      offsets.sort((a, b) => a - b),
      Array.from({ length: 20 }, (_, batch) => batch * 10),
    );
  },
  async 'transactions: only what was committed is read'(cleanup) {
    const name = await topic(cleanup, 2);
    const sender = await producer(cleanup, { idempotent: true, maxInFlightRequests: 1, transactionalId: unique('id') });
    const kept = await sender.transaction();
    await kept.send({ topic: name, messages: messages(5, 'kept') });
    await kept.commit();
    const dropped = await sender.transaction();
    await dropped.send({ topic: name, messages: messages(5, 'dropped') });
    await dropped.abort();
    const again = await sender.transaction();
    await again.send({ topic: name, messages: messages(5, 'again') });
    await again.commit();
    const committed = await read(cleanup, name, unique('committed'));
    const uncommitted = await read(cleanup, name, unique('uncommitted'), { readUncommitted: true });
    await until('10 committed', () => committed.records.length >= 10);
    await until('15 in all', () => uncommitted.records.length >= 15);
    await pause(300);
    assert.deepEqual(committed.values().sort(), [...values(5, 'again'), ...values(5, 'kept')]);
    assert.equal(uncommitted.records.length, 15);
  },
  async 'transactions: offsets are committed with records, or not at all'(cleanup) {
    const client = await admin(cleanup);
    const name = await topic(cleanup);
    const consumerGroupId = unique('consumed');
    const sender = await producer(cleanup, { idempotent: true, maxInFlightRequests: 1, transactionalId: unique('id') });
    const committedOffset = async () => {
      const [found] = await client.fetchOffsets({ groupId: consumerGroupId, topics: [name] });
      return found!.partitions[0]!.offset;
    };
    const offsets = (offset: string) => ({ topics: [{ topic: name, partitions: [{ partition: 0, offset }] }] });
    const first = await sender.transaction();
    await first.send({ topic: name, messages: messages(1) });
    await first.sendOffsets({ consumerGroupId, ...offsets('5') });
    assert.equal(await committedOffset(), '-1');
    await first.commit();
    await until('offset 5', async () => (await committedOffset()) === '5');
    const second = await sender.transaction();
    await second.sendOffsets({ consumerGroupId, ...offsets('9') });
    await second.abort();
    assert.equal(await committedOffset(), '5');
  },
  async 'transactions: the older of two producers with one id is fenced'(cleanup) {
    const name = await topic(cleanup);
    const config = { idempotent: true, maxInFlightRequests: 1, transactionalId: unique('id'), retry: { retries: 2 } };
    const older = await producer(cleanup, config);
    const transaction = await older.transaction();
    await transaction.send({ topic: name, messages: messages(1, 'older') });
    const newer = await producer(cleanup, config);
    const mine = await newer.transaction();
    await mine.send({ topic: name, messages: messages(1, 'newer') });
    await assert.rejects(transaction.commit());
    await mine.commit();
    const { records, values } = await read(cleanup, name, unique('fenced'));
    await until('one record', () => records.length === 1);
    assert.deepEqual(values(), ['newer-0']);
  },
  async 'group: two members share the partitions; one takes over when the other leaves'(cleanup) {
    const name = await topic(cleanup, 4);
    const groupId = unique('shared');
    const first = await read(cleanup, name, groupId);
    const second = await read(cleanup, name, groupId);
    await until('two each', () => first.assignment.length === 2 && second.assignment.length === 2);
    assert.deepEqual([...first.assignment, ...second.assignment].sort(), [0, 1, 2, 3]);
    await second.consumer.disconnect();
    await until('all four', () => first.assignment.length === 4);
    const sender = await producer(cleanup);
    await sender.send({ topic: name, messages: messages(40) });
    await until('all records', () => first.records.length >= 40);
    assert.deepEqual(first.values().sort(), values(40).sort());
  },
  async 'group: a member that comes back goes on where it committed'(cleanup) {
    const name = await topic(cleanup);
    const groupId = unique('resumed');
    const sender = await producer(cleanup);
    await sender.send({ topic: name, messages: messages(10, 'before') });
    const first = await read(cleanup, name, groupId);
    await until('ten', () => first.records.length === 10);
    await first.consumer.disconnect(); // Commits what it has read.
    await sender.send({ topic: name, messages: messages(10, 'after') });
    const second = await read(cleanup, name, groupId);
    await until('ten more', () => second.records.length >= 10);
    assert.deepEqual(second.values(), values(10, 'after'));
  },
  async 'group: offsets are committed by hand, with metadata'(cleanup) {
    const client = await admin(cleanup);
    const name = await topic(cleanup);
    const groupId = unique('by-hand');
    // KafkaJS reads from what is committed if it has read nothing yet, and commits -2 when no record is there.
    await (await producer(cleanup)).send({ topic: name, messages: messages(10) });
    const reading = await read(cleanup, name, groupId, {}, { autoCommit: false });
    await until('joined', () => reading.joins > 0);
    await reading.consumer.commitOffsets([{ topic: name, partition: 0, offset: '7', metadata: 'by hand' }]);
    const [found] = await client.fetchOffsets({ groupId, topics: [name] });
    assert.deepEqual(
      found!.partitions.map(({ offset, metadata }) => [offset, metadata]),
      [['7', 'by hand']],
    );
  },
  async 'consumer: seek, pause and resume'(cleanup) {
    const name = await topic(cleanup);
    await (await producer(cleanup)).send({ topic: name, messages: messages(20) });
    const { consumer, records } = await read(cleanup, name, unique('seek'));
    await until('20', () => records.length === 20);
    consumer.pause([{ topic: name }]);
    consumer.seek({ topic: name, partition: 0, offset: '15' });
    await pause(500);
    assert.equal(records.length, 20);
    assert.deepEqual(consumer.paused(), [{ topic: name, partitions: [0] }]);
    consumer.resume([{ topic: name }]);
    await until('five again', () => records.length === 25);
    assert.deepEqual(
      records.slice(20).map(({ message }) => message.offset),
      ['15', '16', '17', '18', '19'],
    );
  },
  async 'consumer: a regular expression subscribes to topics'(cleanup) {
    const prefix = unique('pattern');
    const client = await admin(cleanup);
    await client.createTopics({ topics: [{ topic: `${prefix}-a` }, { topic: `${prefix}-b` }] });
    const sender = await producer(cleanup);
    for (const name of ['a', 'b']) await sender.send({ topic: `${prefix}-${name}`, messages: messages(1, name) });
    const consumer = kafka.consumer({ groupId: unique('group') });
    cleanup(() => consumer.disconnect());
    await consumer.connect();
    await consumer.subscribe({ topics: [new RegExp(`^${prefix}-.$`)], fromBeginning: true });
    const found: string[] = [];
    await consumer.run({ eachMessage: async (payload) => void found.push(textOf(payload)) });
    await until('both', () => found.length === 2);
    assert.deepEqual(found.sort(), ['a-0', 'b-0']);
  },
  async 'consumer: eachBatch with offsets that it resolves itself'(cleanup) {
    const name = await topic(cleanup);
    await (await producer(cleanup)).send({ topic: name, messages: messages(100) });
    const groupId = unique('batches');
    const consumer = kafka.consumer({ groupId });
    cleanup(() => consumer.disconnect());
    await consumer.connect();
    await consumer.subscribe({ topics: [name], fromBeginning: true });
    let count = 0;
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      eachBatch: async ({ batch, resolveOffset, heartbeat, commitOffsetsIfNecessary, uncommittedOffsets }) => {
        for (const message of batch.messages) {
          resolveOffset(message.offset);
          count++;
        }
        await heartbeat();
        await commitOffsetsIfNecessary(uncommittedOffsets());
      },
    });
    await until('100', () => count === 100);
    await until('committed', async () => {
      const [found] = await (await admin(cleanup)).fetchOffsets({ groupId, topics: [name] });
      return found!.partitions[0]!.offset === '100';
    });
  },
};

await runCases(version, CASES, only);
