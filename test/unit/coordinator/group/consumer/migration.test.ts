/** Groups whose clients are upgraded from the classic protocol one by one, and taken back. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  readAssignment,
  readSubscription,
  writeAssignment,
} from '../../../../../src/coordinator/group/consumer/consumer-protocol.ts';
import { memoryStores } from '../../../journal/harness.ts';
import { type BrokerWorld, errorName, openBroker } from './broker-world.ts';

let stores: ReturnType<typeof memoryStores>;
let world: BrokerWorld;
let orders: string;

async function start(given: Record<string, string> = {}): Promise<void> {
  stores = memoryStores();
  world = await openBroker({ stores, given: { 'group.initial.rebalance.delay.ms': '0', ...given } });
  orders = await world.topic('orders', 4);
}
beforeEach(() => start());
afterEach(() => world.close());

const string = (text: string) => {
  const bytes = Buffer.from(text);
  return Buffer.concat([int16(bytes.length), bytes]);
};
const int16 = (value: number) => Buffer.from([(value >> 8) & 0xff, value & 0xff]);
const int32 = (value: number) => Buffer.concat([int16(value >> 16), int16(value)]);
const array = (elements: readonly Buffer[]) => Buffer.concat([int32(elements.length), ...elements]);
const partitions = (topic: string, numbers: readonly number[]) =>
  Buffer.concat([string(topic), array(numbers.map(int32))]);

/** Version 1: topics, no user data, owned partitions. */
const subscription = (owned: readonly number[], topics = ['orders']) =>
  Buffer.concat([
    int16(1),
    array(topics.map(string)),
    int32(-1),
    array(owned.length === 0 ? [] : [partitions('orders', owned)]),
  ]);

/** A consumer of the classic protocol that assigns cooperatively, as far as it matters here. */
class ClassicClient {
  memberId = '';
  generationId = -1;
  owned: readonly number[] = [];
  readonly instanceId: string | null;
  readonly protocolName: string;

  constructor(instanceId: string | null = null, protocolName = 'cooperative-sticky') {
    this.instanceId = instanceId;
    this.protocolName = protocolName;
  }

  async join() {
    let answer = await this.#askToJoin();
    if (answer.memberId !== '') this.memberId = answer.memberId;
    if (errorName(answer.errorCode) === 'MEMBER_ID_REQUIRED') answer = await this.#askToJoin();
    if (answer.errorCode === 0) this.generationId = answer.generationId;
    return { error: errorName(answer.errorCode), answer };
  }

  #askToJoin() {
    return world.ask('JoinGroup', 5, {
      groupId: 'g',
      sessionTimeoutMs: 30_000,
      rebalanceTimeoutMs: 20_000,
      memberId: this.memberId,
      groupInstanceId: this.instanceId,
      protocolType: 'consumer',
      protocols: [{ name: this.protocolName, metadata: subscription(this.owned) }],
    });
  }

  async sync(assignments: readonly { memberId: string; assignment: Buffer }[] = []) {
    const { memberId, generationId, instanceId: groupInstanceId } = this;
    const answer = await world.ask('SyncGroup', 3, {
      groupId: 'g',
      generationId,
      memberId,
      groupInstanceId,
      assignments: [...assignments],
    });
    const error = errorName(answer.errorCode);
    if (error === 'NONE') this.owned = readAssignment(Buffer.from(answer.assignment))!.flatMap((one) => one.partitions);
    return error;
  }

  async beat(): Promise<string> {
    const { memberId, generationId, instanceId: groupInstanceId } = this;
    const answer = await world.ask('Heartbeat', 3, { groupId: 'g', generationId, memberId, groupInstanceId });
    return errorName(answer.errorCode);
  }

  /** Heartbeats, and joins and syncs again when it is told to. */
  async live(): Promise<string> {
    const error = await this.beat();
    if (error === 'NONE') return 'NONE';
    if (error !== 'REBALANCE_IN_PROGRESS') {
      this.owned = [];
      if (error === 'UNKNOWN_MEMBER_ID') this.memberId = '';
    }
    const joined = await this.join();
    return joined.error === 'NONE' ? this.sync() : joined.error;
  }

  async leave() {
    const members = [{ memberId: this.memberId, groupInstanceId: this.instanceId }];
    const answer = await world.ask('LeaveGroup', 3, { groupId: 'g', memberId: '', members });
    return errorName(answer.members[0]!.errorCode);
  }
}

class ConsumerClient {
  memberEpoch = 0;
  owned: readonly number[] = [];
  readonly memberId: string;
  readonly instanceId: string | null;

  constructor(memberId: string, instanceId: string | null = null) {
    this.memberId = memberId;
    this.instanceId = instanceId;
  }

  async live(): Promise<string> {
    const joins = this.memberEpoch === 0;
    const answer = await world.ask('ConsumerGroupHeartbeat', 1, {
      groupId: 'g',
      memberId: this.memberId,
      memberEpoch: this.memberEpoch,
      instanceId: this.instanceId,
      ...(joins && { rebalanceTimeoutMs: 20_000, subscribedTopicNames: ['orders'] }),
      topicPartitions: this.owned.length === 0 ? [] : [{ topicId: orders, partitions: [...this.owned] }],
    });
    const error = errorName(answer.errorCode);
    if (error !== 'NONE') return error;
    this.memberEpoch = answer.memberEpoch;
    if (answer.assignment !== null) this.owned = answer.assignment.topicPartitions[0]?.partitions ?? [];
    return 'NONE';
  }

  async leave(memberEpoch = -1) {
    const { memberId, instanceId } = this;
    const answer = await world.ask('ConsumerGroupHeartbeat', 1, { groupId: 'g', memberId, memberEpoch, instanceId });
    return errorName(answer.errorCode);
  }
}

/** A classic group of one or two members with an assignment of its leader. */
async function classicGroup(...clients: ClassicClient[]): Promise<void> {
  // Until all of them are in the same generation.
  for (;;) {
    let answered = false;
    const joining = Promise.all(clients.map((client) => client.join())).finally(() => {
      answered = true;
    });
    while (!answered) await world.runtime.advance(10); // The delay of a first rebalance passes.
    const joined = await joining;
    expect(joined.map(({ error }) => error)).toEqual(clients.map(() => 'NONE'));
    const [{ answer }] = joined as [(typeof joined)[0]];
    if (joined.some((other) => other.answer.generationId !== answer.generationId)) continue;
    const share = 4 / clients.length;
    const assignments = clients.map(({ memberId }, index) => ({
      memberId,
      assignment: writeAssignment(
        [{ topic: 'orders', partitions: [0, 1, 2, 3].slice(index * share, (index + 1) * share) }],
        1,
      ),
    }));
    const synced = clients.map((client) => client.sync(client.memberId === answer.leader ? assignments : []));
    expect(await Promise.all(synced)).toEqual(clients.map(() => 'NONE'));
    return;
  }
}

async function settle(...clients: { live(): Promise<string> }[]): Promise<void> {
  for (let round = 0; round < 8; round++) for (const client of clients) await client.live();
  for (const client of clients) expect(await client.live()).toBe('NONE');
}

const sorted = (...clients: { owned: readonly number[] }[]) =>
  clients.flatMap(({ owned }) => [...owned]).sort((a, b) => a - b);

async function group() {
  const { groups } = await world.ask('ListGroups', 5, { statesFilter: [], typesFilter: [] });
  return groups.map(({ groupType, groupState }) => `${groupType} ${groupState}`).join(' ');
}

const describeMembers = async () => {
  const request = { groupIds: ['g'], includeAuthorizedOperations: false };
  const { members } = (await world.ask('ConsumerGroupDescribe', 1, request)).groups[0]!;
  return members.map(({ memberType }) => memberType).sort();
};

describe('upgrade', () => {
  test('members come over one by one, and no partition is with two of them', async () => {
    const [a, b] = [new ClassicClient(), new ClassicClient()];
    await classicGroup(a, b);
    expect([a.owned, b.owned]).toEqual([
      [0, 1],
      [2, 3],
    ]);
    const generation = a.generationId;

    const c = new ConsumerClient('c');
    expect(await c.live()).toBe('NONE');
    expect(c.memberEpoch).toBeGreaterThan(generation);
    expect(await group()).toBe('consumer Reconciling');
    expect(await describeMembers()).toEqual([0, 0, 1]);
    expect(c.owned).toEqual([]);
    for (let round = 0; round < 6; round++) {
      for (const client of [a, b, c]) {
        await client.live();
        expect(new Set(sorted(a, b, c)).size).toBe(sorted(a, b, c).length);
      }
    }
    await settle(a, b, c);
    expect(sorted(a, b, c)).toEqual([0, 1, 2, 3]);
    expect(c.owned).toHaveLength(1);
    expect(await group()).toBe('consumer Stable');

    expect(await a.leave()).toBe('NONE');
    const d = new ConsumerClient('d');
    await settle(b, c, d);
    expect(await b.leave()).toBe('NONE');
    await settle(c, d);
    expect(await describeMembers()).toEqual([1, 1]);
    expect([c.owned.length, d.owned.length]).toEqual([2, 2]);
  });

  test('a group that is upgraded survives a restart with both kinds of members', async () => {
    const a = new ClassicClient();
    await classicGroup(a);
    const c = new ConsumerClient('c');
    await settle(a, c);
    await world.close();
    world = await openBroker({ stores });
    expect([await a.beat(), await c.live()]).toEqual(['NONE', 'NONE']);
    expect(sorted(a, c)).toEqual([0, 1, 2, 3]);
  });

  test('offsets stay', async () => {
    const a = new ClassicClient();
    await classicGroup(a);
    const topics = [{ name: 'orders', partitions: [{ index: 0, committedOffset: 7, committedMetadata: '' }] }];
    const { memberId, generationId: generationIdOrMemberEpoch } = a;
    const commit = { groupId: 'g', memberId, generationIdOrMemberEpoch, topics };
    await world.ask('OffsetCommit', 8, commit);
    const c = new ConsumerClient('c');
    await settle(a, c);
    const asked = [{ groupId: 'g', memberId: 'c', memberEpoch: c.memberEpoch, topics: null }];
    const { groups } = await world.ask('OffsetFetch', 9, { groups: asked, requireStable: false });
    expect(groups[0]!.topics[0]!.partitions[0]!.committedOffset).toBe(7);
    // Members of the classic protocol go on committing with their generation.
    const again = await world.ask('OffsetCommit', 8, { ...commit, generationIdOrMemberEpoch: a.generationId });
    expect(errorName(again.topics[0]!.partitions[0]!.errorCode)).toBe('NONE');
    const stale = await world.ask('OffsetCommit', 8, { ...commit, generationIdOrMemberEpoch: a.generationId - 1 });
    expect(errorName(stale.topics[0]!.partitions[0]!.errorCode)).toBe('ILLEGAL_GENERATION');
  });

  test('members that wait for a rebalance of the classic group are told to join again', async () => {
    const [a, b] = [new ClassicClient(), new ClassicClient()];
    await classicGroup(a);
    const waiting = b.join();
    const c = new ConsumerClient('c');
    expect(await c.live()).toBe('NONE');
    expect((await waiting).error).toBe('REBALANCE_IN_PROGRESS');
    await settle(a, b, c);
    expect(sorted(a, b, c)).toEqual([0, 1, 2, 3]);
  });

  test('a member that cannot be written leaves the classic group as it was', async () => {
    const a = new ClassicClient();
    await classicGroup(a);
    const subscribedTopicNames = Array.from({ length: 20_000 }, (_, index) => `a-topic-with-a-long-name-${index}`);
    const joining = { groupId: 'g', memberId: 'c', memberEpoch: 0, rebalanceTimeoutMs: 1, topicPartitions: [] };
    const answer = await world.ask('ConsumerGroupHeartbeat', 1, { ...joining, subscribedTopicNames });
    expect(errorName(answer.errorCode)).toBe('INVALID_REQUEST');
    expect(await group()).toBe('classic Stable');
    expect(await a.beat()).toBe('NONE');
  });

  test.each([
    ['of another protocol type', 'connect', subscription([])],
    ['whose members cannot be read', 'consumer', Buffer.of(0, 1, 2)],
  ])('a group %s stays classic', async (_which, protocolType, metadata) => {
    const joining = world.ask('JoinGroup', 3, {
      groupId: 'g',
      sessionTimeoutMs: 30_000,
      rebalanceTimeoutMs: 20_000,
      memberId: '',
      protocolType,
      protocols: [{ name: 'p', metadata }],
    });
    await world.runtime.advance(10);
    expect((await joining).errorCode).toBe(0);
    expect(await new ConsumerClient('c').live()).toBe('GROUP_ID_NOT_FOUND');
    expect(await group()).toMatch(/^classic/);
  });

  test.each(['downgrade', 'disabled'])('does not happen under the policy %s', async (policy) => {
    await world.close();
    await start({ 'group.consumer.migration.policy': policy });
    const a = new ClassicClient();
    await classicGroup(a);
    expect(await new ConsumerClient('c').live()).toBe('GROUP_ID_NOT_FOUND');
    expect(await a.beat()).toBe('NONE');
  });
});

describe('downgrade', () => {
  test('when the last member of the consumer protocol leaves, the others go on as a classic group', async () => {
    const [a, b] = [new ClassicClient(), new ClassicClient()];
    await classicGroup(a, b);
    const c = new ConsumerClient('c');
    await settle(a, b, c);
    expect(await c.leave()).toBe('NONE');
    expect(await group()).toBe('classic PreparingRebalance');
    expect(await a.beat()).toBe('REBALANCE_IN_PROGRESS');
    await classicGroup(a, b);
    expect(await group()).toBe('classic Stable');
    expect([await a.beat(), await b.beat()]).toEqual(['NONE', 'NONE']);
    expect(a.generationId).toBeGreaterThan(c.memberEpoch);
    expect([...world.core.journals[0]!.state.records('group/g').keys()].sort()).toEqual(
      ['group', `m/${a.memberId}`, `m/${b.memberId}`].sort(),
    );
  });

  test('when its session ends as well', async () => {
    const a = new ClassicClient();
    await classicGroup(a);
    const c = new ConsumerClient('c');
    await settle(a, c);
    for (let second = 0; second < 50; second += 10) {
      await world.runtime.advance(10_000);
      await a.beat();
    }
    expect(await group()).toBe('classic PreparingRebalance');
  });

  test('a restart right after it finds a classic group that rebalances', async () => {
    const a = new ClassicClient();
    await classicGroup(a);
    const c = new ConsumerClient('c');
    await settle(a, c);
    await c.leave();
    await world.close();
    world = await openBroker({ stores, given: { 'group.initial.rebalance.delay.ms': '0' } });
    expect(await group()).toBe('classic PreparingRebalance');
    await classicGroup(a);
    expect(await a.beat()).toBe('NONE');
  });

  test('a static member comes back with the classic protocol', async () => {
    const [a, s] = [new ClassicClient(), new ClassicClient('i')];
    await classicGroup(a);
    const c = new ConsumerClient('c', 'i');
    await settle(a, c);
    expect(await c.leave(-2)).toBe('NONE');
    expect((await s.join()).error).toBe('NONE');
    await classicGroup(a, s);
    expect(await group()).toBe('classic Stable');
  });

  test.each(['upgrade', 'disabled'])('does not happen under the policy %s', async (policy) => {
    await world.close();
    await start({ 'group.consumer.migration.policy': policy });
    const c = new ConsumerClient('c');
    await c.live();
    const a = new ClassicClient();
    expect((await a.join()).error).toBe('NONE');
    await a.sync();
    await settle(a, c);
    await c.leave();
    await settle(a);
    expect(await group()).toBe('consumer Stable');
    expect(a.owned).toHaveLength(4);
  });

  test('a consumer group without members takes classic ones as a classic group', async () => {
    const c = new ConsumerClient('c');
    await c.live();
    await c.leave();
    const a = new ClassicClient();
    await classicGroup(a);
    expect(await group()).toBe('classic Stable');
  });
});

describe('members of the classic protocol in a consumer group', () => {
  let c: ConsumerClient;
  beforeEach(async () => {
    c = new ConsumerClient('c');
    await c.live();
  });

  test('are refused when they share no protocol, or none that can be read', async () => {
    const a = new ClassicClient();
    expect((await a.join()).error).toBe('NONE');
    expect((await new ClassicClient(null, 'other').join()).error).toBe('INCONSISTENT_GROUP_PROTOCOL');
    const unreadable = await world.ask('JoinGroup', 3, {
      groupId: 'g',
      sessionTimeoutMs: 30_000,
      rebalanceTimeoutMs: 20_000,
      memberId: '',
      protocolType: 'consumer',
      protocols: [{ name: 'cooperative-sticky', metadata: Buffer.of(0, 1, 2) }],
    });
    expect(errorName(unreadable.errorCode)).toBe('INCONSISTENT_GROUP_PROTOCOL');
  });

  test('are told of a wrong generation, an unknown id and a wrong protocol', async () => {
    const a = new ClassicClient();
    await a.join();
    expect(await a.sync()).toBe('NONE');
    const { generationId, memberId } = a;
    a.generationId = generationId + 5;
    expect([await a.beat(), await a.sync()]).toEqual(['ILLEGAL_GENERATION', 'ILLEGAL_GENERATION']);
    a.generationId = generationId;
    a.memberId = 'c'; // It speaks the consumer protocol.
    expect([await a.beat(), await a.sync(), await a.leave()]).toEqual(Array(3).fill('UNKNOWN_MEMBER_ID'));
    a.memberId = memberId;
    const named = { groupId: 'g', generationId, memberId, assignments: [] };
    const other = await world.ask('SyncGroup', 5, { ...named, protocolType: 'consumer', protocolName: 'range' });
    expect(errorName(other.errorCode)).toBe('INCONSISTENT_GROUP_PROTOCOL');
  });

  test('are out when they are silent, do not join again or do not sync', async () => {
    const silent = new ClassicClient();
    await silent.join();
    await silent.sync();
    await settle(silent, c);
    await world.runtime.advance(29_000);
    expect(await describeMembers()).toEqual([0, 1]);
    await c.live();
    await world.runtime.advance(2_000);
    expect(await describeMembers()).toEqual([1]);
  });
});

test('what is no subscription or assignment is null', () => {
  expect(readSubscription(Buffer.of())).toBeNull();
  expect(readSubscription(Buffer.concat([int16(0), int32(5)]))).toBeNull();
  expect(readSubscription(Buffer.concat([int16(-1), array([]), int32(-1)]))).toBeNull();
  expect(readAssignment(Buffer.of())).toEqual([]);
  expect(readAssignment(Buffer.of(0, 1, 0))).toBeNull();
});

test('subscriptions of all versions are read', () => {
  const v0 = Buffer.concat([array([string('a'), string('b')]), int32(2), Buffer.of(9, 9)]);
  const v1 = Buffer.concat([v0, array([partitions('a', [1, 2])])]);
  const v2 = Buffer.concat([v1, int32(7)]);
  const v3 = Buffer.concat([v2, string('rack')]);
  const topics = ['a', 'b'];
  const owned = [{ topic: 'a', partitions: [1, 2] }];
  expect(readSubscription(Buffer.concat([int16(0), v0]))).toEqual({ version: 0, topics, owned: [], rackId: null });
  expect(readSubscription(Buffer.concat([int16(1), v1]))).toEqual({ version: 1, topics, owned, rackId: null });
  expect(readSubscription(Buffer.concat([int16(2), v2]))).toEqual({ version: 2, topics, owned, rackId: null });
  expect(readSubscription(Buffer.concat([int16(3), v3]))).toEqual({ version: 3, topics, owned, rackId: 'rack' });
  expect(readSubscription(Buffer.concat([int16(9), v3, Buffer.of(1)]))).toEqual({
    version: 9,
    topics,
    owned,
    rackId: 'rack',
  });
});

test('an assignment is written byte for byte', () => {
  expect(writeAssignment([{ topic: 'ab', partitions: [0, 5] }], 1).toString('hex')).toBe(
    '0001' + '00000001' + '0002' + '6162' + '00000002' + '00000000' + '00000005' + 'ffffffff',
  );
});
