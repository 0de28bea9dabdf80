/**
 * @platformatic/kafka as it comes: the newest versions of every API, all of them flexible.
 * `node suite.ts BROKER [PART OF A NAME]…`
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  Admin,
  CompressionAlgorithms,
  ConfigResourceTypes,
  Consumer,
  type ConsumerOptions,
  FetchIsolationLevels,
  FindCoordinatorKeyTypes,
  ListOffsetTimestamps,
  type Message,
  type MessagesStream,
  MessagesStreamFallbackModes,
  MessagesStreamModes,
  Producer,
  type ProducerOptions,
  stringDeserializers,
  stringSerializers,
} from '@platformatic/kafka';
import { type Cases, type Cleanup, runCases, unique, until } from '../node-cases.ts';

const [broker, ...only] = process.argv.slice(2);
const manifest = fileURLToPath(new URL('../package.json', import.meta.resolve('@platformatic/kafka')));
const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };

const common = { clientId: 'suite', bootstrapBrokers: [broker!], retries: 5, retryDelay: 200, timeout: 10_000 };
type StringConsumer = Consumer<string, string, string, string>;

function admin(cleanup: Cleanup): Admin {
  const client = new Admin(common);
  cleanup(() => client.close());
  return client;
}

type StringProducerOptions = Partial<ProducerOptions<string, string, string, string>>;

function producer(cleanup: Cleanup, options: StringProducerOptions = {}): Producer<string, string, string, string> {
  const client = new Producer({ ...common, serializers: stringSerializers, ...options });
  cleanup(() => client.close(true));
  return client;
}

async function topic(cleanup: Cleanup, partitions = 1): Promise<string> {
  const name = unique('platformatic');
  await admin(cleanup).createTopics({ topics: [name], partitions });
  return name;
}

type ConsumerKind = Partial<ConsumerOptions<string, string, string, string>>;
const CLASSIC: ConsumerKind = { groupProtocol: 'classic', sessionTimeout: 6_000, heartbeatInterval: 500 };
const CONSUMER: ConsumerKind = { groupProtocol: 'consumer' };
const KINDS = { classic: CLASSIC, 'consumer protocol': CONSUMER };

interface Reading {
  readonly consumer: StringConsumer;
  readonly stream: MessagesStream<string, string, string, string>;
  readonly messages: Message<string, string, string, string>[];
  readonly values: () => string[];
  readonly partitions: () => number[];
}

function consumer(cleanup: Cleanup, groupId: string, kind: ConsumerKind): StringConsumer {
  const options = { ...common, groupId, deserializers: stringDeserializers, maxWaitTime: 200, ...kind };
  const client = new Consumer(options as ConsumerOptions<string, string, string, string>);
  cleanup(() => client.close(true));
  return client;
}

/** A member of a group that reads until the case ends. */
async function read(cleanup: Cleanup, name: string, groupId: string, kind: ConsumerKind = CLASSIC): Promise<Reading> {
  const client = consumer(cleanup, groupId, kind);
  const messages: Message<string, string, string, string>[] = [];
  const stream = await client.consume({
    topics: [name],
    mode: MessagesStreamModes.COMMITTED,
    fallbackMode: MessagesStreamFallbackModes.EARLIEST,
    autocommit: 100,
  });
  stream.on('data', (message) => void messages.push(message));
  stream.on('error', (error) => process.stderr.write(`stream: ${error}\n`));
  const partitions = () => (client.assignments ?? []).flatMap((assignment) => assignment.partitions);
  return { consumer: client, stream, messages, values: () => messages.map(({ value }) => value), partitions };
}

const values = (count: number, prefix = 'value') => Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
const messages = (name: string, count: number, prefix = 'value') =>
  values(count, prefix).map((value, index) => ({ topic: name, key: `key-${index}`, value }));

/** Everything that is in a topic for this isolation level, without offsets that were committed. */
async function all(cleanup: Cleanup, name: string, isolationLevel: 0 | 1, count: number): Promise<string[]> {
  const { values } = await read(cleanup, name, unique('all'), { ...CLASSIC, isolationLevel });
  await until(`${count} records`, () => values().length >= count, 15_000);
  await pause(400);
  return values().sort();
}

const ofEveryKind = (name: string, body: (cleanup: Cleanup, kind: ConsumerKind) => Promise<void>): Cases =>
  Object.fromEntries(
    Object.entries(KINDS).map(([word, kind]) => [`group, ${word}: ${name}`, (cleanup) => body(cleanup, kind)]),
  );

const CASES: Cases = {
  async 'admin: topics are created, listed and deleted'(cleanup) {
    const client = admin(cleanup);
    const name = unique('topic');
    const [created] = await client.createTopics({
      topics: [name],
      partitions: 3,
      configs: [{ name: 'retention.ms', value: '1234567' }],
    });
    assert.equal(created!.partitions, 3);
    assert.equal(created!.configuration['retention.ms'], '1234567');
    assert.ok((await client.listTopics()).includes(name));
    await assert.rejects(client.createTopics({ topics: [name] }));
    await client.deleteTopics({ topics: [name] });
    assert.ok(!(await client.listTopics()).includes(name));
  },
  async 'admin: metadata of the cluster and of topics'(cleanup) {
    const client = admin(cleanup);
    const name = await topic(cleanup, 2);
    const metadata = await client.metadata({ topics: [name] });
    assert.deepEqual(
      [...metadata.brokers.values()].map(({ host, port }) => `${host}:${port}`),
      [broker],
    );
    assert.equal(metadata.topics.get(name)!.partitionsCount, 2);
  },
  async 'admin: partitions are added'(cleanup) {
    const client = admin(cleanup);
    const name = await topic(cleanup);
    await client.createPartitions({ topics: [{ name, count: 4, assignments: null as never }] });
    assert.equal((await client.metadata({ topics: [name], forceUpdate: true })).topics.get(name)!.partitionsCount, 4);
  },
  async 'admin: configs are described, altered and altered incrementally'(cleanup) {
    const client = admin(cleanup);
    const resource = { resourceType: ConfigResourceTypes.TOPIC, resourceName: await topic(cleanup) };
    const described = async () => {
      const [found] = await client.describeConfigs({
        resources: [{ ...resource, configurationKeys: null as never }],
        includeSynonyms: true,
        includeDocumentation: true,
      });
      return new Map(found!.configs.map((config) => [config.name, config.value]));
    };
    const configs = [{ name: 'retention.ms', value: '1000000' }];
    await client.alterConfigs({ resources: [{ ...resource, configs }] });
    assert.equal((await described()).get('retention.ms'), '1000000');
    const more = [{ name: 'cleanup.policy', configOperation: 0, value: 'compact' }] as never;
    await client.incrementalAlterConfigs({ resources: [{ ...resource, configs: more }] });
    assert.deepEqual(
      [(await described()).get('retention.ms'), (await described()).get('cleanup.policy')],
      ['1000000', 'compact'],
    );
  },
  async 'admin: offsets are listed'(cleanup) {
    const client = admin(cleanup);
    const name = await topic(cleanup);
    await producer(cleanup).send({ messages: messages(name, 5) });
    const ask = async (timestamp: bigint) => {
      const [found] = await client.listOffsets({ topics: [{ name, partitions: [{ partitionIndex: 0, timestamp }] }] });
      return found!.partitions[0]!.offset;
    };
    assert.equal(await ask(ListOffsetTimestamps.EARLIEST), 0n);
    assert.equal(await ask(ListOffsetTimestamps.LATEST), 5n);
  },
  async 'admin: records are deleted'(cleanup) {
    const name = await topic(cleanup);
    await producer(cleanup).send({ messages: messages(name, 10) });
    const [deleted] = await admin(cleanup).deleteRecords({
      topics: [{ name, partitions: [{ partition: 0, offset: 7n }] }],
    });
    assert.equal(deleted!.partitions[0]!.lowWatermark, 7n);
  },
  async 'admin: the coordinator of a group, of a transactional id, of a share group'(cleanup) {
    const client = admin(cleanup);
    const shares = `${unique('share')}:AAAAAAAAAAAAAAAAAAAAAQ:0`;
    for (const [keyType, key] of [
      [FindCoordinatorKeyTypes.GROUP, 'group'],
      [FindCoordinatorKeyTypes.TRANSACTION, 'transaction'],
      [FindCoordinatorKeyTypes.SHARE, shares],
    ] as const) {
      const [found] = await client.findCoordinator({ keyType, keys: [key] });
      assert.equal(`${found!.host}:${found!.port}`, broker);
    }
  },
  async 'admin: groups are listed, described and deleted'(cleanup) {
    const client = admin(cleanup);
    const name = await topic(cleanup, 2);
    const groupId = unique('group');
    const { consumer, partitions } = await read(cleanup, name, groupId);
    await until('assigned', () => partitions().length === 2);
    const listed = (await client.listGroups()).get(groupId);
    assert.equal(listed?.groupType?.toLowerCase(), 'classic');
    const group = (await client.describeGroups({ groups: [groupId] })).get(groupId)!;
    assert.equal(group.state.toUpperCase(), 'STABLE');
    assert.equal(group.members.size, 1);
    const [member] = [...group.members.values()];
    assert.deepEqual([...member!.assignments!.values()], [{ topic: name, partitions: [0, 1] }]);
    await assert.rejects(client.deleteGroups({ groups: [groupId] }));
    await consumer.close(true);
    await client.deleteGroups({ groups: [groupId] });
    assert.ok(!(await client.listGroups()).has(groupId));
  },
  async 'admin: offsets of a group are altered, listed and deleted'(cleanup) {
    const client = admin(cleanup);
    const name = await topic(cleanup, 2);
    const groupId = unique('group');
    const partitionOffsets = [
      { partition: 0, offset: 3n },
      { partition: 1, offset: 5n },
    ];
    await client.alterConsumerGroupOffsets({ groupId, topics: [{ name, partitionOffsets }] });
    const listed = async () => {
      const [group] = await client.listConsumerGroupOffsets({ groups: [groupId], requireStable: true });
      return group!.topics.flatMap(({ partitions }) => partitions.map(({ committedOffset }) => committedOffset));
    };
    assert.deepEqual(await listed(), [3n, 5n]);
    await client.deleteConsumerGroupOffsets({ groupId, topics: [{ name, partitionIndexes: [1] }] });
    assert.deepEqual(await listed(), [3n]);
  },
  async 'admin: members are removed from a group'(cleanup) {
    const client = admin(cleanup);
    const groupId = unique('group');
    const { partitions } = await read(cleanup, await topic(cleanup), groupId);
    await until('assigned', () => partitions().length === 1);
    await client.removeMembersFromConsumerGroup({ groupId, members: null });
  },
  async 'admin: log directories are described'(cleanup) {
    const name = await topic(cleanup);
    const [found] = await admin(cleanup).describeLogDirs({ topics: [{ name, partitions: [0] }] });
    assert.equal(found!.results[0]!.topics[0]!.name, name);
  },
  async 'admin: client quotas are altered and described'(cleanup) {
    const client = admin(cleanup);
    const entities = [{ entityType: 'client-id', entityName: unique('quota') }] as never;
    const ops = [{ key: 'producer_byte_rate', value: 1_000_000, remove: false }] as never;
    await client.alterClientQuotas({ entries: [{ entities, ops }] });
    const components = [{ entityType: 'client-id', matchType: 2, match: null }] as never;
    await until('the quota', async () => (await client.describeClientQuotas({ components })).length > 0);
  },
  async 'admin: access control lists are described'(cleanup) {
    const filter = { resourceType: 2, resourceName: null, resourcePatternType: 1, principal: null, host: null };
    await admin(cleanup).describeAcls({ filter: { ...filter, operation: 1, permissionType: 1 } as never });
  },
  async 'producer: keys, values and headers come back as they were sent'(cleanup) {
    const name = await topic(cleanup);
    const sent = await producer(cleanup).send({
      messages: [
        { topic: name, key: 'a', value: 'one', headers: { trace: 'abc' } },
        { topic: name, key: 'b', value: '' },
      ],
    });
    assert.equal(sent.offsets![0]!.offset, 0n);
    const reading = await read(cleanup, name, unique('shapes'));
    await until('two', () => reading.messages.length === 2);
    const [first, second] = reading.messages;
    assert.deepEqual([first!.key, first!.value, [...first!.headers]], ['a', 'one', [['trace', 'abc']]]);
    assert.deepEqual([second!.key, second!.value], ['b', '']);
  },
  ...Object.fromEntries(
    Object.values(CompressionAlgorithms).map((compression) => [
      `producer: batches compressed with ${compression}`,
      async (cleanup: Cleanup) => {
        const name = await topic(cleanup);
        await producer(cleanup, { compression }).send({ messages: messages(name, 500, 'a text that compresses well') });
        const found = await all(cleanup, name, FetchIsolationLevels.READ_COMMITTED, 500);
        assert.deepEqual(found, values(500, 'a text that compresses well').sort());
      },
    ]),
  ),
  async 'producer: idempotent'(cleanup) {
    const name = await topic(cleanup);
    const client = producer(cleanup, { idempotent: true });
    for (let batch = 0; batch < 10; batch++) await client.send({ messages: messages(name, 20, `batch-${batch}`) });
    const found = await all(cleanup, name, FetchIsolationLevels.READ_COMMITTED, 200);
    assert.equal(new Set(found).size, 200);
  },
  async 'transactions: only what was committed is read'(cleanup) {
    const name = await topic(cleanup, 2);
    const client = producer(cleanup, { idempotent: true, transactionalId: unique('id') });
    for (const [word, commits] of [
      ['kept', true],
      ['dropped', false],
      ['again', true],
    ] as const) {
      const transaction = await client.beginTransaction();
      await transaction.send({ messages: messages(name, 5, word) });
      await (commits ? transaction.commit() : transaction.abort());
    }
    const committed = await all(cleanup, name, FetchIsolationLevels.READ_COMMITTED, 10);
    assert.deepEqual(committed, [...values(5, 'again'), ...values(5, 'kept')]);
    assert.equal((await all(cleanup, name, FetchIsolationLevels.READ_UNCOMMITTED, 15)).length, 15);
  },
  async 'transactions: offsets are committed with records'(cleanup) {
    const source = await topic(cleanup);
    const out = await topic(cleanup);
    const groupId = unique('group');
    await producer(cleanup).send({ messages: messages(source, 3) });
    const member = consumer(cleanup, groupId, { ...CLASSIC, autocommit: false });
    const stream = await member.consume({
      topics: [source],
      mode: MessagesStreamModes.COMMITTED,
      fallbackMode: MessagesStreamFallbackModes.EARLIEST,
      autocommit: false,
    });
    const found: Message<string, string, string, string>[] = [];
    stream.on('data', (message) => void found.push(message));
    await until('three', () => found.length === 3);
    const client = producer(cleanup, { idempotent: true, transactionalId: unique('id') });
    const transaction = await client.beginTransaction();
    await transaction.addConsumer(member);
    await transaction.send({ messages: messages(out, 3) });
    await transaction.addOffset(found[2]!);
    await transaction.commit();
    const committed = async () => {
      const [group] = await admin(cleanup).listConsumerGroupOffsets({ groups: [groupId] });
      return group!.topics[0]?.partitions[0]?.committedOffset;
    };
    await until('offset 3', async () => (await committed()) === 3n);
  },
  ...ofEveryKind('members share the partitions; one takes over when the other leaves', async (cleanup, kind) => {
    const name = await topic(cleanup, 4);
    const groupId = unique('shared');
    const first = await read(cleanup, name, groupId, kind);
    const second = await read(cleanup, name, groupId, kind);
    await until('two each', () => first.partitions().length === 2 && second.partitions().length === 2);
    assert.deepEqual([...first.partitions(), ...second.partitions()].sort(), [0, 1, 2, 3]);
    await second.consumer.close(true);
    await until('all four', () => first.partitions().length === 4);
    await producer(cleanup).send({ messages: messages(name, 40) });
    await until('all records', () => first.messages.length >= 40);
    assert.deepEqual(first.values().sort(), values(40).sort());
  }),
  ...ofEveryKind('a member that comes back goes on where it committed', async (cleanup, kind) => {
    const name = await topic(cleanup);
    const groupId = unique('resumed');
    await producer(cleanup).send({ messages: messages(name, 10, 'before') });
    const first = await read(cleanup, name, groupId, kind);
    await until('ten', () => first.messages.length === 10);
    await pause(300); // Commits meanwhile.
    await first.consumer.close(true);
    await producer(cleanup).send({ messages: messages(name, 10, 'after') });
    const second = await read(cleanup, name, groupId, kind);
    await until('ten more', () => second.messages.length >= 10);
    assert.deepEqual(second.values(), values(10, 'after'));
  }),
  ...ofEveryKind('a static member', async (cleanup, kind) => {
    const name = await topic(cleanup, 2);
    const groupId = unique('static');
    const first = await read(cleanup, name, groupId, { ...kind, groupInstanceId: 'one' });
    await until('assigned', () => first.partitions().length === 2);
    await producer(cleanup).send({ messages: messages(name, 10) });
    await until('ten', () => first.messages.length === 10);
  }),
  ...ofEveryKind('offsets are committed by hand', async (cleanup, kind) => {
    const name = await topic(cleanup);
    const groupId = unique('by-hand');
    await producer(cleanup).send({ messages: messages(name, 10) });
    const { consumer, partitions } = await read(cleanup, name, groupId, { ...kind, autocommit: false });
    await until('assigned', () => partitions().length === 1);
    await consumer.commit({ offsets: [{ topic: name, partition: 0, offset: 7n, leaderEpoch: -1 }] });
    const committed = await consumer.listCommittedOffsets({ topics: [{ topic: name, partitions: [0] }] });
    assert.deepEqual(committed.get(name), [7n]);
  }),
  async 'group, consumer protocol: the assignor of the server is chosen'(cleanup) {
    const name = await topic(cleanup, 4);
    const groupId = unique('range');
    const kind = { ...CONSUMER, groupRemoteAssignor: 'range' } as ConsumerKind;
    const first = await read(cleanup, name, groupId, kind);
    const second = await read(cleanup, name, groupId, kind);
    await until('two each', () => first.partitions().length === 2 && second.partitions().length === 2);
    const both = [first.partitions().sort().join(), second.partitions().sort().join()].sort();
    assert.deepEqual(both, ['0,1', '2,3']);
  },
  async 'consumer: offsets of a topic, also by time'(cleanup) {
    const name = await topic(cleanup);
    await producer(cleanup).send({ messages: messages(name, 5) });
    const client = consumer(cleanup, unique('offsets'), CLASSIC);
    assert.deepEqual((await client.listOffsets({ topics: [name] })).get(name), [5n]);
    const early = await client.listOffsetsWithTimestamps({ topics: [name], timestamp: 0n });
    assert.equal(early.get(name)!.get(0)!.offset, 0n);
  },
  async 'consumer: reads from offsets that it names'(cleanup) {
    const name = await topic(cleanup);
    await producer(cleanup).send({ messages: messages(name, 10) });
    const client = consumer(cleanup, unique('manual'), CLASSIC);
    const stream = await client.consume({
      topics: [name],
      mode: MessagesStreamModes.MANUAL,
      offsets: [{ topic: name, partition: 0, offset: 6n }],
      autocommit: false,
    });
    const found: string[] = [];
    stream.on('data', ({ value }) => void found.push(value));
    await until('four', () => found.length === 4);
    assert.deepEqual(found, values(10).slice(6));
  },
};

await runCases(version, CASES, only);
