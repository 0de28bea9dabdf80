/**
 * Share sessions (KIP-932): which partitions a member fetches from, so that it need not say so each time. Epoch 0 opens
 * one, each request after it carries the next epoch, -1 closes it. In memory alone, as in Kafka; the end of a connection
 * ends its sessions.
 */
import { KafkaError } from '../../errors.ts';
import type { Journal } from '../../journal/journal.ts';

export const INITIAL_EPOCH = 0;
export const FINAL_EPOCH = -1;
const EPOCH_MAX = 0x7fffffff;

export interface SharePlace {
  readonly topicId: string;
  readonly partition: number;
}

/** A client, by way of the broker that it talks to: it has a session at each of them. */
export interface SessionOwner {
  readonly groupId: string;
  readonly memberId: string;
  readonly front: number;
}

export interface ShareSession extends SessionOwner {
  readonly journal: Journal | null;
  /** In the order in which they were added. */
  readonly places: ReadonlyMap<string, SharePlace>;
}

export interface NewSession extends SessionOwner {
  /** Of the group; null where this broker is alone. */
  readonly journal: Journal | null;
  readonly places: readonly SharePlace[];
  readonly connection: AbortSignal;
}

interface OpenSession extends ShareSession {
  readonly places: Map<string, SharePlace>;
  readonly connection: AbortSignal;
  epoch: number;
}

export const placeKey = ({ topicId, partition }: SharePlace): string => `${topicId}/${partition}`;

export class ShareSessions {
  readonly #countMax: number;
  /** The connection of a session is gone. It is closed already. */
  readonly #onLost: (session: ShareSession) => void;
  /** By group id, then front and member id. */
  readonly #sessions = new Map<string, Map<string, OpenSession>>();
  readonly #ofConnection = new WeakMap<AbortSignal, Set<OpenSession>>();
  #count = 0;

  constructor(countMax: number, onLost: (session: ShareSession) => void) {
    this.#countMax = countMax;
    this.#onLost = onLost;
  }

  get count(): number {
    return this.#count;
  }

  hasAny(groupId: string): boolean {
    return this.#sessions.has(groupId);
  }

  /** Whether the member fetches from there by another way as well. */
  hasElsewhere({ groupId, memberId, front }: SessionOwner, place: SharePlace): boolean {
    for (const session of this.#sessions.get(groupId)?.values() ?? []) {
      if (session.memberId === memberId && session.front !== front && session.places.has(placeKey(place))) return true;
    }
    return false;
  }

  /** Replaces a session that the client had there. Throws SHARE_SESSION_LIMIT_REACHED. */
  open({ groupId, memberId, front, journal, places, connection }: NewSession): ShareSession {
    const owner = { groupId, memberId, front };
    this.close(owner);
    if (this.#count >= this.#countMax) {
      throw new KafkaError('SHARE_SESSION_LIMIT_REACHED', `this broker has ${this.#count} share sessions already`);
    }
    const byKey = new Map(places.map((place) => [placeKey(place), place]));
    const session: OpenSession = { ...owner, journal, places: byKey, connection, epoch: nextEpoch(INITIAL_EPOCH) };
    const ofGroup = this.#sessions.get(groupId) ?? new Map<string, OpenSession>();
    this.#sessions.set(groupId, ofGroup.set(keyOf(owner), session));
    this.#count += 1;
    this.#follow(session);
    return session;
  }

  /** A request with the epoch that is due; the next one is due then. Throws SHARE_SESSION_NOT_FOUND, INVALID_SHARE_SESSION_EPOCH. */
  advance(
    owner: SessionOwner,
    epoch: number,
    change: { readonly add?: readonly SharePlace[]; readonly remove?: readonly SharePlace[] } = {},
  ): ShareSession {
    const session = this.#require(owner);
    if (session.epoch !== epoch) {
      throw new KafkaError('INVALID_SHARE_SESSION_EPOCH', `share session epoch ${epoch}, expected ${session.epoch}`);
    }
    session.epoch = nextEpoch(epoch);
    for (const place of change.add ?? []) session.places.set(placeKey(place), place);
    for (const place of change.remove ?? []) session.places.delete(placeKey(place));
    return session;
  }

  /** Throws SHARE_SESSION_NOT_FOUND. */
  require(owner: SessionOwner): ShareSession {
    return this.#require(owner);
  }

  /** Undefined when the client has none there. */
  close(owner: SessionOwner): ShareSession | undefined {
    const ofGroup = this.#sessions.get(owner.groupId);
    const session = ofGroup?.get(keyOf(owner));
    if (ofGroup === undefined || session === undefined) return undefined;
    ofGroup.delete(keyOf(owner));
    if (ofGroup.size === 0) this.#sessions.delete(owner.groupId);
    this.#count -= 1;
    this.#ofConnection.get(session.connection)?.delete(session);
    return session;
  }

  /** The journal is led by another broker now, and so are the sessions of its groups. */
  closeAll(journal: Journal): void {
    for (const ofGroup of this.#sessions.values()) {
      for (const session of ofGroup.values()) if (session.journal === journal) this.close(session);
    }
  }

  #require(owner: SessionOwner): OpenSession {
    const { groupId, memberId } = owner;
    const session = this.#sessions.get(groupId)?.get(keyOf(owner));
    if (session) return session;
    throw new KafkaError(
      'SHARE_SESSION_NOT_FOUND',
      `member ${memberId} of ${JSON.stringify(groupId)} has no share session`,
    );
  }

  #follow(session: OpenSession): void {
    const { connection } = session;
    const known = this.#ofConnection.get(connection);
    if (known) {
      known.add(session);
      return;
    }
    const sessions = new Set([session]);
    this.#ofConnection.set(connection, sessions);
    const onAbort = () => {
      for (const each of [...sessions]) {
        this.close(each);
        this.#onLost(each);
      }
    };
    if (connection.aborted) onAbort();
    else connection.addEventListener('abort', onAbort, { once: true });
  }
}

const keyOf = ({ memberId, front }: SessionOwner): string => `${front}/${memberId}`;

const nextEpoch = (epoch: number): number => (epoch === EPOCH_MAX ? 1 : epoch + 1);
