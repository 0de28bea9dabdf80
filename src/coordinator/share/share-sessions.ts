/**
 * Share sessions (KIP-932): which partitions a member fetches from, so that it need not say so each time. Epoch 0 opens
 * one, each request after it carries the next epoch, -1 closes it. In memory alone, as in Kafka; the end of a connection
 * ends its sessions.
 */
import { KafkaError } from '../../errors.ts';

export const INITIAL_EPOCH = 0;
export const FINAL_EPOCH = -1;
const EPOCH_MAX = 0x7fffffff;

export interface SharePlace {
  readonly topicId: string;
  readonly partition: number;
}

export interface ShareSession {
  readonly groupId: string;
  readonly memberId: string;
  /** In the order in which they were added. */
  readonly places: ReadonlyMap<string, SharePlace>;
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
  /** By group id, then member id. */
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

  /** Replaces a session that the member had. Throws SHARE_SESSION_LIMIT_REACHED. */
  open(groupId: string, memberId: string, places: readonly SharePlace[], connection: AbortSignal): ShareSession {
    this.close(groupId, memberId);
    if (this.#count >= this.#countMax) {
      throw new KafkaError('SHARE_SESSION_LIMIT_REACHED', `this broker has ${this.#count} share sessions already`);
    }
    const byKey = new Map(places.map((place) => [placeKey(place), place]));
    const session: OpenSession = { groupId, memberId, places: byKey, connection, epoch: nextEpoch(INITIAL_EPOCH) };
    const ofGroup = this.#sessions.get(groupId) ?? new Map<string, OpenSession>();
    this.#sessions.set(groupId, ofGroup.set(memberId, session));
    this.#count += 1;
    this.#follow(session);
    return session;
  }

  /** A request with the epoch that is due; the next one is due then. Throws SHARE_SESSION_NOT_FOUND, INVALID_SHARE_SESSION_EPOCH. */
  advance(
    groupId: string,
    memberId: string,
    epoch: number,
    change: { readonly add?: readonly SharePlace[]; readonly remove?: readonly SharePlace[] } = {},
  ): ShareSession {
    const session = this.#require(groupId, memberId);
    if (session.epoch !== epoch) {
      throw new KafkaError('INVALID_SHARE_SESSION_EPOCH', `share session epoch ${epoch}, expected ${session.epoch}`);
    }
    session.epoch = nextEpoch(epoch);
    for (const place of change.add ?? []) session.places.set(placeKey(place), place);
    for (const place of change.remove ?? []) session.places.delete(placeKey(place));
    return session;
  }

  /** Throws SHARE_SESSION_NOT_FOUND. */
  require(groupId: string, memberId: string): ShareSession {
    return this.#require(groupId, memberId);
  }

  /** Undefined when the member has none. */
  close(groupId: string, memberId: string): ShareSession | undefined {
    const ofGroup = this.#sessions.get(groupId);
    const session = ofGroup?.get(memberId);
    if (ofGroup === undefined || session === undefined) return undefined;
    ofGroup.delete(memberId);
    if (ofGroup.size === 0) this.#sessions.delete(groupId);
    this.#count -= 1;
    this.#ofConnection.get(session.connection)?.delete(session);
    return session;
  }

  #require(groupId: string, memberId: string): OpenSession {
    const session = this.#sessions.get(groupId)?.get(memberId);
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
        this.close(each.groupId, each.memberId);
        this.#onLost(each);
      }
    };
    if (connection.aborted) onAbort();
    else connection.addEventListener('abort', onAbort, { once: true });
  }
}

const nextEpoch = (epoch: number): number => (epoch === EPOCH_MAX ? 1 : epoch + 1);
