/**
 * What the doors call for records of share groups. Clients talk to the brokers that Metadata names for partitions, any of
 * them; the group's coordinator gives records out and takes acknowledgements, so what it does not coordinate this broker
 * asks of the one that does. A client has one session at each broker that it talks to, as in Kafka.
 */

import type { LeaderCalls } from '../../cluster/leader-calls.ts';
import { isElsewhere } from '../../cluster/patience.ts';
import type { Placements } from '../../cluster/placements.ts';
import { KafkaError } from '../../errors.ts';
import type { Journal } from '../../journal/journal.ts';
import { PeerUnavailableError } from '../../rpc/peers.ts';
import { groupOwner } from '../owner.ts';
import { type Patience, patiently } from '../patience.ts';
import { SHARES_ACKNOWLEDGE, SHARES_END, SHARES_FETCH } from './share-methods.ts';
import { FINAL_EPOCH, INITIAL_EPOCH } from './share-sessions.ts';
import type {
  AcknowledgeOutcome,
  FetchOutcome,
  ShareAcknowledgeWish,
  ShareFetchRequest,
  Shares,
  SharesFetched,
} from './shares.ts';

/** Beyond what a client wants to wait. */
const TIMEOUT_MS = 10_000;

export interface RoutedSharesOptions {
  readonly brokerId: number;
  /** As the coordinator of groups. */
  readonly shares: Shares;
  readonly placements: Placements;
  readonly calls: LeaderCalls;
  readonly patience: Patience;
}

/** A session at another broker that began with a request to this one. */
interface Forwarded {
  readonly groupId: string;
  readonly memberId: string;
  readonly session: number;
  readonly connection: AbortSignal;
  stopListening(): void;
}

export class RoutedShares {
  readonly #options: RoutedSharesOptions;
  readonly #forwarded = new Map<string, Forwarded>();
  #sessions = 0;

  constructor(options: RoutedSharesOptions) {
    this.#options = options;
  }

  get sessionCount(): number {
    return this.#options.shares.sessionCount;
  }

  /** Sessions at other brokers. */
  get forwardedCount(): number {
    return this.#forwarded.size;
  }

  lockDurationMs(groupId: string): number {
    return this.#options.shares.lockDurationMs(groupId);
  }

  /** As `Shares.fetch`. `connection` ends the session when it is aborted. */
  async fetch(request: ShareFetchRequest, connection: AbortSignal): Promise<SharesFetched> {
    const { brokerId: front, shares, calls } = this.#options;
    const { groupId, memberId, epoch, maxWaitMs } = request;
    return this.#atCoordinator(
      request,
      (journal) => shares.fetch(request, { front, journal, connection, signal: connection }),
      async (journal) => {
        if (epoch === INITIAL_EPOCH) this.#begin(groupId, memberId, connection);
        const session = this.#sessionOf(request);
        const options = { timeoutMs: maxWaitMs + TIMEOUT_MS, signal: connection };
        const asked = calls.ask(journal, SHARES_FETCH, { journal, session, request }, options);
        const partitions = await asked.catch((cause) => {
          if (epoch === INITIAL_EPOCH && !isLost(cause)) this.#forgetRefused(request, session);
          throw cause;
        });
        if (epoch === FINAL_EPOCH) this.#forget(groupId, memberId);
        return { partitions, release: () => {} };
      },
    );
  }

  /** As `Shares.acknowledge`. */
  async acknowledge(request: ShareAcknowledgeWish): Promise<readonly AcknowledgeOutcome[]> {
    const { brokerId: front, shares, calls } = this.#options;
    return this.#atCoordinator<readonly AcknowledgeOutcome[]>(
      request,
      () => shares.acknowledge(request, front),
      async (journal) => {
        const wish = { journal, session: this.#sessionOf(request), request };
        const outcomes = await calls.ask(journal, SHARES_ACKNOWLEDGE, wish, { timeoutMs: TIMEOUT_MS });
        if (request.epoch === FINAL_EPOCH) this.#forget(request.groupId, request.memberId);
        return outcomes;
      },
    );
  }

  /**
   * Where the answer is lost it is not known what was done: the client begins a new session, and what the old one holds is
   * given back.
   */
  async #atCoordinator<T>(
    { groupId, memberId }: ShareAcknowledgeWish,
    here: (journal: Journal | null) => Promise<T>,
    elsewhere: (journal: number) => Promise<T>,
  ): Promise<T> {
    const { placements, calls, patience } = this.#options;
    if (calls.isAlone) return here(null);
    const owner = groupOwner(groupId);
    const attempt = async () => {
      const journal = await placements.recall(owner);
      try {
        return await (journal.role === 'leading' ? here(journal) : elsewhere(journal.id));
      } catch (cause) {
        if (!isLost(cause)) throw cause;
        this.#end(groupId, memberId);
        throw sessionLost(cause);
      }
    };
    try {
      return await patiently(patience, attempt, () => placements.mistrust(owner));
    } catch (cause) {
      throw isElsewhere(cause) ? sessionLost(cause) : cause;
    }
  }

  /** The coordinator opened no session: clients name members as they like, and each would be remembered here. */
  #forgetRefused(request: ShareAcknowledgeWish, session: number): void {
    if (this.#sessionOf(request) === session) this.#forget(request.groupId, request.memberId);
  }

  #sessionOf({ groupId, memberId }: ShareAcknowledgeWish): number {
    return this.#forwarded.get(keyOf(groupId, memberId))?.session ?? 0;
  }

  #begin(groupId: string, memberId: string, connection: AbortSignal): void {
    this.#forget(groupId, memberId);
    const session = ++this.#sessions;
    const onAbort = () => this.#end(groupId, memberId);
    connection.addEventListener('abort', onAbort, { once: true });
    const stopListening = () => connection.removeEventListener('abort', onAbort);
    this.#forwarded.set(keyOf(groupId, memberId), { groupId, memberId, session, connection, stopListening });
  }

  #forget(groupId: string, memberId: string): Forwarded | undefined {
    const forwarded = this.#forwarded.get(keyOf(groupId, memberId));
    forwarded?.stopListening();
    this.#forwarded.delete(keyOf(groupId, memberId));
    return forwarded;
  }

  /** Best effort: what is not given back is free when its lock ends. */
  #end(groupId: string, memberId: string): void {
    const forwarded = this.#forget(groupId, memberId);
    if (forwarded === undefined) return;
    const { placements, calls, patience } = this.#options;
    const owner = groupOwner(groupId);
    const attempt = async () => {
      const { id: journal } = await placements.recall(owner);
      const wish = { journal, session: forwarded.session, groupId, memberId };
      await calls.ask(journal, SHARES_END, wish, { timeoutMs: TIMEOUT_MS });
    };
    patiently(patience, attempt, () => placements.mistrust(owner)).catch((cause) => {
      const { logger } = patience.runtime;
      logger.debug({ groupId, memberId, cause: String(cause) }, 'a share session could not be ended');
    });
  }
}

const isLost = (cause: unknown): boolean => cause instanceof PeerUnavailableError && cause.sent;

const keyOf = (groupId: string, memberId: string): string => `${memberId}/${groupId}`;

const sessionLost = (cause: unknown): KafkaError =>
  new KafkaError('SHARE_SESSION_NOT_FOUND', 'the coordinator of the share group was not to be reached', { cause });

export type { FetchOutcome };
