/** Transactions whose coordinator, participants and clients are at different brokers. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { TopicPartition } from '../../../../src/cluster/topics.ts';
import { groupOwner, transactionOwner } from '../../../../src/coordinator/owner.ts';
import { TRANSACTIONS_GUARD } from '../../../../src/coordinator/transaction/transaction-methods.ts';
import type { ProducerIdentity } from '../../../../src/coordinator/transaction/transaction-state.ts';
import { buildBatch } from '../../../../src/record/records.ts';
import { silentLogger } from '../../../../src/runtime/logger.ts';
import { systemRuntime } from '../../../../src/runtime/runtime.ts';
import { type ClusterWorld, openClusterWorld } from '../cluster-world.ts';
import { errorName } from '../share/share-world.ts';
import { CLIENT, eventually, partitionsOf, TIMEOUT_MS } from './world.ts';

/** Coordinates the transaction; leads journal 0. */
const COORDINATOR = 1;
/** Coordinates the group; leads journal 1. */
const PARTICIPANT = 2;
const FRONT = 3;

let world: ClusterWorld;
let places: readonly TopicPartition[];
let id: string;
let groupId: string;
let producer: ProducerIdentity;

beforeEach(async () => {
  world = await openClusterWorld({ brokers: 3, journals: 2, runtime: systemRuntime(silentLogger) });
  await world.lead(COORDINATOR, 0);
  await world.lead(PARTICIPANT, 1);
  places = (await world.topics.create({ name: 'orders', partitions: 2, config: {} })).partitions;
  id = await nameAt(COORDINATOR, transactionOwner);
  groupId = await nameAt(PARTICIPANT, groupOwner);
  producer = await transactions().initProducerId(id, { timeoutMs: TIMEOUT_MS, expected: null });
});
afterEach(() => world.close());

const transactions = (brokerId = COORDINATOR) => world.of(brokerId).coordinators.transactions;

async function nameAt(brokerId: number, owner: (name: string) => string): Promise<string> {
  for (let number = 0; ; number++) {
    if ((await world.of(FRONT).coordinators.whoCoordinates(owner(`n${number}`))) === brokerId) return `n${number}`;
  }
}

const batchOf = (of: ProducerIdentity, baseSequence: number) =>
  buildBatch([{ key: null, value: 'v' }], { ...of, baseSequence, transactional: true, timestamp: Date.now() });

/** Error of each partition, by way of Produce v12 at a broker: partitions join with their first batch (KIP-890). */
async function produce(brokerId: number, of: ProducerIdentity, baseSequence: number, to = places): Promise<string[]> {
  const { topicId } = to[0]!;
  const data = to.map(({ partition }) => ({ index: partition, records: batchOf(of, baseSequence) }));
  const topics = [{ topicId, name: 'orders', partitions: data }];
  const body = { transactionalId: id, acks: -1, timeoutMs: 10_000, topics };
  const answer = await world.of(brokerId).ask('Produce', 12, body);
  return answer.topics.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorName(errorCode)));
}

async function commitOffset(brokerId: number, of: ProducerIdentity, offset: number): Promise<string> {
  const partitions = [{ index: 0, committedOffset: offset, committedLeaderEpoch: -1, committedMetadata: '' }];
  const answer = await world.of(brokerId).ask('TxnOffsetCommit', 5, {
    ...{ transactionalId: id, groupId, ...of, generationId: -1, memberId: '', groupInstanceId: null },
    topics: [{ name: 'orders', partitions }],
  });
  return errorName(answer.topics[0]!.partitions[0]!.errorCode);
}

function fate({ topicId, partition, journal }: TopicPartition): string {
  const state = world.stateOf(journal).state.partition(topicId, partition)!;
  if (state.lastStableOffset < state.nextOffset) return 'open';
  return `${state.abortedTransactions.length > 0 ? 'aborted' : 'committed'} ${state.nextOffset}`;
}

async function offset(): Promise<number> {
  const { offsets } = world.of(world.leaders.of(1)!.brokerId).coordinators;
  const query = { groupId, memberId: null, memberEpoch: -1, places: [places[0]!] };
  const [found] = await offsets.fetch(query);
  return found!.committed?.offset ?? -1;
}

const isAtRest = async () => (await transactions().describe(id)).state.startsWith('Complete');

describe('batches and offsets join at whichever broker they arrive', () => {
  test.each([COORDINATOR, PARTICIPANT, FRONT])('by way of broker %i', async (brokerId) => {
    expect(await produce(brokerId, producer, 0)).toEqual(['NONE', 'NONE']);
    expect(await produce(brokerId, producer, 1)).toEqual(['NONE', 'NONE']);
    expect(await commitOffset(PARTICIPANT, producer, 7)).toBe('NONE');
    const next = await transactions().end(id, { producer, committed: true, bumpsEpoch: true });
    await eventually(isAtRest);
    expect(places.map(fate)).toEqual(['committed 3', 'committed 3']);
    expect(await offset()).toBe(7);
    // The end took an epoch: what was remembered of the last one does not count.
    expect(await produce(brokerId, producer, 2)).toEqual(['INVALID_PRODUCER_EPOCH', 'INVALID_PRODUCER_EPOCH']);
    expect(await produce(brokerId, next, 0)).toEqual(['NONE', 'NONE']);
    await transactions().end(id, { producer: next, committed: false, bumpsEpoch: true });
    await eventually(isAtRest);
    expect(places.map(fate)).toEqual(['aborted 5', 'aborted 5']);
  });

  test('while another broker takes the coordinator over', async () => {
    expect(await produce(FRONT, producer, 0, [places[0]!])).toEqual(['NONE']);
    await world.usurp(PARTICIPANT, 0);
    expect(await produce(FRONT, producer, 0, [places[1]!])).toEqual(['NONE']);
    await expect(transactions().end(id, { producer, committed: true, bumpsEpoch: true })).rejects.toMatchObject({
      error: 'NOT_COORDINATOR',
    });
    await transactions(PARTICIPANT).end(id, { producer, committed: true, bumpsEpoch: true });
    await eventually(() => places.every((place) => fate(place) === 'committed 2'));
  });

  test('an id that nobody knows is refused, and so is a producer that is over', async () => {
    const stranger = { ...producer, producerEpoch: producer.producerEpoch - 1 };
    await transactions().initProducerId(id, { timeoutMs: TIMEOUT_MS, expected: null });
    expect(await produce(FRONT, stranger, 0)).toEqual(['INVALID_PRODUCER_EPOCH', 'INVALID_PRODUCER_EPOCH']);
    expect(await commitOffset(PARTICIPANT, producer, 7)).toBe('INVALID_PRODUCER_EPOCH');
    id = 'unknown';
    expect(await produce(FRONT, producer, 0)).toEqual(['INVALID_PRODUCER_ID_MAPPING', 'INVALID_PRODUCER_ID_MAPPING']);
  });
});

describe('answers that are lost', () => {
  test('of guards: they are written again, and mean the same', async () => {
    world.network.cut.set(PARTICIPANT, 'after');
    const joining = transactions().addPartitions(id, producer, partitionsOf(...places));
    setTimeout(() => world.network.cut.clear(), 30);
    await joining;
    await transactions().addGroup(id, producer, groupId, CLIENT);
    expect(await produce(FRONT, producer, 0)).toEqual(['NONE', 'NONE']);
    await transactions().end(id, { producer, committed: true, bumpsEpoch: true });
    await eventually(isAtRest);
    expect(places.map(fate)).toEqual(['committed 2', 'committed 2']);
  });

  test('of markers: they are told again, and end nothing twice', async () => {
    expect(await produce(FRONT, producer, 0)).toEqual(['NONE', 'NONE']);
    expect(await commitOffset(PARTICIPANT, producer, 7)).toBe('NONE');
    world.network.cut.set(PARTICIPANT, 'after');
    await transactions().end(id, { producer, committed: true, bumpsEpoch: true });
    await eventually(() => places.every((place) => fate(place) === 'committed 2'));
    await new Promise((done) => setTimeout(done, 50));
    expect(await isAtRest()).toBe(false);
    world.network.cut.clear();
    await eventually(isAtRest);
    expect(places.map(fate)).toEqual(['committed 2', 'committed 2']);
    expect(await offset()).toBe(7);
  });
});

test('an end waits for a participant that is away, and for no longer', async () => {
  expect(await produce(FRONT, producer, 0)).toEqual(['NONE', 'NONE']);
  world.network.cut.set(PARTICIPANT, 'before');
  const next = await transactions().end(id, { producer, committed: false, bumpsEpoch: true });
  await new Promise((done) => setTimeout(done, 50));
  expect(places.map(fate)).toContain('open');
  await expect(
    transactions().addPartitions(id, next, partitionsOf(places.find(({ journal }) => journal === 0)!)),
  ).rejects.toMatchObject({ error: 'CONCURRENT_TRANSACTIONS' });
  world.network.cut.clear();
  await eventually(isAtRest);
  expect(places.map(fate)).toEqual(['aborted 2', 'aborted 2']);
});

test('a transaction that took too long is aborted by whoever coordinates it by then', async () => {
  const short = await transactions().initProducerId(id, { timeoutMs: 60, expected: null });
  expect(await produce(FRONT, short, 0)).toEqual(['NONE', 'NONE']);
  await world.usurp(FRONT, 0);
  await eventually(() => places.every((place) => fate(place) === 'aborted 2'));
  expect((await transactions(FRONT).describe(id)).state).toBe('CompleteAbort');
});

describe('a group', () => {
  test('that was deleted while it was part of a transaction stays away', async () => {
    expect(await commitOffset(PARTICIPANT, producer, 7)).toBe('NONE');
    await world.of(PARTICIPANT).coordinators.groups.delete(groupId);
    await transactions().end(id, { producer, committed: true, bumpsEpoch: true });
    await eventually(isAtRest);
    expect(await offset()).toBe(-1);
    expect(world.of(PARTICIPANT).coordinators.groups.find(groupId)).toBeUndefined();
  });

  test('whose guard may still be on its way remembers the end', async () => {
    // What the guard of a coordinator that died looks like when it arrives after all.
    const late = { groups: [groupId], partitions: {} };
    const guarded = { ...producer, transaction: 1 };
    await transactions().addPartitions(id, producer, partitionsOf(places[0]!));
    await transactions().addGroup(id, producer, groupId, CLIENT);
    await world.of(PARTICIPANT).coordinators.groups.delete(groupId);
    await world.usurp(FRONT, 0);
    await transactions(FRONT).end(id, { producer, committed: false, bumpsEpoch: true });
    await eventually(async () => (await transactions(FRONT).describe(id)).state === 'CompleteAbort');
    const peers = world.network.peers({ brokerId: COORDINATOR, brokerEpoch: 1 });
    const wish = { journal: 1, guarded, participants: late, client: CLIENT };
    await peers.call(PARTICIPANT, TRANSACTIONS_GUARD, wish, { timeoutMs: 1_000 });
    const { offsets } = world.of(PARTICIPANT).coordinators;
    const committer = { memberId: '', groupInstanceId: null, generationIdOrMemberEpoch: -1 };
    await expect(
      offsets.commitTransactional(
        { groupId, client: CLIENT },
        { ...committer, transactional: true, apiVersion: 3 },
        { ...producer, knowsAbortable: true },
        [{ topicId: places[0]!.topicId, partition: 0, offset: 10, leaderEpoch: -1, metadata: '' }],
      ),
    ).rejects.toMatchObject({ error: 'INVALID_PRODUCER_EPOCH' });
  });
});

test('markers of administrators reach the journal of the partition by way of any broker', async () => {
  expect(await produce(FRONT, producer, 0)).toEqual(['NONE', 'NONE']);
  const partitionIndexes = places.map(({ partition }) => partition);
  const topics = [{ name: 'orders', partitionIndexes }];
  const markers = [{ ...producer, coordinatorEpoch: 9, transactionResult: false, transactionVersion: 0, topics }];
  const answer = await world.of(FRONT).ask('WriteTxnMarkers', 1, { markers });
  const codes = answer.markers[0]!.topics[0]!.partitions.map(({ errorCode }) => errorName(errorCode));
  expect(codes).toEqual(['NONE', 'NONE']);
  expect(places.map(fate)).toEqual(['aborted 2', 'aborted 2']);
});

test('ids are described by their coordinator, and listed by it alone', async () => {
  const describe = async (brokerId: number) => {
    const answer = await world.of(brokerId).ask('DescribeTransactions', 0, { transactionalIds: [id] });
    return errorName(answer.transactionStates[0]!.errorCode);
  };
  expect([await describe(COORDINATOR), await describe(PARTICIPANT)]).toEqual(['NONE', 'NOT_COORDINATOR']);
  const list = async (brokerId: number) => {
    const filters = { stateFilters: [], producerIdFilters: [], durationFilter: -1, transactionalIdPattern: null };
    const answer = await world.of(brokerId).ask('ListTransactions', 2, filters);
    return answer.transactionStates.map(({ transactionalId }) => transactionalId);
  };
  expect([await list(COORDINATOR), await list(PARTICIPANT)]).toEqual([[id], []]);
});
