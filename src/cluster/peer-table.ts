/** What this broker knows of the others: what they and their items say, how their connections stand, and whether they are there. */
import type { PeerIdentity } from '../rpc/method.ts';
import type { BrokerDescription, BrokerItem } from './cluster-items.ts';
import type { DownReason } from './links.ts';
import type { PeerState } from './membership-methods.ts';
import { type LinkState, type Presence, presenceChangesAt, presenceOf } from './presence.ts';
import type { Registered } from './retirement.ts';

export interface Peer {
  description: BrokerDescription;
  link: LinkState;
  /** Of the last `PeerState`; -1 before. */
  stateVersion: number;
  sees: readonly number[];
  fit: boolean;
  counter: number;
  /** When the counter was first seen as it is, and last; by the observer's monotonic clock. */
  counterFrom: number;
  counterTo: number;
  /** What it said last was so at that moment, or later. */
  heardAt: number;
  /** How often, and when last, the table has shown that it lives since its connection went down. */
  proofs: number;
  provenAt: number;
}

/** The table has not shown its item yet. */
const UNSEEN = -1;
/** The item of a broker that said goodbye, or did not, is of no use after this, as observed by the controller. */
export const STOPPED_KEPT_MS = 3_600_000;
export const DEAD_KEPT_MS = 24 * 3_600_000;
/** Who is not in the table after this is not registered: it was forgotten, went on, and stops. */
export const UNSEEN_KEPT_MS = 30_000;

export class PeerTable {
  readonly #self: number;
  readonly #now: () => number;
  readonly #peers = new Map<number, Peer>();
  /** Connections that stand, also of instances whose registration was not read yet. */
  readonly #up = new Map<number, Extract<LinkState, { readonly type: 'up' }>>();

  constructor(self: number, now: () => number) {
    this.#self = self;
    this.#now = now;
  }

  get(brokerId: number): Peer | undefined {
    return this.#peers.get(brokerId);
  }

  all(): IterableIterator<Peer> {
    return this.#peers.values();
  }

  /** What the table said at `at`. */
  observe(brokers: ReadonlyMap<number, BrokerItem>, at: number): void {
    for (const item of brokers.values()) {
      if (item.brokerId === this.#self) continue;
      const { counter, ...description } = item;
      const peer = this.describe(description);
      if (description.brokerEpoch < peer.description.brokerEpoch) continue;
      if (peer.counter !== counter) {
        peer.counter = counter;
        peer.counterFrom = at;
        // It may have moved before the connection went down, unless we looked in between.
        if (peer.link.type === 'down' && peer.counterTo >= peer.link.since) this.#prove(peer);
      }
      peer.counterTo = at;
    }
    // Dropped from the table, which had it before.
    for (const [brokerId, peer] of this.#peers) {
      if (brokers.has(brokerId) || isConnected(peer)) continue;
      const keptMs = peer.counter === UNSEEN ? UNSEEN_KEPT_MS : 0;
      if (peer.counterTo + keptMs < at) this.#peers.delete(brokerId);
    }
  }

  /** Takes a description in unless a later one is known. */
  describe(description: BrokerDescription): Peer {
    const known = this.#peers.get(description.brokerId);
    const now = this.#now();
    if (known === undefined || description.brokerEpoch > known.description.brokerEpoch) {
      const up = this.#up.get(description.brokerId);
      const peer: Peer = {
        description,
        link: up && up.brokerEpoch >= description.brokerEpoch ? up : { type: 'connecting', since: now },
        stateVersion: -1,
        sees: [],
        fit: true,
        counter: UNSEEN,
        counterFrom: now,
        counterTo: now,
        heardAt: Number.NEGATIVE_INFINITY,
        proofs: 0,
        provenAt: 0,
      };
      this.#peers.set(description.brokerId, peer);
      return peer;
    }
    const same = description.brokerEpoch === known.description.brokerEpoch;
    if (same && description.revision > known.description.revision) known.description = description;
    return known;
  }

  /** Takes in what a broker says of itself. False when something later is known. */
  learn(state: PeerState): boolean {
    const { brokerEpoch } = state.description;
    const peer = this.describe(state.description);
    if (peer.description.brokerEpoch !== brokerEpoch || state.stateVersion <= peer.stateVersion) return false;
    peer.stateVersion = state.stateVersion;
    peer.fit = state.fit;
    peer.sees = state.sees ?? [];
    return true;
  }

  /** False when the broker is not known yet: once its registration was read, its connection counts. */
  linkUp({ brokerId, brokerEpoch }: PeerIdentity): boolean {
    const peer = this.#peers.get(brokerId);
    if (peer !== undefined && brokerEpoch < peer.description.brokerEpoch) return true;
    const link = { type: 'up', brokerEpoch, since: this.#now() } as const;
    this.#up.set(brokerId, link);
    if (peer === undefined) return false;
    peer.link = link;
    peer.proofs = 0;
    return peer.description.brokerEpoch === brokerEpoch;
  }

  /** It told of changes, as things were at that moment or later. */
  heard({ brokerId, brokerEpoch }: PeerIdentity, at: number): void {
    const peer = this.#peers.get(brokerId);
    if (peer?.description.brokerEpoch === brokerEpoch) peer.heardAt = at;
  }

  linkDown(brokerId: number, reason: DownReason): void {
    this.#up.delete(brokerId);
    const peer = this.#peers.get(brokerId);
    if (peer === undefined) return;
    const { link } = peer;
    if (link.type === 'down' && link.reason === reason) return;
    // A broker that broke off and is then refused is gone since it broke off.
    const since = link.type === 'down' ? link.since : this.#now();
    peer.link = { type: 'down', reason, since };
  }

  /** This process did not run for so long: nobody had a chance to connect meanwhile. */
  forgive(ms: number): void {
    const now = this.#now();
    for (const peer of this.#peers.values()) {
      const { link } = peer;
      if (link.type !== 'up') peer.link = { ...link, since: Math.min(now, link.since + ms) };
    }
  }

  /** It wrote something else that we did not know of. True when that shows that it lives although we do not see it. */
  proven(brokerId: number): boolean {
    const peer = this.#peers.get(brokerId);
    if (peer?.link.type !== 'down') return false;
    this.#prove(peer);
    return true;
  }

  presence(peer: Peer): Presence {
    const { description, link } = peer;
    const stillMs = peer.counterTo - peer.counterFrom;
    return presenceOf({ state: description.state, brokerEpoch: description.brokerEpoch, link, stillMs }, this.#now());
  }

  /** A registration that shows no life for so long that it may be dropped; null when there is none. */
  longGone(): Registered | null {
    for (const peer of this.#peers.values()) {
      const { description, counter, counterFrom, counterTo } = peer;
      const keptMs = description.state === 'stopped' ? STOPPED_KEPT_MS : DEAD_KEPT_MS;
      const isGone = counter !== UNSEEN && !isConnected(peer) && counterTo - counterFrom > keptMs;
      if (isGone) return { ...description, counter };
    }
    return null;
  }

  /** When a presence changes next although nothing happens; null when none does. */
  nextChangeAt(): number | null {
    let next: number | null = null;
    for (const { description, link } of this.#peers.values()) {
      const { state, brokerEpoch } = description;
      const at = presenceChangesAt({ state, brokerEpoch, link, stillMs: 0 });
      if (at !== null && at > this.#now() && (next === null || at < next)) next = at;
    }
    return next;
  }

  #prove(peer: Peer): void {
    peer.proofs++;
    peer.provenAt = this.#now();
  }
}

/** A connection that is not wanted any more does not tell that it ended. */
const isConnected = ({ description, link }: Peer): boolean => description.state !== 'stopped' && link.type === 'up';
