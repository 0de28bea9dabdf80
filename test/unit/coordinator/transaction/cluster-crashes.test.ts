/**
 * A transaction whose coordinator and participants are at different brokers, one of which dies at each of its writes, before
 * or after the write takes effect: another takes its journals over, and the transaction is committed everywhere or nowhere.
 */
import { describe, expect, test } from 'vitest';
import type { TopicPartition } from '../../../../src/cluster/topics.ts';
import { groupOwner, transactionOwner } from '../../../../src/coordinator/owner.ts';
import type { ProducerIdentity } from '../../../../src/coordinator/transaction/transaction-state.ts';
import { buildBatch } from '../../../../src/record/records.ts';
import { silentLogger } from '../../../../src/runtime/logger.ts';
import { systemRuntime } from '../../../../src/runtime/runtime.ts';
import { type ClusterWorld, openClusterWorld } from '../cluster-world.ts';
import { CLIENT, eventually, partitionsOf, TIMEOUT_MS } from './world.ts';

const WRITES_MAX = 60;
/** Leads nothing; clients talk to it. */
const FRONT = 3;

interface Case {
  readonly world: ClusterWorld;
  readonly places: readonly TopicPartition[];
  /** Broker 1 coordinates it at first. */
  readonly id: string;
  /** Broker 2 coordinates it at first. */
  readonly groupId: string;
  readonly committed: boolean;
  told: { producer?: ProducerIdentity; produced?: boolean; ended?: boolean };
}

async function open(committed: boolean): Promise<Case> {
  const world = await openClusterWorld({ brokers: 3, journals: 2, runtime: systemRuntime(silentLogger) });
  await world.lead(1, 0);
  await world.lead(2, 1);
  const { partitions: places } = await world.topics.create({ name: 'orders', partitions: 4, config: {} });
  expect(new Set(places.map(({ journal }) => journal)).size).toBe(2);
  const [id, groupId] = [await nameAt(world, 1, transactionOwner), await nameAt(world, 2, groupOwner)];
  return { world, places, id, groupId, committed, told: {} };
}

async function nameAt(world: ClusterWorld, brokerId: number, owner: (name: string) => string): Promise<string> {
  for (let number = 0; ; number++) {
    if ((await world.of(FRONT).coordinators.whoCoordinates(owner(`n${number}`))) === brokerId) return `n${number}`;
  }
}

/** Asks the broker that coordinates the id now, and again when it does not. */
const atCoordinator = <T>({ world, id }: Case, ask: (transactions: Transactions) => Promise<T>): Promise<T> =>
  again(async () => {
    const brokerId = await world.of(FRONT).coordinators.whoCoordinates(transactionOwner(id));
    if (brokerId === null || world.members.gone.has(brokerId)) throw new Error('nobody coordinates');
    return world.orDead(brokerId, ask(world.of(brokerId).coordinators.transactions));
  });

type Transactions = ClusterWorld['brokers'][number]['coordinators']['transactions'];

/** As clients do it. */
async function again<T>(attempt: () => Promise<T>): Promise<T> {
  let last: unknown;
  for (let tries = 0; tries < 300; tries++) {
    try {
      return await attempt();
    } catch (cause) {
      last = cause;
      await new Promise((done) => setTimeout(done, 5));
    }
  }
  throw last;
}

async function produce({ world }: Case, at: TopicPartition, producer: ProducerIdentity): Promise<void> {
  const records = buildBatch([{ key: null, value: 'v' }], {
    ...{ ...producer, baseSequence: 0, transactional: true },
    timestamp: Date.now(),
  });
  const { topicId, partition } = at;
  await again(async () => {
    const [outcome] = await world.of(FRONT).log.produce([{ topicId, partition, records }], { origin: 'kafka' });
    if (outcome!.error !== 'NONE') throw new Error(outcome!.error);
  });
}

const commitOffset = ({ world, groupId, places }: Case, producer: ProducerIdentity) =>
  again(async () => {
    const [{ topicId, partition }] = places as [TopicPartition];
    const brokerId = await world.of(FRONT).coordinators.whoCoordinates(groupOwner(groupId));
    const committer = { memberId: '', groupInstanceId: null, generationIdOrMemberEpoch: -1 };
    const { offsets } = world.of(brokerId!).coordinators;
    const committing = offsets.commitTransactional(
      { groupId, client: CLIENT },
      { ...committer, transactional: true, apiVersion: 3 },
      { ...producer, knowsAbortable: true },
      [{ topicId, partition, offset: 10, leaderEpoch: -1, metadata: '' }],
    );
    const [refused] = await world.orDead(brokerId!, committing);
    if (refused) throw refused;
  });

async function run(each: Case): Promise<void> {
  const { places, id, groupId, committed, told } = each;
  const init = { timeoutMs: TIMEOUT_MS, expected: null };
  const producer = await atCoordinator(each, (transactions) => transactions.initProducerId(id, init));
  told.producer = producer;
  await atCoordinator(each, (transactions) => transactions.addPartitions(id, producer, partitionsOf(...places)));
  await atCoordinator(each, (transactions) => transactions.addGroup(id, producer, groupId, CLIENT));
  await Promise.all(places.map((place) => produce(each, place, producer)));
  await commitOffset(each, producer);
  told.produced = true;
  await atCoordinator(each, (transactions) => transactions.end(id, { producer, committed, bumpsEpoch: true }));
  told.ended = true;
  await atCoordinator(each, async (transactions) => {
    if (!(await transactions.describe(id)).state.startsWith('Complete')) throw new Error('it is being ended');
  });
}

function fate({ world }: Case, at: TopicPartition): string {
  const state = world.stateOf(at.journal).state.partition(at.topicId, at.partition)!;
  if (state.lastStableOffset < state.nextOffset) return 'open';
  if (state.nextOffset === 0) return 'empty';
  return `${state.abortedTransactions.length > 0 ? 'aborted' : 'committed'} ${state.nextOffset}`;
}

async function offset({ world, groupId, places }: Case): Promise<number | 'unstable'> {
  const brokerId = await world.of(FRONT).coordinators.whoCoordinates(groupOwner(groupId));
  const query = { groupId, memberId: null, memberEpoch: -1, places: [places[0]!] };
  const [found] = await world.orDead(brokerId!, world.of(brokerId!).coordinators.offsets.fetch(query));
  return found!.unstable ? 'unstable' : (found!.committed?.offset ?? -1);
}

async function check(each: Case): Promise<void> {
  const { places, id, committed, told } = each;
  const init = { timeoutMs: TIMEOUT_MS, expected: null };
  const heir = await atCoordinator(each, (transactions) => transactions.initProducerId(id, init));
  await eventually(() => places.every((place) => fate(each, place) !== 'open'));
  const committedOffset = await again(async () => {
    const found = await offset(each);
    if (found === 'unstable') throw new Error('a transaction holds the offset');
    return found;
  });
  expect(told.ended).toBe(true);
  expect(places.map((place) => fate(each, place))).toEqual(places.map(() => (committed ? 'committed 2' : 'aborted 2')));
  expect(committedOffset).toBe(committed ? 10 : -1);
  expect(heir.producerId).toBe(told.producer!.producerId);
}

describe.each([
  ['coordinator', 1, 2, 0],
  ['participant', 2, 1, 1],
] as const)('the death of the %s', (_, victim, heir, journal) => {
  test.each(['before', 'after'])('%s any of its writes', { timeout: 60_000 }, async (when) => {
    let writes = 0;
    for (; writes < WRITES_MAX; writes++) {
      const each = await open(writes % 2 === 0);
      const { world } = each;
      const { store } = world.of(victim);
      store.writesLeft = writes;
      store.effect = when === 'after';
      let over = false;
      const succession = eventually(() => store.dead || over).then(async () => {
        if (!store.dead) return;
        world.kill(victim);
        await world.usurp(heir, journal);
      });
      await run(each);
      await check(each);
      const survived = !store.dead;
      over = true;
      await succession;
      await world.close();
      if (survived) break;
    }
    expect(writes, 'writes of the whole run').toBeGreaterThan(3);
    expect(writes).toBeLessThan(WRITES_MAX);
  });
});
