/** Logs of several brokers on one pair of memory stores, some leading, others following; calls between them may fail. */
import type { Member, Members } from '../../../src/cluster/members.ts';
import { TopicRegistry } from '../../../src/cluster/topic-registry.ts';
import { type Given, parseConfig } from '../../../src/config.ts';
import { type OpenedLog, openLog } from '../../../src/log/open-log.ts';
import type { Peers } from '../../../src/rpc/peers.ts';
import type { Runtime } from '../../../src/runtime/runtime.ts';
import { SegmentIds } from '../../../src/segment/segment-id.ts';
import type { MemoryMetadataStore } from '../../../src/storage/memory/metadata-store.ts';
import type { MemoryObjectStore } from '../../../src/storage/memory/object-store.ts';
import type { ObjectStore } from '../../../src/storage/object-store.ts';
import { memberOf } from '../cluster/cluster-of.ts';
import { type SeatedBroker, SeatsWorld, type WrapPeers } from '../cluster/seats-world.ts';
import { testRuntime } from '../journal/harness.ts';

export interface LogBroker extends SeatedBroker {
  readonly log: OpenedLog;
  /** Reads of segments for fetches. */
  readonly reads: string[];
}

export interface LogClusterOptions {
  readonly zones?: readonly string[];
  readonly journals?: number;
  readonly config?: Given;
  readonly runtime?: Runtime;
  readonly stores?: { readonly metadata: MemoryMetadataStore; readonly objects: MemoryObjectStore };
  /** Between a broker's peers and the network. */
  readonly wrapPeers?: WrapPeers;
  readonly wrapObjects?: (objects: ObjectStore, brokerId: number) => ObjectStore;
  /** Fetches that wait at once at each broker. */
  readonly waitersMax?: number;
}

export class TestMembers implements Members {
  readonly #listeners = new Set<() => void>();
  readonly selfId: number;
  readonly #all: readonly Member[];
  readonly gone: Set<number>;
  readonly controllerId = 1;

  constructor(selfId: number, all: readonly Member[], gone: Set<number>) {
    this.selfId = selfId;
    this.#all = all;
    this.gone = gone;
  }

  get self(): Member {
    return this.get(this.selfId)!;
  }

  live(): readonly Member[] {
    return this.#all.filter(({ brokerId }) => !this.gone.has(brokerId));
  }

  get(brokerId: number): Member | undefined {
    return this.#all.find((member) => member.brokerId === brokerId);
  }

  onChanged(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** Broker 1 leads all journals at first. */
export async function openLogCluster(options: LogClusterOptions = {}) {
  const { zones = ['', '', ''], journals = 1, runtime = testRuntime() } = options;
  const config = parseConfig(options.config ?? {});
  const world = new SeatsWorld(journals, options.stores?.objects, options.stores?.metadata);
  const gone = new Set<number>();
  const all = zones.map((zone, index) => memberOf(index + 1, { zone }));
  const wrapPeers = options.wrapPeers ?? ((peers: Peers) => peers);
  const seated = all.map(({ brokerId }) => world.broker(brokerId, { runtime, wrapPeers }));
  const topics = new TopicRegistry({
    clusterId: 'c',
    metadata: world.stores.metadata,
    journals: seated[0]!.seats,
    runtime,
    defaults: {},
    partitionsDefault: 1,
  });
  const brokers = seated.map((broker): LogBroker => {
    const { brokerId, brokerEpoch, seats } = broker;
    const reads: string[] = [];
    const objects = countingReads((options.wrapObjects ?? ((store) => store))(world.stores.objects, brokerId), reads);
    const log = openLog({
      config,
      runtime,
      clusterId: 'c',
      brokerId,
      brokerEpoch,
      journals: seats,
      objects,
      metadataPricing: world.stores.metadata.pricing,
      segmentIds: new SegmentIds(runtime.clock, runtime.random, brokerId, brokerEpoch),
      topics,
      poison: true,
      ...(options.waitersMax !== undefined && { waitersMax: options.waitersMax }),
      cluster: {
        peers: wrapPeers(world.network.peers({ brokerId, brokerEpoch }), brokerId),
        registry: world.network.registry(brokerId),
        members: new TestMembers(brokerId, all, gone),
        leaders: world.leaders,
      },
    });
    return { ...broker, log, reads };
  });
  for (let journal = 0; journal < journals; journal++) await world.lead(brokers[0]!, journal);
  await topics.recover();
  return {
    world,
    brokers,
    topics,
    gone,
    runtime,
    /** Hands a journal over, as the controller would. */
    lead: (broker: LogBroker, journal = 0) => world.lead(broker, journal),
    /** Another broker takes over from one that cannot be asked to let go. */
    async usurp(broker: LogBroker, journal = 0): Promise<void> {
      await broker.seats.lead(journal, { signal: new AbortController().signal });
      world.leaders.set(journal, { brokerId: broker.brokerId, epoch: broker.seats.get(journal)!.epoch });
    },
    async close(): Promise<void> {
      world.network.cut.clear();
      await Promise.all(brokers.map(({ log }) => log.close()));
      await world.close();
    },
  };
}

export type TestLogCluster = Awaited<ReturnType<typeof openLogCluster>>;

function countingReads(objects: ObjectStore, reads: string[]): ObjectStore {
  return new Proxy(objects, {
    get(target, name) {
      if (name !== 'read') return Reflect.get(target, name).bind?.(target) ?? Reflect.get(target, name);
      const read: ObjectStore['read'] = (key, range, readOptions) => {
        if (readOptions.cause === 'fetch') reads.push(`${key} ${range.start}`);
        return target.read(key, range, readOptions);
      };
      return read;
    },
  });
}
