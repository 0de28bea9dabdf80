/**
 * All coordinators of a broker: what `server.ts` opens after journals and log, and hands to the doors. Each service reads
 * durable state from journals and decides by `Journal.coordinate`; what it keeps in memory is what Kafka keeps there, too.
 */
import type { GroupConfigs } from '../cluster/group-configs.ts';
import type { Placements } from '../cluster/placements.ts';
import type { Topics } from '../cluster/topics.ts';
import type { Config } from '../config.ts';
import type { Journal } from '../journal/journal.ts';
import { GROUP_COUNT_MAX, GROUPS_PER_CLIENT_MAX } from '../limits.ts';
import type { Log } from '../log/log.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { ClassicGroups } from './group/classic/classic-groups.ts';
import { Groups } from './group/groups.ts';
import { OffsetExpiry } from './group/offsets/offset-expiry.ts';
import { Offsets } from './group/offsets/offsets.ts';
import { Transactions } from './transaction/transactions.ts';

export interface CoordinatorsOptions {
  readonly config: Config;
  readonly runtime: Runtime;
  readonly journals: readonly Journal[];
  readonly topics: Topics;
  readonly log: Log;
  readonly placements: Placements;
  readonly groupConfigs: GroupConfigs;
  /** Entries of journals are billed: what can wait a little, does. */
  readonly entriesCostMoney?: boolean;
}

export interface Coordinators {
  /** Groups of every kind: find, list, create, delete. */
  readonly groups: Groups;
  /** What members that speak the classic protocol ask: join, sync, heartbeat, leave. */
  readonly classicGroups: ClassicGroups;
  /** Offsets that groups commit. */
  readonly offsets: Offsets;
  /** What producers with a transactional id ask. */
  readonly transactions: Transactions;
  /** Answers whoever waits, stops all timers. Journals stay open. */
  close(): Promise<void>;
}

export function openCoordinators(options: CoordinatorsOptions): Coordinators {
  const { config, journals, placements, runtime } = options;
  const groups = new Groups({
    journals,
    placements,
    runtime,
    groupCountMax: GROUP_COUNT_MAX,
    groupsPerClientMax: GROUPS_PER_CLIENT_MAX,
  });
  const offsets = new Offsets({
    groups,
    placements,
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
  const transactions = new Transactions({
    ...options,
    settings: {
      timeoutMaxMs: config['transaction.max.timeout.ms'],
      idExpirationMs: config['transactional.id.expiration.ms'],
      abortIntervalMs: config['transaction.abort.timed.out.transaction.cleanup.interval.ms'],
      expireIntervalMs: config['transaction.remove.expired.transaction.cleanup.interval.ms'],
    },
    allocateProducerId: () => options.log.allocateProducerId(),
    placeGroup: (groupId, client) => groups.place(groupId, client),
  });
  const expiry = new OffsetExpiry({
    groups,
    topics: options.topics,
    runtime,
    intervalMs: config['offsets.retention.check.interval.ms'],
    retentionMs: config['offsets.retention.minutes'] * 60_000,
    guardRetentionMs: config['producer.id.expiration.ms'],
  });
  // Every kind of group registers before groups are loaded.
  groups.register(classicGroups);
  groups.load();
  expiry.start();
  return {
    groups,
    classicGroups,
    offsets,
    transactions,
    async close() {
      transactions.close();
      expiry.close();
      offsets.close();
      groups.close();
    },
  };
}
