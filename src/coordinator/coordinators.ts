/**
 * All coordinators of a broker: what `server.ts` opens after journals and log, and hands to the doors. Each service reads
 * durable state from journals and decides by `Journal.coordinate`; what it keeps in memory is what Kafka keeps there, too.
 */
import type { GroupConfigs } from '../cluster/group-configs.ts';
import { LeaderCalls } from '../cluster/leader-calls.ts';
import type { Placements } from '../cluster/placements.ts';
import type { StoreClock } from '../cluster/store-clock.ts';
import type { Topics } from '../cluster/topics.ts';
import type { Config } from '../config.ts';
import { KafkaError } from '../errors.ts';
import type { Journals } from '../journal/journals.ts';
import { GROUP_COUNT_MAX, GROUPS_PER_CLIENT_MAX, TRANSACTIONAL_ID_COUNT_MAX } from '../limits.ts';
import type { Log } from '../log/log.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { CoordinatorCluster } from './coordinator-cluster.ts';
import type { AssignorName } from './group/assignor/assignors.ts';
import { ClassicGroups } from './group/classic/classic-groups.ts';
import { ConsumerGroups } from './group/consumer/consumer-groups.ts';
import type { MigrationPolicy } from './group/consumer/migration.ts';
import { Groups } from './group/groups.ts';
import { OffsetExpiry } from './group/offsets/offset-expiry.ts';
import { Offsets } from './group/offsets/offsets.ts';
import { ShareGroups } from './group/share/share-groups.ts';
import { GroupRequests } from './group-requests.ts';
import { PATIENCE_MS, type Patience } from './patience.ts';
import { RoutedShares } from './share/routed-shares.ts';
import { ShareFronts } from './share/share-fronts.ts';
import { ShareOffsets } from './share/share-offsets.ts';
import { SharePartitions } from './share/share-partitions.ts';
import { Shares } from './share/shares.ts';
import { ParticipantJournals } from './transaction/participant-journals.ts';
import { answerTransactionCalls } from './transaction/transaction-calls.ts';
import { Transactions } from './transaction/transactions.ts';

/** Where entries cost money: at most 20 a second for what share groups write to a journal. */
const SHARE_WRITE_INTERVAL_MS = 50;

export interface CoordinatorsOptions {
  readonly config: Config;
  readonly runtime: Runtime;
  readonly journals: Journals;
  readonly topics: Topics;
  readonly log: Log;
  readonly placements: Placements;
  readonly groupConfigs: GroupConfigs;
  readonly brokerId: number;
  /** Null: this broker is alone. */
  readonly cluster: CoordinatorCluster | null;
  /** Asked before committed offsets or transactional ids expire, and before transactions time out. */
  readonly storeClock?: StoreClock;
  /** Null when `topics` shows every change that was answered; else resolves when it does. */
  readonly topicsCurrent?: () => Promise<void> | null;
  /** Entries of journals are billed: what can wait a little, does. */
  readonly entriesCostMoney?: boolean;
}

export interface Coordinators {
  /** Groups of every kind: find, list, create, delete. */
  readonly groups: Groups;
  /** What members that speak the classic protocol ask: join, sync, heartbeat, leave. */
  readonly classicGroups: ClassicGroups;
  /** What members of the consumer protocol ask (KIP-848). */
  readonly consumerGroups: ConsumerGroups;
  /** Offsets that groups commit. */
  readonly offsets: Offsets;
  /** What producers with a transactional id ask. */
  readonly transactions: Transactions;
  /** What members of share groups ask of their coordinator: heartbeats; and their descriptions. */
  readonly shareGroups: ShareGroups;
  /** Records of share groups: fetched, acknowledged. */
  readonly shares: RoutedShares;
  /** Where share groups stand, for administrators. */
  readonly shareOffsets: ShareOffsets;
  /** Requests of the HTTP door that another broker coordinates. */
  readonly groupRequests: GroupRequests;
  /** The broker that leads the owner's journal (`owner.ts`); null when nobody is known to. Throws what the store says. */
  whoCoordinates(owner: string): Promise<number | null>;
  /** Answers whoever waits, stops all timers. Journals stay open. */
  close(): Promise<void>;
}

export function openCoordinators(options: CoordinatorsOptions): Coordinators {
  const { config, journals, placements, runtime, cluster } = options;
  const calls = new LeaderCalls(cluster === null ? null : { ...cluster, leaders: () => cluster.leaders });
  const abort = new AbortController();
  const patience = { runtime, patienceMs: PATIENCE_MS, signal: abort.signal };
  const groups = new Groups({
    journals,
    placements,
    runtime,
    groupCountMax: GROUP_COUNT_MAX,
    groupsPerClientMax: GROUPS_PER_CLIENT_MAX,
  });
  const offsets = new Offsets({
    journals,
    groups,
    placements,
    topics: options.topics,
    topicsCurrent: options.topicsCurrent ?? (() => null),
    runtime,
    entriesCostMoney: options.entriesCostMoney ?? false,
    metadataBytesMax: config['offset.metadata.max.bytes'],
    retentionMs: config['offsets.retention.minutes'] * 60_000,
  });
  const classicGroups = new ClassicGroups({
    groups,
    runtime,
    settings: {
      initialRebalanceDelayMs: config['group.initial.rebalance.delay.ms'],
      groupSizeMax: config['group.max.size'],
      sessionTimeoutMinMs: config['group.min.session.timeout.ms'],
      sessionTimeoutMaxMs: config['group.max.session.timeout.ms'],
    },
  });
  const assignors = config['group.consumer.assignors'].split(',') as AssignorName[];
  const consumerGroups = new ConsumerGroups({
    ...options,
    groups,
    settings: {
      sizeMax: config['group.consumer.max.size'],
      classicSizeMax: config['group.max.size'],
      migrationPolicy: config['group.consumer.migration.policy'] as MigrationPolicy,
      assignorDefault: assignors[0]!,
      assignors,
    },
  });
  const placeGroup = (groupId: string, client: string | null) => groups.place(groupId, client);
  const participants = new ParticipantJournals({ ...options, calls, placeGroup });
  const transactions = new Transactions({
    ...options,
    settings: {
      timeoutMaxMs: config['transaction.max.timeout.ms'],
      idExpirationMs: config['transactional.id.expiration.ms'],
      abortIntervalMs: config['transaction.abort.timed.out.transaction.cleanup.interval.ms'],
      expireIntervalMs: config['transaction.remove.expired.transaction.cleanup.interval.ms'],
      idCountMax: TRANSACTIONAL_ID_COUNT_MAX,
    },
    allocateProducerId: () => options.log.allocateProducerId(),
    participants,
    calls,
  });
  if (cluster !== null) answerTransactionCalls(cluster.registry, { journals, transactions, participants });
  const expiry = new OffsetExpiry({
    groups,
    topics: options.topics,
    runtime,
    intervalMs: config['offsets.retention.check.interval.ms'],
    retentionMs: config['offsets.retention.minutes'] * 60_000,
    guardRetentionMs: config['producer.id.expiration.ms'],
    ...(options.storeClock && { storeClock: options.storeClock }),
  });
  const { shareGroups, shares, shareOffsets, closeShares } = openShares(options, groups, calls, patience);
  // Every kind of group registers before groups are loaded.
  groups.register(classicGroups);
  groups.register(shareGroups);
  groups.register(consumerGroups);
  groups.start();
  shareOffsets.start();
  expiry.start();
  return {
    groups,
    classicGroups,
    consumerGroups,
    offsets,
    transactions,
    shareGroups,
    shares,
    shareOffsets,
    groupRequests: new GroupRequests({ journals, placements, calls, cluster, patience }),
    async whoCoordinates(owner) {
      const { journal } = await placements.locate(owner);
      const leader = cluster?.leaders.of(journal.id) ?? null;
      const isSucceeded = leader !== null && leader.epoch > journal.epoch;
      if (journal.role === 'leading' && !isSucceeded) return options.brokerId;
      if (leader === null || leader.brokerId === options.brokerId) return null; // It has let go, or is about to lead.
      return leader.brokerId;
    },
    async close() {
      abort.abort(new KafkaError('NOT_COORDINATOR', 'the broker stops'));
      closeShares();
      transactions.close();
      expiry.close();
      offsets.close();
      groups.close();
      calls.close();
    },
  };
}

function openShares(options: CoordinatorsOptions, groups: Groups, calls: LeaderCalls, patience: Patience) {
  const { config, journals, log, topics, groupConfigs, runtime } = options;
  const sizeMax = config['group.share.max.size'];
  const shareGroups = new ShareGroups({ groups, topics, groupConfigs, runtime, sizeMax });
  const writeIntervalMs = options.entriesCostMoney ? SHARE_WRITE_INTERVAL_MS : 0;
  const shared = { journals, log, groupConfigs, runtime, writeIntervalMs };
  const shares = new Shares({
    ...shared,
    topics,
    sessionsMax: config['group.share.max.share.sessions'],
    partitions: (isWanted) => new SharePartitions({ ...shared, groups: shareGroups, isWanted }),
  });
  const intervalMs = config['offsets.retention.check.interval.ms'];
  const shareOffsets = new ShareOffsets({ groups: shareGroups, journals, topics, log, runtime, intervalMs });
  const { brokerId, placements, cluster } = options;
  const fronts = cluster === null ? null : new ShareFronts({ journals, placements, shares, ...cluster });
  return {
    shareGroups,
    shares: new RoutedShares({ brokerId, shares, placements, calls, patience }),
    shareOffsets,
    closeShares() {
      fronts?.close();
      shares.close();
      shareOffsets.close();
    },
  };
}
