/**
 * Clients of share groups that talk to other brokers: their sessions here, each with a signal that stands for the client's
 * connection there. It is aborted when that broker says so, begins anew, or is gone.
 */

import type { Members } from '../../cluster/members.ts';
import type { Placements } from '../../cluster/placements.ts';
import { KafkaError } from '../../errors.ts';
import type { Journal } from '../../journal/journal.ts';
import type { Journals } from '../../journal/journals.ts';
import type { PeerIdentity, RpcRegistry } from '../../rpc/method.ts';
import { linkSignals } from '../../runtime/linked-signals.ts';
import { requireLeading } from '../coordinator-error.ts';
import { groupOwner } from '../owner.ts';
import { type FrontSession, SHARES_ACKNOWLEDGE, SHARES_END, SHARES_FETCH } from './share-methods.ts';
import { FINAL_EPOCH, INITIAL_EPOCH } from './share-sessions.ts';
import type { ShareAcknowledgeWish, Shares } from './shares.ts';

export interface ShareFrontsOptions {
  readonly journals: Journals;
  readonly placements: Placements;
  readonly members: Members;
  readonly registry: RpcRegistry;
  readonly shares: Shares;
}

interface Connection {
  readonly session: number;
  readonly journal: Journal;
  readonly abort: AbortController;
}

type Client = Pick<ShareAcknowledgeWish, 'groupId' | 'memberId'>;

interface Front {
  readonly brokerEpoch: number;
  readonly connections: Map<string, Connection>;
}

export class ShareFronts {
  readonly #options: ShareFrontsOptions;
  readonly #fronts = new Map<number, Front>();
  readonly #stops: readonly (() => void)[];

  constructor(options: ShareFrontsOptions) {
    this.#options = options;
    const { journals, members, registry, shares } = options;
    this.#stops = [
      members.onChanged(() => this.#onMembers()),
      journals.whileLeading((journal) => () => this.#letGo(journal)),
    ];
    registry.handle(SHARES_FETCH, async ({ request, ...asked }, call) => {
      const journal = await this.#journalOf(asked, request.groupId);
      // Who has given up has told the end of its session already: one that is opened now would have none.
      call.signal.throwIfAborted();
      const connection = this.#connection(call.from, journal, asked.session, request);
      const { signal, unlink } = linkSignals(call.signal, connection);
      const client = { front: call.from.brokerId, journal, connection, signal };
      const fetched = await shares
        .fetch(request, client)
        .catch((cause) => {
          // Not opened, or not answered: whoever asked forgets it as well.
          if (request.epoch === INITIAL_EPOCH) this.#end(call.from, request, asked.session, 'it was not opened');
          throw cause;
        })
        .finally(unlink);
      call.onSent(() => fetched.release());
      return fetched.partitions;
    });
    registry.handle(SHARES_ACKNOWLEDGE, async ({ request, ...asked }, { from }) => {
      const journal = await this.#journalOf(asked, request.groupId);
      this.#connection(from, journal, asked.session, request);
      return shares.acknowledge(request, from.brokerId);
    });
    registry.handle(SHARES_END, ({ session, ...client }, { from }) => {
      this.#end(from, client, session, 'the connection of the client ended');
      return null;
    });
  }

  /** Clients of other brokers that have a session here. */
  get connectionCount(): number {
    let count = 0;
    for (const { connections } of this.#fronts.values()) count += connections.size;
    return count;
  }

  close(): void {
    for (const stop of this.#stops) stop();
    for (const brokerId of [...this.#fronts.keys()]) this.#lose(brokerId);
  }

  /** Throws NOT_COORDINATOR unless this broker leads the journal, and it is the group's. */
  async #journalOf({ journal: id }: FrontSession, groupId: string): Promise<Journal> {
    const { journals, placements } = this.#options;
    const journal = journals.get(id);
    if (journal === undefined) throw new KafkaError('NOT_COORDINATOR', `this broker does not know journal ${id}`);
    requireLeading(journal);
    if (journal.state.records(groupOwner(groupId)).size > 0) return journal;
    const { journal: home } = await placements.locate(groupOwner(groupId));
    if (home === journal) return requireLeading(journal);
    throw new KafkaError('NOT_COORDINATOR', `the group is kept by journal ${home.id}`);
  }

  /** Throws SHARE_SESSION_NOT_FOUND. */
  #connection(
    { brokerId, brokerEpoch }: PeerIdentity,
    journal: Journal,
    session: number,
    { groupId, memberId, epoch }: ShareAcknowledgeWish,
  ): AbortSignal {
    const key = keyOf(groupId, memberId);
    const standing = this.#fronts.get(brokerId);
    if (standing !== undefined && standing.brokerEpoch < brokerEpoch) this.#lose(brokerId);
    if (epoch === INITIAL_EPOCH) {
      const front = this.#fronts.get(brokerId) ?? { brokerEpoch, connections: new Map() };
      const abort = new AbortController();
      this.#fronts.set(brokerId, front);
      front.connections.set(key, { session, journal, abort });
      return abort.signal;
    }
    const connection = this.#fronts.get(brokerId)?.connections.get(key);
    if (connection?.session !== session) {
      throw new KafkaError('SHARE_SESSION_NOT_FOUND', `member ${memberId} has no share session by way of ${brokerId}`);
    }
    if (epoch === FINAL_EPOCH) this.#drop(brokerId, key);
    return connection.abort.signal;
  }

  #end({ brokerId }: PeerIdentity, { groupId, memberId }: Client, session: number, why: string): void {
    const key = keyOf(groupId, memberId);
    const connection = this.#fronts.get(brokerId)?.connections.get(key);
    if (connection?.session !== session) return;
    this.#drop(brokerId, key);
    connection.abort.abort(sessionOver(why));
  }

  /** One that was started again has other clients. */
  #onMembers(): void {
    const live = new Map(this.#options.members.live().map(({ brokerId, brokerEpoch }) => [brokerId, brokerEpoch]));
    for (const [brokerId, { brokerEpoch }] of [...this.#fronts]) {
      if ((live.get(brokerId) ?? Number.POSITIVE_INFINITY) > brokerEpoch) this.#lose(brokerId);
    }
  }

  /** Its clients have no connection any more. */
  #lose(brokerId: number): void {
    const front = this.#fronts.get(brokerId);
    this.#fronts.delete(brokerId);
    for (const { abort } of front?.connections.values() ?? []) abort.abort(sessionOver(`broker ${brokerId} is gone`));
  }

  /** Sessions end with the leadership (`Shares`). */
  #letGo(journal: Journal): void {
    for (const [brokerId, { connections }] of this.#fronts) {
      for (const [key, connection] of connections) if (connection.journal === journal) this.#drop(brokerId, key);
    }
  }

  #drop(brokerId: number, key: string): void {
    const front = this.#fronts.get(brokerId);
    front?.connections.delete(key);
    if (front?.connections.size === 0) this.#fronts.delete(brokerId);
  }
}

/** For whoever still waits for records. */
const sessionOver = (why: string): KafkaError => new KafkaError('SHARE_SESSION_NOT_FOUND', why);

const keyOf = (groupId: string, memberId: string): string => `${memberId}/${groupId}`;
