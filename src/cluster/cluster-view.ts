/** What follows from all that a broker knows of the cluster: who is there, who may lead, how the controller stands. */
import type { BrokerDescription, ControllerItem } from './cluster-items.ts';
import type { Surroundings } from './controller.ts';
import type { AssignableBroker } from './decide-assignments.ts';
import type { ControllerStanding } from './decide-controller.ts';
import type { LeaderTable } from './leader-table.ts';
import type { WantedPeer } from './links.ts';
import type { Member } from './members.ts';
import type { Peer, PeerTable } from './peer-table.ts';
import { HEARTBEAT_SILENCE_MS } from './presence.ts';
import type { Assignment } from './reconciler.ts';

/** This broker, and what it last heard of assignments. */
export interface Own {
  readonly description: BrokerDescription;
  /** It can write to the table. */
  readonly fit: boolean;
  /** It was started, and has read the table: before, everybody else is missing. */
  readonly knowing: boolean;
  readonly stopped: boolean;
  readonly controller: ControllerItem | null;
  /** Journals of the cluster. */
  readonly journals: number;
}

export interface KnownBroker {
  readonly member: Member;
  readonly live: boolean;
}

export class ClusterView {
  readonly #own: () => Own;
  readonly #table: PeerTable;
  readonly #now: () => number;
  /** Brokers that were there. */
  readonly #seen = new Set<number>();
  #present = '';
  #stableSince = 0;
  #standing: { readonly key: string; readonly since: number } = { key: '', since: 0 };

  constructor(own: () => Own, table: PeerTable, now: () => number) {
    this.#own = own;
    this.#table = table;
    this.#now = now;
  }

  get self(): Member {
    const { description } = this.#own();
    return memberOf(description, this.isDraining(description));
  }

  /** Brokers that clients may be told of, in order of ids, this one included. */
  members(): Member[] {
    const members = this.#live()
      .filter(({ description }) => description.state !== 'starting')
      .map(({ description }) => memberOf(description, this.isDraining(description)));
    return [...members, this.self].sort((a, b) => a.brokerId - b.brokerId);
  }

  /** Those that are gone without having said goodbye, too. */
  known(): KnownBroker[] {
    const peers = [...this.#table.all()]
      .filter(({ description }) => description.state !== 'stopped')
      .map((peer) => ({
        member: memberOf(peer.description, this.isDraining(peer.description)),
        live: this.#table.presence(peer) === 'live',
      }));
    return [...peers, { member: this.self, live: true }].sort((a, b) => a.member.brokerId - b.member.brokerId);
  }

  /** Whether a broker that was there when this was asked last is gone now, without having said goodbye. */
  hasLostSomebody(): boolean {
    const live = new Set(this.#live().map(({ description }) => description.brokerId));
    let lost = false;
    for (const brokerId of this.#seen) {
      const peer = this.#table.get(brokerId);
      if (live.has(brokerId) || peer === undefined || this.#table.presence(peer) === 'unknown') continue;
      this.#seen.delete(brokerId);
      if (peer.description.state !== 'stopped') lost = true;
    }
    for (const brokerId of live) this.#seen.add(brokerId);
    return lost;
  }

  /** Brokers that a connection is kept to. Those that crashed long ago are not: they come back with another epoch. */
  wanted(): WantedPeer[] {
    const wanted = [...this.#table.all()].filter((peer) => {
      const { state, internal } = peer.description;
      if (state === 'stopped' || internal.port === 0) return false;
      return peer.link.type === 'up' || !isStill(peer);
    });
    return wanted.map(({ description: { brokerId, brokerEpoch, internal } }) => ({
      brokerId,
      brokerEpoch,
      address: internal,
    }));
  }

  /** Brokers that can be called. The connection to one that said goodbye was closed here, and nothing tells of that. */
  connected(): number[] {
    return [...this.#table.all()].filter(canBeCalled).map(({ description }) => description.brokerId);
  }

  /** Whether some cannot be called that may be at work. */
  missesSome(): boolean {
    return [...this.#table.all()].some((peer) => peer.link.type !== 'up' && isAtWork(peer));
  }

  /** Whether all that may be at work told of their changes within the last milliseconds. */
  heardAll(withinMs: number): boolean {
    const since = this.#now() - withinMs;
    for (const peer of this.#table.all()) if (peer.heardAt < since && isAtWork(peer)) return false;
    return true;
  }

  isThere(brokerId: number): boolean {
    const { description, stopped } = this.#own();
    if (brokerId === description.brokerId) return !stopped;
    const peer = this.#table.get(brokerId);
    return peer !== undefined && this.#table.presence(peer) !== 'gone';
  }

  /** Whether others are there that may lead. */
  hasHeirs(): boolean {
    return this.#live().some((peer) => this.#mayLead(peer));
  }

  isDraining({ brokerId, brokerEpoch, state }: BrokerDescription): boolean {
    return state === 'draining' || this.#own().controller?.drained[brokerId] === brokerEpoch;
  }

  assignedTo(journal: number): number | null {
    const brokerId = this.#own().controller?.assigned[journal] ?? -1;
    return brokerId === -1 ? null : brokerId;
  }

  assignmentOf(journal: number): Assignment {
    const brokerId = this.assignedTo(journal);
    if (brokerId === this.#own().description.brokerId) return 'ours';
    const peer = brokerId === null ? undefined : this.#table.get(brokerId);
    return peer !== undefined && canBeCalled(peer) ? 'connected' : 'elsewhere';
  }

  /** To be called when anything has changed. */
  settle(): void {
    const present = this.assignable()
      .map(({ brokerId, eligible }) => `${brokerId}:${this.#epochOf(brokerId)}:${eligible}`)
      .join();
    if (present === this.#present) return;
    this.#present = present;
    this.#stableSince = this.#now();
  }

  assignable(): AssignableBroker[] {
    const others: AssignableBroker[] = [];
    for (const peer of this.#table.all()) {
      const { brokerId } = peer.description;
      const presence = this.#table.presence(peer);
      if (presence === 'live') others.push({ brokerId, eligible: this.#mayLead(peer) });
      else if (presence === 'unknown') others.push({ brokerId, eligible: false, doubtful: true });
    }
    const { description, fit } = this.#own();
    const self = { brokerId: description.brokerId, eligible: this.#mayLead({ description, fit }) };
    return [...others, self].sort((a, b) => a.brokerId - b.brokerId);
  }

  surroundings(item: ControllerItem | null, leaders: LeaderTable): Surroundings {
    const { description, knowing, journals } = this.#own();
    const brokers = this.assignable();
    const eligible = brokers.filter((broker) => broker.eligible);
    const seen = brokers.filter((broker) => !broker.doubtful);
    const candidates = eligible.length > 0 ? eligible : seen;
    const rank = candidates.findIndex(({ brokerId }) => brokerId === description.brokerId);
    const doubtful = [...this.#table.all()].filter((peer) => this.#isDoubtful(peer)).length;
    const standing = this.#standingOf(item);
    const key = `${standing.type} ${item?.brokerId} ${item?.brokerEpoch}`;
    if (key !== this.#standing.key) this.#standing = { key, since: this.#now() };
    return {
      standing,
      rank: rank === -1 || !knowing ? null : rank,
      settled: seen.length === brokers.length,
      seen: seen.length,
      expected: seen.length + doubtful,
      vouched: item !== null && this.#live().some(({ sees }) => sees.includes(item.brokerId)),
      since: this.#standing.since,
      journals,
      brokers,
      leaderOf: (journal) => leaders.claimedBy(journal)?.brokerId ?? null,
      epochOf: (brokerId) => this.#epochOf(brokerId),
      stableSince: this.#stableSince,
      longGone: this.#table.longGone(),
    };
  }

  #standingOf(item: ControllerItem | null): ControllerStanding {
    if (item === null) return { type: 'vacant' };
    const { description: own, fit } = this.#own();
    if (item.brokerId === own.brokerId) {
      return item.brokerEpoch === own.brokerEpoch ? { type: 'self' } : { type: 'vacant' };
    }
    const peer = this.#table.get(item.brokerId);
    if (peer === undefined || (!peer.fit && fit)) return { type: 'vacant' };
    const { description, link, proofs, provenAt } = peer;
    if (description.brokerEpoch > item.brokerEpoch || description.state === 'stopped') return { type: 'vacant' };
    const presence = this.#table.presence(peer);
    if (presence !== 'gone') return { type: presence };
    const reason = link.type === 'down' ? link.reason : 'silent';
    return { type: 'gone', reason, since: link.since, proofs, provenAt };
  }

  /** Not seen, and not known to be gone either: it may see others. */
  #isDoubtful(peer: Peer): boolean {
    return this.#table.presence(peer) !== 'live' && isAtWork(peer);
  }

  #mayLead({ description, fit }: Pick<Peer, 'description' | 'fit'>): boolean {
    return fit && !this.isDraining(description) && description.state !== 'stopped';
  }

  #live(): Peer[] {
    return [...this.#table.all()].filter((peer) => this.#table.presence(peer) === 'live');
  }

  #epochOf(brokerId: number): number | undefined {
    const own = this.#own().description;
    return brokerId === own.brokerId ? own.brokerEpoch : this.#table.get(brokerId)?.description.brokerEpoch;
  }
}

const canBeCalled = ({ link, description }: Peer): boolean => link.type === 'up' && description.state !== 'stopped';

/** Nothing says that it is gone. */
const isAtWork = (peer: Peer): boolean =>
  peer.description.state !== 'stopped' &&
  !isStill(peer) &&
  !(peer.link.type === 'down' && peer.link.reason === 'refused');

/** The second opinion: its counter has stood still. */
const isStill = ({ counterFrom, counterTo }: Peer): boolean => counterTo - counterFrom > HEARTBEAT_SILENCE_MS;

const memberOf = (description: BrokerDescription, draining: boolean): Member => {
  const { session: _session, state: _state, revision: _revision, ...member } = description;
  return { ...member, draining };
};
