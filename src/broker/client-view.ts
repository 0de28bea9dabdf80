/**
 * The cluster as one client is told it: the brokers with the addresses that this client can reach, and for each partition
 * a leader. Any broker serves any partition, so "the leader" is whom load shall go to: the same broker for all clients of
 * a zone as long as brokers neither come nor go (rendezvous hashing), in the client's zone where that has brokers, and the
 * partitions of a topic evenly over them. Who leads the partition's journal is another matter; its epoch is the leader epoch.
 *
 * Brokers that are about to stop are not told, unless nobody else is there.
 */
import type { Leaders, Member, Members } from '../cluster/members.ts';
import { rendezvousKey, rendezvousSpread } from '../cluster/rendezvous.ts';
import type { Topic, TopicPartition, Topics } from '../cluster/topics.ts';
import type { Address } from '../config.ts';
import { REPLICATION_FACTOR_MAX } from '../limits.ts';

/** A broker as answers carry it. */
export interface BrokerNode {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
  readonly rack: string | null;
}

export interface CurrentLeader {
  readonly leaderId: number;
  readonly leaderEpoch: number;
}

/** What of a client decides what it is told. */
export interface ViewedBy {
  /** Empty when unknown. */
  readonly clientZone: string;
  /** The zone of the listener that it came by; empty for the plain one. */
  readonly listenerZone: string;
  /** Where it is told to find this broker. */
  readonly advertised: Address;
}

/** What is told. */
export interface Viewed {
  readonly members: Members;
  readonly leaders: Leaders;
  readonly topics: Pick<Topics, 'byId'>;
}

interface Spread {
  readonly topicId: string;
  readonly ids: readonly number[];
  /** By partition. */
  readonly leaders: readonly number[];
}

const NOBODY: CurrentLeader = { leaderId: -1, leaderEpoch: -1 };

export class ClientView {
  /** In order of ids. */
  readonly brokers: readonly Member[];
  readonly #members: Members;
  readonly #leaders: Leaders;
  readonly #topics: Pick<Topics, 'byId'>;
  readonly #client: ViewedBy;
  readonly #ids: readonly number[];
  readonly #candidates: readonly number[];
  /** Partitions of one topic come one after the other. */
  #spread: Spread | null = null;
  #zone: { readonly name: string; readonly ids: readonly number[] } | null = null;

  constructor({ members, leaders, topics }: Viewed, client: ViewedBy) {
    this.#members = members;
    this.#leaders = leaders;
    this.#topics = topics;
    this.#client = client;
    this.brokers = toldMembers(members);
    this.#ids = this.brokers.map(({ brokerId }) => brokerId);
    const near = idsOfZone(this.brokers, client.clientZone);
    this.#candidates = near.length > 0 ? near : this.#ids;
  }

  /** Where the client finds a broker; null when it is not there any more. */
  node(brokerId: number): BrokerNode | null {
    const member = this.#members.get(brokerId);
    return member === undefined ? null : this.nodeOf(member);
  }

  nodeOf(member: Member): BrokerNode {
    const { host, port } = this.#addressOf(member);
    return { nodeId: member.brokerId, host, port, rack: member.zone === '' ? null : member.zone };
  }

  /** Brokers that are alive and not told. */
  get leaving(): readonly Member[] {
    return this.#members.live().filter((member) => !this.#ids.includes(member.brokerId));
  }

  get nodes(): readonly BrokerNode[] {
    return this.brokers.map((member) => this.nodeOf(member));
  }

  /** Who is the controller, to clients: -1 when it is not known. */
  get controllerId(): number {
    const { controllerId } = this.#members;
    // Every broker does what clients ask of the controller. One that is about to stop is not the one to ask.
    if (controllerId !== null && this.#ids.includes(controllerId)) return controllerId;
    return this.#ids[0] ?? -1;
  }

  /** -1 and -1 while nobody leads the journal of the partition. */
  leaderOf(partition: TopicPartition): CurrentLeader {
    const journal = this.#leaders.of(partition.journal);
    if (journal === null) return NOBODY;
    const leaderId = this.#among(this.#candidates, partition);
    return leaderId === undefined ? NOBODY : { leaderId, leaderEpoch: journal.epoch };
  }

  /**
   * The brokers that are told as replicas: as many as the topic was created with. The store replicates, so the brokers of
   * the cluster stand in for them, the leader first and all over again when there are not enough.
   */
  replicasOf({ replicationFactor }: Topic, leaderId: number): readonly number[] {
    const count = Math.min(replicationFactor, REPLICATION_FACTOR_MAX);
    const first = Math.max(this.#ids.indexOf(leaderId), 0);
    return Array.from({ length: count }, (_, index) => this.#ids[(first + index) % this.#ids.length]!);
  }

  /** The broker of another zone that a consumer there shall read a partition from; undefined when that has none. */
  inZone(zone: string, partition: TopicPartition): number | undefined {
    if (this.#zone?.name !== zone) this.#zone = { name: zone, ids: idsOfZone(this.brokers, zone) };
    return this.#among(this.#zone.ids, partition);
  }

  #among(ids: readonly number[], { topicId, partition }: TopicPartition): number | undefined {
    if (this.#spread?.topicId !== topicId || this.#spread.ids !== ids) {
      const count = this.#topics.byId(topicId)?.partitions.length ?? 0;
      const leaders = rendezvousSpread(rendezvousKey(topicId), Math.max(count, partition + 1), ids);
      this.#spread = { topicId, ids, leaders };
    }
    return this.#spread.leaders[partition];
  }

  #addressOf(member: Member): Address {
    const { advertised, listenerZone } = this.#client;
    if (member.brokerId === this.#members.self.brokerId) return advertised;
    return (listenerZone === '' ? undefined : member.kafkaByZone[listenerZone]) ?? member.kafka;
  }
}

/** Brokers that clients shall work with. */
export function toldMembers(members: Members): readonly Member[] {
  const live = members.live();
  const staying = live.filter(({ draining }) => !draining);
  return staying.length > 0 ? staying : live;
}

const idsOfZone = (brokers: readonly Member[], zone: string): readonly number[] =>
  zone === '' ? [] : brokers.filter((member) => member.zone === zone).map(({ brokerId }) => brokerId);
