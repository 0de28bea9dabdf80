/**
 * What administrators ask of a cluster and do to it, over HTTP and by `millrace cluster`. Any broker answers: what the
 * controller must do is sent there. The membership service implements it for a cluster, `alone.ts` for a broker alone.
 *
 * Operations throw KafkaErrors: RESOURCE_NOT_FOUND for a journal that does not exist, BROKER_ID_NOT_REGISTERED for a broker
 * that nobody knows, BROKER_NOT_AVAILABLE for one that is gone, INVALID_REQUEST for what makes no sense (a journal moved to a
 * broker that drains, the only broker drained), NOT_CONTROLLER when no controller can be asked now, REQUEST_TIMED_OUT
 * for what was begun and goes on by itself.
 */
import type { AddedJournals, BrokerReport, ClusterInfo, Drained, JournalPlace } from '../cluster-report.ts';
import { formatAddress } from '../config.ts';
import type { Member } from './members.ts';

export interface ClusterOperations {
  /** From memory, as this broker sees it. */
  info(): ClusterInfo;
  /** In order of ids: those that are alive, and those that went without saying so. */
  brokers(): readonly BrokerReport[];
  /** In order of ids. */
  journals(): readonly JournalPlace[];
  /**
   * Has a broker lead a journal and waits until it does, 10 seconds at most; answers at once when it does already. The
   * journal stays there until brokers come or go. Where the broker does not come to lead it, it is given to another one.
   */
  move(journal: number, brokerId: number): Promise<JournalPlace>;
  /**
   * Takes a broker out of the work without stopping it: its journals go to others, clients are told of others. Waits
   * until it leads nothing, 25 seconds at most. It lasts until `undrain`, or until the broker starts again.
   */
  drain(brokerId: number): Promise<Drained>;
  /** Gives a drained broker its share again. Answers before journals have moved back. */
  undrain(brokerId: number): Promise<BrokerReport>;
  /**
   * So many more than there are, also when others add some at the same moment. New journals take partitions, groups and
   * transactional ids that are created from now on. There is no way back.
   */
  addJournals(count: number): Promise<AddedJournals>;
}

export const brokerReport = (
  member: Member,
  controllerId: number | null,
  journals: readonly number[],
): BrokerReport => ({
  brokerId: member.brokerId,
  brokerEpoch: member.brokerEpoch,
  state: member.draining ? 'draining' : 'live',
  controller: member.brokerId === controllerId,
  zone: member.zone,
  kafka: formatAddress(member.kafka),
  http: formatAddress(member.http),
  internal: formatAddress(member.internal),
  version: member.version,
  startedAt: member.startedAt,
  journals,
});

/** What counts brokers and journals: the rest is known to who tells it. */
export function clusterInfo(
  known: Omit<ClusterInfo, 'brokers' | 'journals' | 'versions' | 'zones'>,
  brokers: readonly BrokerReport[],
  journals: readonly JournalPlace[],
): ClusterInfo {
  const live = brokers.filter(({ state }) => state !== 'gone');
  const distinct = (values: readonly string[]) => [...new Set(values)].sort();
  return {
    ...known,
    brokers: {
      live: live.length,
      draining: live.filter(({ state }) => state === 'draining').length,
      gone: brokers.length - live.length,
    },
    journals: { count: journals.length, led: journals.filter(({ leaderId }) => leaderId !== null).length },
    versions: distinct(live.map(({ version }) => version)),
    zones: distinct(live.map(({ zone }) => zone).filter((zone) => zone !== '')),
  };
}
