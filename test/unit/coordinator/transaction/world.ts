/** A broker without doors on memory stores, which can be made to die after some writes and started again on what is left. */

import { LeaderCalls } from '../../../../src/cluster/leader-calls.ts';
import { Placements } from '../../../../src/cluster/placements.ts';
import type { TopicPartition } from '../../../../src/cluster/topics.ts';
import { type Given, parseConfig } from '../../../../src/config.ts';
import { ParticipantJournals } from '../../../../src/coordinator/transaction/participant-journals.ts';
import type { ProducerIdentity } from '../../../../src/coordinator/transaction/transaction-state.ts';
import { type TransactionSettings, Transactions } from '../../../../src/coordinator/transaction/transactions.ts';
import type { Journal } from '../../../../src/journal/journal.ts';
import { fixedJournals } from '../../../../src/journal/journals.ts';
import type { OpenedJournal } from '../../../../src/journal/open-journal.ts';
import type { ProduceOutcome } from '../../../../src/log/log.ts';
import { buildBatch } from '../../../../src/record/records.ts';
import { silentLogger } from '../../../../src/runtime/logger.ts';
import { type Runtime, systemRuntime } from '../../../../src/runtime/runtime.ts';
import { type Core, openCore } from '../../../../src/server.ts';
import { MemoryMetadataStore } from '../../../../src/storage/memory/metadata-store.ts';
import { MemoryObjectStore } from '../../../../src/storage/memory/object-store.ts';
import { MortalStore } from '../mortal-store.ts';

export const CLIENT = 'test';
export const GROUP = 'g';
const CLUSTER = 'millrace';
export const TIMEOUT_MS = 60_000;

export interface WorldOptions {
  readonly journals?: number;
  readonly runtime?: Runtime;
  readonly config?: Given;
}

export class World {
  readonly #options: WorldOptions;
  readonly #metadata = new MemoryMetadataStore();
  readonly #objects = new MemoryObjectStore();
  #store = new MortalStore(this.#metadata);
  core!: Core;

  private constructor(options: WorldOptions) {
    this.#options = options;
  }

  static async open(options: WorldOptions = {}): Promise<World> {
    const world = new World(options);
    await world.#start();
    return world;
  }

  get transactions(): Transactions {
    return this.core.coordinators.transactions;
  }

  /** Over the same journals, with other limits. */
  another(limits: Partial<TransactionSettings>): Transactions {
    const { topics, log, coordinators } = this.core;
    const journals = fixedJournals(this.core.journals);
    const runtime = systemRuntime(silentLogger);
    const settings = { timeoutMaxMs: 900_000, idExpirationMs: 1e9, abortIntervalMs: 1e6, expireIntervalMs: 1e6 };
    const placements = new Placements({ clusterId: CLUSTER, metadata: this.#metadata, journals, runtime });
    const calls = new LeaderCalls(null);
    const placeGroup = (groupId: string, client: string | null) => coordinators.groups.place(groupId, client);
    return new Transactions({
      runtime,
      journals,
      placements,
      calls,
      participants: new ParticipantJournals({ journals, topics, placements, calls, placeGroup }),
      settings: { ...settings, idCountMax: 1_000, ...limits },
      allocateProducerId: () => log.allocateProducerId(),
    });
  }

  /** The process dies with the write after `writes` more of them; that write takes effect or not. */
  dieAfter(writes: number, effect: boolean): void {
    this.#store.writesLeft = writes;
    this.#store.effect = effect;
  }

  get dead(): boolean {
    return this.#store.dead;
  }

  /** Ends the process as it stands, and starts another one on the same stores. */
  async restart(): Promise<void> {
    this.#store.writesLeft = Math.min(0, this.#store.writesLeft);
    this.#store.effect = false;
    // A log that closes in order waits for its journals, which would wait for the store.
    await Promise.all(this.core.journals.map((journal) => (journal as OpenedJournal).close()));
    await this.core.close();
    await this.#start();
  }

  async close(): Promise<void> {
    await this.core.close();
  }

  /** A topic whose partitions are spread over all journals. */
  async topic(name = 'orders', partitions = 8): Promise<readonly TopicPartition[]> {
    return (await this.core.topics.create({ name, partitions, config: {} })).partitions;
  }

  journalOf({ journal }: TopicPartition): Journal {
    return this.core.journals.find(({ id }) => id === journal)!;
  }

  /** `transaction` where the guard may still be on its way. */
  async produce(
    at: TopicPartition,
    producer: ProducerIdentity,
    baseSequence: number,
    transaction?: number,
  ): Promise<ProduceOutcome> {
    const records = buildBatch([{ key: null, value: 'v' }], {
      ...producer,
      baseSequence,
      transactional: true,
      timestamp: Date.now(),
    });
    const { topicId, partition } = at;
    const batch = { topicId, partition, records, ...(transaction !== undefined && { transaction }) };
    const [outcome] = await this.core.log.produce([batch], { origin: 'kafka' });
    return outcome!;
  }

  /** `open`, `committed 1` or `aborted 1` with the number of records and markers. */
  fate(at: TopicPartition): string {
    const state = this.journalOf(at).state.partition(at.topicId, at.partition)!;
    const { nextOffset, lastStableOffset, abortedTransactions } = state;
    if (lastStableOffset < nextOffset) return 'open';
    if (nextOffset === 0) return 'empty';
    return `${abortedTransactions.length > 0 ? 'aborted' : 'committed'} ${nextOffset}`;
  }

  async commitOffset(producer: ProducerIdentity, at: TopicPartition, offset: number): Promise<void> {
    const committer = {
      memberId: '',
      groupInstanceId: null,
      generationIdOrMemberEpoch: -1,
      transactional: true,
      apiVersion: 3,
    };
    const [refused] = await this.core.coordinators.offsets.commitTransactional(
      { groupId: GROUP, client: CLIENT },
      committer,
      { ...producer, knowsAbortable: true },
      [{ topicId: at.topicId, partition: at.partition, offset, leaderEpoch: -1, metadata: '' }],
    );
    if (refused) throw refused;
  }

  /** The committed offset, -1 when there is none; `unstable` while a transaction holds it. */
  async offset({ topicId, partition }: TopicPartition): Promise<number | 'unstable'> {
    const query = { groupId: GROUP, memberId: null, memberEpoch: -1, places: [{ topicId, partition }] };
    const [found] = await this.core.coordinators.offsets.fetch(query);
    return found!.unstable ? 'unstable' : (found!.committed?.offset ?? -1);
  }

  async #start(): Promise<void> {
    const { journals = 1, config = {} } = this.#options;
    const runtime = this.#options.runtime ?? systemRuntime(silentLogger);
    this.#store = new MortalStore(this.#metadata);
    const stores = { metadata: this.#store, objects: this.#objects };
    this.core = await openCore({ config: parseConfig({ journals: String(journals), ...config }), runtime, stores });
  }
}

export const partitionsOf = (...places: readonly TopicPartition[]): Record<string, number[]> =>
  places.length === 0 ? {} : { [places[0]!.topicId]: places.map(({ partition }) => partition) };

/** Answers once `holds`, or fails after five seconds. */
export async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 1_000; attempt++) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error('it did not come to pass');
}
