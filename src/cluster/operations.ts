/**
 * What administrators ask of a cluster and do to it, over HTTP and by `millrace cluster`. Any broker answers: what the
 * controller must do is sent there. The membership service implements it for a cluster, `alone.ts` for a broker alone.
 *
 * Operations throw KafkaErrors: RESOURCE_NOT_FOUND for a journal that does not exist, BROKER_ID_NOT_REGISTERED for a broker
 * that nobody knows, BROKER_NOT_AVAILABLE for one that is gone, INVALID_REQUEST for what makes no sense (a journal moved to a
 * broker that drains, the only broker drained), NOT_CONTROLLER when no controller can be asked now, REQUEST_TIMED_OUT
 * for what was begun and goes on by itself.
 */
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
   * journal stays there until brokers come or go.
   */
  move(journal: number, brokerId: number): Promise<JournalPlace>;
  /**
   * Takes a broker out of the work without stopping it: its journals go to others, clients are told of others. Waits
   * until it leads nothing, 25 seconds at most. It lasts until `undrain`, or until the broker starts again.
   */
  drain(brokerId: number): Promise<Drained>;
  /** Gives a drained broker its share again. Answers before journals have moved back. */
  undrain(brokerId: number): Promise<BrokerReport>;
  /** New journals take partitions, groups and transactional ids that are created from now on. There is no way back. */
  addJournals(count: number): Promise<AddedJournals>;
}

export interface ClusterInfo {
  readonly clusterId: string;
  /** False: on embedded stores, where there are no others. */
  readonly shared: boolean;
  /** Where it is written: the store and the table, or the data directory. */
  readonly store: string;
  readonly table: string;
  /** The broker that answers. */
  readonly brokerId: number;
  /** Null while nobody is known to be the controller. */
  readonly controllerId: number | null;
  readonly brokers: { readonly live: number; readonly draining: number; readonly gone: number };
  readonly journals: { readonly count: number; readonly led: number };
  /** Of the brokers that are alive, each once, in order. */
  readonly versions: readonly string[];
  /** Of the brokers that are alive, each once, in order; without those that tell none. */
  readonly zones: readonly string[];
}

export type BrokerState = 'live' | 'draining' | 'gone';

export interface BrokerReport {
  readonly brokerId: number;
  readonly brokerEpoch: number;
  readonly state: BrokerState;
  readonly controller: boolean;
  /** Empty when unknown. */
  readonly zone: string;
  /** `HOST:PORT` that clients are told. */
  readonly kafka: string;
  readonly http: string;
  readonly internal: string;
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  /** Ids of the journals that it leads, in order. */
  readonly journals: readonly number[];
}

export interface JournalPlace {
  readonly journal: number;
  /** Null while nobody is known to lead it. */
  readonly leaderId: number | null;
  /** Null when it is not known. */
  readonly epoch: number | null;
  /** The broker that shall lead it: another one than `leaderId` while it moves. */
  readonly assignedTo: number | null;
}

export interface Drained {
  readonly brokerId: number;
  /** Journals that others took over. */
  readonly moved: readonly number[];
}

export interface AddedJournals {
  readonly before: number;
  readonly count: number;
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
