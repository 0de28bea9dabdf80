/** A cluster of three brokers that does at once what it is asked, in memory. */

import type { Member } from '../../../src/cluster/members.ts';
import { brokerReport, type ClusterOperations, clusterInfo } from '../../../src/cluster/operations.ts';
import type { AddedJournals, BrokerReport, ClusterInfo, Drained, JournalPlace } from '../../../src/cluster-report.ts';
import { KafkaError } from '../../../src/errors.ts';
import { memberOf } from './cluster-of.ts';

export class FakeOperations implements ClusterOperations {
  members: Member[] = [
    memberOf(1, { zone: 'eu-west-1a' }),
    memberOf(2, { zone: 'eu-west-1b' }),
    memberOf(3, { zone: 'eu-west-1b' }),
  ];
  /** By journal. */
  leaders: (number | null)[] = [1, 2, 3, 1];
  assigned: (number | null)[] = [1, 2, 3, 1];
  controllerId: number | null = 2;
  /** Crashed. */
  gone: readonly number[] = [];
  /** What the next change throws. */
  failure: KafkaError | null = null;

  info(): ClusterInfo {
    const stores = { clusterId: 'orders-eu', shared: true, store: 's3://streams/prod', table: 'streams' };
    return clusterInfo({ ...stores, brokerId: 1, controllerId: this.controllerId }, this.brokers(), this.journals());
  }

  brokers(): readonly BrokerReport[] {
    return this.members.map((member) => {
      const { brokerId } = member;
      const journals = this.leaders.flatMap((leader, journal) => (leader === brokerId ? [journal] : []));
      const report = brokerReport(member, this.controllerId, journals);
      return this.gone.includes(brokerId) ? { ...report, state: 'gone' } : report;
    });
  }

  journals(): readonly JournalPlace[] {
    return this.leaders.map((leaderId, journal) => ({
      journal,
      leaderId,
      epoch: leaderId === null ? null : 5 + journal,
      assignedTo: this.assigned[journal] ?? null,
    }));
  }

  async move(journal: number, brokerId: number): Promise<JournalPlace> {
    this.#fail();
    if (this.leaders[journal] === undefined)
      throw new KafkaError('RESOURCE_NOT_FOUND', `there is no journal ${journal}`);
    this.#check(brokerId);
    this.leaders[journal] = brokerId;
    this.assigned[journal] = brokerId;
    return this.journals()[journal]!;
  }

  async drain(brokerId: number): Promise<Drained> {
    this.#fail();
    this.#check(brokerId);
    this.#become(brokerId, true);
    const moved = this.leaders.flatMap((leader, journal) => (leader === brokerId ? [journal] : []));
    const other = this.members.find((member) => member.brokerId !== brokerId)!;
    for (const journal of moved) this.leaders[journal] = other.brokerId;
    return { brokerId, moved };
  }

  async undrain(brokerId: number): Promise<BrokerReport> {
    this.#fail();
    this.#check(brokerId);
    this.#become(brokerId, false);
    return this.brokers().find((broker) => broker.brokerId === brokerId)!;
  }

  async addJournals(count: number): Promise<AddedJournals> {
    this.#fail();
    const before = this.leaders.length;
    for (let more = 0; more < count; more++) {
      this.leaders.push(null);
      this.assigned.push(1);
    }
    return { before, count: this.leaders.length };
  }

  #become(brokerId: number, draining: boolean): void {
    this.members = this.members.map((member) => (member.brokerId === brokerId ? { ...member, draining } : member));
  }

  #check(brokerId: number): void {
    if (this.members.some((member) => member.brokerId === brokerId)) return;
    throw new KafkaError('BROKER_ID_NOT_REGISTERED', `there is no broker ${brokerId}`);
  }

  #fail(): void {
    const { failure } = this;
    this.failure = null;
    if (failure) throw failure;
  }
}
