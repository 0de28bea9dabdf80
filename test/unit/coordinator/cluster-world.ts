/**
 * Several brokers without doors on one pair of memory stores, each with seats, a log and coordinators. Who leads what is as
 * the test says; brokers can be made to die after some writes.
 */
import type { Broker } from '../../../src/broker/handler.ts';
import { ClusterConfigs } from '../../../src/cluster/cluster-configs.ts';
import { JournalReport } from '../../../src/cluster/journal-report.ts';
import { JournalSeats } from '../../../src/cluster/journal-seats.ts';
import type { Member, Members } from '../../../src/cluster/members.ts';
import { Placements } from '../../../src/cluster/placements.ts';
import { answerJournalCalls, RemoteJournals } from '../../../src/cluster/remote-journals.ts';
import { TopicRegistry } from '../../../src/cluster/topic-registry.ts';
import { type Given, parseConfig } from '../../../src/config.ts';
import { type Coordinators, openCoordinators } from '../../../src/coordinator/coordinators.ts';
import type { Journal } from '../../../src/journal/journal.ts';
import { type OpenedLog, openLog } from '../../../src/log/open-log.ts';
import type { APIS, ApiName } from '../../../src/protocol/apis.ts';
import type { Infer, Input } from '../../../src/protocol/schema.ts';
import { type Peers, PeerUnavailableError } from '../../../src/rpc/peers.ts';
import type { Runtime } from '../../../src/runtime/runtime.ts';
import { SegmentIds } from '../../../src/segment/segment-id.ts';
import { MemoryMetadataStore } from '../../../src/storage/memory/metadata-store.ts';
import { MemoryObjectStore } from '../../../src/storage/memory/object-store.ts';
import { ask } from '../broker/door.ts';
import { memberOf } from '../cluster/cluster-of.ts';
import { KnownLeaders } from '../cluster/seats-world.ts';
import { testRuntime } from '../journal/harness.ts';
import { LocalNetwork } from '../rpc/local-peers.ts';
import { MortalStore } from './mortal-store.ts';

export interface ClusterBroker {
  readonly brokerId: number;
  readonly seats: JournalSeats;
  readonly log: OpenedLog;
  readonly coordinators: Coordinators;
  readonly store: MortalStore;
  readonly broker: Broker;
  /** One request through its router. */
  ask<N extends ApiName>(
    name: N,
    version: number,
    body: Input<(typeof APIS)[N]['request']>,
    more?: { readonly signal?: AbortSignal },
  ): Promise<Infer<(typeof APIS)[N]['response']>>;
}

export interface ClusterWorldOptions {
  readonly brokers?: number;
  readonly journals?: number;
  readonly config?: Given;
  readonly runtime?: Runtime;
  /** Each broker knows the topics that it made or had to look for; nobody is told of others'. */
  readonly untold?: boolean;
  /** What a broker is told when it asks whether it missed a topic. */
  readonly topicsCurrent?: (brokerId: number, topics: TopicRegistry) => Promise<void> | null;
}

/** Those who are alive. */
class LiveMembers {
  readonly #all: readonly Member[];
  readonly #listeners = new Set<() => void>();
  readonly gone = new Set<number>();

  constructor(all: readonly Member[]) {
    this.#all = all;
  }

  seenBy(brokerId: number): Members {
    const get = (id: number) => this.#all.find((member) => member.brokerId === id);
    return {
      self: get(brokerId)!,
      live: () => this.#all.filter((member) => !this.gone.has(member.brokerId)),
      get,
      controllerId: 1,
      onChanged: (listener) => {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
      },
    };
  }

  lose(brokerId: number): void {
    this.gone.add(brokerId);
    for (const listener of this.#listeners) listener();
  }
}

const NEVER = new AbortController().signal;

/** Brokers are numbered from 1; nobody leads until `lead` says so. */
export async function openClusterWorld(options: ClusterWorldOptions = {}) {
  const { brokers: count = 2, journals = 2, runtime = testRuntime() as Runtime, untold = false } = options;
  const { topicsCurrent = () => null } = options;
  const config = parseConfig({ 'group.initial.rebalance.delay.ms': '0', ...options.config });
  const [metadata, objects] = [new MemoryMetadataStore(), new MemoryObjectStore()];
  const clusterId = config.cluster;
  const network = new LocalNetwork();
  const leaders = new KnownLeaders();
  const members = new LiveMembers(Array.from({ length: count }, (_, index) => memberOf(index + 1)));
  const seated = members
    .seenBy(1)
    .live()
    .map(({ brokerId }) => {
      const store = new MortalStore(metadata);
      const identity = { brokerId, brokerEpoch: 1 };
      const peers = mortalPeers(network.peers(identity), store, brokerId, members.gone);
      const registry = network.registry(brokerId);
      const remote = new RemoteJournals({ brokerId, peers, leaders: () => leaders });
      const seats = new JournalSeats({
        ...identity,
        clusterId,
        metadata: store,
        objects,
        runtime,
        remote,
        count: journals,
      });
      answerJournalCalls(registry, seats);
      return { brokerId, store, peers, registry, seats };
    });
  const common = { clusterId, metadata, runtime, defaults: {}, partitionsDefault: 1, shared: untold };
  const registries = seated.map(({ seats }) => new TopicRegistry({ ...common, journals: seats }));
  const topicsOf = (brokerId: number) => registries[untold ? brokerId - 1 : 0]!;
  const topics = topicsOf(1);
  const configs = new ClusterConfigs({ clusterId, metadata, runtime, config });
  const brokers = seated.map(({ brokerId, store, peers, registry, seats }): ClusterBroker => {
    const identity = { brokerId, brokerEpoch: 1 };
    const cluster = { brokerId, peers, registry, leaders, members: members.seenBy(brokerId) };
    const topics = topicsOf(brokerId);
    const shared = { config, runtime, clusterId, journals: seats, objects, topics };
    const segmentIds = new SegmentIds(runtime.clock, runtime.random, brokerId, 1);
    const log = openLog({ ...shared, ...identity, segmentIds, metadataPricing: metadata.pricing, cluster });
    const placements = new Placements({ clusterId, metadata: store, journals: seats, runtime });
    const coordinators = openCoordinators({
      ...shared,
      brokerId,
      log,
      placements,
      groupConfigs: configs.groups,
      cluster,
      topicsCurrent: () => topicsCurrent(brokerId, topics),
    });
    const broker: Broker = {
      ...{ runtime, config, log, topics, coordinators, configs, clusterId, brokerId, leaders },
      report: new JournalReport({ brokerId, journals: seats, leaders }),
      members: cluster.members,
    };
    return { brokerId, store, seats, log, coordinators, broker, ask: (...asked) => ask(broker, ...asked) };
  });
  const of = (brokerId: number) => brokers[brokerId - 1]!;
  const deaths = new Map(brokers.map(({ brokerId }) => [brokerId, Promise.withResolvers<never>()]));
  for (const { promise } of deaths.values()) promise.catch(() => {});
  return {
    brokers,
    topics,
    configs,
    metadata,
    network,
    leaders,
    members,
    runtime,
    of,
    registryOf: topicsOf,
    /** It leads the journal from now on: the one before lets go, unless it cannot be asked. */
    async lead(brokerId: number, journal: number): Promise<void> {
      const before = leaders.of(journal)?.brokerId;
      const { seats } = of(brokerId);
      const asked = before !== undefined && before !== brokerId && !members.gone.has(before) ? of(before) : null;
      await seats.lead(journal, { signal: NEVER, handOver: async () => asked?.seats.relinquish(journal) });
      leaders.set(journal, { brokerId, epoch: seats.get(journal)!.epoch });
    },
    /** It leads from now on, which the one before does not know. */
    async usurp(brokerId: number, journal: number): Promise<void> {
      const { seats } = of(brokerId);
      await seats.lead(journal, { signal: NEVER });
      leaders.set(journal, { brokerId, epoch: seats.get(journal)!.epoch });
    },
    /** It is gone with everything that it had not written. */
    kill(brokerId: number): void {
      const { store } = of(brokerId);
      store.writesLeft = -1;
      network.cut.set(brokerId, 'before');
      members.lose(brokerId);
      deaths.get(brokerId)!.reject(new Error(`broker ${brokerId} is dead`));
    },
    /** As a client that loses its connection when the broker dies. */
    orDead: <T>(brokerId: number, answer: Promise<T>): Promise<T> =>
      Promise.race([answer, deaths.get(brokerId)!.promise]),
    leaderOf(journal: number): ClusterBroker {
      return of(leaders.of(journal)!.brokerId);
    },
    stateOf(journal: number): Journal {
      return this.leaderOf(journal).seats.get(journal)!;
    },
    async close(): Promise<void> {
      network.cut.clear();
      for (const each of registries) each.stop();
      await Promise.all(
        brokers.map(async ({ coordinators, log, seats, store }) => {
          store.revive();
          await coordinators.close();
          await log.close();
          await seats.close();
        }),
      );
    },
  };
}

export type ClusterWorld = Awaited<ReturnType<typeof openClusterWorld>>;

/** Of a broker that may be dead: nothing leaves it then. */
function mortalPeers(peers: Peers, store: MortalStore, brokerId: number, gone: ReadonlySet<number>): Peers {
  return {
    async call(to, ...rest) {
      if (store.dead || gone.has(brokerId)) throw new PeerUnavailableError('the process is dead', true);
      return peers.call(to, ...rest);
    },
  };
}
