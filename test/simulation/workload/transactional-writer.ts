/**
 * A transactional producer as clients are (KIP-98, KIP-890): adds partitions, writes, commits or aborts, repeats what got no
 * answer, and begins anew when it is fenced. Some share their transactional id; some leave a transaction open, and some end
 * one while records of it are still on their way.
 */
import type { ProducerIdentity } from '../../../src/coordinator/transaction/transaction-state.ts';
import { type Call, Client, coordinatorOf, type Reply, transactionCoordinatorOf } from '../connection.ts';
import { nameOf, type PartitionName } from '../history.ts';
import type { SeededRandom } from '../seeded-random.ts';
import type { World } from '../world.ts';
import { buildBatch, type Outgoing, send } from './sending.ts';

const IDS = 3;
const PARTITIONS_MAX = 3;
const BATCHES_MAX = 3;
const TIMEOUT_MS = [1_000, 8_000] as const;
const LEFT_OPEN_CHANCE = 0.05;
const COMMIT_CHANCE = 0.7;
/** Writes to a partition that is not part of the transaction. */
const CARELESS_CHANCE = 0.05;
/** Ends without having heard of the last batches. */
const HASTY_CHANCE = 0.15;
const OFFSETS_CHANCE = 0.25;
/** A request that is repeated for so long is given up. */
const GIVE_UP_AFTER_MS = 20_000;

/** Errors that go away. All others end the producer. */
const RETRIABLE: ReadonlySet<string> = new Set([
  'NOT_LEADER_OR_FOLLOWER',
  'NOT_COORDINATOR',
  'COORDINATOR_NOT_AVAILABLE',
  'COORDINATOR_LOAD_IN_PROGRESS',
  'CONCURRENT_TRANSACTIONS',
  'KAFKA_STORAGE_ERROR',
  'STALE_BROKER_EPOCH',
  'REQUEST_TIMED_OUT',
]);

export async function transactionalWriter(world: World, name: string, random: SeededRandom): Promise<void> {
  const writer = new Writer(world, name, random);
  while (!world.draining) {
    await world.time.sleep(random.exponential(world.scenario.load.pauseMs * 2));
    await writer.transact();
  }
}

class Writer {
  readonly #world: World;
  readonly #name: string;
  readonly #random: SeededRandom;
  readonly #client: Client;
  readonly #transactionalId: string;
  /** KIP-890: each end takes an epoch. */
  readonly #bumpsEpoch: boolean;
  #producer: ProducerIdentity | null = null;
  #sequences = new Map<string, number>();

  constructor(world: World, name: string, random: SeededRandom) {
    this.#world = world;
    this.#name = name;
    this.#random = random;
    this.#client = new Client(world, random.fork('client'));
    this.#transactionalId = `tx-${random.integer(0, IDS)}`;
    this.#bumpsEpoch = random.chance(0.6);
  }

  async transact(): Promise<void> {
    this.#producer ??= await this.#begin();
    const producer = this.#producer;
    if (producer === null) return;
    const transaction = this.#world.nextId();
    // Without a new epoch, what comes late would be taken for a record of the next transaction.
    const hasty = this.#random.chance(HASTY_CHANCE) && this.#bumpsEpoch;
    const goesOn = (await this.#writeAll(producer, transaction, hasty)) && (await this.#addOffsets(producer));
    if (this.#random.chance(LEFT_OPEN_CHANCE)) {
      this.#beginAnew();
      return;
    }
    const committed = goesOn && !hasty && this.#random.chance(COMMIT_CHANCE);
    if (!(await this.#end(producer, transaction, committed)) || !goesOn) this.#beginAnew();
  }

  #beginAnew(): void {
    this.#producer = null;
    this.#sequences = new Map();
  }

  async #begin(): Promise<ProducerIdentity | null> {
    const [from, to] = TIMEOUT_MS;
    const timeoutMs = this.#random.integer(from, to);
    return this.#repeat({
      to: transactionCoordinatorOf(this.#transactionalId),
      what: `initProducerId of ${this.#transactionalId}`,
      at: (core) => core.coordinators.transactions.initProducerId(this.#transactionalId, { timeoutMs, expected: null }),
    });
  }

  /** False when the transaction cannot go on. */
  async #writeAll(producer: ProducerIdentity, transaction: number, hasty: boolean): Promise<boolean> {
    for (let count = this.#random.integer(1, PARTITIONS_MAX + 1); count > 0; count--) {
      const target = this.#world.topics.pickPartition(this.#random);
      if (target === null) continue;
      const { topicId, partition } = target;
      // Without a new epoch, one that did not join counts for the last transaction until its markers are there.
      const careless = this.#random.chance(CARELESS_CHANCE) && this.#bumpsEpoch;
      const added =
        careless ||
        (await this.#repeat<true>({
          to: transactionCoordinatorOf(this.#transactionalId),
          what: `addPartitions of ${this.#transactionalId}`,
          at: async (core) => {
            const { transactions } = core.coordinators;
            await transactions.addPartitions(this.#transactionalId, producer, { [topicId]: [partition] });
            return true;
          },
        }));
      if (added === null) return false;
      for (let batches = this.#random.integer(1, BATCHES_MAX + 1); batches > 0; batches--) {
        const outgoing = this.#build(target, producer, transaction);
        const sending = this.#sendUntilKnown(outgoing);
        if (hasty && this.#random.chance(0.5)) return true;
        if (!(await sending)) return false;
      }
    }
    return true;
  }

  #build(target: PartitionName, { producerId, producerEpoch }: ProducerIdentity, transaction: number): Outgoing {
    const key = nameOf(target);
    const baseSequence = this.#sequences.get(key) ?? 0;
    const producer = { id: producerId, epoch: producerEpoch, baseSequence };
    const wanted = { ...target, writer: this.#name, kind: 'transactional', producer, transaction } as const;
    const outgoing = buildBatch(this.#world, this.#random, wanted);
    this.#sequences.set(key, baseSequence + outgoing.batch.recordCount);
    return outgoing;
  }

  async #sendUntilKnown(outgoing: Outgoing): Promise<boolean> {
    const since = this.#world.time.monotonic();
    while (this.#world.time.monotonic() - since < GIVE_UP_AFTER_MS) {
      const reply = await send(this.#world, this.#client, [outgoing], { origin: 'kafka' });
      const error = reply.type === 'answered' ? reply.value[0]!.error : 'NOT_LEADER_OR_FOLLOWER';
      if (error === 'NONE') return true;
      if (!RETRIABLE.has(error)) return false;
      await this.#world.time.sleep(this.#random.between(5, 200));
    }
    return false;
  }

  async #addOffsets(producer: ProducerIdentity): Promise<boolean> {
    const target = this.#world.topics.pickPartition(this.#random);
    if (target === null || !this.#random.chance(OFFSETS_CHANCE)) return true;
    const groupId = `of-${this.#transactionalId}`;
    const { producerId, producerEpoch } = producer;
    const offset = { ...target, offset: this.#random.integer(0, 1_000), leaderEpoch: -1, metadata: '' };
    const nobody = { memberId: '', groupInstanceId: null, generationIdOrMemberEpoch: -1 };
    const added = await this.#repeat<true>({
      to: transactionCoordinatorOf(this.#transactionalId),
      what: `addOffsets of ${this.#transactionalId}`,
      at: async ({ coordinators: { transactions } }) => {
        await transactions.addGroup(this.#transactionalId, { producerId, producerEpoch }, groupId, 'sim');
        return true;
      },
    });
    if (added === null) return false;
    const committed = await this.#repeat<true>({
      to: coordinatorOf(groupId),
      what: `offsets of ${this.#transactionalId}`,
      at: async ({ coordinators: { offsets } }) => {
        const committer = { ...nobody, transactional: true, apiVersion: 3 };
        const knowing = { ...producer, knowsAbortable: true };
        await offsets.commitTransactional({ groupId, client: 'sim' }, committer, knowing, [offset]);
        return true;
      },
    });
    return committed !== null;
  }

  /** False when the producer has to begin anew. */
  async #end(producer: ProducerIdentity, transaction: number, committed: boolean): Promise<boolean> {
    const next = await this.#repeat({
      to: transactionCoordinatorOf(this.#transactionalId),
      what: `end of ${this.#transactionalId}`,
      at: (core) => {
        const end = { producer, committed, bumpsEpoch: this.#bumpsEpoch };
        return core.coordinators.transactions.end(this.#transactionalId, end);
      },
    });
    if (next === null) return false;
    this.#world.history.add({ type: 'transactionEnded', transaction, committed });
    if (next.producerId !== producer.producerId || next.producerEpoch !== producer.producerEpoch) {
      this.#sequences = new Map();
    }
    this.#producer = next;
    return true;
  }

  /** Null when it is refused for good, or was tried for too long. */
  async #repeat<T>(call: Call<T>): Promise<T | null> {
    const since = this.#world.time.monotonic();
    while (this.#world.time.monotonic() - since < GIVE_UP_AFTER_MS) {
      const reply: Reply<T> = await this.#client.call(call);
      if (reply.type === 'answered') return reply.value;
      if (reply.type === 'failed' && !RETRIABLE.has(reply.error.error)) return null;
      await this.#world.time.sleep(this.#random.between(5, 200));
    }
    return null;
  }
}
