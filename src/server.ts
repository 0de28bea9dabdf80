/**
 * The composition root: opens stores, takes over journals, opens the doors, in this order, and closes in reverse.
 * `openCore` is everything but the doors; the simulator runs it on memory stores and simulated time.
 */
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { type KafkaListener, listenKafka, type ZoneListener } from './broker/server.ts';
import { advertisedAddresses } from './cluster/addresses.ts';
import { AloneOperations, aloneLeaders, aloneMembers } from './cluster/alone.ts';
import { ClusterConfigs } from './cluster/cluster-configs.ts';
import { JournalReport } from './cluster/journal-report.ts';
import { Placements } from './cluster/placements.ts';
import { agreeOnFormat, agreeOnJournals, type NewBroker, registerBroker } from './cluster/registration.ts';
import { StoreClock } from './cluster/store-clock.ts';
import { TopicRegistry } from './cluster/topic-registry.ts';
import { type Address, type Config, isLoopback, parseAddress, parseZones } from './config.ts';
import { type Coordinators, openCoordinators } from './coordinator/coordinators.ts';
import { StartupError, StorageCorruptError } from './errors.ts';
import type { HttpServer } from './http/server.ts';
import type { Journal } from './journal/journal.ts';
import { fixedJournals } from './journal/journals.ts';
import type { MaintenanceLimits } from './journal/maintenance.ts';
import { type OpenedJournal, openJournal } from './journal/open-journal.ts';
import { Lifecycle } from './lifecycle/lifecycle.ts';
import { type OpenedLog, openLog } from './log/open-log.ts';
import { requireSecret } from './rpc/secret.ts';
import type { Runtime } from './runtime/runtime.ts';
import { SegmentIds } from './segment/segment-id.ts';
import { openStores, type Stores } from './stores.ts';

/** How often a broker looks whether it still leads what it opened. */
const LEADERSHIP_CHECK_MS = 1_000;

export const VERSION: string = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version;

/** Everything of a broker but its doors. */
export interface Core {
  readonly brokerId: number;
  readonly brokerEpoch: number;
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
  /** Gives up waiting for stores that are away. */
  readonly signal?: AbortSignal;
  /** The simulator wants snapshots soon, and buffers that come back overwritten, so that it sees whoever still reads them. */
  readonly journalLimits?: Partial<MaintenanceLimits>;
  readonly poison?: boolean;
}

export async function openCore(options: CoreOptions): Promise<Core> {
  const { config, runtime, stores, signal, journalLimits: limits, poison = false } = options;
  const { objects, metadata } = stores;
  const clusterId = config.cluster;
  const brokerId = config['broker.id'];
  await agreeOnFormat(metadata, clusterId, VERSION);
  const { brokerEpoch } = await registerBroker({ metadata, clusterId, broker: describeBroker(config), runtime });
  const count = await agreeOnJournals(metadata, clusterId, config.journals, runtime);
  const journals: OpenedJournal[] = [];
  const close = async () => {
    await Promise.all(journals.map((journal) => journal.close()));
  };
  try {
    const identity = { clusterId, brokerId, brokerEpoch, metadata, objects, runtime, ...(signal && { signal }) };
    const ids = Array.from({ length: count }, (_, id) => id);
    const opened = await Promise.allSettled(
      ids.map((id) => openJournal({ ...identity, id, ...(limits && { limits }) })),
    );
    for (const result of opened) if (result.status === 'fulfilled') journals.push(result.value);
    reportUnopened(opened, runtime);
    const configs = new ClusterConfigs({ clusterId, metadata, runtime, config });
    await configs.recover();
    const defaults = configs.brokers.topicDefaults;
    const partitionsDefault = config['num.partitions'];
    const topics = new TopicRegistry({
      clusterId,
      metadata,
      journals: fixedJournals(journals),
      runtime,
      defaults,
      partitionsDefault,
    });
    configs.brokers.onTopicDefaults((changed) => topics.setDefaults(changed));
    await topics.recover();
    const segmentIds = new SegmentIds(runtime.clock, runtime.random, brokerId, brokerEpoch);
    const metadataPricing = metadata.pricing;
    const log = openLog({
      config,
      runtime,
      clusterId,
      brokerId,
      brokerEpoch,
      journals: fixedJournals(journals),
      objects,
      metadataPricing,
      topics,
      segmentIds,
      poison,
    });
    const seats = fixedJournals(journals);
    const placements = new Placements({ clusterId, metadata, journals: seats, runtime });
    const groupConfigs = configs.groups;
    const entriesCostMoney = metadataPricing.writeUnit > 0;
    const shared = { config, runtime, journals: seats, topics, log, placements, groupConfigs };
    const storeClock = new StoreClock(objects, clusterId, runtime);
    const coordinators = openCoordinators({ ...shared, brokerId, entriesCostMoney, storeClock, cluster: null });
    const lifecycle = new Lifecycle({ config, runtime, clusterId, journals: seats, objects, topics, segmentIds });
    return {
      brokerId,
      brokerEpoch,
      journals,
      topics,
      log,
      coordinators,
      configs,
      lifecycle,
      async close() {
        topics.stop();
        await coordinators.close();
        await lifecycle.stop();
        await log.close();
        await close();
      },
    };
  } catch (cause) {
    await close();
    throw cause;
  }
}

/** As it is configured: what is bound is known later. */
const describeBroker = (config: Config): NewBroker => ({
  brokerId: config['broker.id'],
  kafka: parseAddress(config.kafka),
  kafkaByZone: {},
  http: parseAddress(config.http),
  internal: parseAddress(config.internal),
  zone: config.zone,
  version: VERSION,
});

/** One damaged journal does not keep the others from working; with none left there is no broker. */
function reportUnopened(opened: readonly PromiseSettledResult<Journal>[], { logger }: Runtime): void {
  for (const [journal, result] of opened.entries()) {
    if (result.status === 'fulfilled') continue;
    const { reason } = result;
    const others = opened.some(({ status }) => status === 'fulfilled');
    if (!(reason instanceof StorageCorruptError) || !others) throw reason;
    logger.error(
      { journal, cause: reason.message },
      'a journal is damaged: its partitions are unavailable, others work',
    );
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
  const listening = [parseAddress(config.kafka), parseAddress(config.http), parseAddress(config.internal)];
  const zones = zoneListeners(config);
  refuseOpenDoors(config, [...listening.slice(0, 2), ...Object.values(zones).map(({ address }) => address)]);
  requireSecret(listening[2]!, config['cluster.secret']);
  const advertised = config['advertise.kafka'] === '' ? null : parseAddress(config['advertise.kafka']);
  const stores = await openStores(config, runtime, options.signal);
  let core: Core | undefined;
  let kafka: KafkaListener | undefined;
  let http: HttpServer | undefined;
  const stop = async () => {
    await Promise.all([core?.coordinators.close(), kafka?.close(), http?.close()]);
    await core?.close();
    await stores.close();
  };
  try {
    core = await openCore({ config, runtime, stores, ...(options.signal && { signal: options.signal }) });
    const { log, topics, coordinators, configs, journals, brokerId, brokerEpoch } = core;
    const shared = { runtime, config, log, topics };
    const seen = fixedJournals(journals);
    const startedAt = runtime.clock.now();
    const members = aloneMembers(() => {
      const listens = {
        kafka: kafka?.address ?? listening[0]!,
        http: http?.address ?? listening[1]!,
        internal: listening[2]!,
        kafkaByZone: kafka?.zoneAddresses ?? {},
      };
      const addresses = advertisedAddresses(config, listens, ownHost());
      return { brokerId, brokerEpoch, zone: config.zone, ...addresses, version: VERSION, startedAt, draining: false };
    });
    const leaders = aloneLeaders(brokerId, seen);
    const report = new JournalReport({ brokerId, journals: seen, leaders });
    const stopping = new AbortController().signal;
    const { metadata } = stores;
    const cluster = new AloneOperations({
      config,
      runtime,
      metadata,
      members,
      leaders,
      journals: seen,
      signal: stopping,
    });
    const identity = { clusterId: config.cluster, brokerId, members, leaders };
    const admin = { configs, report };
    kafka = await listenKafka({
      ...shared,
      ...identity,
      ...admin,
      coordinators,
      address: listening[0]!,
      advertised,
      zones,
    });
    // Loaded late: the Kafka door listens while the larger HTTP modules come.
    const { listenHttp } = await import('./http/server.ts');
    http = await listenHttp({
      ...shared,
      coordinators,
      cluster,
      listen: listening[1]!,
      version: VERSION,
      readiness: () => readiness(journals),
    });
    core.lifecycle.start();
    return { kafka: kafka.address, http: http.address, failed: watchLeadership(journals, runtime), stop };
  } catch (cause) {
    await stop();
    throw cause;
  }
}

function refuseOpenDoors(config: Config, addresses: readonly Address[]): void {
  const open = addresses.find(({ host }) => !isLoopback(host));
  if (!open || config['insecure.listen']) return;
  throw new StartupError(
    `nothing authenticates clients yet, so listening on ${open.host} is refused: use 127.0.0.1, or give --insecure-listen to open it to whoever can reach it`,
  );
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

function readiness(journals: readonly Journal[]) {
  const idle = journals.find(({ role }) => role !== 'leading');
  return idle ? { ready: false as const, reason: `journal ${idle.id} is ${idle.role}` } : { ready: true as const };
}

/** Until there is a cluster to share journals with, a broker that lost one has nothing left to do. */
function watchLeadership(journals: readonly Journal[], { timers }: Runtime): Promise<Error> {
  return new Promise((resolve) => {
    const look = () => {
      const deposed = journals.find(({ role }) => role === 'deposed');
      if (deposed) resolve(new Error(`another broker took over journal ${deposed.id}; this one stops`));
      else timers.after(LEADERSHIP_CHECK_MS, look);
    };
    timers.after(LEADERSHIP_CHECK_MS, look);
  });
}
