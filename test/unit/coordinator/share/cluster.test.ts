/** Share groups whose consumers talk to other brokers than their coordinator. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { groupOwner } from '../../../../src/coordinator/owner.ts';
import { KafkaError } from '../../../../src/errors.ts';
import { buildBatch } from '../../../../src/record/records.ts';
import { type ClusterWorld, openClusterWorld } from '../cluster-world.ts';
import { type SteppedRuntime, steppedRuntime } from '../stepped-runtime.ts';
import { acquiredValues, errorName } from './share-world.ts';

/** Leads journal 0, with the group. */
const COORDINATOR = 1;
/** Leads journal 1, with one of the partitions. */
const OTHER = 2;
const FRONT = 3;
const ACCEPT = 1;
const RETENTION_CHECK_MS = 600_000;

let runtime: SteppedRuntime;
let world: ClusterWorld;
let topicId: string;
let groupId: string;

beforeEach(async () => {
  runtime = steppedRuntime();
  world = await openClusterWorld({ runtime, brokers: 3 });
  await world.lead(COORDINATOR, 0);
  await world.lead(OTHER, 1);
  topicId = (await world.topics.create({ name: 'orders', partitions: 2, config: {} })).topicId;
  for (let number = 0; ; number++) {
    groupId = `queue-${number}`;
    if ((await world.of(FRONT).coordinators.whoCoordinates(groupOwner(groupId))) === COORDINATOR) break;
  }
  await world.configs.groups.alter(groupId, () => [
    { operation: 'SET', name: 'share.auto.offset.reset', value: 'earliest' },
  ]);
  for (const partition of [0, 1]) await produce(partition, ['a', 'b']);
});
afterEach(() => world.close());

async function produce(partition: number, values: readonly string[]): Promise<void> {
  const records = buildBatch(
    values.map((value) => ({ key: null, value: `${value}${partition}` })),
    { timestamp: runtime.clock.now() },
  );
  const [outcome] = await world.of(FRONT).log.produce([{ topicId, partition, records }], { origin: 'kafka' });
  if (outcome!.error !== 'NONE') throw new Error(outcome!.error);
}

/** A consumer with a session at one broker, for some partitions. */
class Session {
  readonly #brokerId: number;
  readonly #memberId: string;
  readonly #partitions: readonly number[];
  readonly connection = new AbortController();
  epoch = 0;

  constructor(brokerId: number, memberId: string, partitions: readonly number[]) {
    this.#brokerId = brokerId;
    this.#memberId = memberId;
    this.#partitions = partitions;
  }

  /** Values by partition, or the error. */
  async fetch(maxWaitMs = 0): Promise<string[] | string> {
    const answer = await world.of(this.#brokerId).ask(
      'ShareFetch',
      2,
      {
        ...{ groupId, memberId: this.#memberId, shareSessionEpoch: this.epoch, maxWaitMs, minBytes: 1 },
        ...{ maxBytes: 1_000_000, maxRecords: 500, batchSize: 500, shareAcquireMode: 0, isRenewAck: false },
        topics: [{ topicId, partitions: this.#partitions.map((index) => ({ index, acknowledgementBatches: [] })) }],
        forgottenTopics: [],
      },
      { signal: this.connection.signal },
    );
    if (answer.errorCode !== 0) return errorName(answer.errorCode);
    this.epoch += 1;
    const found: string[] = [];
    for (const { partitions } of answer.topics) {
      for (const { errorCode, records, acquiredRecords } of partitions) {
        if (errorCode !== 0) found.push(errorName(errorCode));
        const ranges = acquiredRecords.map(({ firstOffset, lastOffset, deliveryCount }) => ({
          ...{ first: firstOffset, last: lastOffset, deliveryCount },
        }));
        found.push(...(await acquiredValues(records ?? Buffer.alloc(0), ranges)));
      }
    }
    return found.sort();
  }

  /** Per partition, or the error. */
  async accept(first: number, last: number, epoch = this.epoch): Promise<string[] | string> {
    const acknowledgementBatches = [{ firstOffset: first, lastOffset: last, acknowledgeTypes: [ACCEPT] }];
    const answer = await world.of(this.#brokerId).ask('ShareAcknowledge', 2, {
      ...{ groupId, memberId: this.#memberId, shareSessionEpoch: epoch, isRenewAck: false },
      topics: [{ topicId, partitions: this.#partitions.map((index) => ({ index, acknowledgementBatches })) }],
    });
    if (answer.errorCode !== 0) return errorName(answer.errorCode);
    this.epoch += 1;
    return answer.topics.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorName(errorCode)));
  }
}

async function join(memberId: string, at = COORDINATOR): Promise<void> {
  const beat = { groupId, memberId, memberEpoch: 0, subscribedTopicNames: ['orders'] };
  const { errorCode } = await world.of(at).ask('ShareGroupHeartbeat', 1, beat);
  if (errorCode !== 0) throw new Error(errorName(errorCode));
}

const ALL = ['a0', 'a1', 'b0', 'b1'];

describe.each([COORDINATOR, OTHER, FRONT])('by way of broker %i', (brokerId) => {
  test('records of all partitions are given out, and acknowledged once', async () => {
    await join('m');
    const session = new Session(brokerId, 'm', [0, 1]);
    expect(await session.fetch()).toEqual(ALL);
    expect(await session.accept(0, 1)).toEqual(['NONE', 'NONE']);
    expect(await session.accept(0, 1)).toEqual(['INVALID_RECORD_STATE', 'INVALID_RECORD_STATE']);
    expect(await session.fetch()).toEqual([]);
  });

  test('records that come while a consumer waits are given to it', async () => {
    await join('m');
    const session = new Session(brokerId, 'm', [0, 1]);
    await session.fetch();
    const waiting = session.fetch(10_000);
    await runtime.settle();
    await produce(1, ['c']);
    expect(await waiting).toEqual(['c1']);
  });

  test('what a consumer holds whose connection ends is for others', async () => {
    await join('m');
    await join('n');
    const [first, second] = [new Session(brokerId, 'm', [0, 1]), new Session(COORDINATOR, 'n', [0, 1])];
    expect(await first.fetch()).toEqual(ALL);
    expect(await second.fetch()).toEqual([]);
    first.connection.abort();
    await runtime.settle();
    expect(await second.fetch()).toEqual(ALL);
  });

  test('a session that is ended gives back what it holds', async () => {
    await join('m');
    const session = new Session(brokerId, 'm', [0, 1]);
    await session.fetch();
    expect(await session.accept(0, 0, -1)).toEqual(['NONE', 'NONE']);
    await runtime.settle();
    const again = new Session(brokerId, 'm', [0, 1]);
    expect(await again.fetch()).toEqual(['b0', 'b1']);
    expect(world.of(COORDINATOR).coordinators.shares.sessionCount).toBe(1);
  });
});

test('a consumer has a session at each broker that it talks to', async () => {
  await join('m');
  const [first, second] = [new Session(OTHER, 'm', [0]), new Session(FRONT, 'm', [1])];
  expect([await first.fetch(), await second.fetch()]).toEqual([
    ['a0', 'b0'],
    ['a1', 'b1'],
  ]);
  expect(await second.accept(0, 1)).toEqual(['NONE']);
  first.connection.abort();
  await runtime.settle();
  expect(await second.fetch()).toEqual([]);
  expect(await new Session(FRONT, 'm', [0]).fetch()).toEqual(['a0', 'b0']);
});

test('a broker that is gone takes the sessions of its clients along', async () => {
  await join('m');
  await join('n');
  expect(await new Session(FRONT, 'm', [0, 1]).fetch()).toEqual(ALL);
  world.kill(FRONT);
  await runtime.settle();
  expect(await new Session(OTHER, 'n', [0, 1]).fetch()).toEqual(ALL);
});

test('at the next coordinator a consumer begins a new session, and what it had is given out again', async () => {
  await join('m');
  const session = new Session(FRONT, 'm', [0, 1]);
  expect(await session.fetch()).toEqual(ALL);
  await world.lead(OTHER, 0);
  expect(world.of(COORDINATOR).coordinators.shares.sessionCount).toBe(0);
  expect(await session.fetch()).toBe('SHARE_SESSION_NOT_FOUND');
  session.epoch = 0;
  expect(await session.fetch()).toEqual(ALL);
  expect(await session.accept(0, 1)).toEqual(['NONE', 'NONE']);
});

test('a consumer that waits at a coordinator which is deposed is told so, and begins anew', async () => {
  await join('m');
  const session = new Session(FRONT, 'm', [0, 1]);
  await session.fetch();
  const waiting = session.fetch(10_000);
  await runtime.settle();
  await world.lead(OTHER, 0);
  expect(await waiting).toEqual(['NOT_LEADER_OR_FOLLOWER', 'NOT_LEADER_OR_FOLLOWER']);
  expect(await session.fetch()).toBe('SHARE_SESSION_NOT_FOUND');
});

test('where an answer is lost the session is over, and what it would have brought is given out again', async () => {
  await join('m');
  const session = new Session(FRONT, 'm', [0, 1]);
  world.network.cut.set(COORDINATOR, 'after');
  expect(await session.fetch()).toBe('SHARE_SESSION_NOT_FOUND');
  world.network.cut.clear();
  await runtime.advance(4_000);
  expect(await new Session(FRONT, 'm', [0, 1]).fetch()).toEqual(ALL);
});

test('a group that does not exist is not found, whoever is asked', async () => {
  expect(await new Session(FRONT, 'm', [0]).fetch()).toEqual(['GROUP_ID_NOT_FOUND']);
});

test('a topic that was deleted in journals of other brokers is forgotten in the end', async () => {
  await join('m');
  const session = new Session(FRONT, 'm', [0, 1]);
  await session.fetch();
  const placesKept = () =>
    [...world.stateOf(0).state.records(groupOwner(groupId)).keys()].filter((key) => key.startsWith('s/')).length;
  expect(placesKept()).toBe(2);
  await world.lead(OTHER, 0);
  await world.lead(COORDINATOR, 1);
  await world.topics.delete('orders');
  await runtime.advance(RETENTION_CHECK_MS);
  await runtime.settle();
  expect(placesKept()).toBe(0);
});

test('a coordinator that is about to let go gives nobody what others hold', async () => {
  await join('m');
  await join('n');
  const first = new Session(COORDINATOR, 'm', [0, 1]);
  expect(await first.fetch()).toEqual(ALL);
  const seat = world.of(COORDINATOR).seats.get(0)!;
  seat.coordinate = () => Promise.reject(new KafkaError('NOT_LEADER_OR_FOLLOWER', 'it is being handed over'));
  expect(await first.accept(0, 0)).toEqual(['NOT_LEADER_OR_FOLLOWER', 'NOT_LEADER_OR_FOLLOWER']);
  const second = new Session(COORDINATOR, 'n', [0, 1]);
  expect(await second.fetch()).toEqual(['NOT_LEADER_OR_FOLLOWER', 'NOT_LEADER_OR_FOLLOWER']);
});
