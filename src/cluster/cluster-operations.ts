/** What administrators ask of a cluster, at any of its brokers. */
import {
  type AddedJournals,
  type BrokerReport,
  type ClusterInfo,
  DRAIN_MS_MAX,
  type Drained,
  type JournalPlace,
  MOVE_MS_MAX,
} from '../cluster-report.ts';
import type { Config } from '../config.ts';
import { KafkaError } from '../errors.ts';
import { sleep } from '../runtime/clock.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { MetadataStore } from '../storage/metadata-store.ts';
import type { MembershipService } from './membership.ts';
import { brokerReport, type ClusterOperations, clusterInfo } from './operations.ts';
import { addToJournals } from './registration.ts';
import type { Seats } from './seats.ts';

const LOOK_MS = 50;

export interface MembershipOperationsOptions {
  readonly config: Config;
  readonly runtime: Runtime;
  readonly metadata: MetadataStore;
  readonly membership: MembershipService;
  readonly seats: Seats;
}

export class MembershipOperations implements ClusterOperations {
  readonly #options: MembershipOperationsOptions;

  constructor(options: MembershipOperationsOptions) {
    this.#options = options;
  }

  info(): ClusterInfo {
    const { config, membership } = this.#options;
    const known = {
      clusterId: config.cluster,
      shared: true,
      store: config.store,
      table: config.table,
      brokerId: membership.self.brokerId,
      controllerId: membership.controllerId,
    };
    return clusterInfo(known, this.brokers(), this.journals());
  }

  brokers(): readonly BrokerReport[] {
    const { membership } = this.#options;
    const places = this.journals();
    return membership.known().map(({ member, live }) => {
      const led = places.filter(({ leaderId }) => leaderId === member.brokerId).map(({ journal }) => journal);
      const report = brokerReport(member, membership.controllerId, led);
      return live ? report : { ...report, state: 'gone' };
    });
  }

  journals(): readonly JournalPlace[] {
    return Array.from({ length: this.#options.seats.count }, (_, journal) => this.#place(journal));
  }

  async move(journal: number, brokerId: number): Promise<JournalPlace> {
    const { membership, seats } = this.#options;
    if (seats.get(journal) === undefined) throw new KafkaError('RESOURCE_NOT_FOUND', `there is no journal ${journal}`);
    this.#report(brokerId);
    await membership.ask({ type: 'move', journal, brokerId });
    const moved = () => this.#place(journal).leaderId === brokerId;
    await this.#until(moved, MOVE_MS_MAX, `broker ${brokerId} does not lead journal ${journal} yet; it goes on`);
    return this.#place(journal);
  }

  async drain(brokerId: number): Promise<Drained> {
    const before = this.#report(brokerId).journals;
    await this.#options.membership.ask({ type: 'drain', brokerId });
    const empty = () => this.#report(brokerId).journals.length === 0;
    await this.#until(empty, DRAIN_MS_MAX, `broker ${brokerId} leads journals still; draining goes on`);
    return { brokerId, moved: before };
  }

  async undrain(brokerId: number): Promise<BrokerReport> {
    this.#report(brokerId);
    await this.#options.membership.ask({ type: 'undrain', brokerId });
    return this.#report(brokerId);
  }

  async addJournals(count: number): Promise<AddedJournals> {
    const { config, metadata, runtime, membership, seats } = this.#options;
    const added = await addToJournals(metadata, config.cluster, count, runtime);
    const { before, count: after } = added;
    if (seats.count < after) seats.grow(after);
    try {
      await membership.ask({ type: 'grow', journals: after });
    } catch (cause) {
      if (!(cause instanceof KafkaError)) throw cause;
      // Who takes this for nothing would add as many again.
      const message = `there are ${after} journals now, and new ones may be led later: ${cause.message}`;
      throw new KafkaError(cause.error, message, { cause, noSideEffects: false });
    }
    const led = () => this.journals().every(({ journal, leaderId }) => journal < before || leaderId !== null);
    await this.#until(led, MOVE_MS_MAX, 'the new journals are not led yet; it goes on');
    return added;
  }

  #place(journal: number): JournalPlace {
    const { membership } = this.#options;
    const leader = membership.leaderOf(journal);
    const assigned = membership.controller.item?.assigned[journal] ?? -1;
    return {
      journal,
      leaderId: leader?.brokerId ?? null,
      epoch: leader?.epoch ?? null,
      assignedTo: assigned === -1 ? null : assigned,
    };
  }

  #report(brokerId: number): BrokerReport {
    const report = this.brokers().find((broker) => broker.brokerId === brokerId);
    if (report === undefined) throw new KafkaError('BROKER_ID_NOT_REGISTERED', `there is no broker ${brokerId}`);
    return report;
  }

  async #until(condition: () => boolean, msMax: number, otherwise: string): Promise<void> {
    const { clock, timers } = this.#options.runtime;
    const until = clock.monotonic() + msMax;
    while (!condition()) {
      if (clock.monotonic() > until) throw new KafkaError('REQUEST_TIMED_OUT', otherwise, { noSideEffects: false });
      await sleep(timers, LOOK_MS);
    }
  }
}
