/**
 * A broker's place in its cluster: its seats, the other brokers, who leads what. Two kinds with one face: on stores that
 * others share (`openSharedCluster`), and alone (`openClusterOfOne`), where there is no listener, no heartbeat and no lease,
 * and all is led here.
 *
 *   open ─► the rest of the broker is put together around the seats ─► join ─► doors open ─► announce ─► …
 *   … ─► leave, while the doors still answer ─► doors close ─► close
 */
import { type Address, type Config, parseAddress } from '../config.ts';
import { KafkaError, StorageCorruptError } from '../errors.ts';
import type { Journal } from '../journal/journal.ts';
import type { MaintenanceLimits } from '../journal/maintenance.ts';
import type { RpcRegistry } from '../rpc/method.ts';
import { PeerPool } from '../rpc/peer-pool.ts';
import { type Peers, PeerUnavailableError } from '../rpc/peers.ts';
import type { Transport } from '../rpc/transport.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { MetadataStore } from '../storage/metadata-store.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { advertisedAddresses } from './addresses.ts';
import { AloneOperations, aloneLeaders, aloneMembers } from './alone.ts';
import type { BrokerAddresses } from './cluster-items.ts';
import { MembershipOperations } from './cluster-operations.ts';
import type { Images } from './images.ts';
import { meetOthers } from './introduction.ts';
import { JournalSeats } from './journal-seats.ts';
import type { Leaders, Member, Members } from './members.ts';
import { MembershipService } from './membership.ts';
import type { ClusterOperations } from './operations.ts';
import { PeerLinks } from './peer-links.ts';
import type { Readiness } from './readiness.ts';
import { agreeOnFormat, agreeOnJournals, type NewBroker, registerBroker } from './registration.ts';
import { answerJournalCalls, RemoteJournals } from './remote-journals.ts';
import type { Seats } from './seats.ts';

export interface OpenClusterOptions {
  readonly config: Config;
  readonly runtime: Runtime;
  readonly metadata: MetadataStore;
  readonly objects: ObjectStore;
  /** Of the program. */
  readonly version: string;
  readonly journalLimits?: Partial<MaintenanceLimits>;
  /** Gives up waiting for others. */
  readonly signal?: AbortSignal;
}

/** What it takes to share stores with other brokers. */
export interface Sharing {
  readonly transport: Transport;
  /** Of both stores. */
  readonly incarnation: string;
  /** Of this machine, for listeners at all of its addresses. */
  readonly host: string;
}

export interface Cluster {
  readonly brokerId: number;
  readonly brokerEpoch: number;
  readonly seats: Seats;
  readonly members: Members;
  readonly leaders: Leaders;
  readonly peers: Peers;
  readonly registry: RpcRegistry;
  /** Journals that others lead; null in a cluster of one. */
  readonly remote: RemoteJournals | null;
  readonly operations: ClusterOperations;
  /** Keeps what is in memory of the table as the table has it, and tells others of changes. */
  readonly images: Pick<Images, 'open' | 'announce' | 'current'>;
  /** Null in a cluster of one. */
  readonly membership: MembershipService | null;
  /** Where other brokers find this one, before anything is advertised; null in a cluster of one. */
  readonly internal: Address | null;
  /** Resolves with the reason when this broker must stop. */
  readonly failed: Promise<Error>;
  /**
   * Takes part: leads what it is to lead. Resolves once each journal is led, here or elsewhere; what observes leadership must be in place
   * before. Rejects as `Seats.lead`, or with the signal's reason.
   */
  join(signal: AbortSignal | undefined): Promise<void>;
  /** Clients may be told of it, there. */
  announce(addresses: BrokerAddresses): Promise<void>;
  readiness(): Readiness;
  /**
   * Gives all journals to others and says goodbye; in between waits for `whenEmpty`, while the others are still known, for
   * clients to be sent there. Rejects as that does.
   */
  leave(whenEmpty: () => Promise<void>): Promise<void>;
  /** Lets go of what is led, and of the other brokers. */
  close(): Promise<void>;
}

/** What the configuration says of the broker: where its doors really listen is announced later. */
function describe(config: Config, version: string, internal: Address): NewBroker {
  return {
    brokerId: config['broker.id'],
    kafka: parseAddress(config.kafka),
    kafkaByZone: {},
    http: parseAddress(config.http),
    internal,
    zone: config.zone,
    version,
  };
}

export async function openClusterOfOne(options: OpenClusterOptions): Promise<Cluster> {
  const { config, runtime, metadata, objects, version, journalLimits: limits } = options;
  const clusterId = config.cluster;
  await agreeOnFormat(metadata, clusterId, version);
  const broker = describe(config, version, parseAddress(config.internal));
  const registration = await registerBroker({ metadata, clusterId, broker, runtime });
  const count = await agreeOnJournals(metadata, clusterId, config.journals, runtime);
  const { brokerId, brokerEpoch, startedAt } = registration;
  const identity = { clusterId, brokerId, brokerEpoch, metadata, objects, runtime };
  const seats = new JournalSeats({ ...identity, remote: null, count, ...(limits && { limits }) });
  let { kafka, kafkaByZone, http, internal }: BrokerAddresses = registration;
  const { promise: failed, resolve: fail } = Promise.withResolvers<Error>();
  const self = (): Member => {
    const addresses = { kafka, kafkaByZone, http, internal };
    return { brokerId, brokerEpoch, startedAt, zone: config.zone, version, draining: false, ...addresses };
  };
  const stopping = new AbortController();
  const members = aloneMembers(self);
  const leaders = aloneLeaders(brokerId, seats);
  const shown = { config, runtime, metadata, members, leaders, seats };
  return {
    brokerId,
    brokerEpoch,
    seats,
    members,
    leaders,
    operations: new AloneOperations({ ...shown, signal: stopping.signal }),
    images: { open: (_kind, image) => image.refreshAll(), announce: async () => {}, current: () => null },
    peers: NO_PEERS,
    registry: { handle: () => {} },
    remote: null,
    membership: null,
    internal: null,
    failed,
    async join(signal = new AbortController().signal) {
      const results = await Promise.allSettled(Array.from({ length: count }, (_, id) => seats.lead(id, { signal })));
      reportDamaged(results, runtime);
      seats.whileLeading((journal) => () => {
        if (!stopping.signal.aborted)
          fail(new Error(`journal ${journal.id} is led by another broker: ${journal.deposedBecause}; this one stops`));
      });
    },
    async announce(addresses) {
      ({ kafka, kafkaByZone, http, internal } = addresses);
    },
    readiness: () => readinessOf(seats),
    leave: async () => {},
    async close() {
      stopping.abort(new KafkaError('LEADER_NOT_AVAILABLE', 'the broker stops', { noSideEffects: false }));
      await seats.close();
    },
  };
}

export async function openSharedCluster(options: OpenClusterOptions & Sharing): Promise<Cluster> {
  const { config, runtime, metadata, objects, incarnation, version, transport, host, journalLimits: limits } = options;
  const clusterId = config.cluster;
  const stoppable = options.signal === undefined ? {} : { signal: options.signal };
  const pool = new PeerPool({ transport, runtime, clusterId, incarnation, brokerId: config['broker.id'], version });
  try {
    const internal = await pool.listen(parseAddress(config.internal));
    await agreeOnFormat(metadata, clusterId, version);
    const strangers = { metadata, clusterId, brokerId: config['broker.id'], runtime, ...stoppable };
    await meetOthers({ ...strangers, probe: (address) => pool.tryOut(address) });
    const probe = async (address: Address) => {
      const found = await pool.probe(address);
      return found.answer === 'hello' ? found.hello : null;
    };
    const broker = describe(config, version, internal);
    const registration = await registerBroker({ metadata, clusterId, broker, runtime, probe });
    const count = await agreeOnJournals(metadata, clusterId, config.journals, runtime);
    const { brokerId, brokerEpoch } = registration;
    const remote = new RemoteJournals({ brokerId, peers: pool, leaders: () => membership.leaders });
    const identity = { clusterId, brokerId, brokerEpoch, metadata, objects, runtime };
    const seats = new JournalSeats({ ...identity, remote, count, ...(limits && { limits }) });
    answerJournalCalls(pool, seats);
    const links = new PeerLinks(pool);
    const shared = { clusterId, runtime, metadata, incarnation, registration, seats };
    const membership = new MembershipService({ ...shared, peers: pool, registry: pool, links });
    const { promise: superseded, resolve: onSuperseded } = Promise.withResolvers<Error>();
    return {
      brokerId,
      brokerEpoch,
      seats,
      members: membership,
      leaders: membership.leaders,
      operations: new MembershipOperations({ config, runtime, metadata, membership, seats }),
      images: membership.images,
      peers: pool,
      registry: pool,
      remote,
      membership,
      internal,
      failed: Promise.race([membership.failed, superseded]),
      async join(signal) {
        pool.start(
          brokerEpoch,
          links.events((epoch) =>
            onSuperseded(
              new Error(`broker id ${brokerId} was given to another process (epoch ${epoch}); this one stops`),
            ),
          ),
        );
        await membership.start(advertisedAddresses(config, { ...registration, internal }, host));
        await membership.whenReady(signal);
      },
      announce: (addresses) => membership.announce(addresses),
      readiness: () => membership.readiness(),
      leave: (whenEmpty) => membership.leave(whenEmpty),
      async close() {
        membership.close();
        await seats.close();
        remote.close();
        await pool.close();
      },
    };
  } catch (cause) {
    await pool.close();
    throw cause;
  }
}

/** One damaged journal does not keep the others from working; with none left there is no broker. */
function reportDamaged(results: readonly PromiseSettledResult<void>[], { logger }: Runtime): void {
  const others = results.some(({ status }) => status === 'fulfilled');
  for (const [journal, result] of results.entries()) {
    if (result.status === 'fulfilled') continue;
    const { reason } = result;
    if (!(reason instanceof StorageCorruptError) || !others) throw reason;
    logger.error(
      { journal, cause: reason.message },
      'a journal is damaged: its partitions are unavailable, others work',
    );
  }
}

function readinessOf(journals: Iterable<Journal>): Readiness {
  for (const { id, role } of journals) {
    if (role !== 'leading') return { ready: false, reason: `journal ${id} is ${role}` };
  }
  return { ready: true };
}

const NO_PEERS: Peers = {
  call: (brokerId) =>
    Promise.reject(new PeerUnavailableError(`this broker is alone: there is no broker ${brokerId}`, false)),
};
