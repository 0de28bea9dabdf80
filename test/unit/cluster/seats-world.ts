/** Brokers of one cluster over one pair of memory stores: seats, calls between them, and who they believe to lead. */

import { JournalSeats } from '../../../src/cluster/journal-seats.ts';
import type { JournalLeader, Leaders } from '../../../src/cluster/members.ts';
import { answerJournalCalls, RemoteJournals } from '../../../src/cluster/remote-journals.ts';
import type { Peers } from '../../../src/rpc/peers.ts';
import type { Runtime } from '../../../src/runtime/runtime.ts';
import { Faults, faultyMetadataStore, faultyObjectStore } from '../../../src/storage/faulty.ts';
import { MemoryMetadataStore } from '../../../src/storage/memory/metadata-store.ts';
import { MemoryObjectStore } from '../../../src/storage/memory/object-store.ts';
import { testRuntime } from '../journal/harness.ts';
import { LocalNetwork } from '../rpc/local-peers.ts';

export class KnownLeaders implements Leaders {
  readonly #leaders = new Map<number, JournalLeader>();
  readonly #epochs = new Map<number, number>();
  readonly #listeners = new Set<(journal: number) => void>();

  of(journal: number): JournalLeader | null {
    return this.#leaders.get(journal) ?? null;
  }

  newestEpoch(journal: number): number {
    return this.#epochs.get(journal) ?? -1;
  }

  onChanged(listener: (journal: number) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  set(journal: number, leader: JournalLeader): void {
    this.#leaders.set(journal, leader);
    this.#epochs.set(journal, Math.max(this.newestEpoch(journal), leader.epoch));
    for (const listener of this.#listeners) listener(journal);
  }

  forget(journal: number): void {
    this.#leaders.delete(journal);
    for (const listener of this.#listeners) listener(journal);
  }
}

export interface SeatedBroker {
  readonly brokerId: number;
  readonly brokerEpoch: number;
  readonly seats: JournalSeats;
  readonly faults: Faults;
  readonly runtime: Runtime;
  readonly remote: RemoteJournals;
}

export class SeatsWorld {
  /** Of this world alone. */
  readonly id = nextWorld++;
  readonly stores: { readonly metadata: MemoryMetadataStore; readonly objects: MemoryObjectStore };
  readonly network = new LocalNetwork();
  readonly leaders = new KnownLeaders();
  readonly brokers: SeatedBroker[] = [];
  readonly #count: number;

  constructor(count = 1, objects = new MemoryObjectStore(), metadata = new MemoryMetadataStore()) {
    this.#count = count;
    this.stores = { metadata, objects };
  }

  broker(
    brokerId: number,
    { brokerEpoch = 1, runtime = testRuntime() as Runtime, wrapPeers = unwrapped } = {},
  ): SeatedBroker {
    const faults = new Faults(runtime);
    const peers = wrapPeers(this.network.peers({ brokerId, brokerEpoch }), brokerId);
    const remote = new RemoteJournals({ brokerId, peers, leaders: () => this.leaders });
    const seats = new JournalSeats({
      clusterId: 'c',
      brokerId,
      brokerEpoch,
      metadata: faultyMetadataStore(this.stores.metadata, faults),
      objects: faultyObjectStore(this.stores.objects, faults),
      runtime,
      remote,
      count: this.#count,
    });
    answerJournalCalls(this.network.registry(brokerId), seats);
    const broker = { brokerId, brokerEpoch, seats, faults, runtime, remote };
    this.brokers.push(broker);
    return broker;
  }

  /** Lets a broker lead, asking who led before to let go, and tells everybody. */
  async lead({ brokerId, seats }: SeatedBroker, journal = 0, signal = NEVER): Promise<void> {
    const leader = this.leaders.of(journal)?.brokerId;
    const before = this.brokers.find((broker) => broker.brokerId === leader && leader !== brokerId);
    const handOver = async () => before?.seats.relinquish(journal);
    await seats.lead(journal, { signal, handOver });
    this.leaders.set(journal, { brokerId, epoch: seats.get(journal)!.epoch });
  }

  entryCount(): number {
    return [...this.stores.metadata.items()].filter(({ sortKey }) => sortKey.startsWith('e/')).length;
  }

  async close(): Promise<void> {
    for (const { faults } of this.brokers) faults.heal();
    await Promise.all(this.brokers.map(({ seats }) => seats.close()));
  }
}

let nextWorld = 0;

/** What stands between a broker and the network. */
export type WrapPeers = (peers: Peers, brokerId: number) => Peers;

const unwrapped: WrapPeers = (peers) => peers;

export const NEVER = new AbortController().signal;
