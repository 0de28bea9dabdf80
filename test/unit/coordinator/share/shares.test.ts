/** Share groups behind the door of a broker: what consumers see, over time, failures and restarts. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ask } from '../../broker/door.ts';
import { type SteppedRuntime, steppedRuntime } from '../stepped-runtime.ts';
import { type CoordinatorWorld, openCoordinatorWorld } from '../world.ts';
import { createTopic, fromTheStart, numbered, produce, ShareConsumer } from './share-world.ts';

const [ACCEPT, RELEASE, REJECT, RENEW] = [1, 2, 3, 4];
const LOCK_MS = 30_000;
const SESSION_MS = 45_000;

describe.each([1, 4])('with %i journals', (journals) => {
  let runtime: SteppedRuntime;
  let world: CoordinatorWorld;
  let topicId: string;

  beforeEach(async () => {
    runtime = steppedRuntime();
    world = await openCoordinatorWorld(runtime, { journals: String(journals) });
    topicId = await createTopic(world, 'orders');
    await fromTheStart(world, 'g');
  });
  afterEach(() => world.close());

  const joined = async (memberId: string, topics = ['orders'], groupId = 'g') => {
    const consumer = new ShareConsumer(world, groupId, memberId);
    expect(await consumer.heartbeat(topics)).toBe('NONE');
    return consumer;
  };
  const values = async (consumer: ShareConsumer, wish = {}) =>
    (await consumer.fetch(wish)).flatMap(({ values: found }) => found);
  const offsets = async (groupId = 'g') =>
    (
      await world.ask('DescribeShareGroupOffsets', 1, { groups: [{ groupId, topics: null }] })
    ).groups[0]!.topics.flatMap(({ name, partitions }) =>
      partitions.map(({ index, startOffset, lag }) => `${name}/${index}@${startOffset}+${lag}`),
    );

  test('records are shared out, acknowledged one by one, and the start offset moves', async () => {
    await produce(world, topicId, 0, ['a', 'b'], ['c', 'd']);
    const [one, two] = [await joined('m1'), await joined('m2')];
    await one.heartbeat();
    expect(await values(one, { maxRecords: 2 })).toEqual(['a', 'b']);
    expect(await values(two, { maxRecords: 2 })).toEqual(['c', 'd']);
    expect(await values(one)).toEqual([]);
    expect(await offsets()).toEqual(['orders/0@0+4']);
    expect(await two.acknowledge({ first: 2, last: 3, types: [ACCEPT] })).toEqual(['NONE']);
    expect(await offsets()).toEqual(['orders/0@0+2']);
    expect(await one.acknowledge({ first: 0, last: 1, types: [ACCEPT, REJECT] })).toEqual(['NONE']);
    expect(await offsets()).toEqual(['orders/0@4+0']);
  });

  test('acknowledgements ride on a fetch, and each tells its own error', async () => {
    await produce(world, topicId, 0, ['a', 'b', 'c']);
    const consumer = await joined('m1');
    await consumer.fetch();
    const wish = { acknowledge: [{ first: 1, last: 2, types: [RELEASE, REJECT] }] };
    // What was released is there once the write is durable: the fetch with it does not wait.
    expect(await consumer.fetch(wish)).toMatchObject([{ acknowledged: 'NONE' }]);
    expect(await values(consumer)).toEqual(['b']);
    expect(await consumer.fetch(wish)).toMatchObject([{ error: 'NONE', acknowledged: 'INVALID_RECORD_STATE' }]);
  });

  test('a lock that ends gives the record to another, and its acknowledgement comes too late', async () => {
    await produce(world, topicId, 0, ['a']);
    const [slow, quick] = [await joined('m1'), await joined('m2')];
    expect(await values(slow)).toEqual(['a']);
    const waiting = quick.fetch({ maxWaitMs: 2 * LOCK_MS });
    await runtime.advance(LOCK_MS - 1);
    await runtime.advance(1);
    expect(await waiting).toMatchObject([{ values: ['a'], ranges: [{ deliveryCount: 2 }] }]);
    expect(await slow.acknowledge({ first: 0, last: 0, types: [ACCEPT] })).toEqual(['INVALID_RECORD_STATE']);
    expect(await quick.acknowledge({ first: 0, last: 0, types: [ACCEPT] })).toEqual(['NONE']);
  });

  test('a lock that is renewed holds', async () => {
    await produce(world, topicId, 0, ['a']);
    const [slow, quick] = [await joined('m1'), await joined('m2')];
    await slow.fetch();
    await quick.fetch();
    await runtime.advance(LOCK_MS - 1_000);
    expect(await slow.renew({ first: 0, last: 0, types: [RENEW] })).toEqual(['NONE']);
    await runtime.advance(LOCK_MS - 1_000);
    expect(await values(quick)).toEqual([]);
    expect(await slow.fetch({ renews: true, acknowledge: [{ first: 0, last: 0, types: [RENEW] }] })).toMatchObject([
      { acknowledged: 'NONE' },
    ]);
    await runtime.advance(LOCK_MS - 1_000);
    expect(await slow.acknowledge({ first: 0, last: 0, types: [ACCEPT] })).toEqual(['NONE']);
  });

  test('a record is archived after its last delivery', async () => {
    await fromTheStart(world, 'g', { 'share.delivery.count.limit': '2' });
    await produce(world, topicId, 0, ['bad'], ['good']);
    const consumer = await joined('m1');
    expect(await values(consumer)).toEqual(['bad', 'good']);
    await consumer.acknowledge({ first: 0, last: 1, types: [RELEASE, ACCEPT] });
    expect(await consumer.fetch()).toMatchObject([{ values: ['bad'], ranges: [{ deliveryCount: 2 }] }]);
    await runtime.advance(LOCK_MS);
    expect(await values(consumer)).toEqual([]);
    expect(await offsets()).toEqual(['orders/0@2+0']);
  });

  test('records arrive at those who wait for them', async () => {
    const [one, two] = [await joined('m1'), await joined('m2')];
    const waiting = [one.fetch({ maxWaitMs: 5_000, maxRecords: 1 }), two.fetch({ maxWaitMs: 5_000, maxRecords: 1 })];
    await runtime.settle();
    await produce(world, topicId, 0, ['a']);
    await produce(world, topicId, 0, ['b']);
    await runtime.settle();
    const found = (await Promise.all(waiting)).flatMap((fetched) => fetched.flatMap((each) => each.values));
    expect(found.sort()).toEqual(['a', 'b']);
  });

  test('a fetch waits for its least bytes, and is over with its time', async () => {
    const consumer = await joined('m1');
    const waiting = consumer.fetch({ maxWaitMs: 1_000, minBytes: 10_000 });
    await runtime.settle();
    await produce(world, topicId, 0, ['a']);
    await runtime.advance(1_000);
    expect((await waiting).flatMap((fetched) => fetched.values)).toEqual(['a']);
    expect(runtime.clock.monotonic()).toBe(1_000);
  });

  test('the end of a session gives back what the member held', async () => {
    await produce(world, topicId, 0, ['a', 'b', 'c']);
    const [one, two] = [await joined('m1'), await joined('m2')];
    await one.fetch();
    expect(await one.close({ first: 0, last: 0, types: [ACCEPT] })).toEqual(['NONE']);
    await runtime.settle();
    expect(await two.fetch()).toMatchObject([{ values: ['b', 'c'], ranges: [{ deliveryCount: 2 }] }]);
    expect(await one.acknowledge({ first: 1, last: 1, types: [ACCEPT] })).toEqual(['INVALID_SHARE_SESSION_EPOCH']);
    one.sessionEpoch = 5;
    expect(await one.acknowledge({ first: 1, last: 1, types: [ACCEPT] })).toEqual(['SHARE_SESSION_NOT_FOUND']);
  });

  test('the end of a connection ends its sessions', async () => {
    await produce(world, topicId, 0, ['a']);
    const [one, two] = [await joined('m1'), await joined('m2')];
    const connection = new AbortController();
    const { shares } = world.broker.coordinators;
    const lost = await shares.fetch(
      {
        groupId: 'g',
        memberId: one.memberId,
        epoch: 0,
        acknowledgements: [],
        typeMax: 4,
        renews: false,
        places: [{ topicId, partition: 0 }],
        forgotten: [],
        maxWaitMs: 0,
        minBytes: 1,
        maxBytes: 1_000,
        maxRecords: 10,
        batchSize: 10,
        mode: 'batch_optimized',
      },
      connection.signal,
    );
    expect(lost.partitions).toHaveLength(1);
    lost.release();
    connection.abort();
    await runtime.settle();
    expect(shares.sessionCount).toBe(0);
    expect(await values(two)).toEqual(['a']);
  });

  test('epochs of sessions must follow one another', async () => {
    const consumer = await joined('m1');
    await consumer.fetch({ epoch: 7 });
    expect(consumer.error).toBe('SHARE_SESSION_NOT_FOUND');
    await consumer.fetch();
    await consumer.fetch({ epoch: 7 });
    expect(consumer.error).toBe('INVALID_SHARE_SESSION_EPOCH');
    await consumer.fetch({ epoch: 0, acknowledge: [{ first: 0, last: 0, types: [ACCEPT] }] });
    expect(consumer.error).toBe('INVALID_REQUEST');
    await consumer.fetch({ epoch: 1 });
    expect(consumer.error).toBe('NONE');
  });

  test('after a restart nothing that was acknowledged comes again, and everything else does', async () => {
    await produce(world, topicId, 0, numbered('v', 6));
    const before = await joined('m1');
    await before.fetch();
    await before.acknowledge({ first: 0, last: 3, types: [ACCEPT, RELEASE, REJECT, ACCEPT] });
    await world.restart();
    const after = new ShareConsumer(world, 'g', 'm1');
    after.memberEpoch = before.memberEpoch;
    expect(await after.heartbeat()).toBe('NONE');
    after.assigned = before.assigned;
    const [fetched] = await after.fetch();
    expect(fetched).toMatchObject({
      values: ['v1', 'v4', 'v5'],
      ranges: [
        { first: 1, last: 1, deliveryCount: 2 },
        { first: 4, last: 5, deliveryCount: 1 },
      ],
    });
  });

  test('nothing is answered, and nothing given out again, before it is durable', async () => {
    await produce(world, topicId, 0, ['a', 'b']);
    const [one, two] = [await joined('m1'), await joined('m2')];
    await one.fetch();
    await two.fetch();
    world.faults.script({ operation: 'put', fault: 'hang', times: 100 });
    let answered = false;
    const acknowledging = one.acknowledge({ first: 0, last: 1, types: [ACCEPT, RELEASE] }).finally(() => {
      answered = true;
    });
    await runtime.settle();
    expect(await values(two)).toEqual([]);
    // Whose lock would have ended meanwhile is not asked any more.
    await runtime.advance(LOCK_MS);
    expect(await values(two)).toEqual([]);
    expect(answered).toBe(false);
    world.faults.heal();
    await runtime.advance(5_000);
    expect(await acknowledging).toEqual(['NONE']);
    expect(await two.fetch()).toMatchObject([{ values: ['b'], ranges: [{ deliveryCount: 2 }] }]);
    expect(await offsets()).toEqual(['orders/0@1+1']);
  });

  test('acknowledgements of one turn share an entry', async () => {
    const wide = await createTopic(world, 'wide', 3);
    for (const partition of [0, 1, 2]) await produce(world, wide, partition, ['a', 'b']);
    const consumer = await joined('m1', ['wide']);
    expect(await values(consumer)).toHaveLength(6);
    const { journal } = world.broker.coordinators.groups.find('g')!;
    const before = journal.state.lastSeq;
    const acknowledged = await consumer.acknowledge(
      ...[0, 1, 2].map((partition) => ({ partition, first: 0, last: 1, types: [ACCEPT, REJECT] })),
    );
    expect(acknowledged).toEqual(['NONE', 'NONE', 'NONE']);
    expect(journal.state.lastSeq).toBe(before + 1);
  });

  test('a deposed broker acknowledges nothing', async () => {
    await produce(world, topicId, 0, ['a']);
    const consumer = await joined('m1');
    await consumer.fetch();
    const deposed = await world.takeOver();
    const late = { firstOffset: 0, lastOffset: 0, acknowledgeTypes: [ACCEPT] };
    const answer = await ask(deposed, 'ShareAcknowledge', 2, {
      groupId: 'g',
      memberId: 'm1',
      shareSessionEpoch: 1,
      isRenewAck: false,
      topics: [{ topicId, partitions: [{ index: 0, acknowledgementBatches: [late] }] }],
    });
    expect(answer.topics[0]!.partitions[0]!.errorCode).toBe(6);
    consumer.sessionEpoch = 0;
    expect(await values(consumer)).toEqual(['a']);
  });

  test('a group begins at the latest record unless it says otherwise', async () => {
    await produce(world, topicId, 0, ['old']);
    const consumer = await joined('m1', ['orders'], 'late');
    expect(await values(consumer)).toEqual([]);
    await world.restart();
    const again = new ShareConsumer(world, 'late', 'm1');
    again.assigned = consumer.assigned;
    await produce(world, topicId, 0, ['new']);
    expect(await values(again)).toEqual(['new']);
  });

  test('a group begins at records that are not older than it says', async () => {
    await produce(world, topicId, 0, ['old']);
    await runtime.advance(120_000);
    await produce(world, topicId, 0, ['new']);
    await fromTheStart(world, 'g', { 'share.auto.offset.reset': 'by_duration:PT1M' });
    expect(await values(await joined('m1'))).toEqual(['new']);
  });

  test('silent members are out, and their partitions go to others', async () => {
    const two = await createTopic(world, 'two', 2);
    const [one, other] = [await joined('m1', ['two']), await joined('m2', ['two'])];
    await one.heartbeat();
    expect(one.assigned).toMatchObject([{ topicId: two, partitions: [expect.anything()] }]);
    for (let beat = 0; beat < 10; beat++) {
      await runtime.advance(SESSION_MS / 9);
      expect(await one.heartbeat()).toBe('NONE');
    }
    expect(one.assigned).toEqual([{ topicId: two, partitions: [0, 1] }]);
    expect(await other.heartbeat()).toBe('UNKNOWN_MEMBER_ID');
    await runtime.advance(SESSION_MS);
    const { groups } = await world.ask('ShareGroupDescribe', 1, {
      groupIds: ['g'],
      includeAuthorizedOperations: false,
    });
    expect(groups).toMatchObject([{ errorCode: 0, groupState: 'Empty', members: [] }]);
  });

  test('members go on after a restart, with new sessions', async () => {
    const consumer = await joined('m1');
    await world.restart();
    const { groups } = await world.ask('ShareGroupDescribe', 1, {
      groupIds: ['g'],
      includeAuthorizedOperations: false,
    });
    expect(groups).toMatchObject([
      {
        groupState: 'Stable',
        assignorName: 'simple',
        members: [{ memberId: 'm1', assignment: { topicPartitions: [{ topicName: 'orders', partitions: [0] }] } }],
      },
    ]);
    expect(await consumer.heartbeat()).toBe('NONE');
    expect(consumer.memberEpoch).toBe(1);
    await runtime.advance(SESSION_MS);
    expect(await consumer.heartbeat()).toBe('UNKNOWN_MEMBER_ID');
  });

  test('offsets of an empty group are moved and forgotten, those of others are not', async () => {
    await produce(world, topicId, 0, ['a', 'b', 'c']);
    const consumer = await joined('m1');
    expect(await values(consumer)).toHaveLength(3);
    const move = { groupId: 'g', topics: [{ name: 'orders', partitions: [{ index: 0, startOffset: 1 }] }] };
    const forget = { groupId: 'g', topics: [{ name: 'orders' }, { name: 'nothing' }] };
    expect(await world.ask('AlterShareGroupOffsets', 0, move)).toMatchObject({ errorCode: 68 });
    expect(await world.ask('DeleteShareGroupOffsets', 0, forget)).toMatchObject({ errorCode: 68 });
    expect(await consumer.leave()).toBe('NONE');
    expect(await world.ask('AlterShareGroupOffsets', 0, move)).toMatchObject({
      errorCode: 0,
      topics: [{ name: 'orders', topicId, partitions: [{ index: 0, errorCode: 0 }] }],
    });
    expect(await offsets()).toEqual(['orders/0@1+2']);
    // Whoever held records of what was before has none any more.
    expect(await consumer.acknowledge({ first: 0, last: 2, types: [ACCEPT] })).toEqual(['UNKNOWN_TOPIC_OR_PARTITION']);
    const next = await joined('m2');
    expect(await values(next)).toEqual(['b', 'c']);
    await next.leave();
    expect(await world.ask('DeleteShareGroupOffsets', 0, forget)).toMatchObject({
      errorCode: 0,
      topics: [{ errorCode: 0 }, { errorCode: 3 }],
    });
    expect(await offsets()).toEqual([]);
  });

  test('a deleted topic is forgotten, also when no broker saw it go', async () => {
    await produce(world, topicId, 0, ['a']);
    const consumer = await joined('m1');
    await consumer.fetch();
    const sharedKeys = () => {
      const records = world.broker.coordinators.groups.find('g')!.journal.state.records('group/g');
      return [...records.keys()].filter((key) => key.startsWith('s/'));
    };
    expect(sharedKeys()).toHaveLength(1);
    await world.core.topics.delete('orders');
    await runtime.settle();
    expect(sharedKeys()).toEqual([]);
    expect(await consumer.fetch()).toMatchObject([{ error: 'UNKNOWN_TOPIC_ID' }]);
    const leftOver = {
      key: `s/${topicId}/0`,
      value: '{"v":1,"stateEpoch":1,"leaderEpoch":1,"startOffset":0,"runs":[]}',
    };
    await world.broker.coordinators.groups.find('g')!.journal.coordinate(() => ({
      commands: [{ type: 'recordsChanged', owner: 'group/g', changes: [leftOver] }],
      answer: null,
    }));
    await world.restart();
    await runtime.settle();
    expect(sharedKeys()).toEqual([]);
  });

  test('a deleted group is gone with all that it had', async () => {
    await produce(world, topicId, 0, ['a']);
    const consumer = await joined('m1');
    await consumer.fetch();
    const remove = () => world.ask('DeleteGroups', 2, { groupsNames: ['g'] });
    expect(await remove()).toMatchObject({ results: [{ errorCode: 68 }] });
    await consumer.leave();
    expect(await remove()).toMatchObject({ results: [{ errorCode: 0 }] });
    expect(await offsets()).toEqual([]);
    expect(await consumer.acknowledge({ first: 0, last: 0, types: [ACCEPT] })).toEqual(['UNKNOWN_TOPIC_OR_PARTITION']);
    expect(await consumer.fetch()).toMatchObject([{ error: 'GROUP_ID_NOT_FOUND' }]);
  });

  test('other kinds of groups keep their ids', async () => {
    const protocols = [{ name: 'range', metadata: Buffer.alloc(0) }];
    const join = { groupId: 'classic', sessionTimeoutMs: 10_000, memberId: '', protocolType: 'consumer', protocols };
    const joining = world.ask('JoinGroup', 2, join);
    await runtime.advance(1_000);
    expect(await joining).toMatchObject({ errorCode: 0 });
    const consumer = new ShareConsumer(world, 'classic', 'm1');
    expect(await consumer.heartbeat(['orders'])).toBe('GROUP_ID_NOT_FOUND');
    await joined('m1');
    expect(await world.ask('JoinGroup', 2, { ...join, groupId: 'g' })).toMatchObject({ errorCode: 23 });
    const commit = {
      groupId: 'g',
      topics: [{ name: 'orders', partitions: [{ index: 0, committedOffset: 1, committedMetadata: '' }] }],
    };
    expect((await world.ask('OffsetCommit', 7, commit)).topics[0]!.partitions[0]!.errorCode).toBe(69);
  });

  test('deliveries of records that were deleted are over', async () => {
    await produce(world, topicId, 0, ['a'], ['b'], ['c']);
    const consumer = await joined('m1');
    await consumer.fetch({ maxRecords: 2 });
    await world.core.log.deleteRecords({ topicId, partition: 0 }, 2);
    expect(await values(consumer)).toEqual(['c']);
    expect(await consumer.acknowledge({ first: 0, last: 2, types: [ACCEPT] })).toEqual(['NONE']);
    expect(await offsets()).toEqual(['orders/0@3+0']);
  });
});
