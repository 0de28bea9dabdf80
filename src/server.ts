/**
 * The composition root: opens stores, takes over journals, opens the doors, in this order, and closes in reverse.
 * `openCore` is everything but the doors; the simulator runs it on memory stores and simulated time.
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { hasOthers } from './broker/draining.ts';
import { type KafkaListener, listenKafka, type ZoneListener } from './broker/server.ts';
import { advertisedAddresses } from './cluster/addresses.ts';
import { ClusterConfigs } from './cluster/cluster-configs.ts';
import type { ImageKind } from './cluster/cluster-items.ts';
import { JournalReport } from './cluster/journal-report.ts';
import { type Cluster, openClusterOfOne, openSharedCluster, type Sharing } from './cluster/open-cluster.ts';
import { Placements } from './cluster/placements.ts';
import { RightClock } from './cluster/right-clock.ts';
import { StoreClock } from './cluster/store-clock.ts';
import { TopicRegistry } from './cluster/topic-registry.ts';
import { type Address, type Config, isLoopback, parseAddress, parseZones } from './config.ts';
import { type Coordinators, openCoordinators } from './coordinator/coordinators.ts';
import { StartupError } from './errors.ts';
import type { Readiness } from './http/context.ts';
import type { HttpServer } from './http/server.ts';
import type { Journal } from './journal/journal.ts';
import type { MaintenanceLimits } from './journal/maintenance.ts';
import { Lifecycle } from './lifecycle/lifecycle.ts';
import { type OpenedLog, openLog } from './log/open-log.ts';
import { requireSecret } from './rpc/secret.ts';
import { TlsTransport } from './rpc/tls-transport.ts';
import { listen, preferIPv4 } from './runtime/listen.ts';
import type { Runtime } from './runtime/runtime.ts';
import { SegmentIds } from './segment/segment-id.ts';
import { openStores, type Stores } from './stores.ts';

export const VERSION: string = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version;

/** Everything of a broker but its doors. */
export interface Core {
  /** As it was given, but for a clock that goes by the store's when the machine's is wrong. */
  readonly runtime: Runtime;
  readonly brokerId: number;
  readonly brokerEpoch: number;
  readonly cluster: Cluster;
  /** All of the cluster, by id, as seats. */
  readonly journals: readonly Journal[];
  readonly topics: TopicRegistry;
  readonly log: OpenedLog;
  readonly coordinators: Coordinators;
  readonly configs: ClusterConfigs;
  readonly lifecycle: Lifecycle;
  /** Flushes what waits, stops background work, lets go of the journals. The stores stay open. */
  close(): Promise<void>;
}

export interface CoreOptions {
  readonly config: Config;
  readonly runtime: Runtime;
  readonly stores: Pick<Stores, 'objects' | 'metadata'>;
  /** Absent for a broker that is alone on its stores. */
  readonly sharing?: Sharing;
  /** Gives up waiting for stores that are away. */
  readonly signal?: AbortSignal;
  /** The simulator wants snapshots soon, and buffers that come back overwritten, so that it sees whoever still reads them. */
  readonly journalLimits?: Partial<MaintenanceLimits>;
  readonly poison?: boolean;
}

export async function openCore(options: CoreOptions): Promise<Core> {
  const { config, stores, signal, journalLimits, poison = false, sharing = null } = options;
  const { objects, metadata } = stores;
  const clusterId = config.cluster;
  const storeClock = new StoreClock(objects, clusterId, options.runtime);
  // What others judge the age of is not stamped by a clock that is wrong.
  const rightClock = sharing && new RightClock(storeClock, options.runtime);
  const runtime = rightClock ? { ...options.runtime, clock: rightClock } : options.runtime;
  await rightClock?.compare();
  const optional = { ...(journalLimits && { journalLimits }), ...(signal && { signal }) };
  const given = { config, runtime, metadata, objects, version: VERSION, ...optional };
  const cluster = await (sharing ? openSharedCluster({ ...given, ...sharing }) : openClusterOfOne(given));
  const opened: { stop(): Promise<void> | void }[] = [{ stop: () => cluster.close() }];
  const close = () =>
    inTurn(
      opened
        .splice(0)
        .reverse()
        .map((each) => () => each.stop()),
    );
  try {
    const { brokerId, brokerEpoch, seats: journals, images } = cluster;
    const tellOf = (kind: ImageKind) => (name: string) => images.announce(kind, [name]);
    const configs = new ClusterConfigs({ clusterId, metadata, runtime, config, announce: tellOf('configs') });
    await images.open('configs', configs);
    const defaults = configs.brokers.topicDefaults;
    const partitionsDefault = config['num.partitions'];
    const topics = new TopicRegistry({
      clusterId,
      metadata,
      journals,
      runtime,
      defaults,
      partitionsDefault,
      shared: sharing !== null,
      announce: tellOf('topics'),
    });
    opened.push({ stop: () => topics.stop() });
    configs.brokers.onTopicDefaults((changed) => topics.setDefaults(changed));
    // Alone, what a crash left half-way is finished before anybody sees it; in a cluster others may be at it.
    if (sharing === null) await cluster.join(signal);
    await (sharing === null ? topics.recover() : images.open('topics', topics));
    const segmentIds = new SegmentIds(runtime.clock, runtime.random, brokerId, brokerEpoch);
    const metadataPricing = metadata.pricing;
    const shared = { config, runtime, clusterId, journals, objects, topics, segmentIds };
    const log = openLog({ ...shared, brokerId, brokerEpoch, metadataPricing, poison, ...(sharing && { cluster }) });
    opened.push({ stop: () => log.close() });
    const { remote, registry } = cluster;
    const lifecycle = new Lifecycle({
      ...shared,
      metadata,
      storeClock,
      ...(remote && { remote: { journals: remote, registry } }),
    });
    opened.push({ stop: () => lifecycle.stop() });
    const coordinators = openCoordinators({
      ...shared,
      brokerId,
      log,
      cluster: sharing && cluster,
      placements: new Placements({ clusterId, metadata, journals, runtime }),
      groupConfigs: configs.groups,
      entriesCostMoney: metadataPricing.writeUnit > 0,
      storeClock,
      topicsCurrent: () => images.current('topics'),
    });
    opened.push({ stop: () => coordinators.close() });
    if (sharing !== null) await cluster.join(signal);
    return {
      runtime,
      brokerId,
      brokerEpoch,
      cluster,
      journals: [...journals],
      topics,
      log,
      coordinators,
      configs,
      lifecycle,
      close,
    };
  } catch (cause) {
    // It is in the table: others would look for it, and show it as gone.
    opened.push({ stop: () => cluster.leave(async () => {}) });
    await close();
    throw cause;
  }
}

export interface BrokerServer {
  /** Where the doors really listen. */
  readonly kafka: Address;
  readonly http: Address;
  /** Resolves with the reason when the broker can no longer serve: another one took over its journals. */
  readonly failed: Promise<Error>;
  stop(): Promise<void>;
}

export interface StartOptions {
  readonly signal?: AbortSignal;
}

/** Starts a whole broker. Throws StartupError with one clear sentence when it cannot. */
export async function startBroker(config: Config, runtime: Runtime, options: StartOptions = {}): Promise<BrokerServer> {
  const [kafkaAt, httpAt, internalAt] = [config.kafka, config.http, config.internal].map((text) => parseAddress(text));
  const zones = zoneListeners(config);
  refuseOpenDoors(config, [kafkaAt!, httpAt!, ...Object.values(zones).map(({ address }) => address)]);
  requireSecret(internalAt!, config['cluster.secret']);
  const advertised = config['advertise.kafka'] === '' ? null : parseAddress(config['advertise.kafka']);
  const stores = await openStores(config, runtime, options.signal);
  let core: Core | undefined;
  let kafka: KafkaListener | undefined;
  let http: HttpServer | undefined;
  let stopping = false;
  const stop = async () => {
    stopping = true;
    await inTurn([
      () => core?.cluster.leave(async () => kafka?.drain()),
      async () => {
        const ends = await Promise.allSettled([core?.coordinators.close(), kafka?.close(), http?.close()]);
        for (const end of ends) if (end.status === 'rejected') throw end.reason;
      },
      () => core?.close(),
      () => stores.close(),
    ]);
  };
  try {
    const { signal } = options;
    const sharing = stores.kind === 'aws' ? sharingOf(config, runtime, stores) : undefined;
    if (sharing) {
      const kafkaAts = [kafkaAt!, ...Object.values(zones).map(({ address }) => address)];
      for (const { host, port } of kafkaAts) await refuseTakenPort('Kafka clients', preferIPv4(host), port);
      await refuseTakenPort('HTTP', httpAt!.host, httpAt!.port);
    }
    core = await openCore({ config, runtime, stores, ...(sharing && { sharing }), ...(signal && { signal }) });
    const { log, topics, coordinators, configs, cluster } = core;
    const { brokerId, members, leaders } = cluster;
    const shared = { runtime: core.runtime, config, log, topics, coordinators };
    const report = new JournalReport({ brokerId, journals: cluster.seats, leaders, ...(sharing && { cluster }) });
    const identity = { clusterId: config.cluster, brokerId, members, leaders };
    kafka = await listenKafka({ ...shared, ...identity, configs, report, address: kafkaAt!, advertised, zones });
    // Loaded late: the Kafka door listens while the larger HTTP modules come.
    const { listenHttp } = await import('./http/server.ts');
    http = await listenHttp({
      ...shared,
      cluster: cluster.operations,
      listen: httpAt!,
      version: VERSION,
      readiness: () => (stopping ? { ready: false, reason: 'the broker stops' } : readiness(cluster)),
    });
    const bound = { kafka: kafka.address, http: http.address, kafkaByZone: kafka.zoneAddresses };
    await cluster.announce(
      advertisedAddresses(config, { ...bound, internal: cluster.internal ?? internalAt! }, ownHost()),
    );
    core.lifecycle.start();
    return { kafka: kafka.address, http: http.address, failed: cluster.failed, stop };
  } catch (cause) {
    await stop();
    throw cause;
  }
}

/** A step that fails leaves none of those after it undone. Rejects with the first failure. */
export async function inTurn(steps: readonly (() => Promise<void> | void | undefined)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (cause) {
      failures.push(cause);
    }
  }
  if (failures.length > 0) throw failures[0];
}

function sharingOf(config: Config, runtime: Runtime, { incarnation }: Stores): Sharing {
  const [secret, previousSecret] = [config['cluster.secret'], config['cluster.secret.previous']];
  const transport = new TlsTransport({ secret, previousSecret, clusterId: config.cluster, runtime });
  return { transport, incarnation, host: ownHost() };
}

/** One that is drained is not the one to send requests to, as long as others are. */
function readiness(cluster: Cluster): Readiness {
  const { members } = cluster;
  if (members.self.draining && hasOthers(members)) return { ready: false, reason: 'the broker is drained' };
  return cluster.readiness();
}

function refuseOpenDoors(config: Config, addresses: readonly Address[]): void {
  const open = addresses.find(({ host }) => !isLoopback(host));
  if (!open || config['insecure.listen']) return;
  throw new StartupError(
    `nothing authenticates clients yet, so listening on ${open.host} is refused: use 127.0.0.1, or give --insecure-listen to open it to whoever can reach it`,
  );
}

/** Before others hear of this broker, and give it journals that it would give back at once. */
async function refuseTakenPort(what: string, host: string, port: number): Promise<void> {
  const probe = createServer();
  await listen(probe, { what, host, port });
  await new Promise((resolve) => probe.close(resolve));
}

function zoneListeners(config: Config): Readonly<Record<string, ZoneListener>> {
  const advertised = parseZones(config['advertise.kafka.zones'], '--advertise-kafka-zones');
  const zones = parseZones(config['kafka.zones'], '--kafka-zones');
  return Object.fromEntries(
    Object.entries(zones).map(([zone, address]) => [zone, { address, advertised: advertised[zone] ?? null }]),
  );
}

/** Another machine would reach this one there. */
function ownHost(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return addresses.find(({ internal, family }) => !internal && family === 'IPv4')?.address ?? '127.0.0.1';
}
