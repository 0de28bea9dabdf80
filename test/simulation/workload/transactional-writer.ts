/**
 * A transactional producer as clients are (KIP-98, KIP-890): adds partitions, writes, commits or aborts, repeats what got no
 * answer, and begins anew when it is fenced. Some share their transactional id; some leave a transaction open, and some end
 * one while records of it are still on their way. Newer ones say nothing of partitions and groups (KIP-890, part 2): those
 * join with the first batch or offset.
 */

import type { OffsetToCommit } from '../../../src/coordinator/group/offsets/transactional-offsets.ts';
import type { ProducerIdentity } from '../../../src/coordinator/transaction/transaction-state.ts';
import type { ErrorName } from '../../../src/errors.ts';
import { type Call, Client, coordinatorOf, type Reply, transactionCoordinatorOf } from '../connection.ts';
import { nameOf, type PartitionName } from '../history.ts';
import type { SeededRandom } from '../seeded-random.ts';
import type { World } from '../world.ts';
import { sendEnlisting } from './enlisting.ts';
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
/** Of partitions that join with their batches; a coordinator is none of the client's business there. */
const RETRIABLE_ENLISTING: ReadonlySet<string> = new Set([
  ...RETRIABLE,
  'NOT_ENOUGH_REPLICAS',
  // One that was sent before it is repeated still.
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
]);
/** Some use the id of a producer that says beforehand where it will write. */
const OLD_ID_CHANCE = 0.3;

export const transactionalWriter = (world: World, name: string, random: SeededRandom): Promise<void> =>
  writeAll(world, new Writer(world, name, random, false), random);

/** One whose partitions join by their batches. */
export const enlistingWriter = (world: World, name: string, random: SeededRandom): Promise<void> =>
  writeAll(world, new Writer(world, name, random, true), random);

async function writeAll(world: World, writer: Writer, random: SeededRandom): Promise<void> {
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
  /** KIP-890, part 2: where it writes joins by that. */
  readonly #enlists: boolean;
  #producer: ProducerIdentity | null = null;
  #sequences = new Map<string, number>();

  constructor(world: World, name: string, random: SeededRandom, enlists: boolean) {
    this.#world = world;
    this.#name = name;
    this.#random = random;
    this.#client = new Client(world, random.fork('client'));
    const kind = enlists && !random.fork('id').chance(OLD_ID_CHANCE) ? 'enlisting' : 'tx';
    this.#transactionalId = `${kind}-${random.integer(0, IDS)}`;
    this.#bumpsEpoch = random.chance(0.6) || enlists;
    this.#enlists = enlists;
  }

  async transact(): Promise<void> {
    this.#producer ??= await this.#begin();
    const producer = this.#producer;
    if (producer === null) return;
    const transaction = this.#world.nextId();
    // Without a new epoch, what comes late would be taken for a record of the next transaction.
    const hasty = this.#random.chance(HASTY_CHANCE) && this.#bumpsEpoch;
    const written = this.#enlists
      ? await this.#enlistAll(producer, transaction, hasty)
      : await this.#writeAll(producer, transaction, hasty);
    const goesOn = written && (await this.#addOffsets(producer));
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

  /** False when the transaction cannot go on. Several batches are under way, the first ones of partitions among them. */
  async #enlistAll(producer: ProducerIdentity, transaction: number, hasty: boolean): Promise<boolean> {
    const sendings: Promise<boolean>[] = [];
    const targets = new Map<string, PartitionName>();
    for (let count = this.#random.integer(1, PARTITIONS_MAX + 1); count > 0; count--) {
      const target = this.#world.topics.pickPartition(this.#random);
      if (target !== null) targets.set(nameOf(target), target);
    }
    for (const target of targets.values()) {
      for (let batches = this.#random.integer(1, BATCHES_MAX + 1); batches > 0; batches--) {
        sendings.push(this.#sendUntilKnown(this.#build(target, producer, transaction)));
        if (this.#random.chance(0.3)) await sendings.at(-1);
        if (hasty && this.#random.chance(0.5)) return true;
      }
    }
    return (await Promise.all(sendings)).every((sent) => sent);
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
      const error = await this.#send(outgoing);
      if (error === 'NONE') return true;
      const isRetriable = this.#enlists ? RETRIABLE_ENLISTING.has(error) : RETRIABLE.has(error);
      if (!isRetriable) return false;
      await this.#world.time.sleep(this.#random.between(5, 200));
    }
    return false;
  }

  async #send(outgoing: Outgoing): Promise<ErrorName> {
    if (this.#enlists) {
      const error = await sendEnlisting(this.#world, this.#client, this.#transactionalId, outgoing);
      return error ?? 'NOT_LEADER_OR_FOLLOWER';
    }
    const reply = await send(this.#world, this.#client, [outgoing], { origin: 'kafka' });
    return reply.type === 'answered' ? reply.value[0]!.error : 'NOT_LEADER_OR_FOLLOWER';
  }

  async #addOffsets(producer: ProducerIdentity): Promise<boolean> {
    const target = this.#world.topics.pickPartition(this.#random);
    if (target === null || !this.#random.chance(OFFSETS_CHANCE)) return true;
    const groupId = `of-${this.#transactionalId}`;
    const { producerId, producerEpoch } = producer;
    const offset = { ...target, offset: this.#random.integer(0, 1_000), leaderEpoch: -1, metadata: '' };
    if (this.#enlists) return this.#commitOffset(producer, groupId, offset);
    const added = await this.#repeat<true>({
      to: transactionCoordinatorOf(this.#transactionalId),
      what: `addOffsets of ${this.#transactionalId}`,
      at: async ({ coordinators: { transactions } }) => {
        await transactions.addGroup(this.#transactionalId, { producerId, producerEpoch }, groupId, 'sim');
        return true;
      },
    });
    return added !== null && this.#commitOffset(producer, groupId, offset);
  }

  async #commitOffset(producer: ProducerIdentity, groupId: string, offset: OffsetToCommit): Promise<boolean> {
    const nobody = { memberId: '', groupInstanceId: null, generationIdOrMemberEpoch: -1 };
    const transactionalId = this.#transactionalId;
    const committed = await this.#repeat<true>({
      to: coordinatorOf(groupId),
      what: `offsets of ${transactionalId}`,
      at: async ({ coordinators: { offsets, transactions } }) => {
        const { producerId, producerEpoch } = producer;
        const identity = { producerId, producerEpoch };
        // As TxnOffsetCommit does since v5.
        const wish = { transactionalId, producer: identity, groupId, client: 'sim' };
        if (this.#enlists) await transactions.enlistGroup(wish);
        const committer = { ...nobody, transactional: true, apiVersion: this.#enlists ? 5 : 3 };
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
